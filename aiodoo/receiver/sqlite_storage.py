"""The storage of a receiver in a SQLite file, shared by the processes of a host."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from aiodoo.checks import check_kind
from aiodoo.errors import ConfigError
from aiodoo.offload import ThreadWorker
from aiodoo.receiver.storage import NEVER, State, StoredDelivery

T = TypeVar("T")

_APPLICATION = 0x646F6F72
_VERSION = 1
_PATIENCE = 30.0
"""Seconds for which a lock of another process is waited for."""

_PREPARATION = (
    "CREATE TABLE IF NOT EXISTS token (digest BLOB PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS handled (key TEXT PRIMARY KEY, done INTEGER NOT NULL, until REAL NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS delivery (id INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, body BLOB NOT NULL,
    received REAL NOT NULL, attempt INTEGER NOT NULL, due REAL NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS token_until ON token (until)",
    "CREATE INDEX IF NOT EXISTS handled_until ON handled (until)",
    "CREATE INDEX IF NOT EXISTS delivery_due ON delivery (due)",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {_VERSION}",
)


class SQLiteStorage:
    """Keeps tokens, keys and deliveries in a file, so that they survive a restart and are shared by processes.

    The file holds payloads, so only its owner can read it. Tokens are stored as digests.

    Args:
        path: the file, on a local disk; it is created if it does not exist.

    Raises:
        ConfigError: when it is first used, if the file cannot be opened or is another program's.
    """

    __slots__ = ("_file", "_path")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        check_kind(path, "path", (str, os.PathLike), "a path")
        self._path = Path(os.fsdecode(path)).absolute()
        self._file = _File(self._path)

    async def _do(self, work: Callable[[sqlite3.Connection], T], *, lasting: bool = False) -> T:
        return await self._file.do(work, lasting=lasting)

    async def add_token(self, digest: bytes, *, now: float, until: float) -> None:
        """Store the digest of an issued token."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM token WHERE until <= ?", (now,))
            connection.execute("INSERT OR REPLACE INTO token VALUES (?, ?)", (digest, until))

        await self._do(work)

    async def has_token(self, digest: bytes, *, now: float) -> bool:
        """Return whether a token with that digest is valid."""

        def work(connection: sqlite3.Connection) -> bool:
            query = "SELECT 1 FROM token WHERE digest = ? AND until > ?"
            return connection.execute(query, (digest, now)).fetchone() is not None

        return await self._do(work)

    async def begin(self, key: str, *, now: float, until: float) -> State:
        """Mark a key as being handled, and return its state before."""

        def work(connection: sqlite3.Connection) -> State:
            query = "SELECT done FROM handled WHERE key = ? AND until > ?"
            found = connection.execute(query, (key, now)).fetchone()
            if found is not None:
                return "done" if found[0] else "running"
            _mark(connection, key, 0, now, until)
            return "new"

        return await self._do(work)

    async def finish(self, key: str, *, now: float, until: float) -> None:
        """Mark a key as handled."""
        await self._do(lambda connection: _mark(connection, key, 1, now, until))

    async def forget(self, key: str) -> None:
        """Remove the mark of a key."""
        await self._run("DELETE FROM handled WHERE key = ?", key)

    async def put(self, delivery: StoredDelivery) -> None:
        """Store a delivery; returns when it is on the disk."""
        statement = "INSERT INTO delivery (type, body, received, attempt, due) VALUES (?, ?, ?, 0, ?)"
        values = delivery.type, delivery.body, delivery.received, delivery.received
        await self._do(lambda connection: connection.execute(statement, values), lasting=True)

    async def take(self, *, now: float, until: float) -> StoredDelivery | None:
        """Return the oldest delivery that is due, and lend it until that time."""

        def work(connection: sqlite3.Connection) -> StoredDelivery | None:
            found = connection.execute(
                "SELECT id, type, body, received, attempt FROM delivery WHERE due <= ? ORDER BY due, id LIMIT 1",
                (now,),
            ).fetchone()
            if found is None:
                return None
            connection.execute(
                "UPDATE delivery SET attempt = attempt + 1, due = ? WHERE id = ?", (until, found[0])
            )
            return _stored((*found[:4], found[4] + 1))

        return await self._do(work)

    async def remove(self, delivery: StoredDelivery) -> None:
        """Remove a delivery that was handled."""
        await self._run("DELETE FROM delivery WHERE id = ?", delivery.id)

    async def postpone(self, delivery: StoredDelivery, *, due: float) -> None:
        """Make a delivery due again at that time."""
        await self._run("UPDATE delivery SET due = ? WHERE id = ?", due, delivery.id)

    async def failed(self) -> list[StoredDelivery]:
        """Return the deliveries that were tried often enough in vain."""

        def work(connection: sqlite3.Connection) -> list[StoredDelivery]:
            query = "SELECT id, type, body, received, attempt FROM delivery WHERE due = ? ORDER BY id"
            return [_stored(row) for row in connection.execute(query, (NEVER,))]

        return await self._do(work)

    async def retry_failed(self, *, now: float) -> int:
        """Make the failed deliveries due again."""
        return await self._run("UPDATE delivery SET due = ?, attempt = 0 WHERE due = ?", now, NEVER)

    async def _run(self, statement: str, *values: object) -> int:
        return await self._do(lambda connection: connection.execute(statement, values).rowcount)

    async def close(self) -> None:
        """Close the file and end its thread; it is opened again when it is used again."""
        file, self._file = self._file, _File(self._path)
        await file.close()


