"""The slots of the rate limit, and the statistics of round trips. Pure functions of the time that is passed to each method.

For N requests per window there are N slots. A request uses a slot from its grant until one window after it has
certainly reached doo, which is after its answer, or after `PATIENCE` without one. Of any N + 1 requests two have used
the same slot, so they reach doo at least a window apart: doo never sees more than N in any window, wherever its windows
begin. Grants are 1/N of a window apart, and further while round trips vary, for servers that limit the spacing.

A request reaches doo some time before its answer arrives, and so does the next request on the same slot. Both times
together are at least about one minimum round trip, so while round trips are steady the slot is free that much earlier:
its *credit*. While they vary, requests reach doo less evenly than they are sent, and a server that counts by spacing
refuses some. Grants are further apart then, by the *lag*; this costs nothing, as each slot is in use for a window and a
round trip anyway. After a refusal they are further apart by the *margin*, too; see `margin.py`.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterator
from functools import reduce
from heapq import heapify, heappop, heappush
from operator import add

import attrs

from aiodoo.quota.limits import Limits
from aiodoo.quota.margin import Margin

PATIENCE = 5.0
"""Seconds after which a request without an answer has reached doo or never will."""
REMEMBERED = 100
NEEDED = 20
"""The number of round trips that is needed for credit."""
TELLING = 5
"""The number that is needed to decide whether they vary."""
PROMPT = 0.01
"""Seconds after a grant within which sending is not reported to the ledger; fewer with a margin."""
SHARE = 0.9
STEADY = 2.0
"""They vary if the 95th percentile is more than this times the minimum."""


@attrs.define(repr=False)
class RoundTrips:
    """The last 100 round trips, in seconds."""

    last: deque[float] = attrs.field(factory=deque)
    distrust: int = 0
    """For how many more round trips there is no credit."""
    _sorted: list[float] = attrs.field(factory=list, init=False)
    credit: float = attrs.field(default=0.0, init=False)
    """0.9 times the minimum; 0 while there are few, while they vary, and for a while after a 429."""
    lag: float = attrs.field(default=0.0, init=False)
    """The mean while they vary, else 0."""

    def __attrs_post_init__(self) -> None:
        self._sorted = sorted(self.last)
        self._judge()

    def add(self, seconds: float) -> None:
        """Add a round trip, from sending to the first byte of the answer."""
        if len(self.last) == REMEMBERED:
            del self._sorted[bisect_left(self._sorted, self.last.popleft())]
        self.last.append(seconds)
        insort(self._sorted, seconds)
        if self.distrust:
            self.distrust -= 1
        self._judge()

    def refused(self) -> None:
        """Give no credit for the next 100 round trips, as doo counts otherwise than assumed."""
        self.distrust = REMEMBERED
        self._judge()

    def _judge(self) -> None:
        ordered = self._sorted
        count = len(ordered)
        self.credit = self.lag = 0.0
        if count >= TELLING and ordered[(19 * count - 1) // 20] > STEADY * ordered[0]:
            # Not sum(), which rounds otherwise from Python 3.12 on, and otherwise than `redis_script`.
            self.lag = reduce(add, self.last) / count
        elif count >= NEEDED and not self.distrust:
            self.credit = SHARE * ordered[0]


@attrs.define(eq=False, repr=False)
class Grant:
    """A slot in use. The fields are part of the format of a ledger's file."""

    due: float
    """The time from which the spacing to the next grant counts."""
    followed: float
    """`due` of the grant before."""
    sent_at: float
    held_until: float
    """The latest time at which the slot is free."""
    probe: bool
    """Whether the request is a probe of whether the day has room again."""


