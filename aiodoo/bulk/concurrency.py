"""Limits how many teams of a run are worked on at a time; a waiting team does not count."""

from __future__ import annotations

import asyncio

from aiodoo.bulk.ending import Ending
from aiodoo.bulk.run_progress import RunProgress
from aiodoo.clock import Clock
from aiodoo.operations.team_steps import TeamSteps


class TeamConcurrency:
    """A semaphore for a run's teams, which a team releases while it waits.

    Args:
        places: how many teams are worked on at a time.
        is_day_short: whether there is a daily limit. If there is a single place then, a team that waits for doo keeps it:
            each team that is begun meanwhile has to be read again the next day, which could take the whole of it.
        progress: shows what a team waits for.
        ending: ends the waiting.
        clock: the time.
    """

    def __init__(
        self, places: int, progress: RunProgress, ending: Ending, clock: Clock, *, is_day_short: bool
    ) -> None:
        self._places = asyncio.Semaphore(places)
        self._in_turn = is_day_short and places == 1
        self._progress = progress
        self._ending = ending
        self._clock = clock
        self._waiting_for_quota = 0
        self._quota_changed = asyncio.Event()

    async def take(self) -> None:
        """Wait for a place."""
        await self._places.acquire()

    async def take_for_another(self) -> None:
        """Wait for a place for a new team, which is not started while other teams wait for the daily quota."""
        while True:
            await self._places.acquire()
            if not self._waiting_for_quota or self._ending.no_new_work.is_set():
                return
            self._places.release()
            await self._quota_changed.wait()

    def release(self) -> None:
        """Release the place."""
        self._places.release()

    async def wait_until(self, steps: TeamSteps, until: float, reason: str) -> None:
        """Wait until a monotonic time without a place."""
        self._places.release()
        self._progress.waiting_for(steps, reason)
        await self._clock.wait(self._ending.wake_up, until - self._clock.monotonic())
        await self._places.acquire()
        self._progress.waiting_for(steps, None)

    async def wait_for_doo(self, steps: TeamSteps, until: float, reason: str) -> None:
        """Wait until a monotonic time, by which doo shows what a team needs; without a place unless teams go in turn."""
        if not self._in_turn:
            await self.wait_until(steps, until, reason)
            return
        self._progress.waiting_for(steps, reason)
        await self._clock.wait(self._ending.wake_up, until - self._clock.monotonic())
        self._progress.waiting_for(steps, None)

    async def wait_for_quota(self, steps: TeamSteps, until: float, reason: str) -> None:
        """Wait for the daily quota until a monotonic time without a place; no new team starts meanwhile."""
        self._waiting_for_quota += 1
        await self.wait_until(steps, until, reason)
        self._waiting_for_quota -= 1
        self._quota_changed.set()
        self._quota_changed = asyncio.Event()
