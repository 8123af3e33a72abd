"""Reads the file with the profiles as tables; error messages name its keys and show no values."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from aiodoo.errors import ConfigError

MOST = 64 << 20
"""Bytes beyond which it is no such file; one with 6,000 profiles has 1.5 MiB."""

NO_NAME = "must be a name of 1 to 64 of the characters A-Z a-z 0-9 _ -"
"""What is wrong with the name of a profile that is none."""


def is_name(name: str) -> bool:
    """Return whether a profile may have this name."""
    return re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) is not None


@attrs.frozen
class Table:
    """One table of the file.

    Attributes:
        file: the path of the file.
        place: the name of the table, such as `profiles.acme`.
        content: the keys and values.
    """

    file: Path
    place: str
    content: Mapping[str, Any]

    def wrong(self, key: str, what: str) -> ConfigError:
        """Return the error for a key; `what` says what is wrong and what is allowed."""
        at = f"{self.place}.{key}" if self.place else key
        return ConfigError(f"{self.file}: {at} {what}; nothing was sent")

    def table(self, key: str) -> Table:
        """Return a table within this one; an empty one if there is none."""
        found = self.content.get(key, {})
        if not isinstance(found, dict):
            raise self.wrong(key, "must be a table")
        return Table(self.file, f"{self.place}.{key}" if self.place else key, found)

    def knows_only(self, *known: str) -> None:
        """Raise ConfigError if there is a key of another name."""
        for key in self.content:
            if key not in known:
                raise self.wrong(key, f"is not known; what can be set here is {', '.join(known)}")

    def text(self, key: str) -> str | None:
        """Return a text; None if there is no such key."""
        found = self.content.get(key)
        if found is not None and not (isinstance(found, str) and found):
            raise self.wrong(key, "must be a text that is not empty")
        return found


def read(path: Path) -> tuple[Table, int] | None:
    """Return the content of the file and its permission bits; None if there is no such file.

    Raises:
        ConfigError: the file cannot be read, or is not TOML.
    """
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            content = file.read(MOST + 1)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ConfigError(f"{path} cannot be read: {reason}; nothing was sent") from None
    if not stat.S_ISREG(found.st_mode) or len(content) > MOST:
        raise ConfigError(f"{path} is no file of profiles; nothing was sent")
    return Table(path, "", parse(path, content)), stat.S_IMODE(found.st_mode)


def check_writers(path: Path, mode: int) -> None:
    """Refuse a file that other users can write or replace, as they could have credentials sent to a host of theirs.

    Args:
        path: the file.
        mode: its permission bits.

    Raises:
        ConfigError: they can.
    """
    if os.name != "posix":
        return
    folder = path.resolve().parent
    around = stat.S_IMODE(folder.stat().st_mode)
    for what, bits in ((path, mode), (folder, 0 if around & stat.S_ISVTX else around)):
        if bits & 0o022:
            raise ConfigError(
                f"{what} can be changed by other users of this machine (mode {bits:o}), who could have your credentials "
                f"sent elsewhere; nothing was sent. Run `chmod go-w {what}`"
            )


def parse(path: Path, content: bytes) -> dict[str, Any]:
    """Return the parsed TOML.

    Raises:
        ConfigError: it is not TOML. The message has line and column.
    """
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}: line {line} is not UTF-8; nothing was sent") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {_reason(str(error))}; nothing was sent") from None
    except (ValueError, RecursionError):
        raise ConfigError(
            f"{path} has a number that is too long, or is nested too deeply; nothing was sent"
        ) from None


def _reason(words: str) -> str:
    """Return the reason and position of a TOML error, without the text that it quotes."""
    what, _, where = words.rpartition(" (at ")
    if what.endswith(" twice"):
        return f"a table or a key is there a second time at {where.rstrip(')')}"
    shown = "cannot be read" if re.search(r"['\"]", what) else what[:1].lower() + what[1:]
    return f"{shown} at {where.rstrip(')')}"