@attrs.define(repr=False)
class Slots:
    """The slots in use, and when the next one is free.

    For each slot in use there is one time, sorted: in `_away` the latest time at which the slot of a request in flight
    is free, in `_settled` the time at which the slot of an ended request is.
    """

    limits: Limits
    trips: RoundTrips = attrs.field(factory=RoundTrips)
    margin: Margin = attrs.field(factory=Margin)
    _count: float = attrs.field(init=False)
    _window: float = attrs.field(init=False)
    _lagging: float = attrs.field(init=False)
    """The part of the lag that is added to the spacing; 0 with one slot, whose grants are a round trip apart anyway."""
    _settled: list[float] = attrs.field(factory=list, alias="settled")
    _away: list[float] = attrs.field(factory=list, alias="away")
    last: float = -math.inf
    """`due` of the last grant."""

    def __attrs_post_init__(self) -> None:
        self._count = self.limits.slots or math.inf
        self._window = self.limits.window
        self._lagging = 1 / self._count if self._count > 1 else 0.0

    @property
    def settled(self) -> list[float]:
        """When the slots of the ended requests are free, sorted."""
        return self._settled

    @property
    def interval(self) -> float:
        """Seconds per request at the limit; 0 without a rate limit."""
        return self._window / self._count

    @property
    def prompt(self) -> float:
        """Seconds after a grant within which sending is not reported to the ledger."""
        return min(PROMPT, self.margin.made_up(self.interval)) if self.margin.part else PROMPT

    @property
    def spacing(self) -> float:
        """Seconds between two grants; 0 without a rate limit."""
        return self.interval * (1 + self.margin.part) + self.trips.lag * self._lagging

    def earliest(self, now: float) -> float:
        """Return from when a request may be sent if no further answer arrives; `now` or earlier for at once."""
        if self._count == math.inf:
            return self.last
        settled, away = self._settled, self._away
        if settled and settled[0] <= now:
            del settled[: bisect_right(settled, now)]
        if away and away[0] <= now:
            del away[: bisect_right(away, now)]
        spaced = self.last + self.spacing
        excess = len(settled) + len(away) - self._count
        if excess < 0:
            return spaced
        if excess == 0:
            return max(spaced, min(settled[0] if settled else math.inf, away[0] if away else math.inf))
        return max(spaced, sorted(settled + away)[int(excess)])

    def take(self, now: float, due: float, *, probe: bool = False) -> Grant:
        """Grant a slot; to be called only if `earliest` allows it.

        `due` is `now`, or a little earlier if a timer was late, so that delays do not add up; see `Margin.due`.
        """
        due = self.margin.due(due, now, self.interval)
        grant = Grant(due, self.last, now, now + PATIENCE + self._window, probe)
        self.last = due
        if self._count != math.inf:
            self._away.append(grant.held_until)
        return grant

    def sent(self, grant: Grant, now: float) -> None:
        """Record that the request is sent now, from which its patience counts.

        If connecting took so long that the slot was granted again, more requests than slots are in use for a while, and
        nothing is granted until there are fewer. With a margin, the spacing to the next request counts from now.
        """
        self._remove(grant)
        if self.last == grant.due:
            self.last = grant.due = self.margin.due(grant.due, now, self.interval)
        grant.sent_at = now
        grant.held_until = now + PATIENCE + self._window
        if self.spacing:
            insort(self._away, grant.held_until)

    def give_back(self, grant: Grant) -> None:
        """Undo `take`: the slot is free, and the spacing counts from the grant before."""
        self._remove(grant)
        if self.last == grant.due:
            self.last = grant.followed

    def answered(self, grant: Grant, now: float, round_trip: float | None, *, refused: bool) -> None:
        """Free the slot a window after the answer minus the credit, at the latest when patience does."""
        if self._count == math.inf:
            return
        credit = 0.0
        if round_trip is not None:
            self.trips.add(round_trip)
            credit = self.trips.credit
        if refused:
            self.trips.refused()
            credit = 0.0
        if self._remove(grant):
            free = max(now - credit, grant.sent_at) + self._window
            insort(self._settled, min(free, grant.held_until))

    def lost(self, grant: Grant) -> None:
        """Leave the slot to be freed by patience."""
        if self._count != math.inf and self._remove(grant):
            insort(self._settled, grant.held_until)

    def nth(self, requests: int, *, now: float, start: float) -> float:
        """Return the earliest time at which the last of some requests can be sent; see `instants`.

        Once all slots in use now are free, only the spacing counts, as N spacings are a window at least.
        """
        if not self.spacing:
            return start
        latest = max(self._ends(now), default=-math.inf)
        for request, instant in enumerate(self.instants(now=now, start=start), 1):
            if request == requests or instant >= latest:
                return instant + (requests - request) * self.spacing
        raise AssertionError

    def instants(self, *, now: float, start: float) -> Iterator[float]:
        """Yield the earliest time for each of the next requests, endlessly.

        Assumes that answers arrive at once, from now on, and that nothing is sent before `start`.
        """
        in_use = self._ends(now)
        heapify(in_use)
        idle = self._count - len(in_use)
        spacing = self.spacing
        instant = max(start, self.last + spacing)
        while True:
            idle -= 1
            while in_use and idle < 0:
                instant = max(instant, heappop(in_use))
                idle += 1
            yield instant
            if spacing:
                heappush(in_use, instant + self._window)
            instant += spacing

    def _ends(self, now: float) -> list[float]:
        """Return when each slot in use is free if all answers arrive now."""
        return self._settled + [self._earliest_end(latest, now) for latest in self._away]

    def _earliest_end(self, latest: float, now: float) -> float:
        """Return when the slot of a request in flight is free if its answer arrives now."""
        sent_at = latest - self._window - PATIENCE
        credit = min(self.trips.credit, SHARE * (now - sent_at))
        return min(now - credit + self._window, latest)

    def _remove(self, grant: Grant) -> bool:
        """Remove a grant from the requests in flight; return False if it is not there."""
        place = bisect_left(self._away, grant.held_until)
        if place == len(self._away) or self._away[place] != grant.held_until:
            return False
        del self._away[place]
        return True
