"""Replaces a damaged ledger: the old file is renamed, and the new one counts the day as spent.

There is always a file with the ledger's name, as another process would otherwise create one with an unused day.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import attrs
import msgspec

from aiodoo.clock import Clock
from aiodoo.errors import ConfigError
from aiodoo.quota.claims import Claim, shown
from aiodoo.quota.day_window import DAY
from aiodoo.quota.exchange import Busy
from aiodoo.quota.file_time import FileTime
from aiodoo.quota.hold import Living
from aiodoo.quota.sqlite_file import DamagedLedger, LedgerFile
from aiodoo.quota.sqlite_making import SIDE_FILES, image, one_at_a_time, sync_folder
from aiodoo.quota.sqlite_rows import ClaimRows, Damaged, Head, known_accounts
from aiodoo.quota.updates import Finished

_UNREADABLE = (sqlite3.Error, Damaged, msgspec.MsgspecError, UnicodeError, TypeError)
"""Exceptions from reading a damaged file."""


@attrs.frozen(kw_only=True)
class Reset:
    """The result of resetting a damaged ledger.

    Attributes:
        aside: the new path of the damaged file; None if the file was intact, and only its day was made free again.
        day_spent: whether the new file counts the day as spent.
        claims: the runs whose claims are lost, as far as they could be read; there may be others.
    """

    aside: Path | None
    day_spent: bool
    claims: Sequence[Claim]


def reset(path: Path, living: Living, clock: Clock, *, day_spent: bool) -> Reset:
    """Replace a damaged ledger by a new one; see `SQLite.reset`."""
    with _alone(path):
        return _reset(path, living, clock, day_spent=day_spent)


def is_damaged(path: Path, living: Living, clock: Clock, *, day_spent: bool) -> bool:
    """Return whether `reset` would replace a ledger; see `SQLite.check_reset`."""
    with _alone(path):
        begun = _begun_before(path) is not None
        damaged = begun or _is_damaged(path, living, clock, day_spent=day_spent)
        _check_users(path, living)
        return damaged


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    try:
        if not path.is_file() or path.is_symlink():
            raise _refused(path, "there is no such file")
        with one_at_a_time(path.parent):
            yield
    except OSError as error:
        raise _refused(path, f"it cannot be put aside ({error.strerror or type(error).__name__})") from None


def _check_users(path: Path, living: Living) -> None:
    users = [*_runs(path, living), *_processes(path)]
    if users:
        raise _refused(path, f"it is in use by {', '.join(users)}; end that first")


def _reset(path: Path, living: Living, clock: Clock, *, day_spent: bool) -> Reset:
    begun = _begun_before(path)
    damaged = begun is not None or _is_damaged(path, living, clock, day_spent=day_spent)
    _check_users(path, living)
    if not damaged:
        with closing(LedgerFile(path, living)) as file:
            file.lift(clock)
        return Reset(aside=None, day_spent=False, claims=())
    accounts = _accounts(path)
    claims = _claims(path)
    time = f"{clock.now():%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
    aside = begun or path.with_name(f"{path.name}.damaged-{time}")
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write(new, _content(clock, accounts, day_spent=day_spent))
        if begun is None:
            aside.hardlink_to(path)
        for end in SIDE_FILES:
            with suppress(FileNotFoundError):
                path.with_name(path.name + end).replace(aside.with_name(aside.name + end))
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    sync_folder(path.parent)
    return Reset(aside=aside, day_spent=day_spent, claims=claims)


def _begun_before(path: Path) -> Path | None:
    """Return the new path from a reset that was killed, after which the file has two names."""
    found = path.lstat()
    names = path.parent.glob(f"{path.name}.damaged-*") if found.st_nlink > 1 else ()
    return next((name for name in names if name.lstat().st_ino == found.st_ino), None)


def _is_damaged(path: Path, living: Living, clock: Clock, *, day_spent: bool) -> bool:
    """Return whether the file is damaged; raise ConfigError if it is intact, unless only its day is to be made free again."""
    file = LedgerFile(path, living)
    try:
        # An update without effect, to check that the file can be written.
        file.say(Finished("", 0), clock)
        if not day_spent and file.lift(clock, only_look=True):
            return False
    except DamagedLedger:
        return True
    except Busy:
        raise _refused(path, "another process holds it; end that first") from None
    finally:
        file.close()
    raise _refused(path, "it is whole")


def _runs(path: Path, living: Living) -> Iterator[str]:
    for name in path.parent.glob(f"{path.name}.run-*"):
        run = name.name.rpartition("-")[2]
        if living.alive(run):
            yield f"the run {run}"


def _processes(path: Path) -> Iterator[str]:
    """Find the processes that have the file open; without /proc, these get an error at their next exchange."""
    found = path.stat()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    if os.path.samestat(descriptor.stat(), found):
                        yield f"the process {process.name}"
                        break


def _opened(path: Path) -> sqlite3.Connection:
    """Open the damaged file read-only, without rolling back an interrupted transaction."""
    return sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)


def _accounts(path: Path) -> list[str] | None:
    """Return the accounts of the damaged file; None if they cannot be read."""
    if path.with_name(f"{path.name}-journal").exists():
        return None
    try:
        with closing(_opened(path)) as database:
            return known_accounts(database)
    except _UNREADABLE:
        return None


def _claims(path: Path) -> list[Claim]:
    """Return the claims of the damaged file, as far as they can be read."""
    found: list[Claim] = []
    with suppress(sqlite3.Error), closing(_opened(path)) as database:
        rows = ClaimRows(database, Head(FileTime("", 0.0, 0.0, 0.0)))
        for (name,) in database.execute("SELECT name FROM record WHERE name LIKE 'run %'").fetchall():
            with suppress(*_UNREADABLE):
                record = rows.record(name.removeprefix("run "))
                if record is not None and not record.abandoned:
                    found.append(shown(record, rows, lambda _: False))
    return found


def _content(clock: Clock, accounts: list[str] | None, *, day_spent: bool) -> bytes:
    """Return the content of the new file."""
    monotonic = clock.monotonic()
    time = FileTime(clock.boot(), monotonic, clock.now().timestamp(), monotonic)
    if not day_spent:
        return image(Head(time))
    return image(Head(time, spent_until=time.now + DAY, spent_for=accounts))


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123  # a descriptor
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _refused(path: Path, why: str) -> ConfigError:
    return ConfigError(f"the quota ledger {path} was not reset: {why}; nothing was changed")
