"""A run's share of the daily quota: what is free, and what is reserved to finish the batches that it has started."""

from __future__ import annotations

import math
from collections.abc import Sequence, Sized
from datetime import datetime, timedelta

from aiodoo.bulk.options import RunSettings
from aiodoo.clock import Clock
from aiodoo.operations.actions import Action, Park, Scan, SendCreate, SendDelete
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.quota import Lane, Limits
from aiodoo.quota.hold import Claims, Hold

_SOME_ROOM = 4
"""A parked run is resumed when one in this many parts of the daily quota is free: a quarter."""

_SLACK = 1
"""Requests that are reserved for a batch beyond its cost, such as one for a token."""

_TRIES = 3
"""Attempts to reserve the requests of a batch while others use up the quota."""


class DayBudget:
    """Decides which requests of a run the daily quota allows.

    Args:
        claims: the account whose quota is used.
        limits: its limits.
        clock: the time.
        teams: the run's teams.
        unsent: the requests that wait for a slot.
        settings: the run's options.
        hold: the run's entry in the ledger, which reserves what the run needs to finish its batches.
    """

    def __init__(
        self,
        claims: Claims,
        limits: Limits,
        clock: Clock,
        teams: Sequence[TeamSteps],
        unsent: Sized,
        *,
        settings: RunSettings,
        hold: Hold | None = None,
    ) -> None:
        self._claims = claims
        self._limits = limits
        self._clock = clock
        self._teams = teams
        self._unsent = unsent
        self._park = settings.park
        self._lane = settings.lane
        self._hold = hold
        self._reserving = 0
        self._committed = {steps.team_id: steps.committed for steps in teams}
        self._all_committed = sum(self._committed.values())
        self._unfinished_teams = sum(requests > 0 for requests in self._committed.values())
        self._spent_until = -math.inf

    @property
    def day(self) -> int | None:
        """Requests that the run may use in a day; None without a limit."""
        limits = self._limits
        return limits.per_day_for_bulk if self._lane is Lane.BULK else limits.per_day

    @property
    def free(self) -> int | None:
        """Requests of today's quota that are neither used nor reserved; None without a limit."""
        left = self._claims.left(self._lane, hold=self._hold)
        if left is None:
            return None
        return left - (self._needed or len(self._unsent))

    async def next(self, steps: TeamSteps) -> Action | None:
        """Return a team's next action; a batch starts only after the ledger has reserved what it needs.

        A run that waits for the quota waits for a whole batch; one that parks uses what is left for a smaller one.
        """
        clock, action = self._clock, None
        if self.day is None:
            return steps.next(clock.monotonic())
        for _ in range(_TRIES):
            free, day = self.free, self.day
            most = free - _SLACK if self._park and free is not None else day
            action = steps.next(clock.monotonic(), None if free is None else 0, most)
            if free is None or not isinstance(action, Park):
                break
            requests = action.requests
            if self._with_slack(requests) > free:
                break
            if await self._reserve(requests):
                action = steps.next(clock.monotonic(), requests, most)
                self._reserving -= requests
                break
        self.update(steps)
        return action

    def _with_slack(self, requests: int) -> int:
        """Return the requests of a batch with those beyond its cost; a daily quota that is too small for them goes without."""
        return requests + _SLACK if requests + _SLACK <= (self.day or 0) else requests

    async def _reserve(self, requests: int) -> bool:
        """Reserve more requests in the ledger, with the slack if there is room for it; return whether to go on."""
        self._reserving += requests
        bare = self._all_committed + self._reserving + len(self._unsent)
        hold = self._hold
        if hold is None or await hold.commit(self._needed) or await hold.commit(bare):
            return True
        if self._lane is Lane.FRONT:
            # The ledger reserves only from the part of the day that is for runs; the rest is for whoever comes first.
            return True
        self._reserving -= requests
        return False

    def update(self, steps: TeamSteps) -> None:
        """Reserve what a team needs to finish the batch that it has started; without a daily limit nothing."""
        if self.day is None:
            return
        before, after = self._committed[steps.team_id], steps.committed
        if after != before:
            self._unfinished_teams += (after > 0) - (before > 0)
            self._all_committed += after - before
            self._committed[steps.team_id] = after
        if self._hold is not None:
            self._hold.keep(self._needed)

    @property
    def _needed(self) -> int:
        """Requests to finish all batches, with one more page for each team's list and one for a token."""
        needed = self._all_committed + self._reserving
        # A request that waits for a slot is in no team's count any more.
        return needed + len(self._unsent) + self._unfinished_teams + 1 if needed else 0

    def may_send(self, steps: TeamSteps, action: Scan | SendCreate | SendDelete) -> bool:
        """Return whether a request may be sent: the quota has room, or it was reserved for this batch."""
        if self._clock.monotonic() < self._spent_until:
            return False
        free = self.free
        if free is None or free > 0:
            return True
        return steps.committed > 0 and (isinstance(action, Scan) or action.change.is_replacement)

    def used_up_by_others(self) -> None:
        """Record that others have used what was reserved: nothing is sent until the quota has room."""
        self._spent_until = self._clock.monotonic() + self.seconds_to(self.room_at(1))

    def seconds_to(self, room_at: datetime) -> float:
        """Return the seconds until a time (UTC), at least one."""
        return max(1.0, (room_at - self._clock.now()).total_seconds())

    def room_for(self, action: Action) -> datetime:
        """Return when the daily quota has room for a team's next action (UTC); see `room_at`."""
        if not isinstance(action, Park):
            return self.room_at(1)
        # A batch begins only if there is room beside all that `free` leaves out.
        beside = (self._needed or len(self._unsent)) - self._all_committed
        return self.room_at(self._with_slack(action.requests) + beside)

    def room_at(self, needed: int) -> datetime:
        """Return when the daily quota has room for this many requests beside what is reserved (UTC).

        A run that is resumed after parking needs a token and looks at every unfinished team again. To do that for a few
        requests would use up each as it becomes free, so a quarter of the daily quota has to be free then.
        """
        clock, day = self._clock, self.day
        needed += self._all_committed
        # A first list that was cut off is read from its beginning.
        needed += sum(steps.reading for steps in self._teams if not steps.begun and steps.pages > 1)
        if self._park:
            needed += sum(steps.reading_again for steps in self._teams if steps.begun and not steps.done)
            needed += 1 + (day or 0) // _SOME_ROOM
        needed = min(needed, day or needed)
        seconds = self._claims.eta(needed, self._lane, hold=self._hold) - clock.monotonic()
        return clock.now() + timedelta(seconds=max(0.0, seconds, self._spent_until - clock.monotonic()))
