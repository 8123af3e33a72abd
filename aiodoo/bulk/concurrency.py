"""Limits how many teams of a run are worked on at a time; a waiting team does not count."""

from __future__ import annotations

import asyncio

from aiodoo.bulk.ending import Ending
from aiodoo.bulk.run_progress import RunProgress
from aiodoo.clock import Clock
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.quota import Limits

_OF_A_TEAM = 50
"""Requests of the daily quota for each team that is worked on at a time."""


class TeamConcurrency:
    """A semaphore for a run's teams, which a team releases while it waits.

    As few teams as use the whole rate limit are worked on at a time, and fewer if the daily quota is small: a list that is
    not read completely is read again the next day, so several teams at once could use up each day for their lists alone.
    If the quota is for one team only, that keeps its place while it waits for doo, or others would be begun meanwhile.

    Args:
        limits: the limits of the API key.
        progress: shows what a team waits for.
        ending: ends the waiting.
        clock: the time.
    """

    def __init__(self, limits: Limits, progress: RunProgress, ending: Ending, clock: Clock) -> None:
        places = (
            limits.concurrency if limits.slots is None else max(2, min(limits.concurrency, limits.slots + 1))
        )
        day = limits.per_day_for_bulk
        self._one_a_day = day is not None and day < 2 * _OF_A_TEAM
        self._places = asyncio.Semaphore(places if day is None else max(1, min(places, day // _OF_A_TEAM)))
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

    async def wait_until(
        self, steps: TeamSteps, until: float, reason: str, *, keeps_place: bool = False
    ) -> None:
        """Wait until a monotonic time, without a place unless the team keeps it."""
        if not keeps_place:
            self._places.release()
        self._progress.waiting_for(steps, reason, until=until)
        await self._clock.wait(self._ending.wake_up, until - self._clock.monotonic())
        if not keeps_place:
            await self._places.acquire()
        self._progress.waiting_for(steps, None)

    async def wait_for_doo(self, steps: TeamSteps, until: float, reason: str) -> None:
        """Wait until a monotonic time by which doo shows what a team needs."""
        await self.wait_until(steps, until, reason, keeps_place=self._one_a_day)

    async def wait_for_quota(self, steps: TeamSteps, until: float, reason: str) -> None:
        """Wait for the daily quota until a monotonic time without a place; no new team starts meanwhile."""
        self._waiting_for_quota += 1
        await self.wait_until(steps, until, reason)
        self._waiting_for_quota -= 1
        self._quota_changed.set()
        self._quota_changed = asyncio.Event()