class _File:
    """The open file, with its thread."""

    __slots__ = ("_connection", "_path", "_used", "_worker")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._used = False
        self._connection: sqlite3.Connection | None = None
        self._worker = ThreadWorker("aiodoo-receiver")

    async def do(self, work: Callable[[sqlite3.Connection], T], *, lasting: bool) -> T:
        self._used = True
        return await self._worker.do(lambda: self._transaction(work, lasting))

    def _transaction(self, work: Callable[[sqlite3.Connection], T], lasting: bool) -> T:  # noqa: FBT001  # of `do`
        if self._connection is None:
            self._connection = _open(self._path)
        connection = self._connection
        # A delivery that is acknowledged survives a power failure; what else is lost by one, doo sends or asks for again.
        connection.execute(f"PRAGMA synchronous = {'FULL' if lasting else 'NORMAL'}")
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            return work(connection)

    async def close(self) -> None:
        if self._used:
            await self._worker.do(self._disconnect)
        await self._worker.close()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _open(path: Path) -> sqlite3.Connection:
    """Open the file and create what it lacks."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path)
        except BaseException:  # an interrupt too
            connection.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(
            f"{path} cannot be used as the storage of a receiver ({error}); name a file on a local disk."
        ) from None
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Create what the file lacks at once, as other processes may open it meanwhile, and this one may die."""
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        _check(connection, path)
        for statement in _PREPARATION:
            connection.execute(statement)
    _write_ahead(connection)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Let reads and a write happen at the same time; SQLite itself does not wait here while another process has a lock."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= end:
                raise
            time.sleep(0.01)
        else:
            return


def _check(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != _APPLICATION and tables:
        raise ConfigError(f"{path} is a database of another program; nothing was changed. Name another file.")
    if application == _APPLICATION and version > _VERSION:
        raise ConfigError(
            f"{path} was written by a newer version of aiodoo; nothing was changed. Use that version, or name another "
            "file."
        )


def _mark(connection: sqlite3.Connection, key: str, done: int, now: float, until: float) -> None:
    connection.execute("DELETE FROM handled WHERE until <= ?", (now,))
    connection.execute("INSERT OR REPLACE INTO handled VALUES (?, ?, ?)", (key, done, until))


def _stored(row: tuple[int, str, bytes, float, int]) -> StoredDelivery:
    number, type_, body, received, attempt = row
    return StoredDelivery(id=number, type=type_, body=body, received=received, attempt=attempt)
