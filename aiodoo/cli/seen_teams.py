"""Keeps the ids of teams that commands have seen, for completion only; errors of the file are ignored."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from aiodoo import private_file
from aiodoo.errors import ConfigError

MOST = 5_000
"""Teams that are kept; those that were seen long ago are dropped."""


def _path() -> Path:
    from aiodoo.profiles import state_folder  # noqa: PLC0415  # loads what --help can do without

    return state_folder() / "teams"


def seen() -> list[tuple[str, str]]:
    """Return ids of teams with their profiles, those seen last first."""
    with suppress(OSError, ValueError, ConfigError):
        lines = _path().read_text(encoding="utf-8").splitlines()
        return [(team, profile) for team, _, profile in (line.partition("\t") for line in lines) if team]
    return []


def remember(teams: Iterable[tuple[str, str]]) -> None:
    """Keep ids of teams with the names of their profiles."""
    before = seen()
    known = set(before)
    if new := [pair for pair in dict.fromkeys(teams) if pair not in known]:
        lines = [f"{team}\t{profile}\n" for team, profile in (new + before)[:MOST]]
        with suppress(OSError, ValueError, ConfigError):
            path = _path()
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            private_file.write(path, "".join(lines).encode())
