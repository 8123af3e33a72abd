"""A journal as one append-only file, which is its own lock and which a copy, a cut or a second name does not deceive.

It comes into being whole. Each commit is one line, on the disk when `append` returns. Before a commit the file must be
the one that was opened, as long as it was left, and have one name.
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
"""Rows of a run's beginning that one line holds at most, so that none becomes very long."""

STAMPS = 3
"""Lines that are written at most to bring a journal's last time up to its file's."""

PLACE = "place"
"""The kind of the row by which a file is told from its copies; whoever reads a journal is not shown it."""


class JournalFile:
    """One journal file; see `JournalStore`.

    Args:
        path: where it is, or is to be.
        key: what its lines' keyed hashes are made with; without it they are not checked, and nothing can be written.
        clock: tells when files are changed.

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
        self._written_at = self._skew = 0.0
        self._noted_place: int | None = None
        self._before_stamp: tuple[lines.Chain, int] | None = None
        self._path = path
        with self._named_errors():
            self._path = place.absolute(path)

    @property
    def locator(self) -> str:
        """Its absolute path."""
        return str(self._path)

    @property
    def number(self) -> int:
        """The number of its last line that is on the disk."""
        return self._chain.number

    def open(self) -> Content | None:
        """Lock it for a run and return what it holds; None if there is none yet. Nothing in it is changed.

        Raises:
            JournalLocked: another run holds it.
            JournalMismatch: a newer version of aiodoo wrote it.
            JournalError: it is no journal, damaged, misplaced, has a second name, or cannot be opened.
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
            self._noted_place = _place(found.rows)
            return self._content(found, self._descriptor)

    def begin(self, run_id: str, rows: Sequence[Row]) -> None:
        """Make it whole, locked, with its first rows; a journal of an older form is replaced.

        Raises:
            JournalLocked: another run has begun there meanwhile.
            JournalWriteFailed: it could not be made.
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
        """Keep rows, all or none; they are on the disk when this returns.

        Raises:
            JournalWriteFailed: they are not kept, or it is no longer this run's.
        """
        descriptor = self._descriptor
        if descriptor is None:
            raise self._not_written("it is not open")
        try:
            why = place.is_ours(descriptor, self._path, self._size + self._torn)
            if why is not None:
                raise self._not_written(why)
            if self._torn:
                self._repair()
            if os.fstat(descriptor).st_mode & 0o077:
                # As this changes the file too, a line follows it.
                with suppress(OSError):  # it is somebody else's
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
        """Return what it holds, without a lock or a right to write; a run may be writing to it.

        Raises:
            JournalMismatch: a newer version of aiodoo wrote it.
            JournalLocked: it is an older journal, which another program has locked.
            JournalError: it cannot be read.
        """
        with self._named_errors():
            if SQLiteJournal.is_at(self._path):
                return SQLiteJournal(self._path).read()
            with self._opened_to_read() as descriptor:
                return self._content(self._read(descriptor), descriptor)

    def owner(self) -> str | None:
        """Return who holds it for a run now: a process, as far as it is known; None if nobody does."""
        with suppress(OSError, place.Misplaced, lines.Unsound, lines.Newer, JournalError):
            if SQLiteJournal.is_at(self._path):
                return SQLiteJournal(self._path).owner()
            with self._opened_to_read() as descriptor:
                if place.is_locked(descriptor):
                    return _owner(self._read(descriptor).rows)
        return None

    def close(self) -> None:
        """Let the next run have it."""
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
            raise lines.Unsound("it ends before what is to be done does")
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
        """Say what is wrong in words, and leave nothing open."""
        try:
            yield
        except BaseException as error:  # whatever it is, the file does not stay open
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
                        self._path, f"its disk knows no locks ({_text(error)})"
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
        """Return the row that tells the file from its copies, whenever they are made."""
        assert self._descriptor is not None  # noqa: S101  # as below
        self._noted_place = os.fstat(self._descriptor).st_ino
        return PLACE, PLACE, self._noted_place

    def _now(self) -> float:
        """Return what the file will say of when it was changed if it is changed now."""
        return self._clock.file_time() + self._skew

    def _write(self, data: bytes) -> None:
        assert self._descriptor is not None  # noqa: S101  # whoever writes has it open
        written = os.write(self._descriptor, data)
        if written != len(data):
            # The disk took a part of it, which says that it is full.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += written

    def _catch_up(self) -> None:
        """Write a line without rows if the file was not changed when its last line says, as the process was held up.

        A disk whose clock is another one, as that of a server, is allowed for from then on.
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
        """Put a new line in the place of the piece that a killed process has left, and cut off what is left of that.

        In this order, so that at no moment the file is younger than its last line.
        """
        descriptor = self._descriptor
        assert descriptor is not None  # noqa: S101  # as above
        line, chain, time = self._chain.line(lines.NOTHING, self._now, size=self._size)

        def overwrite() -> None:
            if os.pwrite(descriptor, line, self._size) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.ftruncate(descriptor, self._size + len(line))

        place.without_append(descriptor, overwrite)
        self._chain, self._size, self._torn = chain, self._size + len(line), 0
        self._written_at = time

    def _cut_back(self, chain: lines.Chain, size: int) -> None:
        """Take away what a write that failed has left, and say when; the last block has room for that."""
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
        """Write a line that only says when, in the place of an equal one if that is the last."""
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

    def _not_written(self, why: object) -> JournalWriteFailed:
        return JournalWriteFailed(
            f"the journal {self._path} could not be written ({why}); nothing more was sent. Make room or mend "
            "the disk, then run again with the same journal"
        )


def _place(rows: Mapping[str, Mapping[str, Any]]) -> int | None:
    """Return which file of its disk it was when it was written; None if it does not say."""
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
