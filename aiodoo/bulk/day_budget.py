"""What a run may still send of the day's quota: what is free, and what it keeps to finish what it has begun."""

from __future__ import annotations

import math
from collections.abc import Sequence, Sized
from datetime import datetime, timedelta

from aiodoo.client.client import Client
from aiodoo.operations.actions import Action, Park, Scan, SendCreate, SendDelete
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.quota import Lane, Limits
from aiodoo.quota.hold import Hold

_SOME_ROOM = 4
"""A parked run goes on when at least this part of the day is free again."""

_SLACK = 1
"""Requests that a batch is begun with beyond its price, such as one for a token."""

_TRIES = 3
"""Times that a batch is planned anew because others were quicker to use what it needs."""

_OF_A_TEAM = 50
"""Requests of a day that a team is given before another is begun beside it."""


class DayBudget:
    """What a run may still send of the day's quota.

    Args:
        client: whose quota it is.
        teams: those of the run.
        park: whether the run returns when the day is spent, instead of waiting.
        hold: keeps in the ledger what the run needs to finish, from other runs and from single calls.
        unsent: what is about to leave, and has no slot yet.
    """

    def __init__(
        self,
        client: Client,
        teams: Sequence[TeamSteps],
        unsent: Sized,
        *,
        park: bool,
        hold: Hold | None = None,
    ) -> None:
        self._client = client
        self._teams = teams
        self._unsent = unsent
        self._park = park
        self._hold = hold
        self._securing = 0
        self._committed = {steps.team_id: steps.committed for steps in teams}
        self._all_committed = sum(self._committed.values())
        self._begun = sum(requests > 0 for requests in self._committed.values())
        self._spent_until = -math.inf

    @property
    def free(self) -> int | None:
        """Requests of the day that are neither spent nor needed to finish what was begun; None without a limit."""
        left = self._client.claims.left(Lane.BULK, hold=self._hold)
        if left is None:
            return None
        return left - (self._needed or len(self._unsent))

    async def next(self, steps: TeamSteps) -> Action | None:
        """Ask what to do; what will wait for the day waits for whole batches, what parks uses up what is left.

        A batch is begun once the ledger keeps what it needs to finish: others may be after the same requests.
        """
        clock, action = self._client.clock, None
        for _ in range(_TRIES):
            free = self.free
            day = self._client.limits.per_day_for_bulk
            most = free - _SLACK if self._park and free is not None else day
            action = steps.next(clock.monotonic(), None if free is None else 0, most)
            if free is None or not isinstance(action, Park):
                break
            requests = action.requests
            # A day that is too short for the slack has to do without.
            slack = _SLACK if requests + _SLACK <= (day or 0) else 0
            if requests + slack > free:
                break
            if await self._secure(requests):
                action = steps.next(clock.monotonic(), requests, most)
                self._securing -= requests
                break
        self.reckon(steps)
        return action

    async def _secure(self, requests: int) -> bool:
        """Have the ledger keep so many more, with the slack if there is room for it."""
        self._securing += requests
        bare = self._all_committed + self._securing + len(self._unsent)
        hold = self._hold
        if hold is None or await hold.commit(self._needed) or await hold.commit(bare):
            return True
        self._securing -= requests
        return False

    def reckon(self, steps: TeamSteps) -> None:
        """Keep what a team needs to finish what it has begun, so that others leave it."""
        before = self._committed[steps.team_id]
        self._begun += (steps.committed > 0) - (before > 0)
        self._all_committed += steps.committed - before
        self._committed[steps.team_id] = steps.committed
        if self._hold is not None:
            self._hold.keep(self._needed)

    @property
    def _needed(self) -> int:
        """Requests to finish all that was begun: a list may come to have a page more, and a token may be needed."""
        needed = self._all_committed + self._securing
        # What has been asked for and has no slot yet is in no team's count any more.
        return needed + len(self._unsent) + self._begun + 1 if needed else 0

    def may_send(self, steps: TeamSteps, action: Scan | SendCreate | SendDelete) -> bool:
        """Tell whether the slot is free, or was kept for this."""
        if self._client.clock.monotonic() < self._spent_until:
            return False
        free = self.free
        kept = steps.committed > 0 and (isinstance(action, Scan) or action.change.is_replacement)
        return free is None or free > 0 or kept

    def used_up_by_others(self) -> None:
        """Take in that somebody else has used what was kept for this run: nothing may be sent until there is room."""
        self._spent_until = self._client.clock.monotonic() + self.seconds_to(self.room_at(1))

    def seconds_to(self, room_at: datetime) -> float:
        """Return how long that is, a second at least."""
        return max(1.0, (room_at - self._client.clock.now()).total_seconds())

    def room_at(self, needed: int) -> datetime:
        """Return when the day has room for so many requests beside what was begun.

        Whoever goes on after a park pays for a token and reads every team that is not done once more. Done for a few
        requests' sake that would use up each of them as it becomes free, so some room more is waited for.
        """
        clock, limits = self._client.clock, self._client.limits
        needed += self._all_committed
        if self._park:
            needed += sum(steps.reading for steps in self._teams if steps.looked and not steps.done)
            needed += 1 + (limits.per_day_for_bulk or 0) // _SOME_ROOM
        needed = min(needed, limits.per_day_for_bulk or needed)
        seconds = self._client.claims.eta(needed, Lane.BULK, hold=self._hold) - clock.monotonic()
        return clock.now() + timedelta(seconds=max(0.0, seconds))


def width(limits: Limits) -> int:
    """Teams that are worked on at a time: as few as keep the quota busy, so that none is left half done for long.

    A day that is too short for several is used for one after the other: lists that are begun and not read to their end
    are read anew the next day, so that several teams, or several runs, could each use up the day without an end.
    """
    width = limits.concurrency if limits.slots is None else max(2, min(limits.concurrency, limits.slots + 1))
    day = limits.per_day_for_bulk
    return width if day is None else max(1, min(width, day // _OF_A_TEAM))
