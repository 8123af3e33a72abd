"""The state folder, with the quota ledger, tokens and the records of runs; commands that only read do without it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from aiodoo.cli.terminal.messages import Messages
from aiodoo.errors import ConfigError


def why_unwritable() -> str | None:
    """Return why the state folder cannot be written, after creating it if necessary; None if it can be."""
    from aiodoo import profiles  # noqa: PLC0415  # loads what --help can do without

    folder, ledger = profiles.state_folder(), profiles.ledger_path()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        return f"{folder} cannot be made: {error.strerror}"
    for path in (folder, ledger):
        if path.exists() and not _may_be_written(path):
            return f"{path} cannot be written"
    return None


def _may_be_written(path: Path) -> bool:
    return os.access(path, os.W_OK | os.X_OK if path.is_dir() else os.W_OK)


def session_options(talk: Messages, *, ledger: bool = False) -> dict[str, Any]:
    """Return the options of sessions that keep their state there; without the folder, each process counts for itself.

    Args:
        talk: says so in that case.
        ledger: whether the command needs the ledger, so that opening it may fail.
    """
    from aiodoo import FileTokens, profiles  # noqa: PLC0415  # load what --help can do without
    from aiodoo.quota import Memory  # noqa: PLC0415

    why = why_unwritable()
    if why is None:
        return {"token_store": FileTokens(profiles.tokens_folder())}
    if ledger:
        return {}
    talk.say(
        f"{why}; the quota that other processes use is not known, and no token is kept. Set XDG_STATE_HOME to another "
        "folder.",
        level="warning",
    )
    return {"quota": Memory()}


def check_recordable() -> None:
    """Refuse a change that would leave no record.

    Raises:
        ConfigError: the state folder cannot be written.
    """
    if (why := why_unwritable()) is not None:
        raise ConfigError(
            f"{why}, so there would be no record to resume or undo this change with; nothing was sent. Set "
            "XDG_STATE_HOME to another folder, or use --no-record"
        )
