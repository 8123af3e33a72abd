"""Reads the journals of earlier versions of aiodoo, which were SQLite databases.

Every row has a checksum. A lock file beside the database is locked while a run of an earlier version uses it.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec

from aiodoo.bulk.journal import place, refusals
from aiodoo.bulk.journal.store import Content
from aiodoo.checks import printable
from aiodoo.errors import JournalError

NEWEST = 2
"""The newest version of this format; it added markers and encrypted secrets."""

OLDEST = 1
"""The oldest version that can be resumed."""

PATIENCE = 1.0
"""Seconds to wait for another program that has locked the database."""

_MAGIC = b"SQLite format 3\0"
_OF_THE_DISK = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class SQLiteJournal:
    """A journal of an earlier version.

    Args:
        path: the path of the database.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: int | None = None

    @staticmethod
    def is_at(path: Path) -> bool:
        """Return whether the file at a path is an SQLite database.

        Raises:
            Misplaced: it is not a regular file.
            OSError: it cannot be opened.
        """
        descriptor = place.opened(path, write=False)
        try:
            return os.pread(descriptor, len(_MAGIC), 0) == _MAGIC
        finally:
            os.close(descriptor)

    def open(self) -> Content:
        """Lock it, so that no earlier version resumes its run, and return its content.

        Raises:
            JournalLocked: a run of an earlier version, or another program, has locked it.
            JournalMismatch: a newer version of aiodoo wrote it.
            JournalError: it cannot be used.
        """
        self._lock = self._take_lock()
        try:
            return self.read()
        except BaseException:  # after any error the lock is released
            self.close()
            raise

    def read(self) -> Content:
        """Return its content without a lock.

        Raises:
            JournalLocked: another program has locked it.
            JournalMismatch: a newer version of aiodoo wrote it.
            JournalError: it cannot be read.
        """
        log = self._beside("-wal")
        alone = not log.exists() or not log.stat().st_size
        if alone and not os.access(self._path.parent, os.W_OK):
            # SQLite cannot create its files here, and needs none if the database was closed properly.
            return self._content("ro&immutable=1")
        return self._content("ro")

    def owner(self) -> str | None:
        """Return the process that its lock file names, if that is alive; the lock itself is not tried."""
        try:
            process = int(self._beside(".lock").read_text())
        except (OSError, ValueError):
            return None
        try:
            os.kill(process, 0)
        except PermissionError:
            pass
        except (OSError, OverflowError):
            return None
        return f"the process {process}"

    def remove_leftovers(self) -> None:
        """Delete the files beside it after a journal of the present format has replaced it."""
        for end in ("-wal", "-shm", ".lock"):
            with suppress(OSError):
                self._beside(end).unlink()
        self.close()

    def close(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _content(self, mode: str) -> Content:
        try:
            with closing(self._connect(mode)) as database:
                self._check(database)
                rows: dict[str, dict[str, Any]] = {}
                found = database.execute("SELECT kind, key, value, seal FROM kept")
                for kind, key, value, seal in found:
                    if zlib.crc32(f"{kind}\0{key}\0{value}".encode()) != seal:
                        raise refusals.DamagedJournal(
                            self._path, f"the row {printable(f'{kind} {key}')} is not as it was written"
                        )
                    rows.setdefault(kind, {})[key] = msgspec.json.decode(value)
        except (sqlite3.Error, UnicodeDecodeError, msgspec.DecodeError) as error:
            raise self._unreadable(error) from None
        return Content(rows=rows, number=0)

    def _connect(self, mode: str) -> sqlite3.Connection:
        uri = f"{self._path.absolute().as_uri()}?mode={mode}"
        return sqlite3.connect(uri, uri=True, timeout=PATIENCE)

    def _check(self, database: sqlite3.Connection) -> None:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > NEWEST:
            raise refusals.newer(self._path, version)
        (verdict,) = database.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok" or version < OLDEST:
            raise refusals.DamagedJournal(self._path, verdict if verdict != "ok" else "it is no journal")

    def _take_lock(self) -> int:
        path = self._beside(".lock")
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            place.lock(lock)
        except place.InUse:
            holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
            os.close(lock)
            raise refusals.in_use(self._path, f"the process {printable(holder) or 'unknown'}") from None
        except BaseException:  # after any error the file is closed
            os.close(lock)
            raise
        return lock

    def _beside(self, end: str) -> Path:
        return self._path.with_name(self._path.name + end)

    def _unreadable(self, error: Exception) -> JournalError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _LOCKED:
            return refusals.in_use(self._path, "another program")
        if code in _OF_THE_DISK:
            return refusals.not_opened(self._path, error)
        return refusals.DamagedJournal(self._path, error)
