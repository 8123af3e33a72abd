"""A store that shares tokens between the processes of a host, in files that only their owner can read."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from aiodoo import private_file
from aiodoo.checks import check_kind
from aiodoo.secret import Secret

LARGEST = 64 << 10
"""Maximum size of a token, in bytes."""


def _checked(folder: str | os.PathLike[str]) -> Path:
    check_kind(folder, "folder", (str, os.PathLike), "the path of a folder")
    return Path(folder)


@attrs.frozen
class FileTokens:
    """A `TokenStore` in a folder, for all processes of one user on a host.

    Each account has a file of mode 600, whose name is a hash: neither the API key nor anything from which it can be
    derived is written. A file is replaced atomically, under a lock, so that a process never reads half a token or deletes
    a newer one. A file that somebody else owns or may read is not used. Costs no request.

    The folder is created when the first token is saved. If it cannot be, an exception is logged and the session fetches
    a token itself.

    Args:
        folder: the folder, on a local disk.

    Raises:
        ConfigError: the folder is no path.
    """

    folder: Path = attrs.field(converter=_checked)

    async def load(self, account: str) -> Secret | None:
        """Return the account's token; None if there is none."""
        return await asyncio.to_thread(_read, self._file(account))

    async def save(self, account: str, token: Secret) -> None:
        """Store a token in place of an older one."""
        await asyncio.to_thread(_replace, self._file(account), token)

    async def discard(self, account: str, token: Secret) -> None:
        """Delete a token that doo has refused, unless a newer one is stored."""
        await asyncio.to_thread(_remove, self._file(account), token)

    def _file(self, account: str) -> Path:
        return self.folder / hashlib.sha256(f"aiodoo token {account}".encode()).hexdigest()[:32]


def _read(path: Path) -> Secret | None:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return None
    with open(descriptor, "rb") as file:  # noqa: PTH123  # a descriptor
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or not _is_private(found):
            return None
        text = file.read(LARGEST + 1)
    usable = text.endswith(b"\n") and len(text) <= LARGEST and text.isascii()
    return Secret(text[:-1].decode()) if usable and text.strip() else None


def _is_private(found: os.stat_result) -> bool:
    return os.name != "posix" or (found.st_uid == os.geteuid() and not found.st_mode & 0o077)


def _replace(path: Path, token: Secret) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(path):
        private_file.write(path, token.reveal().encode() + b"\n")


def _remove(path: Path, token: Secret) -> None:
    with suppress(FileNotFoundError), _locked(path):
        if _read(path) == token:
            path.unlink()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of an account's file, which is a file beside it, as the file itself is replaced.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    try:
        import fcntl  # noqa: PLC0415  # not on every system
    except ImportError:
        yield  # replacing is atomic; at worst a newer token is deleted, and fetched again
        return
    descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
