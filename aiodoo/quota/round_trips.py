"""What round trips tell: the credit a slot gets back while they are alike, and the lag while they are not.

A request reached doo some time before its answer came. The next one on the same slot is under way for
some time too. Both together last at least about one smallest round trip, so that much of the waiting
would only add to the window.

While round trips vary, requests do not come as evenly as they leave, and a server that wants them even refuses
some. They use their slots for a window and a round trip then, so nothing is won by letting them leave sooner than
what that comes to on average.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

import attrs

REMEMBERED = 100
NEEDED = 20
"""So many have to be alike to earn credit."""
TELLING = 5
"""So many tell whether they vary."""
SHARE = 0.9
STEADY = 2.0


@attrs.define
class RoundTrips:
    """The last 100 round trips, sorted as they come."""

    _last: deque[float] = attrs.field(factory=deque, init=False)
    _sorted: list[float] = attrs.field(factory=list, init=False)
    _distrust: int = attrs.field(default=0, init=False)
    credit: float = attrs.field(default=0.0, init=False)
    """0.9 x the smallest; 0 while there are few, while they vary, and for a while after a 429."""
    lag: float = attrs.field(default=0.0, init=False)
    """Their mean while they vary, else 0."""

    def add(self, seconds: float) -> None:
        """Remember one more, from the request sent to the answer's first byte."""
        if len(self._last) == REMEMBERED:
            del self._sorted[bisect_left(self._sorted, self._last.popleft())]
        self._last.append(seconds)
        insort(self._sorted, seconds)
        if self._distrust:
            self._distrust -= 1
        self._judge()

    def refused(self) -> None:
        """Give no credit for the next 100 requests: doo counts otherwise than we thought."""
        self._distrust = REMEMBERED
        self._judge()

    def _judge(self) -> None:
        ordered = self._sorted
        count = len(ordered)
        self.credit = self.lag = 0.0
        if count >= TELLING and ordered[(19 * count - 1) // 20] > STEADY * ordered[0]:
            self.lag = sum(self._last) / count
        elif count >= NEEDED and not self._distrust:
            self.credit = SHARE * ordered[0]
