"""The state folder, with the quota ledger, tokens and the records of runs; commands that only read do without it."""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from aiodoo.cli.terminal.messages import Messages
from aiodoo.errors import ConfigError

if TYPE_CHECKING:
    from aiodoo.quota import SQLite
    from aiodoo.quota.ledger import Ledger as QuotaLedger

Ledger: TypeAlias = Literal["itself", "known", "any"]

ROOM = 28 << 10
"""Bytes that the state folder must have room for: an exchange with the ledger, and a token."""


def why_unwritable() -> str | None:
    """Return why the state folder cannot be written, after creating it if necessary; None if it can be."""
    from aiodoo import profiles  # noqa: PLC0415  # loads what --help can do without

    folder, ledger = profiles.state_folder(), profiles.ledger_path()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        return f"{folder} cannot be made: {error.strerror}"
    try:
        _try_room(folder, ROOM)
    except OSError as error:
        return f"{folder} cannot be written: {error.strerror}"
    if ledger.exists() and not os.access(ledger, os.W_OK):
        return f"{ledger} cannot be written: it is read-only"
    return None


def _try_room(folder: Path, room: int) -> None:
    """Write a file of so many bytes and remove it, as only that shows whether a disk or a quota is full."""
    probe = folder / f".room-{os.getpid()}"
    descriptor = os.open(probe, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        if os.write(descriptor, bytes(room)) < room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)
        probe.unlink(missing_ok=True)


def one_ledger() -> QuotaLedger:
    """Return the ledger for a session that is opened without a profile; in memory where the folder cannot be written."""
    from aiodoo import profiles  # noqa: PLC0415  # --help does without
    from aiodoo.profiles.shared_ledger import ledger_is_named  # noqa: PLC0415
    from aiodoo.quota import Memory  # noqa: PLC0415

    if why_unwritable() is not None and not ledger_is_named():
        return Memory()
    return profiles.shared_ledger()


def session_options(talk: Messages, stack: ExitStack, *, ledger: Ledger = "any") -> dict[str, Any]:
    """Return the options of sessions that keep their state there.

    Where the folder cannot be written, sessions count in a copy of the ledger, which knows what was sent so far.

    Args:
        talk: says so in that case.
        stack: removes the copy when it is closed.
        ledger: what the command needs: the ledger itself, what it knows, or neither.

    Raises:
        ConfigError: the command needs what the ledger knows, and it cannot be read.
    """
    import sqlite3  # noqa: PLC0415  # --help does without

    from aiodoo import FileTokens, profiles  # noqa: PLC0415
    from aiodoo.profiles.shared_ledger import ledger_is_named  # noqa: PLC0415
    from aiodoo.quota import Memory  # noqa: PLC0415

    why = why_unwritable()
    if why is None:
        return {"token_store": FileTokens(profiles.tokens_folder())}
    if ledger_is_named():
        return {"quota": profiles.shared_ledger()}
    if ledger == "itself":
        return {}
    path = profiles.ledger_path()
    remedy = "Mend that, or set XDG_STATE_HOME to another folder."
    try:
        copy = _copied(path, stack)
    except (OSError, sqlite3.Error) as error:
        unread = f"the quota ledger {path} cannot be read: {getattr(error, 'strerror', None) or error}"
        if ledger == "known":
            raise ConfigError(f"{unread}; it is not known what is left of the quota") from None
        talk.say(
            f"{why}, and {unread}, so that the quota that other processes use is not known. {remedy}",
            level="warning",
        )
        return {"quota": Memory()}
    lost = (
        "what was sent meanwhile is not counted"
        if ledger == "known"
        else "what this command sends is not counted later, and no token is kept"
    )
    talk.say(f"{why}; {lost}. {remedy}", level="warning")
    return {"quota": Memory() if copy is None else copy}


def _copied(path: Path, stack: ExitStack) -> SQLite | None:
    """Return a copy of the ledger, which is removed with the stack; None if there is no ledger.

    Raises:
        OSError, sqlite3.Error: the ledger cannot be read, or there is no room for a copy anywhere.
    """
    import sqlite3  # noqa: PLC0415  # --help does without
    import tempfile  # noqa: PLC0415

    from aiodoo.quota import SQLite  # noqa: PLC0415
    from aiodoo.quota.living_runs import LivingOnHost  # noqa: PLC0415

    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=_folder_with_room(size))))
    copy = folder / path.name
    copy.touch(mode=0o600)
    with (
        closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as original,
        closing(sqlite3.connect(copy)) as target,
    ):
        original.backup(target)
    return SQLite(copy, living=LivingOnHost(copy, original=path))


def _folder_with_room(room: int) -> str:
    """Return a folder for temporary files; memory, where the disk is full.

    Raises:
        OSError: there is none with room.
    """
    import tempfile  # noqa: PLC0415  # --help does without

    for find in (tempfile.gettempdir, lambda: "/dev/shm"):  # noqa: S108  # a folder of our own is made in it
        with suppress(OSError):
            folder = find()
            _try_room(Path(folder), room)
            return folder
    raise OSError(errno.ENOSPC, "there is no room for a copy of it")


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
