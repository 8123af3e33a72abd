"""What an API key may ask for, and how many Sessions' requests may be under way."""

from __future__ import annotations

import math
from typing import Self

import attrs

from aiodoo.checks import MOST, is_count, is_finite
from aiodoo.errors import ConfigError


def _told(value: object) -> str:
    """Return a number as an error shows it; of anything else, and of one that is too long to show, its type."""
    if isinstance(value, float) or (isinstance(value, int) and abs(value) <= MOST):
        return repr(value)
    return f"a {type(value).__name__} that cannot be one"


@attrs.frozen(kw_only=True)
class Limits:
    """An API key's limits; the defaults are those of doo's page "Authorization".

    Parameters:
        per_second: requests a second; a fraction such as 0.5 is one every two seconds. None lifts it.
        per_day: requests in any 24 hours. None lifts it.
        concurrency: requests that one Session has under way at once. Each Session has its own.
        reserve: the share of `per_day` that runs leave to single calls, from 0 to below 1.

    Raises:
        ConfigError: one of them is no such number.
    """

    per_second: float | None = 1
    per_day: int | None = 1000
    concurrency: int = 8
    reserve: float = 0.05

    def __attrs_post_init__(self) -> None:
        if self.per_second is not None and not (is_finite(self.per_second) and self.per_second > 0):
            raise ConfigError(f"per_second must be a number above 0, or None; it is {_told(self.per_second)}")
        if self.per_day is not None and not is_count(self.per_day):
            raise ConfigError(
                f"per_day must be a whole number of at least 1, or None; it is {_told(self.per_day)}"
            )
        if not is_count(self.concurrency):
            raise ConfigError(
                f"concurrency must be a whole number of at least 1; it is {_told(self.concurrency)}"
            )
        if not (is_finite(self.reserve) and 0 <= self.reserve < 1):
            raise ConfigError(f"reserve must be a number from 0 to below 1; it is {_told(self.reserve)}")

    @classmethod
    def none(cls, *, concurrency: int = 8) -> Self:
        """Return limits without any a second or a day, such as for a sandbox whose `plan` is None.

        Parameters:
            concurrency: requests that one Session has under way at once.
        """
        return cls(per_second=None, per_day=None, concurrency=concurrency)

    @property
    def slots(self) -> int | None:
        """Requests in any window; None without a limit a second."""
        return None if self.per_second is None else max(1, math.floor(self.per_second))

    @property
    def window(self) -> float:
        """Seconds in which `slots` requests may arrive; 0 without a limit a second."""
        return 0.0 if self.per_second is None else (self.slots or 1) / self.per_second

    @property
    def interval(self) -> float:
        """Seconds that one request takes at the limit a second; 0 without one."""
        return 0.0 if self.per_second is None else 1 / self.per_second

    @property
    def per_day_for_bulk(self) -> int | None:
        """Requests in 24 hours, by whomever, up to which a bulk job may add its own; at least one."""
        if self.per_day is None:
            return None
        return max(1, math.floor(round(self.per_day * (1 - self.reserve), 6)))

    def shared(self) -> tuple[float | None, int | None, float]:
        """Return what every Session on one API key must agree on: all but `concurrency`."""
        return (self.per_second, self.per_day, self.reserve)
