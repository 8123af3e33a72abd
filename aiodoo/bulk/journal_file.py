"""The file behind a journal: an SQLite database that one run at a time writes and anybody reads.

Every row carries a checksum. What is written is on the disk (`synchronous=FULL`) when `write` returns.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from aiodoo.errors import JournalError, JournalLocked, JournalMismatch, JournalWriteFailed

SCHEMA = 1

Row = tuple[str, str, Any]
"""A kind, a key within it, and the value to keep, as plain JSON."""


class JournalFile:
    """One open journal.

    Args:
        path: of the database; a lock file lies beside it.
        write: whether to lock it for a run; reading needs no lock and sees a run that goes on.

    Raises:
        JournalLocked: another run holds it.
        JournalMismatch: a newer version of aiodoo wrote it.
        JournalError: it is no journal, damaged, a symlink, or cannot be opened.
    """

    def __init__(self, path: Path, *, write: bool) -> None:
        self._path = path
        self._lock = self._take_lock() if write else None
        try:
            self._database = self._open(write=write)
            self._check_schema(write=write)
        except BaseException:
            self._drop_lock()
            raise

    def read(self, kind: str) -> dict[str, Any]:
        """Return everything of one kind, by its key.

        Raises:
            JournalError: a row is damaged.
        """
        try:
            rows = self._database.execute("SELECT key, value, seal FROM kept WHERE kind = ?", (kind,))
            return {key: self._unsealed(kind, key, value, seal) for key, value, seal in rows}
        except sqlite3.Error as error:
            raise self.damaged(error) from None

    def write(self, rows: Iterable[Row]) -> None:
        """Keep rows, all or none, in place of what had their keys.

        Raises:
            JournalWriteFailed: they are not kept.
        """
        sealed = []
        for kind, key, value in rows:
            text = msgspec.json.encode(value).decode()
            sealed.append((kind, key, text, _seal(kind, key, text)))
        try:
            with self._database:
                self._database.executemany(
                    "INSERT INTO kept (kind, key, value, seal) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value, seal = excluded.seal",
                    sealed,
                )
        except sqlite3.Error as error:
            raise JournalWriteFailed(
                f"the journal {self._path} could not be written ({error}); nothing more was sent. Make room or mend "
                "the disk, then run again with the same journal"
            ) from None

    def close(self) -> None:
        """Close it and let the next run have it."""
        self._database.close()
        self._drop_lock()

    def _open(self, *, write: bool) -> sqlite3.Connection:
        flags = os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_RDWR | os.O_CREAT if write else os.O_RDONLY)
        try:
            descriptor = os.open(self._path, flags, 0o600)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise JournalError(f"the journal {self._path} is not a file; nothing was sent")
            finally:
                os.close(descriptor)
            mode = "rw" if write else "ro"
            uri = f"{self._path.absolute().as_uri()}?mode={mode}"
            database = sqlite3.connect(uri, uri=True, timeout=5.0, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            raise JournalError(
                f"the journal {self._path} cannot be opened: {reason}; nothing was sent"
            ) from None
        return database

    def _check_schema(self, *, write: bool) -> None:
        try:
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            (tables,) = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if write:
                self._database.execute("PRAGMA journal_mode = WAL")
                self._database.execute("PRAGMA synchronous = FULL")
            if write and not version and not tables:
                with self._database:
                    self._database.execute(
                        "CREATE TABLE kept (kind TEXT, key TEXT, value TEXT, seal INTEGER, PRIMARY KEY (kind, key))"
                    )
                    self._database.execute(f"PRAGMA user_version = {SCHEMA}")
                return
            (verdict,) = self._database.execute("PRAGMA integrity_check").fetchone()
        except sqlite3.Error as error:
            self._database.close()
            raise self.damaged(error) from None
        if version > SCHEMA:
            self._database.close()
            raise JournalMismatch(
                f"the journal {self._path} was written by a newer version of aiodoo (schema {version}); nothing was "
                "sent. Use that version"
            )
        if version != SCHEMA or verdict != "ok":
            self._database.close()
            raise self.damaged(verdict if verdict != "ok" else "it is no journal")

    def _unsealed(self, kind: str, key: str, value: str, seal: int) -> Any:
        if _seal(kind, key, value) != seal:
            raise self.damaged(f"the row {kind} {key} is not as it was written")
        return msgspec.json.decode(value)

    def damaged(self, why: object) -> JournalError:
        """Return the error for a journal that cannot be trusted."""
        return JournalError(
            f"the journal {self._path} is damaged or none ({why}); nothing was sent. List the teams to see what was "
            "done, and begin a new run with bulk.run([Ensure(...), ...])"
        )

    def _take_lock(self) -> int:
        path = self._path.with_name(self._path.name + ".lock")
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalError(
                f"{path} cannot be opened: {os.strerror(error.errno or 0)}; nothing was sent"
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = os.fstat(lock).st_ino == path.stat().st_ino
        except OSError:
            locked = False
        if not locked:
            holder = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
            os.close(lock)
            raise JournalLocked(
                f"the journal {self._path} is in use by the process {holder}; nothing was sent. Wait for it, or stop it"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        return lock

    def _drop_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _seal(kind: str, key: str, text: str) -> int:
    return zlib.crc32(f"{kind}\0{key}\0{text}".encode())
