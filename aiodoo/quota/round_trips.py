"""Statistics of round trips: the credit of a slot while they are steady, and the lag while they vary.

A request reaches doo some time before its answer arrives, and so does the next request on the same slot. Both times
together are at least about one minimum round trip, so the slot may be free that much earlier.

While round trips vary, requests reach doo less evenly than they are sent, and a server that counts by spacing refuses
some. Grants are further apart then; this costs nothing, as each slot is in use for a window and a round trip anyway.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

import attrs

REMEMBERED = 100
NEEDED = 20
"""The number of round trips that is needed for credit."""
TELLING = 5
"""The number that is needed to decide whether they vary."""
SHARE = 0.9
STEADY = 2.0
"""They vary if the 95th percentile is more than this times the minimum."""


@attrs.define
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
            self.lag = sum(self.last) / count
        elif count >= NEEDED and not self.distrust:
            self.credit = SHARE * ordered[0]
