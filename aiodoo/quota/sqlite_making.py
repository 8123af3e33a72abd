"""Creates a ledger's file atomically."""

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
    """Create a ledger under another name, or without one where the system supports it, and link it to its path.

    So no process sees a part of it. An existing file is kept.

    Raises:
        OSError: it cannot be created.
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
                # SQLite would apply the rollback journal of a removed file to the new one.
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
    """Create a file without a name, or with a temporary one, which is returned, where that is not supported."""
    flags = os.O_WRONLY | getattr(os, "O_CLOEXEC", 0)
    if hasattr(os, "O_TMPFILE"):
        with suppress(OSError):
            return os.open(path.parent, flags | os.O_TMPFILE, 0o600), None
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    return os.open(new, flags | os.O_CREAT | os.O_EXCL, 0o600), new


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Lock a folder for a short time, where folders can be locked."""
    try:
        import fcntl  # noqa: PLC0415  # not on Windows
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
    """Return the content of a new ledger; without a head its time begins at the first use."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        for statement in SCHEMA:
            database.execute(statement)
        if head is not None:
            write_head(database, head)
        return database.serialize()


def sync_folder(folder: Path) -> None:
    """Sync a folder, where possible, so that a new name in it survives a power failure."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
