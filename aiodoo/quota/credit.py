"""How much of a round trip is certainly not the request's own way: the credit a slot gets back.

A request reached doo some time before its answer came. The next one on the same slot is under way for
some time too. Both together last at least about one smallest round trip, so that much of the waiting
would only add to the window.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

import attrs

REMEMBERED = 100
NEEDED = 20
SHARE = 0.9
STEADY = 2.0


@attrs.define
class RoundTrips:
    """The last 100 round trips, sorted as they come."""

    _last: deque[float] = attrs.field(factory=deque, init=False)
    _sorted: list[float] = attrs.field(factory=list, init=False)
    _distrust: int = attrs.field(default=0, init=False)

    def add(self, seconds: float) -> None:
        """Remember one more, from the request sent to the answer's first byte."""
        if len(self._last) == REMEMBERED:
            del self._sorted[bisect_left(self._sorted, self._last.popleft())]
        self._last.append(seconds)
        insort(self._sorted, seconds)
        if self._distrust:
            self._distrust -= 1

    def refused(self) -> None:
        """Give no credit for the next 100 requests: doo counts otherwise than we thought."""
        self._distrust = REMEMBERED

    @property
    def credit(self) -> float:
        """0.9 x the smallest; 0 while there are few, while they vary, and for a while after a 429."""
        ordered = self._sorted
        count = len(ordered)
        if count < NEEDED or self._distrust:
            return 0.0
        smallest = ordered[0]
        return SHARE * smallest if ordered[(19 * count - 1) // 20] <= STEADY * smallest else 0.0
