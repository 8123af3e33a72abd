"""The place of a journal file: made whole or not at all, locked, and looked at before each commit."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_NO_UNNAMED = {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL, errno.ENOSYS}
"""What an old kernel, or a disk that knows no unnamed files, answers."""


class Misplaced(Exception):
    """Something that cannot be used is where a journal should be; says what."""


class InUse(Exception):
    """Somebody else has locked it."""


class Taken(Exception):
    """Somebody else has put a file there meanwhile."""


def absolute(path: Path) -> Path:
    """Return a path that means the same wherever the process goes; links in it are kept.

    Raises:
        Misplaced: no file can have it.
        OSError: it begins in a folder that is no longer there.
    """
    try:
        if b"\0" in os.fsencode(path):
            raise Misplaced("its path has a null character")
    except UnicodeEncodeError:
        raise Misplaced("its path has a character that no file name can have") from None
    return Path(os.path.abspath(path))  # noqa: PTH100  # links in it are kept


def unnamed(folder: Path) -> int | None:
    """Return the descriptor of a new file without a name; None where there is no such thing.

    Raises:
        OSError: the folder is not there, or cannot be written.
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
    """Return the descriptor of a new file beside `path`, for where unnamed ones are not to be had."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    other = beside(path, run_id)
    # Nobody else makes a file of this run's name; a killed process may have left one.
    other.unlink(missing_ok=True)
    return os.open(other, flags, 0o600)


def beside(path: Path, run_id: str) -> Path:
    """Return what a file is called before it has its own name."""
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
    """Give a finished file its name, which `sync_folder` then keeps.

    Args:
        descriptor: of the file.
        path: its name.
        run_id: what its other name is made of.
        has_name: whether it has its other name already.
        replace: whether it takes the place of the file there.
        last: called right before, as the name changes the file too.

    Raises:
        Taken: there is a file already.
        OSError: it could not be done.
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
    # Without src_dir_fd= Python calls link(), which links the name below /proc itself.
    here = os.open("/", os.O_RDONLY | os.O_CLOEXEC)
    try:
        last()
        os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=here, follow_symlinks=True)
    finally:
        os.close(here)


def sync_folder(folder: Path) -> None:
    """See that what a folder names is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_file(path: Path) -> bool:
    """See that what is at a place is a file, without opening it; return whether anything is.

    Raises:
        Misplaced: it is not a file.
        OSError: it cannot be looked at.
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
    """Open the file at a place, whatever somebody puts there meanwhile.

    Raises:
        Misplaced: it is not a file.
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
    """See that an open file has no second name; take away one that a killed process has left.

    Raises:
        Misplaced: it has another one.
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
    """Return why an open file is not the one that a run has written so far; None if it is."""
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
        InUse: somebody else has locked it.
        OSError: its disk knows no locks.
    """
    import fcntl  # noqa: PLC0415  # see `lockable`

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InUse from None


def is_locked(descriptor: int) -> bool:
    """Tell whether somebody holds a file for a run."""
    import fcntl  # noqa: PLC0415

    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def lockable() -> bool:
    """Tell whether this system has file locks that end with their process; Windows has not."""
    try:
        import fcntl  # noqa: PLC0415, F401  # all else works where it is not
    except ImportError:
        return False
    return True


def without_append(descriptor: int, work: Callable[[], object]) -> None:
    """Do something with a descriptor that writes where it is told to, and not at the end."""
    import fcntl  # noqa: PLC0415

    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags & ~os.O_APPEND)
    try:
        work()
    finally:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)
