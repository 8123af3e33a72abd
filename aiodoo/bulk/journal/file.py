"""A journal as one append-only file, which is locked itself and detects copies, truncation and second names.

The file is created with all its first rows or not at all. Each commit is one line, on the disk when `append` returns.
Before each commit the file is checked: it must be the opened one, of the expected size, with one name.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from aiodoo.bulk.journal import lines, place, refusals
from aiodoo.bulk.journal.age import doubt, is_apart
from aiodoo.bulk.journal.sqlite import SQLiteJournal
from aiodoo.bulk.journal.store import Content, Row
from aiodoo.checks import printable
from aiodoo.clock import Clock
from aiodoo.errors import JournalError, JournalWriteFailed

AT_ONCE = 256
"""The most rows of a new journal in one line."""

STAMPS = 3
"""The most stamps that are written so that the last line has the time of the file's last change."""

PLACE = "place"
"""The kind of the row with the file's inode number, by which a copy is recognized; not part of the content."""


class JournalFile:
    """A `JournalStore` in a file.

    Args:
        path: the path of the file, which need not exist.
        key: the key of its lines' hashes; without it they are not checked, and nothing can be written.
        clock: the time, also of files.

    Raises:
        JournalError: this system has no file locks, or no file can be at the path.
    """

    def __init__(self, path: Path, *, key: bytes | None = None, clock: Clock | None = None) -> None:
        if not place.lockable():
            raise JournalError(
                "a journal needs the file locks of POSIX, which this system has not; nothing was sent. Run without "
                "journal=, or on another system"
            )
        self._key = key
        self._clock = clock or Clock()
        self._descriptor: int | None = None
        self._old: SQLiteJournal | None = None
        self._chain = lines.Chain(key, b"")
        self._size = self._torn = 0
        self._unended = False
        self._written_at = self._skew = 0.0
        self._noted_place: int | None = None
        self._before_stamp: tuple[lines.Chain, int] | None = None
        self._path = path
        with self._named_errors():
            self._path = place.absolute(path)

    @property
    def locator(self) -> str:
        """The absolute path."""
        return str(self._path)

    @property
    def number(self) -> int:
        """The number of the last line on the disk."""
        return self._chain.number

    @property
    def may_be_taken(self) -> bool:
        """False, as the file is locked until the process ends."""
        return False

    def open(self) -> Content | None:
        """Lock the file and return its content, or None if there is no file; nothing is written.

        Raises:
            JournalLocked: another run has locked it.
            JournalMismatch: a newer version of aiodoo wrote it.
            JournalError: it is not a journal, is damaged, has a second name, or cannot be opened.
        """
        with self._named_errors():
            if not place.check_file(self._path):
                if not self._path.parent.is_dir():
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
                return None
            if SQLiteJournal.is_at(self._path):
                self._old = SQLiteJournal(self._path)
                return self._old.open()
            self._descriptor = place.opened(self._path, write=True)
            place.lock(self._descriptor)
            found = self._read(self._descriptor)
            place.check_single(self._descriptor, self._path, found.run_id)
            why = place.is_ours(self._descriptor, self._path, found.size + found.torn)
            if why is not None:
                raise place.Misplaced(why)
            self._chain, self._size, self._torn = found.chain, found.size, found.torn
            self._unended = found.unended
            self._noted_place = _place(found.rows)
            return self._content(found, self._descriptor)

    def begin(self, run_id: str, rows: Sequence[Row]) -> None:
        """Create the file, locked, with its first rows; a journal of an older format is replaced.

        Raises:
            JournalLocked: another run has started there meanwhile.
            JournalWriteFailed: it could not be created.
        """
        descriptor, has_name = None, False
        try:
            descriptor = place.unnamed(self._path.parent)
            if descriptor is None:
                descriptor, has_name = place.named(self._path, run_id), True
            place.lock(descriptor)
            self._descriptor = descriptor
            self._chain, self._size, self._torn = lines.Chain(self._key, lines.head(run_id)), 0, 0
            self._write(lines.head(run_id))
            rows = [*rows, self._note_place()]
            for first in range(0, len(rows), AT_ONCE):
                self._commit(rows[first : first + AT_ONCE])
            os.fsync(descriptor)
            place.give_name(
                descriptor,
                self._path,
                run_id,
                has_name=has_name,
                replace=self._old is not None,
                last=lambda: self._commit([]),
            )
            self._catch_up()
            place.sync_folder(self._path.parent)
            os.fdatasync(descriptor)
        except place.Taken:
            self.close()
            raise refusals.in_use(self._path, "another run") from None
        except OSError as error:
            if has_name:
                place.beside(self._path, run_id).unlink(missing_ok=True)
            self._descriptor = descriptor
            self._release()
            raise self._not_written(_text(error)) from None
        if self._old is not None:
            self._old.remove_leftovers()
            self._old = None

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows, all or none; they are on the disk when this returns.

        Raises:
            JournalWriteFailed: they were not written, or the file was replaced or changed by others.
        """
        descriptor = self._descriptor
        if descriptor is None:
            raise self._not_written("it is not open")
        try:
            why = place.is_ours(descriptor, self._path, self._size + self._torn)
            if why is not None:
                raise self._not_written(why, refusals.PUT_BACK)
            if self._torn or self._unended:
                self._repair()
            if os.fstat(descriptor).st_mode & 0o077:
                # This changes the file's time, so it is done before the line is written.
                with suppress(OSError):  # another user owns it
                    os.fchmod(descriptor, 0o600)
            if self._noted_place != os.fstat(descriptor).st_ino:
                rows = [*rows, self._note_place()]
            before = self._chain, self._size
            try:
                self._commit(rows)
                self._catch_up()
                os.fdatasync(descriptor)
                self._before_stamp = None
            except OSError:
                self._cut_back(*before)
                raise
        except OSError as error:
            raise self._not_written(_text(error)) from None

    def read(self) -> Content:
        """Return the content without a lock, also while a run writes to it; read access is enough.

        Raises:
            JournalMismatch: a newer version of aiodoo wrote it.
            JournalLocked: it has an older format, and another program has locked it.
            JournalError: it cannot be read.
        """
        with self._named_errors():
            if SQLiteJournal.is_at(self._path):
                return SQLiteJournal(self._path).read()
            with self._opened_to_read() as descriptor:
                return self._content(self._read(descriptor), descriptor)

    def owner(self) -> str | None:
        """Return the process that has locked it for a run, as text; None if none has."""
        with suppress(OSError, place.Misplaced, lines.Unsound, lines.Newer, JournalError):
            if SQLiteJournal.is_at(self._path):
                return SQLiteJournal(self._path).owner()
            with self._opened_to_read() as descriptor:
                if place.is_locked(descriptor):
                    return _owner(self._read(descriptor).rows)
        return None

    def close(self) -> None:
        """Unlock and close the file."""
        if self._old is not None:
            self._old.close()
            self._old = None
        self._release()

    # Reading.

    def _read(self, descriptor: int) -> lines.Reading:
        os.lseek(descriptor, 0, os.SEEK_SET)
        with open(descriptor, "rb", buffering=1 << 18, closefd=False) as file:  # a descriptor
            return lines.read(file, self._key)

    def _content(self, found: lines.Reading, descriptor: int) -> Content:
        if "run" not in found.rows:
            raise lines.Unsound("it does not hold every operation")
        return Content(
            rows={kind: rows for kind, rows in found.rows.items() if kind != PLACE},
            number=found.chain.number,
            run_id=found.run_id,
            forged_at=found.forged_at,
            doubt=doubt(
                found.time,
                self._clock.file_changed(descriptor),
                copied=_place(found.rows) not in {None, os.fstat(descriptor).st_ino},
            ),
        )

    @contextmanager
    def _opened_to_read(self) -> Iterator[int]:
        descriptor = place.opened(self._path, write=False)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Raise errors as `JournalError`s, and close the file then."""
        try:
            yield
        except BaseException as error:  # after any error the file is closed
            self.close()
            match error:
                case place.InUse():
                    raise refusals.in_use(self._path, self.owner() or "another process") from None
                case lines.Unsound():
                    raise refusals.DamagedJournal(self._path, error) from None
                case lines.Newer():
                    raise refusals.newer(self._path, error) from None
                case place.Misplaced():
                    raise refusals.not_opened(self._path, error) from None
                case OSError(errno=errno.ENOLCK | errno.EOPNOTSUPP):
                    raise refusals.not_opened(
                        self._path, f"its file system has no locks ({_text(error)})"
                    ) from None
                case OSError():
                    raise refusals.not_opened(self._path, _text(error)) from None
            raise

    # Writing.

    def _commit(self, rows: Sequence[Row], *, roomy: bool = True) -> None:
        """Write the next line."""
        line, chain, time = self._chain.line(lines.encoded(rows), self._now, size=self._size, roomy=roomy)
        self._write(line)
        self._chain, self._written_at = chain, time

    def _note_place(self) -> Row:
        """Return the row by which copies of the file are recognized."""
        assert self._descriptor is not None  # noqa: S101  # as below
        self._noted_place = os.fstat(self._descriptor).st_ino
        return PLACE, PLACE, self._noted_place

    def _now(self) -> float:
        """Return the time that the file will have if it is changed now."""
        return self._clock.file_time() + self._skew

    def _write(self, data: bytes) -> None:
        assert self._descriptor is not None  # noqa: S101  # it is open
        written = os.write(self._descriptor, data)
        if written != len(data):
            # A partial write means that the disk is full.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += written

    def _catch_up(self) -> None:
        """Write stamps until the last line has the time of the file's last change.

        It differs if the process was delayed between the two, or if a file server has another clock, whose difference is
        used from then on.
        """
        assert self._descriptor is not None  # noqa: S101  # as above
        for stamps in range(STAMPS):
            changed = self._clock.file_changed(self._descriptor)
            if not is_apart(self._written_at, changed):
                return
            if stamps:
                self._skew += changed - self._written_at
            self._commit([])

    def _repair(self) -> None:
        """Overwrite an incomplete line, which a killed process has left, with a stamp, and then truncate the file.

        A line that lacks nothing but its line break is completed. In this order the file is at no moment newer than its
        last line.
        """
        descriptor = self._descriptor
        assert descriptor is not None  # noqa: S101  # as above
        line, chain, time = self._chain.line(lines.NOTHING, self._now, size=self._size)
        if self._unended:
            line = b"\n" + line

        def overwrite() -> None:
            if os.pwrite(descriptor, line, self._size) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.ftruncate(descriptor, self._size + len(line))

        place.without_append(descriptor, overwrite)
        self._chain, self._size, self._torn = chain, self._size + len(line), 0
        self._written_at, self._unended = time, False

    def _cut_back(self, chain: lines.Chain, size: int) -> None:
        """Remove what a failed write has left, and write a stamp, for which the last block has room."""
        assert self._descriptor is not None  # noqa: S101  # as above
        with suppress(OSError):
            os.ftruncate(self._descriptor, size)
            self._chain, self._size = chain, size
            for _ in range(STAMPS):
                self._stamp()
                if not is_apart(self._written_at, self._clock.file_changed(self._descriptor)):
                    break
            os.fdatasync(self._descriptor)

    def _stamp(self) -> None:
        """Write a stamp, which overwrites one that is the last line."""
        descriptor = self._descriptor
        assert descriptor is not None  # noqa: S101  # as above
        if self._before_stamp is None:
            before = self._chain, self._size
            self._commit([], roomy=False)
            self._before_stamp = before
            return
        chain, size = self._before_stamp
        line, self._chain, time = chain.line(lines.NOTHING, self._now, size=size, roomy=False)
        place.without_append(descriptor, lambda: os.pwrite(descriptor, line, size))
        self._written_at = time

    def _release(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)

    def _not_written(self, why: object, way: str = refusals.MAKE_ROOM) -> JournalWriteFailed:
        return JournalWriteFailed(
            f"the journal {self._path} could not be written ({why}); nothing more was sent. {way}"
        )


def _place(rows: Mapping[str, Mapping[str, Any]]) -> int | None:
    """Return the inode number that a journal has recorded, if any."""
    noted = rows.get(PLACE, {}).get(PLACE)
    return noted if isinstance(noted, int) else None


def _owner(rows: Mapping[str, Mapping[str, Any]]) -> str:
    owner = rows.get("owner", {}).get("owner")
    return (
        "another process"
        if owner is None
        else printable(f"the process {owner['process']} of {owner['host']}")
    )


def _text(error: OSError) -> str:
    return os.strerror(error.errno or 0)
