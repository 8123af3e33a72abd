"""The pause of an API key after a 429; concurrent 429s cause only one pause."""

from __future__ import annotations

import math

import attrs

LONGEST = 60.0
"""Seconds; the longest pause without a Retry-After, and the one for a Retry-After that cannot be parsed."""


@attrs.define
class Pause:
    """Until when nothing is sent, and how long the next pause without a Retry-After is."""

    until: float = -math.inf
    refused: bool = False
    """Whether a 429 is the cause of the pause."""
    began: float = -math.inf
    next: float = 1.0
    """Seconds."""

    def ask(
        self, now: float, seconds: float | None, *, unreadable: bool, refused: bool, sent_at: float | None
    ) -> None:
        """Pause for `seconds`, or without them for 1, 2, 4 ... 60 s; `sent_at` is when the refused request was sent."""
        same_wave = now < self.until or (sent_at is not None and sent_at <= self.began)
        if unreadable or (seconds is not None and not 0 <= seconds < math.inf):
            seconds = LONGEST
        elif seconds is None:
            if same_wave:
                return
            seconds = self.next
            self.next = min(2 * seconds, LONGEST)
        if not same_wave:
            self.began = now
        if now + seconds > self.until:
            self.until = now + seconds
            self.refused = refused

    def answered(self, sent_at: float) -> None:
        """Reset the next pause to 1 s if the request was sent since the last pause began."""
        if sent_at > self.began:
            self.next = 1.0
