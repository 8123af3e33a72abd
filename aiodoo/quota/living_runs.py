"""Tracks which runs of a host are alive: each has a file beside the ledger, locked by its process.

The system releases a lock when its process ends; a process id could have been reused by then.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import attrs

TRIES = 5
RETRY_SECONDS = 0.01
"""The time between attempts, as `alive` locks the file for a moment."""


@attrs.define
class LivingOnHost:
    """A `Living` for the runs of all processes that share a ledger's file.

    Args:
        ledger: the path of the file.
        original: the path of the ledger that this one is a copy of, whose runs are looked up as well.
    """

    _ledger: Path = attrs.field(alias="ledger")
    _original: Path | None = attrs.field(default=None, kw_only=True, alias="original")
    _held: dict[str, int] = attrs.field(factory=dict, init=False)

    def hold(self, run: str) -> bool:
        """Mark a run as alive; return False if it is alive already, in any process."""
        if run in self._held:
            return False
        self._sweep()
        self._ledger.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for _ in range(TRIES):
            held = self._try(run)
            if held is not None:
                self._held[run] = held
                return True
            time.sleep(RETRY_SECONDS)
        return False

    def let_go(self, run: str) -> None:
        """Mark a run as no longer alive."""
        held = self._held.pop(run, None)
        if held is not None:
            # Removed while it is locked: a process that then locks the removed file tries again.
            with suppress(OSError):
                self._path(run).unlink()
            os.close(held)

    def alive(self, run: str) -> bool:
        """Return whether a run is alive.

        Raises:
            OSError: the file cannot be opened.
        """
        if run in self._held:
            return True
        try:
            # Only read, as the folder of the original of a copy may be read-only.
            path = _file_of(self._original or self._ledger, run)
            found = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:
            return False
        try:
            return not _lock(found, shared=True)
        finally:
            os.close(found)

    def _sweep(self) -> None:
        """Remove the files of killed runs."""
        for path in self._ledger.parent.glob(f"{self._ledger.name}.run-*"):
            run = path.name.rpartition("-")[2]
            if run not in self._held and (held := self._try(run)) is not None:
                with suppress(OSError):
                    path.unlink()
                os.close(held)

    def _try(self, run: str) -> int | None:
        """Lock a run's file and return its descriptor; None if another process has locked or removed it."""
        path = self._path(run)
        found = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0), 0o600)
        with suppress(OSError):
            if _lock(found, shared=False) and os.fstat(found).st_ino == path.stat().st_ino:
                return found
        os.close(found)
        return None

    def _path(self, run: str) -> Path:
        return _file_of(self._ledger, run)


def _file_of(ledger: Path, run: str) -> Path:
    return ledger.with_name(f"{ledger.name}.run-{run}")


def _lock(descriptor: int, *, shared: bool) -> bool:
    """Lock an open file and return True, or return False; always True where the system has no such locks."""
    try:
        import fcntl  # noqa: PLC0415  # not on Windows, where journals do not need it
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
