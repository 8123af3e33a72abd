"""Disks that are full or fail, as the operating system tells a program: in this process, for as long as a block lasts."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock


@contextmanager
def full_disk(path: Path | None = None, *, left: int = 0) -> Iterator[None]:
    """Let no file grow beyond the block in which it ends.

    Args:
        path: the file that is to grow no more; none at all may be made without it.
        left: blocks that it may still have.
    """
    size = path.stat().st_size if path is not None and path.exists() else 0
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (-(-size // 4096) * 4096 + left * 4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def failing_disk() -> Iterator[None]:
    """Let the disk take what is written, and then say that it could not keep it."""

    def fails(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with mock.patch("os.fdatasync", fails), mock.patch("os.fsync", fails):
        yield
