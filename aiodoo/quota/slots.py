"""The slots of a second: pure arithmetic, every method is told the time.

N requests a window are N slots. A slot is one request's, from when it is granted until one window after
the request has certainly reached doo: after its answer, or after `PATIENCE` if there is none. Of any N + 1
requests two have used the same slot, so they reach doo at least a window apart: doo never sees more than N
in any window, wherever its windows begin. Grants are a Nth of a window apart, and further while round trips
vary, for servers that count by how evenly requests come.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from heapq import heapify, heappop, heappush

import attrs

from aiodoo.quota.limits import Limits
from aiodoo.quota.round_trips import SHARE, RoundTrips

PATIENCE = 5.0
"""Seconds after which a request without an answer has reached doo, or never will."""


@attrs.define(eq=False)
class Grant:
    """A slot in use."""

    due: float
    """From when the next grant keeps its distance."""
    sent_at: float
    held_until: float
    """When the slot is free at the latest."""
    followed: float
    """The same of the grant before."""
    probe: bool
    """Whether it is to find out if doo's day has room again."""


@attrs.define
class Slots:
    """Who holds the slots, and when the next one is free.

    Only slots in use are written down: `_away` has, sorted, the instants by which those whose answer is awaited
    are free at the latest, `_settled` the instants at which the others are.
    """

    limits: Limits
    trips: RoundTrips = attrs.field(factory=RoundTrips, init=False)
    _count: float = attrs.field(init=False)
    _window: float = attrs.field(init=False)
    _lagging: float = attrs.field(init=False)
    """How much of the lag each grant keeps away; none if there is one slot, which does so by itself."""
    _settled: list[float] = attrs.field(factory=list, init=False)
    _away: list[float] = attrs.field(factory=list, init=False)
    _last: float = attrs.field(default=-math.inf, init=False)

    def __attrs_post_init__(self) -> None:
        self._count = self.limits.slots or math.inf
        self._window = self.limits.window
        self._lagging = 1 / self._count if self._count > 1 else 0.0

    @property
    def spacing(self) -> float:
        """Seconds between two grants; 0 without a limit a second."""
        return self._window / self._count + self.trips.lag * self._lagging

    def earliest(self, now: float) -> float:
        """Return from when a request may leave if no further answer comes; `now` or before: at once."""
        settled, away = self._settled, self._away
        if settled and settled[0] <= now:
            del settled[: bisect_right(settled, now)]
        if away and away[0] <= now:
            del away[: bisect_right(away, now)]
        spaced = self._last + self.spacing
        excess = len(settled) + len(away) - self._count
        if excess < 0:
            return spaced
        if excess == 0:
            return max(spaced, min(settled[0] if settled else math.inf, away[0] if away else math.inf))
        return max(spaced, sorted(settled + away)[int(excess)])

    def take(self, now: float, due: float, *, probe: bool = False) -> Grant:
        """Use a slot; `earliest` has said that one is free.

        `due` is `now`, or somewhat before if a timer was late; else its lateness would add up.
        """
        grant = Grant(due, now, now + PATIENCE + self._window, self._last, probe)
        self._last = due
        if self.spacing:
            self._away.append(grant.held_until)
        return grant

    def sent(self, grant: Grant, now: float) -> None:
        """Count the patience from now on.

        If connecting took so long that the slot has become another request's, there are more requests than
        slots for a while, and nothing leaves until there are fewer.
        """
        self._leave(grant)
        grant.sent_at = now
        grant.held_until = now + PATIENCE + self._window
        if self.spacing:
            insort(self._away, grant.held_until)

    def give_back(self, grant: Grant) -> None:
        """Undo `take`: the slot is free, and the grant before this one is the one to keep away from."""
        self._leave(grant)
        if self._last == grant.due:
            self._last = grant.followed

    def answered(self, grant: Grant, now: float, round_trip: float | None, *, refused: bool) -> None:
        """Free the slot a window after the answer, less the credit, but not later than patience does."""
        credit = 0.0
        if round_trip is not None:
            self.trips.add(round_trip)
            credit = self.trips.credit
        if refused:
            self.trips.refused()
            credit = 0.0
        if self._leave(grant):
            free = max(now - credit, grant.sent_at) + self._window
            insort(self._settled, min(free, grant.held_until))

    def lost(self, grant: Grant) -> None:
        """Leave the slot to patience, because no answer will come."""
        if self._leave(grant):
            insort(self._settled, grant.held_until)

    def nth(self, requests: int, *, now: float, start: float) -> float:
        """Return the earliest instant at which the last of so many requests can leave; see `instants`.

        Once all slots that are in use now are free, the spacing alone decides: as many spacings as there are
        slots make a window.
        """
        if not self.spacing:
            return start
        latest = max(self._ends(now), default=-math.inf)
        for request, instant in enumerate(self.instants(now=now, start=start), 1):
            if request == requests or instant >= latest:
                return instant + (requests - request) * self.spacing
        raise AssertionError

    def instants(self, *, now: float, start: float) -> Iterator[float]:
        """Yield the earliest instant for each of the next requests, without end.

        As if answers came at once, from now on, and nothing left before `start`.
        """
        in_use = self._ends(now)
        heapify(in_use)
        idle = self._count - len(in_use)
        spacing = self.spacing
        instant = max(start, self._last + spacing)
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
        """Return from when each slot in use is free if the answers come now."""
        return self._settled + [self._earliest_end(latest, now) for latest in self._away]

    def _earliest_end(self, latest: float, now: float) -> float:
        """Return from when the slot of a request away is free if its answer comes now."""
        sent_at = latest - self._window - PATIENCE
        credit = min(self.trips.credit, SHARE * (now - sent_at))
        return min(now - credit + self._window, latest)

    def _leave(self, grant: Grant) -> bool:
        """Strike the grant from the requests away; False if it is not there any more."""
        place = bisect_left(self._away, grant.held_until)
        if place == len(self._away) or self._away[place] != grant.held_until:
            return False
        del self._away[place]
        return True
