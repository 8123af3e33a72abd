"""The margin: how much further apart than the limit says requests are sent, learned from refusals. Pure.

A server may require that requests arrive evenly, such as nginx's `limit_req` without a burst: it refuses each that
arrives a moment early, although the second has room. How early a request may arrive is not known, and neither is how
much their ways vary. So each wave of refusals adds a step to the margin, and each accepted request takes a little off:
a margin that is too large shrinks until doo refuses again, which takes thousands of requests.
"""

from __future__ import annotations

import attrs

STEP = 0.015
"""What a wave of refusals adds at least, as a part of the interval of the limit."""
GROWTH = 1.25
"""By what it multiplies a larger margin."""
MOST = 0.3
"""The largest margin."""
FADE = 1 - 1 / 10_000
"""The part of the margin that is left after an accepted request; half of it after 7,000."""
SPACINGS = 4
"""For how many intervals the first pause lasts once there is a margin, if that is less than a second."""
LEAST = STEP / 16
"""A margin below this is none."""


@attrs.define(repr=False)
class Margin:
    """By which part of the limit's interval requests are further apart."""

    part: float = 0.0

    def refused(self) -> None:
        """Add a step, or a quarter of itself if that is more, for all the requests that were refused because of one moment."""
        self.part = min(max(self.part + STEP, self.part * GROWTH), MOST)

    def accepted(self) -> None:
        """Take a little off."""
        if self.part:
            self.part = self.part * FADE if self.part > LEAST else 0.0

    def first_pause(self, interval: float) -> float:
        """Return the seconds of the first pause without a Retry-After: a moment is enough for a server that spaces."""
        return min(1.0, SPACINGS * interval) if self.part and interval else 1.0

    def due(self, due: float, now: float, interval: float) -> float:
        """Return the time from which the spacing to the next request counts, for one that was due and is sent now.

        Without a margin that is when it was due, so that delays do not add up. With one, half of it makes up for a
        delay, and the other half is kept between any two requests.
        """
        return max(due, now - self.made_up(interval)) if self.part else due

    def made_up(self, interval: float) -> float:
        """Return the seconds of a delay that the next request makes up for."""
        return self.part * interval / 2
