"""File system operations for journals: atomic creation, locks, and checks before each commit."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_NO_UNNAMED = {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL, errno.ENOSYS}
"""The errors of kernels and file systems without unnamed files (`O_TMPFILE`)."""


class Misplaced(Exception):
    """What is at the path cannot be used as a journal; the message says why."""


class InUse(Exception):
    """Another process has locked the file."""


class Taken(Exception):
    """Another process has created the file meanwhile."""


def absolute(path: Path) -> Path:
    """Return the absolute path, with its symbolic links.

    Raises:
        Misplaced: no file can have this path.
        OSError: the current folder does not exist any more.
    """
    try:
        if b"\0" in os.fsencode(path):
            raise Misplaced("its path has a null character")
    except UnicodeEncodeError:
        raise Misplaced("its path has a character that no file name can have") from None
    return Path(os.path.abspath(path))  # noqa: PTH100  # links in it are kept


def unnamed(folder: Path) -> int | None:
    """Return the descriptor of a new file without a name; None where these are not supported.

    Raises:
        OSError: the folder does not exist, or cannot be written.
    """
    flag = getattr(os, "O_TMPFILE", None)
    if not folder.is_dir():
        code = errno.ENOTDIR if folder.exists() else errno.ENOENT
        raise OSError(code, os.strerror(code))
    if flag is None or not Path("/proc/self/fd").is_dir():
        return None
    try:
        return os.open(folder, flag | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in _NO_UNNAMED:
            return None
        raise


def named(path: Path, run_id: str) -> int:
    """Return the descriptor of a new file beside `path`, for systems without unnamed files."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    other = beside(path, run_id)
    # The name has the run's id, so only a killed process can have left such a file.
    other.unlink(missing_ok=True)
    return os.open(other, flags, 0o600)


def beside(path: Path, run_id: str) -> Path:
    """Return the temporary name of a journal file."""
    return path.with_name(f".{run_id}.journal")


def give_name(
    descriptor: int,
    path: Path,
    run_id: str,
    *,
    has_name: bool,
    replace: bool,
    last: Callable[[], object],
) -> None:
    """Give a complete file its name; `sync_folder` makes it durable.

    Args:
        descriptor: the file's descriptor.
        path: its name.
        run_id: the run's id, for its temporary name.
        has_name: whether it has its temporary name already.
        replace: whether it replaces a file.
        last: called right before, as giving a name changes the file's time.

    Raises:
        Taken: a file with this name exists.
        OSError: it failed.
    """
    other = beside(path, run_id)
    try:
        if replace:
            if not has_name:
                other.unlink(missing_ok=True)  # as above
                _link(descriptor, other, lambda: None)
            last()
            other.replace(path)
        elif has_name:
            last()
            os.link(other, path, follow_symlinks=False)
            other.unlink()
        else:
            _link(descriptor, path, last)
    except FileExistsError:
        raise Taken from None
    finally:
        if has_name or replace:
            other.unlink(missing_ok=True)


def _link(descriptor: int, path: Path, last: Callable[[], object]) -> None:
    # Without src_dir_fd= Python calls link(), which does not follow the symbolic link below /proc.
    here = os.open("/", os.O_RDONLY | os.O_CLOEXEC)
    try:
        last()
        os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=here, follow_symlinks=True)
    finally:
        os.close(here)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_file(path: Path) -> bool:
    """Return whether a regular file is at a path, without opening it.

    Raises:
        Misplaced: something else is there.
        OSError: the path cannot be examined.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    if stat.S_ISLNK(found.st_mode):
        raise Misplaced("it is a symbolic link")
    if stat.S_ISDIR(found.st_mode):
        raise Misplaced("it is a folder")
    if not stat.S_ISREG(found.st_mode):
        raise Misplaced("it is not a file")
    return True


def opened(path: Path, *, write: bool) -> int:
    """Return the descriptor of the regular file at a path; neither a link nor a pipe is ever opened.

    Raises:
        Misplaced: it is not a regular file.
        OSError: it cannot be opened.
    """
    check_file(path)
    flags = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    descriptor = os.open(path, flags | (os.O_RDWR | os.O_APPEND if write else os.O_RDONLY))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Misplaced("it is not a file")
    return descriptor


def check_single(descriptor: int, path: Path, run_id: str) -> None:
    """Check that an open file has one name, after removing a temporary name that a killed process has left.

    Raises:
        Misplaced: it has a second name.
    """
    status = os.fstat(descriptor)
    if status.st_nlink == 2:
        other = beside(path, run_id)
        with suppress(OSError):
            if other.lstat().st_ino == status.st_ino:
                other.unlink()
                status = os.fstat(descriptor)
    if status.st_nlink != 1:
        raise Misplaced(
            f"it has {status.st_nlink} names (hard links), and a run under each would not know of the other; keep one of them"
        )


def is_ours(descriptor: int, path: Path, size: int) -> str | None:
    """Return why an open file is not as this run has left it; None if it is."""
    status = os.fstat(descriptor)
    try:
        there = path.lstat()
    except FileNotFoundError:
        return "it was taken away, so another run may begin there"
    if (there.st_ino, there.st_dev) != (status.st_ino, status.st_dev):
        return "another file was put in its place"
    if status.st_nlink != 1:
        return "somebody has given it a second name (a hard link)"
    if status.st_size != size:
        return "somebody else has written to it, or cut it"
    return None


def lock(descriptor: int) -> None:
    """Lock an open file for a run, without waiting.

    Raises:
        InUse: another process has locked it.
        OSError: the file system has no locks.
    """
    import fcntl  # noqa: PLC0415  # see `lockable`

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InUse from None


def is_locked(descriptor: int) -> bool:
    """Return whether a file is locked for a run."""
    import fcntl  # noqa: PLC0415

    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def lockable() -> bool:
    """Return whether this system has file locks that end with their process; Windows has none."""
    try:
        import fcntl  # noqa: PLC0415, F401  # only journals need it
    except ImportError:
        return False
    return True


def without_append(descriptor: int, work: Callable[[], object]) -> None:
    """Call `work` while a descriptor is not in append mode, so that `os.pwrite` honors its offset."""
    import fcntl  # noqa: PLC0415

    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags & ~os.O_APPEND)
    try:
        work()
    finally:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)
