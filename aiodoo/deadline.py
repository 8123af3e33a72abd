"""A deadline: the seconds that something may take with all its waits, and when they are over. Pure."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

DeadlineOption: TypeAlias = float | Literal["session"] | None
"""Seconds for one call with all its waits and tries; None for no end, "session" for the session's default."""


@attrs.frozen
class Deadline:
    """When something has to be done.

    Attributes:
        seconds: that it may take from its beginning; None for any number.
        ends_at: when they are over (monotonic seconds); None for never.
    """

    seconds: float | None
    ends_at: float | None

    @classmethod
    def after(cls, seconds: float | None, now: float) -> Deadline:
        """Return the deadline of what begins now."""
        return cls(seconds, None if seconds is None else now + seconds)

    def left(self, now: float) -> float | None:
        """Return the seconds that are left, 0 if they are over; None for any number."""
        return None if self.ends_at is None else max(0.0, self.ends_at - now)

    def is_over(self, at: float) -> bool:
        """Return whether it is over at a time."""
        return self.ends_at is not None and at >= self.ends_at
