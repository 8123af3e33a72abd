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
class DayWindow:
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
    kept: dict[str, int] = attrs.field(factory=dict, init=False)
    """Requests kept for each run, which needs them to finish what it has begun."""
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

    def room(self, lane: Lane, now: float, run: str | None = None) -> int | None:
        """Return how many more the lane's count allows, whatever doo said; None without a daily limit.

        Args:
            lane: whose count it is.
            now: the instant.
            run: may use what is kept for it; nobody else may.
        """
        per_day = self._allowed[lane]
        return None if per_day is None else max(0, per_day - self.used(now) - self.kept_from(run))

    def left(self, lane: Lane, now: float, run: str | None = None) -> int | None:
        """Return how many more may leave for the lane, those kept for the run included; None without a daily limit."""
        room = self.room(lane, now, run)
        if self.shut is None:
            return room
        if self.probing or now < self.shut:
            return 0
        return 1 if room is None else min(1, room)

    def exhausted(self, lane: Lane, now: float, run: str | None = None) -> bool:
        """Whether nothing may leave for the lane, and no answer that is awaited will change that.

        What is kept for a run may be of the part that bulk jobs leave to single calls: these may have used the rest of
        bulk's meanwhile.
        """
        if self.shut is not None and now < self.shut and not self.probing:
            return True
        if self.kept.get(run or ""):
            # What others keep was free beside it; a request under way is counted and kept at once, for a while.
            per_day = self._allowed[Lane.FRONT]
            return per_day is not None and self.used(now) >= per_day
        return self.room(lane, now, run) == 0

    def keep(self, run: str, requests: int, now: float, *, whole: bool = True) -> bool:
        """Keep so many requests for a run, in place of what was kept; less always, more only if they are free.

        Args:
            run: whom they are for.
            requests: all that it needs.
            now: the instant.
            whole: whether to keep nothing more unless all of them are free; else as many as are.
        """
        before, left = self.kept.get(run, 0), self.left(Lane.BULK, now, run)
        if left is None:
            return True
        enough = requests <= max(before, left)
        if not enough and whole:
            return False
        kept = min(requests, max(before, left))
        self.kept.pop(run, None)
        if kept:
            self.kept[run] = kept
        return enough

    def resumes(self, lane: Lane, now: float, run: str | None = None) -> float:
        """Return the earliest instant from which a request may leave for the lane; `now` if one may."""
        room = self.room(lane, now, run)
        count = next(self.freed(lane, now, run)) if room == 0 else now
        return count if self.shut is None else max(count, self.shut)

    def freed(self, lane: Lane, now: float, run: str | None = None) -> Iterator[float]:
        """Yield the instants from which the lane's count allows one request more, beyond its room.

        As if the answers of the requests away came now, and what is kept for others had been sent.
        """
        kept = self.kept_from(run)
        over = max(0, self.used(now) + kept - (self._allowed[lane] or 0))
        newest = max(now + DAY, self._ends[-1] if self._ends else now)
        return islice(chain(self._ends, repeat(newest, self._away + kept)), over, None)

    def kept_from(self, run: str | None) -> int:
        """Return how many requests others keep."""
        if not self.kept:
            return 0
        return sum(self.kept.values()) - self.kept.get(run or "", 0)

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
