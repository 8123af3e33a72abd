"""The ledger's file: one SQLite database for all processes of a host. It waits for locks, so it has a thread.

Everything that is read or written happens in one transaction that keeps other processes out, short enough for
them to wait for. The database holds one packed record for each account and one for the time, each with a
checksum, because SQLite notices damage to its own structure only.
"""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import attrs
import msgspec

from aiodoo.clock import Clock
from aiodoo.errors import ConfigError
from aiodoo.quota.ledger import Lane
from aiodoo.quota.limits import Limits
from aiodoo.quota.shared_books import QUIET, SharedBooks
from aiodoo.quota.timeline import Timeline
from aiodoo.quota.words import Word

logger = logging.getLogger("aiodoo.quota")

R = TypeVar("R")

BUSY = 5.0
"""Seconds that one try waits for other processes' locks."""
APPLICATION = 0x61646F6F
"""SQLite's application id of a ledger: "adoo"."""
VERSION = 1
TIME = "time"

_open: list[tuple[int, tuple[int, int]]] = []
"""Which process has which file open; SQLite keeps such a list itself, and takes the parent's locks for the child's own."""


class Busy(Exception):
    """Another process holds the file."""


@attrs.frozen
class Ask:
    """A process wants a slot."""

    holder: str
    """Names whoever asks; a new one for each account that is opened."""
    lane: Lane


@attrs.frozen
class Reply:
    """What an exchange brought. The instants are in the asking process's monotonic seconds."""

    books: SharedBooks
    """A copy; its instants are in the file's time."""
    origin: float
    """What makes the file's time of the monotonic clock's."""
    number: int | None
    """Of the request that may leave."""
    granted_at: float
    back_at: float | None
    """When to ask again; None if nobody asked, or the day is spent."""


