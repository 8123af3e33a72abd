"""Making a ledger's file, whole or not at all."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from aiodoo.quota.sqlite_rows import SCHEMA, Head, write_head

SIDE_FILES = ("-journal", "-wal", "-shm")


def make(path: Path) -> None:
    """Make a ledger whole and let it appear under its name then, so that nobody ever sees half of it.

    Nothing is left behind by a kill or a full disk: where the system has files without a name, it has none until then.

    Raises:
        OSError: it cannot be made.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, new = _without_a_name(path)
    try:
        view = memoryview(image())
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
        with one_at_a_time(path.parent):
            if not path.exists():
                # SQLite would carry out on the new file what belongs to one that is gone.
                for end in SIDE_FILES:
                    path.with_name(path.name + end).unlink(missing_ok=True)
            with suppress(FileExistsError):
                if new is None:
                    os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor)
                else:
                    path.hardlink_to(new)
    finally:
        os.close(descriptor)
        if new is not None:
            new.unlink(missing_ok=True)
    sync_folder(path.parent)


def _without_a_name(path: Path) -> tuple[int, Path | None]:
    """Open a new file; return its name where the system has no files without one."""
    flags = os.O_WRONLY | getattr(os, "O_CLOEXEC", 0)
    if hasattr(os, "O_TMPFILE"):
        with suppress(OSError):
            return os.open(path.parent, flags | os.O_TMPFILE, 0o600), None
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    return os.open(new, flags | os.O_CREAT | os.O_EXCL, 0o600), new


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Keep other makers out, where folders can be locked; nobody holds this for long."""
    try:
        import fcntl  # noqa: PLC0415  # Windows has none
    except ImportError:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def image(head: Head | None = None) -> bytes:
    """Return what a new ledger's file holds; its time begins with the first who uses it, unless a head says otherwise."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        for statement in SCHEMA:
            database.execute(statement)
        if head is not None:
            write_head(database, head)
        return database.serialize()


def sync_folder(folder: Path) -> None:
    """Have a new name in a folder survive a power failure, where folders can be synced."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
