"""The wait that doo asked of a whole key; a wave of 429s is one pause."""

from __future__ import annotations

import math

import attrs

LONGEST = 60.0
"""Seconds: the longest pause of our own choice, and the one for a Retry-After that cannot be read."""


@attrs.define
class Pause:
    """Until when nothing leaves, and how long the next pause of our own choice is."""

    until: float = attrs.field(default=-math.inf, init=False)
    """Monotonic seconds."""
    refused: bool = attrs.field(default=False, init=False)
    """Whether a 429 is the reason for that instant."""
    _began: float = attrs.field(default=-math.inf, init=False)
    _next: float = attrs.field(default=1.0, init=False)

    def ask(
        self, now: float, seconds: float | None, *, unreadable: bool, refused: bool, sent_at: float | None
    ) -> None:
        """Pause for what doo said, or for 1, 2, 4 ... 60 s; `sent_at` is when the refused request left."""
        same_wave = now < self.until or (sent_at is not None and sent_at <= self._began)
        if unreadable or (seconds is not None and not 0 <= seconds < math.inf):
            seconds = LONGEST
        elif seconds is None:
            if same_wave:
                return
            seconds = self._next
            self._next = min(2 * seconds, LONGEST)
        if not same_wave:
            self._began = now
        if now + seconds > self.until:
            self.until = now + seconds
            self.refused = refused

    def answered(self, sent_at: float) -> None:
        """Begin anew at 1 s: a request sent since the last pause was not refused."""
        if sent_at > self._began:
            self._next = 1.0
