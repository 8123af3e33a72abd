"""Deadlines as values: how many seconds something may take, waits included, and when they end."""

from __future__ import annotations

import sys
from typing import Literal, TypeAlias

import attrs

from aiodoo.checks import check_seconds

DeadlineOption: TypeAlias = float | Literal["session"] | None
"""Seconds for one call with all waits and attempts; None for no limit, "session" for the session's default."""


def check_deadline(value: float | None) -> float | None:
    """Return a valid default deadline.

    Raises:
        ConfigError: it is neither a number of seconds above 0 nor None.
    """
    return None if value is None else check_seconds(value, "deadline", least=sys.float_info.min)


GRACE = 10.0
"""The default seconds that a cancelled change may take to finish."""


@attrs.frozen(repr=False)
class Deadline:
    """The time by which something has to be done.

    Attributes:
        seconds: how long it may take from its start; None for no limit.
        ends_at: when that time is over (monotonic seconds); None for never.
    """

    seconds: float | None
    ends_at: float | None

    def left(self, now: float) -> float | None:
        """Return the seconds that are left, at least 0; None for no limit."""
        return None if self.ends_at is None else max(0.0, self.ends_at - now)

    def is_over(self, at: float) -> bool:
        """Return whether the deadline is reached at a time (monotonic seconds)."""
        return self.ends_at is not None and at >= self.ends_at