@attrs.define
class LedgerFile:
    """The open file, or one still to be opened; to be used by one thread at a time."""

    path: Path
    _database: sqlite3.Connection | None = attrs.field(default=None, init=False)
    _identity: tuple[int, int] | None = attrs.field(default=None, init=False)
    _boot: str = attrs.field(default="", init=False)

    def exchange(
        self, account: str, limits: Limits, clock: Clock, said: Sequence[Word], ask: Ask | None
    ) -> Reply:
        """Write down what is said, then grant what is asked for or tell when to ask again.

        Raises:
            Busy: another process holds the file; nothing was written down.
            ConfigError: the file cannot be used, read or written, or the account is in use with other limits.
        """
        with self._transaction(clock, durable=ask is not None) as database:
            instants = self._boot, clock.monotonic(), clock.now().timestamp()
            time = _read(database, TIME, Timeline) or _begin(database, *instants)
            now = time.advance(*instants)
            name = f"account {account}"
            books = _read(database, name, SharedBooks) or SharedBooks(limits=limits, asked_at=now)
            self._agree(books, limits, now)
            for word in said:
                books.hear(word, time.origin)
            number = None if ask is None else books.ask(ask.holder, ask.lane, now)
            turn = None if ask is None else books.turns.get((ask.holder, ask.lane))
            _write(database, TIME, time)
            _write(database, name, books)
        return Reply(
            books=books,
            origin=time.origin,
            number=number,
            granted_at=now - time.origin,
            back_at=None if turn is None else turn.back_at - time.origin,
        )

    def close(self) -> None:
        """Close the file; the next exchange opens it again."""
        database, self._database = self._database, None
        if database is not None and self._identity is not None:
            _open.remove((os.getpid(), self._identity))
            with suppress(sqlite3.Error):
                database.close()

    @contextmanager
    def _transaction(self, clock: Clock, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """Open the file if need be, keep everybody else out, and write all or nothing.

        A request that is granted must count even if the power fails. What became of it may be forgotten then:
        without it the slot is held, and the day is charged, only longer.
        """
        try:
            database = self._database or self._open(clock)
            self._still_there()
            database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._explained(error) from None
        except (_Damaged, msgspec.MsgspecError, UnicodeError):
            # The last, because SQLite's words may quote the damage.
            self.close()
            raise self._damaged("what is in it is not what was written") from None
        except OSError as error:
            self.close()
            raise self._unusable(error.strerror or type(error).__name__) from None

    def _agree(self, books: SharedBooks, limits: Limits, now: float) -> None:
        if books.limits.shared() != limits.shared() and books.in_use(now):
            raise ConfigError(
                f"this API key is in use with other limits: {books.limits}, not {limits}, by another user of "
                f"{self.path}. Give every Session on it the same per_second, per_day and reserve; a change is "
                f"accepted when nobody has used the key for {QUIET / 60:.0f} minutes. Nothing was sent."
            )
        books.limits = limits

    # Opening.

    def _open(self, clock: Clock) -> sqlite3.Connection:
        """Open the file and look whether it is a ledger and whole; make it if there is none."""
        self._look()
        identity = _identity(self.path)
        if any(file == identity and process != os.getpid() for process, file in _open):
            raise self._unusable(
                "it was in use when this process was forked, and its locks did not come along; fork before the "
                "first request, or start processes by spawning"
            )
        database = sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw", uri=True, timeout=BUSY, isolation_level=None
        )
        try:
            self._check(database)
            database.execute("PRAGMA journal_mode = WAL")
            self._boot = clock.boot()
        except BaseException:
            database.close()
            raise
        self._database, self._identity = database, identity
        _open.append((os.getpid(), identity))
        return database

    def _look(self) -> None:
        """Make the file if there is none; refuse what is no plain file of its own."""
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            self._make()
            found = self.path.lstat()
        if stat.S_ISLNK(found.st_mode):
            raise self._unusable("it is a symbolic link")
        if not stat.S_ISREG(found.st_mode):
            raise self._unusable("it is not a file")
        if found.st_size == 0:
            raise self._damaged("it is empty")
        if found.st_mode & 0o077 and os.name == "posix":
            logger.warning(
                "the quota ledger %s is open to other users of this host (mode %o); it holds no secret, but "
                "whoever can write to it can spoil the quota",
                self.path,
                stat.S_IMODE(found.st_mode),
            )

    def _make(self) -> None:
        """Make the file whole under another name, so that nobody ever sees half of it."""
        folder = self.path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = folder / f".{self.path.name}.{secrets.token_hex(8)}"
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            with closing(sqlite3.connect(new, isolation_level=None)) as database:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = FULL")
                database.execute(f"PRAGMA application_id = {APPLICATION}")
                database.execute(f"PRAGMA user_version = {VERSION}")
                database.execute(
                    "CREATE TABLE record (name TEXT PRIMARY KEY, content BLOB NOT NULL, crc INTEGER NOT NULL)"
                )
            try:
                os.link(new, self.path)
            except FileExistsError:
                return
        finally:
            new.unlink(missing_ok=True)
        _sync(folder)

    def _check(self, database: sqlite3.Connection) -> None:
        """Refuse what is not a ledger, of another version, or damaged."""
        if database.execute("PRAGMA application_id").fetchone() != (APPLICATION,):
            raise self._unusable("it is another program's database")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            raise self._unusable(
                f"it is of version {version}, and this aiodoo knows {VERSION}; use the newer aiodoo everywhere"
            )
        (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise _Damaged

    def _still_there(self) -> None:
        """Refuse to go on if others, who open the path, would see another file."""
        try:
            same = _identity(self.path) == self._identity
        except FileNotFoundError:
            same = False
        if not same:
            raise self._unusable(
                "it was moved, removed or replaced while in use; put it back, or end every process that uses it"
            )

    # What to say.

    def _explained(self, error: sqlite3.Error) -> Exception:
        """Return what to raise for an error of SQLite's."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}:
            return Busy()
        self.close()
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}:
            return self._damaged(str(error))
        if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
            return self._unusable(str(error))
        return ConfigError(
            f"the quota ledger {self.path} could not be written ({error}); nothing was sent. Make room for "
            "it, and try again."
        )

    def _unusable(self, why: str) -> ConfigError:
        return ConfigError(f"the quota ledger {self.path} cannot be used: {why}; nothing was sent")

    def _damaged(self, why: str) -> ConfigError:
        return ConfigError(
            f"the quota ledger {self.path} is damaged or no ledger: {why}; nothing was sent. To begin a new "
            "one, end every process that uses it and move it away together with its -wal and -shm files; the "
            "new one knows nothing of the last 24 hours, so wait a day or allow fewer requests until then."
        )


class _Damaged(Exception):
    """A record is missing or not what was written."""


def _read(database: sqlite3.Connection, name: str, kind: type[R]) -> R | None:
    """Read a record; None if there is none."""
    row = database.execute("SELECT content, crc FROM record WHERE name = ?", (name,)).fetchone()
    if row is None:
        return None
    content, crc = row
    if not isinstance(content, bytes) or zlib.crc32(content) != crc:
        raise _Damaged
    return msgspec.msgpack.decode(content, type=kind)


def _begin(database: sqlite3.Connection, boot: str, monotonic: float, wall: float) -> Timeline:
    """Return the time of a new file; it begins where the monotonic clock is."""
    if database.execute("SELECT count(*) FROM record").fetchone() != (0,):
        raise _Damaged
    return Timeline(boot, monotonic, wall, monotonic)


def _write(database: sqlite3.Connection, name: str, record: object) -> None:
    content = msgspec.msgpack.encode(record)
    database.execute(
        "INSERT INTO record VALUES (?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET content = excluded.content, crc = excluded.crc",
        (name, content, zlib.crc32(content)),
    )


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _sync(folder: Path) -> None:
    """Have a new name in a folder survive a power failure, where folders can be synced."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
