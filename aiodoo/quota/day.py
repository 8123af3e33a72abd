"""The requests of the last 24 hours: pure arithmetic, every method is told the time.

A request counts from when it was granted until 24 hours after it has certainly reached doo. So whatever
doo's day is, a sliding one or one that begins at some hour, it never holds more than the limit.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from itertools import chain, islice, repeat

import attrs

from aiodoo.quota.ledger import Lane
from aiodoo.quota.limits import Limits

DAY = 86_400.0
PROBE_EVERY = 3_600.0
"""Seconds between two looks whether doo's day has room again, after it said that it has none."""


@attrs.define
class Day:
    """How much of the day is spent; constant memory, at most one instant for each request of a day.

    When doo says that the day is spent although there is room by our count, then others use the key too.
    The day is `shut`: after an hour one request may leave as a probe, and if it is not refused the count
    rules again.
    """

    limits: Limits
    shut: float | None = attrs.field(default=None, init=False)
    """From when a probe may leave, if doo has said that the day is spent."""
    probing: bool = attrs.field(default=False, init=False)
    """Whether the probe is under way."""
    _away: int = attrs.field(default=0, init=False)
    _ends: deque[float] = attrs.field(factory=deque, init=False)
    _allowed: dict[Lane, int | None] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._allowed = {Lane.FRONT: self.limits.per_day, Lane.BULK: self.limits.per_day_for_bulk}

    def per_day(self, lane: Lane) -> int | None:
        """Return up to how many requests in 24 hours the lane may add its own; None without a limit."""
        return self._allowed[lane]

    def used(self, now: float) -> int:
        """Return how many requests count, those away included; 0 without a daily limit."""
        ends = self._ends
        while ends and ends[0] <= now:
            ends.popleft()
        return len(ends) + self._away

    def room(self, lane: Lane, now: float) -> int | None:
        """Return how many more the lane's count allows, whatever doo said; None without a daily limit."""
        per_day = self._allowed[lane]
        return None if per_day is None else max(0, per_day - self.used(now))

    def left(self, lane: Lane, now: float) -> int | None:
        """Return how many more may leave for the lane; None without a daily limit."""
        room = self.room(lane, now)
        if self.shut is None:
            return room
        if self.probing or now < self.shut:
            return 0
        return 1 if room is None else min(1, room)

    def exhausted(self, lane: Lane, now: float) -> bool:
        """Whether nothing may leave for the lane, and no answer that is awaited will change that."""
        if self.shut is not None and now < self.shut and not self.probing:
            return True
        return self.room(lane, now) == 0

    def resumes(self, lane: Lane, now: float) -> float:
        """Return the earliest instant from which a request may leave for the lane; `now` if one may."""
        count = next(self.freed(lane, now)) if self.room(lane, now) == 0 else now
        return count if self.shut is None else max(count, self.shut)

    def freed(self, lane: Lane, now: float) -> Iterator[float]:
        """Yield the instants from which the lane's count allows one request more, beyond its room.

        As if the answers of the requests away came now.
        """
        over = max(0, self.used(now) - (self._allowed[lane] or 0))
        newest = max(now + DAY, self._ends[-1] if self._ends else now)
        return islice(chain(self._ends, repeat(newest, self._away)), over, None)

    def take(self) -> bool:
        """Count a request that leaves; return whether it is the probe."""
        self._away += 1
        self.probing = self.shut is not None
        return self.probing

    def give_back(self, *, probe: bool) -> None:
        """Forget a request that was not sent."""
        self._away -= 1
        if probe:
            self.probing = False

    def ended(self, reached: float) -> None:
        """Let a request count for a day since the instant by which it had reached doo."""
        self._away -= 1
        if self.limits.per_day is not None:
            self._ends.append(max(reached + DAY, self._ends[-1] if self._ends else -math.inf))

    def probed(self, now: float, *, refused: bool) -> None:
        """Let the count rule again, or look again in an hour."""
        self.probing = False
        self.shut = now + PROBE_EVERY if refused else None

    def spent(self, now: float) -> None:
        """Believe doo that the day is spent."""
        self.probed(now, refused=True)
