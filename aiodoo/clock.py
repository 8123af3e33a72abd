"""Time, sleep and chance as one small object, so that tests can hand in another one."""

from __future__ import annotations

import os
import random
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

import anyio


class Clock:
    """The machine's clocks, the event loop's sleep and Python's own chance.

    Durations come from `monotonic()`, which no one can set; `now()` is for stamps that leave the process.
    """

    __slots__ = ()

    def monotonic(self) -> float:
        """Return seconds on a clock that only goes forward."""
        return time.monotonic()

    def boot(self) -> str:
        """Return a name of the run of the machine that `monotonic()` is for; empty where it is unknown.

        All processes with the same name see the same `monotonic()`.
        """
        try:
            run = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
            # A container may have a monotonic clock of its own.
            return f"{run} {Path('/proc/self/ns/time').readlink()}"
        except OSError:
            return ""

    def now(self) -> datetime:
        """Return the wall clock's time (UTC)."""
        return datetime.now(UTC)

    def file_time(self) -> float:
        """Return what a file that is changed now says of when it was changed, in seconds."""
        return time.time()

    def file_changed(self, descriptor: int) -> float:
        """Return when anything of an open file was last changed, by its disk's clock, in seconds.

        Nobody can set this, other than the time of its content: a copy, a cut and a move show in it.
        """
        return os.fstat(descriptor).st_ctime_ns / 1e9

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(seconds)

    async def wait(self, event: anyio.Event, seconds: float) -> bool:
        """Wait for `event`, at most `seconds`; return whether it came."""
        with anyio.move_on_after(seconds):
            await event.wait()
        return event.is_set()

    def token(self) -> str:
        """Return eight random hexadecimal digits, others in every process."""
        return secrets.token_hex(4)

    def uniform(self, low: float, high: float) -> float:
        """Return a random number between the two."""
        return random.uniform(low, high)  # noqa: S311  # spreads load, guards nothing
