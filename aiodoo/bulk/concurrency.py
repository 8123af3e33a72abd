"""How many teams of a run are worked on at a time, and who makes room while waiting."""

from __future__ import annotations

import anyio

from aiodoo.bulk.ending import Ending
from aiodoo.bulk.run_progress import RunProgress
from aiodoo.clock import Clock
from aiodoo.operations.team_steps import TeamSteps


class TeamConcurrency:
    """The places that a run's teams take.

    Args:
        places: how many teams are worked on at a time.
        tally: told what a team waits for.
        ending: how the run ends, which wakes who waits.
        clock: where the time comes from.
    """

    def __init__(self, places: int, tally: RunProgress, ending: Ending, clock: Clock) -> None:
        self._places = anyio.Semaphore(places)
        self._tally = tally
        self._ending = ending
        self._clock = clock
        self._short = 0
        self._less_short = anyio.Event()

    async def take(self) -> None:
        """Wait for a place."""
        await self._places.acquire()

    async def take_for_another(self) -> None:
        """Wait for a place, and, while teams wait for the day's quota, until they have had what they need."""
        while True:
            await self._places.acquire()
            if not self._short or self._ending.begun.is_set():
                return
            self._places.release()
            await self._less_short.wait()

    def release(self) -> None:
        """Let another team have the place."""
        self._places.release()

    async def rest(self, steps: TeamSteps, until: float, reason: str) -> None:
        """Let other teams go on until a monotonic time."""
        self._places.release()
        self._tally.waiting_for(steps, reason)
        await self._clock.wait(self._ending.roused, until - self._clock.monotonic())
        await self._places.acquire()
        self._tally.waiting_for(steps, None)

    async def rest_for_quota(self, steps: TeamSteps, until: float, reason: str) -> None:
        """Let other teams go on until a monotonic time, and no further one begin."""
        self._short += 1
        await self.rest(steps, until, reason)
        self._short -= 1
        self._less_short.set()
        self._less_short = anyio.Event()
