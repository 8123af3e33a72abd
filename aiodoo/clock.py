"""Time, sleep and randomness behind one replaceable object."""

from __future__ import annotations

import os
import random
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

import anyio


class Clock:
    """The clocks of the machine, the sleep of the event loop and Python's random numbers.

    Durations are measured with `monotonic()`, which nobody can set; `now()` is for times that are stored or shown.
    """

    __slots__ = ()

    # Not a function of its own: it is called a dozen times for each request.
    monotonic = staticmethod(time.monotonic)
    """Return the seconds of a clock that never goes backwards."""

    def boot(self) -> str:
        """Return an identifier of the boot that `monotonic()` counts from; empty where it is unknown.

        Processes with the same identifier share `monotonic()`.
        """
        try:
            run = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
            # A container may have its own monotonic clock.
            return f"{run} {Path('/proc/self/ns/time').readlink()}"
        except OSError:
            return ""

    def now(self) -> datetime:
        """Return the time of the wall clock (UTC)."""
        return datetime.now(UTC)

    def file_time(self) -> float:
        """Return the time that a file changed now gets as its time of change, in seconds."""
        return time.time()

    def file_changed(self, descriptor: int) -> float:
        """Return the ctime of an open file, in seconds of its disk's clock.

        Unlike the mtime it cannot be set, so that a copy, a truncation and a move show in it.
        """
        return os.fstat(descriptor).st_ctime_ns / 1e9

    async def sleep(self, seconds: float) -> None:
        """Sleep that many seconds."""
        await anyio.sleep(seconds)

    async def wait(self, event: anyio.Event, seconds: float) -> bool:
        """Wait for `event` for at most `seconds`; return whether it was set."""
        with anyio.move_on_after(seconds):
            await event.wait()
        return event.is_set()

    def token(self) -> str:
        """Return eight random hexadecimal digits."""
        return secrets.token_hex(4)

    def uniform(self, low: float, high: float) -> float:
        """Return a random number between `low` and `high`."""
        return random.uniform(low, high)  # noqa: S311  # not for cryptography
