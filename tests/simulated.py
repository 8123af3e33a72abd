"""Simulated time: an event loop whose clock jumps to the next timer, and a `Clock` that reads it.

A day passes in as long as its events take to compute, and the same seed gives the same run. Never
mixed with sockets or threads: time would jump before they answer.
"""

from __future__ import annotations

import asyncio
import os
import random
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from aiodoo.clock import Clock

T = TypeVar("T")

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class JumpingSelector(selectors.SelectSelector):
    """Takes a wait for timers as done; refuses a wait for anything else."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """Jump over the wait; see what is ready."""
        if timeout is None:
            raise RuntimeError("the simulation is stuck: every task waits for what no timer will bring")
        self.now += timeout
        return super().select(0)


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop that starts at 0 s and never really waits."""

    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return simulated seconds since the loop began."""
        return self._jumping.now


class SimulatedClock(Clock):
    """The running loop's time, a wall clock that starts at `START`, and seeded chance.

    Set `ahead` to make the wall clock jump; the monotonic one does not follow.
    """

    __slots__ = ("_chance", "_seen", "ahead")

    def __init__(self, seed: int = 0) -> None:
        self._chance = random.Random(seed)
        self._seen: dict[tuple[int, ...], float] = {}
        self.ahead = timedelta()

    def file_time(self) -> float:
        """Return the simulated wall clock's time."""
        return self.now().timestamp()

    def file_changed(self, descriptor: int) -> float:
        """Return when it was first seen that a file was as it is now: whoever writes looks at once."""
        found = os.fstat(descriptor)
        as_it_is = (found.st_dev, found.st_ino, found.st_ctime_ns, found.st_size, found.st_nlink)
        return self._seen.setdefault(as_it_is, self.file_time())

    def monotonic(self) -> float:
        """Return the running loop's time."""
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        """Return the simulated wall clock's time."""
        return START + timedelta(seconds=self.monotonic()) + self.ahead

    def token(self) -> str:
        """Return digits that the seed decides."""
        return f"{self._chance.getrandbits(32):08x}"

    def uniform(self, low: float, high: float) -> float:
        """Return a number that the seed decides."""
        return self._chance.uniform(low, high)


def simulate(main: Callable[[SimulatedClock], Coroutine[Any, Any, T]], *, seed: int = 0) -> T:
    """Run `main(clock)` in simulated time and return what it returns."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(main(SimulatedClock(seed)))
