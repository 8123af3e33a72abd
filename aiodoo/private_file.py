"""Writes files atomically, readable only by their owner."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Create or replace a file atomically, with mode 600 from its creation on.

    Raises:
        OSError: it cannot be written, or the path is not a regular file, such as /dev/null; nothing was changed.
    """
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
