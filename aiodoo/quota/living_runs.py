"""Which runs of a host are going on: a file beside the ledger for each, locked for as long as its process lives.

A lock ends with its process, whatever ends that; a process id could be another program's by then.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import attrs

TRIES = 5
MOMENT = 0.01
"""Seconds between tries: somebody who looks whether a run is alive has its lock for a moment."""


@attrs.define
class LivingOnHost:
    """Runs whose ledger is one file; a `Living`.

    Args:
        ledger: its path.
    """

    _ledger: Path = attrs.field(alias="ledger")
    _held: dict[str, int] = attrs.field(factory=dict, init=False)

    def hold(self, run: str) -> bool:
        """Take a run for alive; False if it is going on, here or elsewhere."""
        if run in self._held:
            return False
        self._ledger.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for _ in range(TRIES):
            held = self._try(run)
            if held is not None:
                self._held[run] = held
                return True
            time.sleep(MOMENT)
        return False

    def let_go(self, run: str) -> None:
        """Take it for alive no more."""
        held = self._held.pop(run, None)
        if held is not None:
            # While it is locked: whoever has locked a file that is gone tries again.
            with suppress(OSError):
                self._path(run).unlink()
            os.close(held)

    def alive(self, run: str) -> bool:
        """Return whether it is going on.

        Raises:
            OSError: that cannot be found out; to take it for dead would let others work on its teams.
        """
        if run in self._held:
            return True
        try:
            found = os.open(self._path(run), os.O_RDWR | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:
            return False
        try:
            return not _lock(found, shared=True)
        finally:
            os.close(found)

    def sweep(self) -> None:
        """Take away what killed runs have left."""
        for path in self._ledger.parent.glob(f"{self._ledger.name}.run-*"):
            run = path.name.rpartition("-")[2]
            if run not in self._held and (held := self._try(run)) is not None:
                with suppress(OSError):
                    path.unlink()
                os.close(held)

    def _try(self, run: str) -> int | None:
        """Lock a run's file and return its descriptor; None if somebody else has it, or took it away meanwhile."""
        path = self._path(run)
        found = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0), 0o600)
        with suppress(OSError):
            if _lock(found, shared=False) and os.fstat(found).st_ino == path.stat().st_ino:
                return found
        os.close(found)
        return None

    def _path(self, run: str) -> Path:
        return self._ledger.with_name(f"{self._ledger.name}.run-{run}")


def _lock(descriptor: int, *, shared: bool) -> bool:
    """Lock an open file, or return False; where there are no such locks nobody is ever refused."""
    try:
        import fcntl  # noqa: PLC0415  # Windows has none, and no journals that need it
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
