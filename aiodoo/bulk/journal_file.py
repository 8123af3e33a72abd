"""The file behind a journal: an SQLite database that one run at a time writes and anybody reads.

Every row carries a checksum. What is written is on the disk (`synchronous=FULL`) when `write` returns.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from aiodoo.errors import JournalError, JournalLocked, JournalMismatch, JournalWriteFailed

SCHEMA = 2
"""The version of what is kept; 2 knows ownership markers and encrypted secrets."""

OLDEST = 1
"""The oldest version that can be gone on with."""

_OF_THE_DISK = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}

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
        JournalError: it is no journal, damaged, a symlink, or cannot be opened; or this system has no file locks.
    """

    def __init__(self, path: Path, *, write: bool) -> None:
        self._path = path
        flock = _flock()
        self._lock = self._take_lock(flock) if write else None
        try:
            self._check_place(write=write)
            # Only reading leaves a file alone that a newer version wrote, its write-ahead log included.
            self._database = self._connect("ro")
            self._schema = self._checked_schema(empty=write)
            if write:
                self._database.close()
                self._database = self._connect("rw")
                self._prepare()
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
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._unreadable(error) from None

    def read_numbered(self, kind: str, number: int) -> list[Any]:
        """Return everything of one kind whose keys are the numbers from 0 on.

        Args:
            kind: as for `read`.
            number: how many there have to be.

        Raises:
            JournalError: there are more or fewer, or a row is damaged.
        """
        rows = self.read(kind)
        keys = [str(each) for each in range(number)]
        if rows.keys() != set(keys):
            raise self.damaged(f"it does not hold every {kind}")
        return [rows[key] for key in keys]

    def write(self, rows: Iterable[Row]) -> None:
        """Keep rows, all or none, in place of what had their keys.

        Raises:
            JournalWriteFailed: they are not kept.
        """
        if self._lock is None or not self._is_the_lock(self._lock):
            raise self._not_written(f"{self._lock_path} was taken away, so another run may have it")
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
                if self._schema != SCHEMA:
                    self._database.execute(f"PRAGMA user_version = {SCHEMA}")
            self._schema = SCHEMA
        except sqlite3.Error as error:
            raise self._not_written(error) from None

    def worker(self) -> int | None:
        """Return the process that holds it for a run, as far as can be told without being in the way of one."""
        try:
            process = int(self._lock_path.read_text())
        except (OSError, ValueError):
            return None
        try:
            os.kill(process, 0)
        except PermissionError:
            return process
        except (OSError, OverflowError):
            return None
        return process

    def close(self) -> None:
        """Close it and let the next run have it."""
        self._database.close()
        self._drop_lock()

    def _check_place(self, *, write: bool) -> None:
        """See that a file is there that is no symlink; make one that only its owner may read."""
        try:
            if not write:
                # Closing any descriptor of the file would drop the POSIX locks of a run in this process.
                self._check_kind(os.lstat(self._path).st_mode)
                return
            flags = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_RDWR | os.O_CREAT
            descriptor = os.open(self._path, flags, 0o600)
        except OSError as error:
            raise self._not_opened(os.strerror(error.errno or 0)) from None
        try:
            mode = os.fstat(descriptor).st_mode
            self._check_kind(mode)
            if mode & 0o077:
                with suppress(OSError):  # it is somebody else's
                    os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)

    def _check_kind(self, mode: int) -> None:
        if stat.S_ISLNK(mode):
            raise self._not_opened(os.strerror(errno.ELOOP))
        if not stat.S_ISREG(mode):
            raise self._not_opened("it is not a file")

    def _connect(self, mode: str) -> sqlite3.Connection:
        uri = f"{self._path.absolute().as_uri()}?mode={mode}"
        try:
            return sqlite3.connect(uri, uri=True, timeout=5.0, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._not_opened(error) from None

    def _checked_schema(self, *, empty: bool) -> int:
        """Return the version of what is kept, 0 if it is `empty` and may be so; refuse what cannot be trusted."""
        try:
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            (tables,) = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            (verdict,) = self._database.execute("PRAGMA integrity_check").fetchone()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self._database.close()
            raise self._unreadable(error) from None
        if version > SCHEMA:
            self._database.close()
            raise JournalMismatch(
                f"the journal {self._path} was written by a newer version of aiodoo (schema {version}); nothing was "
                "sent. Use that version"
            )
        begun = version >= OLDEST or (empty and not version and not tables)
        if verdict != "ok" or not begun:
            self._database.close()
            raise self.damaged(verdict if verdict != "ok" else "it is no journal")
        return int(version)

    def _prepare(self) -> None:
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            if not self._schema:
                with self._database:
                    self._database.execute(
                        "CREATE TABLE kept (kind TEXT, key TEXT, value TEXT, seal INTEGER, PRIMARY KEY (kind, key))"
                    )
                    self._database.execute(f"PRAGMA user_version = {SCHEMA}")
                self._schema = SCHEMA
        except sqlite3.Error as error:
            self._database.close()
            raise (self._not_written(error) if _is_the_disk(error) else self.damaged(error)) from None

    def _unsealed(self, kind: str, key: str, value: str, seal: int) -> Any:
        if _seal(kind, key, value) != seal:
            raise self.damaged(f"the row {kind} {key} is not as it was written")
        return msgspec.json.decode(value)

    def damaged(self, why: object) -> JournalError:
        """Return the error for a journal that cannot be trusted."""
        return JournalError(
            f"the journal {self._path} is damaged, or no journal of aiodoo ({why}); nothing was sent. List the teams "
            "to see what was done, and begin a new run with bulk.run([Ensure(...), ...])"
        )

    def _unreadable(self, error: Exception) -> JournalError:
        return self._not_opened(error) if _is_the_disk(error) else self.damaged(error)

    def _not_written(self, error: object) -> JournalWriteFailed:
        return JournalWriteFailed(
            f"the journal {self._path} could not be written ({error}); nothing more was sent. Make room or mend "
            "the disk, then run again with the same journal"
        )

    def _not_opened(self, why: object) -> JournalError:
        return JournalError(f"the journal {self._path} cannot be opened: {why}; nothing was sent")

    @property
    def _lock_path(self) -> Path:
        return self._path.with_name(self._path.name + ".lock")

    def _take_lock(self, flock: Callable[[int], None]) -> int:
        path = self._lock_path
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalError(
                f"{path} cannot be opened: {os.strerror(error.errno or 0)}; nothing was sent"
            ) from None
        try:
            flock(lock)
            locked = self._is_the_lock(lock)
        except BlockingIOError:
            locked = False
        except OSError as error:
            os.close(lock)
            raise self._not_opened(f"its disk knows no locks ({os.strerror(error.errno or 0)})") from None
        if not locked:
            holder = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
            os.close(lock)
            raise JournalLocked(
                f"the journal {self._path} is in use by the process {holder}; nothing was sent. Wait for it, or stop it"
            ) from None
        try:
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
        except OSError as error:
            os.close(lock)
            raise self._not_written(os.strerror(error.errno or 0)) from None
        return lock

    def _is_the_lock(self, lock: int) -> bool:
        """Whether a lock's file is where the next run looks for it; somebody may have taken it away."""
        try:
            return os.fstat(lock).st_ino == self._lock_path.stat().st_ino
        except FileNotFoundError:
            return False

    def _drop_lock(self) -> None:
        if self._lock is not None:
            with suppress(OSError):
                os.ftruncate(self._lock, 0)  # so that nobody takes this process for one that is still at work
            os.close(self._lock)
            self._lock = None


def _is_the_disk(error: Exception) -> bool:
    """Whether it is the disk that fails, and not what is on it that is damaged."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _OF_THE_DISK


def _flock() -> Callable[[int], None]:
    """Return what locks an open file, or raises BlockingIOError; Windows has nothing that ends with its process."""
    try:
        import fcntl  # noqa: PLC0415  # all else works where it is not
    except ImportError:
        raise JournalError(
            "a journal needs the file locks of POSIX, which this system has not; nothing was sent. Run without journal=, "
            "or on another system"
        ) from None
    return lambda lock: fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _seal(kind: str, key: str, text: str) -> int:
    return zlib.crc32(f"{kind}\0{key}\0{text}".encode())
