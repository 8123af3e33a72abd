"""Writes files atomically, readable only by their owner, and lets one process at a time edit those of a folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Create or replace a file atomically, with mode 600 from its creation on.

    Raises:
        OSError: it cannot be written, or the path is not a regular file, such as /dev/null; nothing was changed.
    """
    import tempfile  # noqa: PLC0415  # loads OpenSSL, which the help of the command line can do without

    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no file")
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    new = Path(name)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123  # a descriptor
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:  # an interrupt too: nothing is left behind
        new.unlink(missing_ok=True)
        raise


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process is in such a block for the same folder, so that no edit of a file is lost.

    Where the system or the file system has no locks, or the folder cannot be opened, it does not wait.
    """
    descriptor = None
    with suppress(OSError, ImportError):
        import fcntl  # noqa: PLC0415  # only POSIX has it

        descriptor = os.open(folder, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)
