"""The limits of an API key."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Self, TypeVar

import attrs

from aiodoo.checks import MOST, is_count, is_finite
from aiodoo.errors import ConfigError

T = TypeVar("T", int, float)

ENVIRONMENT = {"per_second": "DOO_PER_SECOND", "per_day": "DOO_PER_DAY"}
"""The environment variables with an API key's limits."""

NO_LIMIT = "none"
"""How no limit is written, in the environment and in the file of profiles."""


def _text(value: object) -> str:
    """Format a number for a message; for other values, and for very large integers, the type."""
    if isinstance(value, float) or (isinstance(value, int) and abs(value) <= MOST):
        return repr(value)
    return f"a {type(value).__name__} that cannot be one"


@attrs.frozen(kw_only=True)
class Limits:
    """An API key's limits; the defaults are those of doo's page "Authorization".

    Parameters:
        per_second: requests per second; 0.5 is one request every two seconds. None for no limit.
        per_day: requests in any 24 hours; None for no limit.
        concurrency: how many requests of one Session may be in flight.
        reserve: the share of `per_day` that runs leave to single calls, from 0 to below 1.

    Raises:
        ConfigError: one of them is not such a number.
    """

    per_second: float | None = 1
    per_day: int | None = 1000
    concurrency: int = 8
    reserve: float = 0.05

    def __attrs_post_init__(self) -> None:
        if self.per_second is not None and not (is_finite(self.per_second) and self.per_second > 0):
            raise ConfigError(f"per_second must be a number above 0, or None; it is {_text(self.per_second)}")
        if self.per_day is not None and not is_count(self.per_day):
            raise ConfigError(
                f"per_day must be a whole number of at least 1, or None; it is {_text(self.per_day)}"
            )
        if not is_count(self.concurrency):
            raise ConfigError(
                f"concurrency must be a whole number of at least 1; it is {_text(self.concurrency)}"
            )
        if not (is_finite(self.reserve) and 0 <= self.reserve < 1):
            raise ConfigError(f"reserve must be a number from 0 to below 1; it is {_text(self.reserve)}")

    def __str__(self) -> str:
        """Return the limits that all sessions on one API key share, in words."""
        second, day = (
            f"any number a {unit}" if limit is None else f"{limit:g} a {unit}"
            for limit, unit in ((self.per_second, "second"), (self.per_day, "day"))
        )
        return f"{second}, {day}, {self.reserve:.0%} of it reserved for single calls"

    @classmethod
    def none(cls, *, concurrency: int = 8) -> Self:
        """Return limits without a rate limit and daily quota, such as for a sandbox whose `plan` is None.

        Parameters:
            concurrency: how many requests of one Session may be in flight.
        """
        return cls(per_second=None, per_day=None, concurrency=concurrency)

    @property
    def slots(self) -> int | None:
        """The number of requests in any `window`; None without a rate limit."""
        return None if self.per_second is None else max(1, math.floor(self.per_second))

    @property
    def window(self) -> float:
        """The seconds in which `slots` requests may reach doo; 0 without a rate limit."""
        return 0.0 if self.per_second is None else (self.slots or 1) / self.per_second

    @property
    def interval(self) -> float:
        """The seconds per request at the rate limit; 0 without one."""
        return 0.0 if self.per_second is None else 1 / self.per_second

    @property
    def per_day_for_bulk(self) -> int | None:
        """The number of requests in 24 hours, by anybody, up to which runs may send theirs; at least 1."""
        if self.per_day is None:
            return None
        return max(1, math.floor(round(self.per_day * (1 - self.reserve), 6)))

    def shared(self) -> tuple[float | None, int | None, float]:
        """Return the limits that all Sessions on one API key must share: all except `concurrency`."""
        return (self.per_second, self.per_day, self.reserve)


def of_environment(limits: Limits) -> Limits:
    """Return limits with those in the environment's `DOO_PER_SECOND` and `DOO_PER_DAY` in their place.

    Raises:
        ConfigError: a variable is neither a number of the kind that `Limits` takes nor `none`.
    """
    per_second = _variable("per_second", float, "a number above 0", limits)
    per_day = _variable("per_day", int, "a whole number of at least 1", limits)
    return attrs.evolve(limits, per_second=per_second, per_day=per_day)


def _variable(name: str, number: Callable[[str], T], what: str, limits: Limits) -> T | None:
    text = os.environ.get(ENVIRONMENT[name], "").strip()
    try:
        value: T | None = getattr(limits, name) if not text else None if text == NO_LIMIT else number(text)
        attrs.evolve(limits, **{name: value})  # type: ignore[arg-type]  # each has its own type
    except (ValueError, ConfigError):
        raise ConfigError(
            f"the environment variable {ENVIRONMENT[name]} must be {what}, or {NO_LIMIT}; nothing was sent"
        ) from None
    return value
