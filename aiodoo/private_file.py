"""Files that only their owner can read, written whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Put a new file in its place, which nobody else may read from its first byte on; if that fails all stays as it was.

    Raises:
        OSError: it cannot be written, or something that is no file, such as /dev/null, has this name.
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
    except BaseException:  # also when it is interrupted, nothing is left behind
        new.unlink(missing_ok=True)
        raise
