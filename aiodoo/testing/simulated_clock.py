"""A clock whose waits cost no time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import anyio
import anyio.lowlevel

from aiodoo.clock import Clock

_IDLE = 0.02
"""Seconds without a request after which the clock goes on to the end of the first wait."""


def _never() -> bool:
    return False


class SimulatedClock(Clock):
    """A clock that goes on by itself to the end of the next wait once nothing else happens.

    A pause of a minute after a 429 thus takes 0.02 seconds. Time also passes as it does outside. A sandbox that gets
    `monotonic` as its clock counts its limits and seconds in the same time.
    """

    __slots__ = ("_ahead", "_ends", "_is_busy")

    def __init__(self) -> None:
        self._ahead = 0.0
        self._is_busy: Callable[[], bool] = _never
        self._ends: list[float] = []

    def watch(self, is_busy: Callable[[], bool]) -> None:
        """Let the clock not go on by itself while `is_busy()`: while a request is being answered."""
        self._is_busy = is_busy

    def monotonic(self) -> float:
        """Return the seconds of the simulated clock."""
        return time.monotonic() + self._ahead

    def now(self) -> datetime:
        """Return the simulated time (UTC)."""
        return datetime.now(UTC) + timedelta(seconds=self._ahead)

    def file_time(self) -> float:
        """Return the time of a file that changes now: files have the machine's time."""
        return time.time()

    def advance(self, seconds: float) -> None:
        """Go on by a number of seconds."""
        self._ahead += seconds

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has gone on by that many seconds."""
        await self.wait(anyio.Event(), seconds)

    async def wait(self, event: anyio.Event, seconds: float) -> bool:
        """Wait for `event` until the clock has gone on by that many seconds; return whether it was set."""
        end = self.monotonic() + seconds
        self._ends.append(end)
        try:
            while not event.is_set() and (left := end - self.monotonic()) > 0:
                with anyio.move_on_after(min(left, _IDLE)):
                    await event.wait()
                    return True
                if end == min(self._ends) and not self._is_busy():
                    self._ahead += max(0.0, end - self.monotonic())
        finally:
            self._ends.remove(end)
        await anyio.lowlevel.checkpoint()
        return event.is_set()
