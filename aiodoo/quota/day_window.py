"""Counts the requests of the last 24 hours. Pure functions of the time that is passed to each method.

A request counts from its grant until 24 hours after it has certainly reached doo. So the limit is kept whether doo's
day is the last 24 hours or begins at some hour.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice, repeat

import attrs

from aiodoo.quota.ledger import Lane
from aiodoo.quota.limits import Limits

DAY = 86_400.0
PROBE_EVERY = 3_600.0
"""Seconds between two probes of whether the day has room again, after doo has said that it is spent."""
KEPT = 3_600.0
"""Seconds after which the commitment of a killed run lapses."""


@attrs.define(repr=False)
class Kept:
    """The commitment of a run. The fields are part of the format of a ledger's file."""

    requests: int
    at: float
    """When it was last set or confirmed."""


@attrs.define(repr=False)
class DayWindow:
    """The used part of the daily quota.

    Ended requests are numbered. A ledger stores the times until which they count elsewhere, or keeps all in `ends`.
    If doo says that the day is spent although the count has room, others use the API key as well. The day is `shut`
    then: after an hour one request may be sent as a probe, and if it is not refused, the count is valid again.
    """

    limits: Limits
    shut: float | None = None
    """From when a probe may be sent, if doo has said that the day is spent."""
    probing: bool = False
    """Whether the probe is in flight."""
    kept: dict[str, Kept] = attrs.field(factory=dict)
    """The commitment of each run: requests that it needs to finish what it has begun."""
    away: int = 0
    """The number of requests in flight."""
    first: int = 0
    """The number of the oldest ended request that counts."""
    after: int = 0
    """The number after the newest one."""
    newest: float = -math.inf
    """Until when the newest one counts."""
    ends: deque[float] = attrs.field(factory=deque)
    """Until when the newest ones count, as many as are known here; in order."""
    _allowed: dict[Lane, int | None] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._allowed = {Lane.FRONT: self.limits.per_day, Lane.BULK: self.limits.per_day_for_bulk}

    def per_day(self, lane: Lane) -> int | None:
        """Return the number of requests in 24 hours up to which a lane may add its own; None without a limit."""
        return self._allowed[lane]

    def used(self, now: float) -> int:
        """Return how many requests count, including those in flight; 0 without a daily limit."""
        ends = self.ends
        while ends and ends[0] <= now:
            ends.popleft()
            self.first = self.after - len(ends)
        return self.after - self.first + self.away

    def room(self, lane: Lane, now: float, run: str | None = None) -> int | None:
        """Return how many more requests the count allows, even if the day is shut; None without a daily limit.

        Args:
            lane: the lane.
            now: the time.
            run: the run that asks, which may use its commitment.
        """
        per_day = self._allowed[lane]
        return None if per_day is None else max(0, per_day - self.used(now) - self.kept_from(run))

    def left(self, lane: Lane, now: float, run: str | None = None) -> int | None:
        """Return how many more requests may be sent, including the run's commitment; None without a daily limit."""
        room = self.room(lane, now, run)
        if self.shut is None:
            return room
        if self.probing or now < self.shut:
            return 0
        return 1 if room is None else min(1, room)

    def exhausted(self, lane: Lane, now: float, run: str | None = None) -> bool:
        """Return whether nothing may be sent, and no pending answer will change that.

        A commitment may extend into the reserve, as single calls may have used the part of the runs meanwhile.
        """
        if self.shut is not None and now < self.shut and not self.probing:
            return True
        if self._allowed[Lane.FRONT] is None:
            return False
        if run in self.kept:
            # Other commitments are ignored: a request in flight is counted and, for a while, still part of a commitment.
            per_day = self._allowed[Lane.FRONT]
            return per_day is not None and self.used(now) >= per_day
        return self.room(lane, now, run) == 0

    def keep(self, run: str, requests: int, now: float, *, whole: bool = True) -> bool:
        """Set the commitment of a run; it can always be reduced, and increased only by requests that are free.

        Args:
            run: the run.
            requests: the number that it needs.
            now: the time.
            whole: whether to change nothing unless all of them are free; else as many as are free are committed.

        Returns:
            Whether all of them are committed.
        """
        before, left = self.kept_for(run), self.left(Lane.BULK, now, run)
        if left is None:
            return True
        enough = requests <= max(before, left)
        if not enough and whole:
            return False
        kept = min(requests, max(before, left))
        self.kept.pop(run, None)
        if kept:
            self.kept[run] = Kept(kept, now)
        return enough

    def lapse(self, now: float, alive: Callable[[str], bool]) -> None:
        """Drop the commitments of runs that have not been alive for an hour."""
        for run, kept in list(self.kept.items()):
            if kept.at + KEPT <= now:
                if alive(run):
                    kept.at = now
                else:
                    del self.kept[run]

    def resumes(self, lane: Lane, now: float, run: str | None = None) -> float:
        """Return the earliest time at which a request may be sent; `now` if one may."""
        room = self.room(lane, now, run)
        count = next(self.freed(lane, now, run)) if room == 0 else now
        return count if self.shut is None else max(count, self.shut)

    def freed(self, lane: Lane, now: float, run: str | None = None) -> Iterator[float]:
        """Yield the times at which the count allows one more request, beyond its room.

        Assumes that all answers arrive now, and that the commitments of others are sent now.
        """
        kept = self.kept_from(run)
        used = self.used(now)
        over = max(0, used + kept - (self._allowed[lane] or 0))
        newest = max(now + DAY, self.newest)
        return islice(chain(self.ends, repeat(newest, used - len(self.ends) + kept)), over, None)

    def kept_for(self, run: str | None) -> int:
        """Return the commitment of a run."""
        return self.kept[run].requests if run in self.kept else 0

    def kept_from(self, run: str | None) -> int:
        """Return the commitments of other runs."""
        if not self.kept:
            return 0
        return sum(kept.requests for kept in self.kept.values()) - self.kept_for(run)

    def take(self) -> bool:
        """Count a request that is granted; return whether it is the probe."""
        self.away += 1
        self.probing = self.shut is not None
        return self.probing

    def give_back(self, *, probe: bool) -> None:
        """Undo `take` for a request that was not sent."""
        self.away -= 1
        if probe:
            self.probing = False

    def ended(self, reached: float) -> None:
        """Record that a request has reached doo at `reached` at the latest: it counts for a day from then."""
        self.away -= 1
        self.count(reached + DAY)

    def count(self, until: float) -> None:
        """Add an ended request that counts until a time, but at least until the one before."""
        if self.limits.per_day is not None:
            self.newest = max(until, self.newest)
            self.ends.append(self.newest)
            self.after += 1

    def learn(self, before: DayWindow, known: int, ends: Sequence[float], ends_from: int) -> int:
        """Take over the times that an earlier copy has, and those in a reply; return the number after the last one.

        Args:
            before: the earlier copy, which may also contain what its process has assumed.
            known: the number after the last one that the earlier copy has from a reply.
            ends: the times in the reply.
            ends_from: the number of the first of them.
        """
        self.ends = before.ends
        for _ in range(min(before.after - known, len(self.ends))):
            self.ends.pop()
        if self.after < known:
            # The ledger was replaced by another one; the next exchange returns all of it.
            self.ends.clear()
            return 0
        # Two concurrent exchanges may both return the same requests.
        self.ends.extend(ends[max(0, known - ends_from) :])
        while len(self.ends) > self.after - self.first:
            self.ends.popleft()
        return self.after

    def probed(self, now: float, *, refused: bool) -> None:
        """Record the result of the probe: the count is valid again, or the next probe is in an hour."""
        self.probing = False
        self.shut = now + PROBE_EVERY if refused else None

    def spent(self, now: float) -> None:
        """Record that doo has said that the day is spent."""
        self.probed(now, refused=True)
