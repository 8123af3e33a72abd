"""Usage plans: limits of requests per second and per day, counted in one of five ways.

doo documents only the two numbers and that they belong to the API key (page "Authorization"): not how the second is
counted, when a day begins, whether refused requests count, or what a refusal looks like. The defaults are those of an
AWS API Gateway, which served doo's public host in 2017.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from typing import Literal, Protocol, get_args

import attrs

from aiodoo.sandbox.answers import gateway_error
from aiodoo.sandbox.wire import Answer

Counting = Literal["fixed_window", "sliding_log", "token_bucket", "gcra", "leaky_bucket"]
DayCounting = Literal["calendar", "sliding"]

DAY = 86_400.0
_EPSILON = 1e-6  # tolerance for rounding: a request exactly one window after another is accepted


@attrs.frozen(kw_only=True)
class Plan:
    """The limits of one API key, and how requests are counted.

    Parameters:
        per_second: requests per second; None means no limit. Documented: 1.
        per_day: requests per day; None means no limit. Documented: 1000.
        counting: how requests per second are counted. Not documented.
        burst: requests that may come at once. Only for "token_bucket" (default: those of one second), "gcra" (default:
            those of a fifth of a second, at least 2), and "leaky_bucket", as nginx's `limit_req` counts: requests that
            may come early (default: none).
        per_day_counting: "calendar" resets the count every 86,400 s; "sliding" counts the last 86,400 s. Not
            documented.
        day_offset: seconds of the first calendar day that have passed when the box's clock shows 0.
        counts_refused: whether a refused request counts against the day, and against the second for "fixed_window"
            and "sliding_log". Not documented.
        counts_tokens: whether token requests count and are limited. Not documented.
        retry_after: the header Retry-After of a refusal: none, whole seconds, an HTTP date, or the result of a function
            of the seconds left. Not documented; an API Gateway sends none.
    """

    per_second: float | None = 1
    per_day: int | None = 1000
    counting: Counting = attrs.field(
        default="fixed_window", validator=attrs.validators.in_(get_args(Counting))
    )
    burst: int | None = None
    per_day_counting: DayCounting = attrs.field(
        default="calendar", validator=attrs.validators.in_(get_args(DayCounting))
    )
    day_offset: float = 0.0
    counts_refused: bool = True
    counts_tokens: bool = True
    retry_after: Literal["seconds", "date"] | Callable[[float], str] | None = None

    def __attrs_post_init__(self) -> None:
        second, day, burst, after = self.per_second, self.per_day, self.burst, self.retry_after
        if second is not None and not (isinstance(second, int | float) and 0 < second < math.inf):
            raise ValueError(f"per_second is a number above 0, or None, not {second!r}")
        if day is not None and (type(day) is not int or day < 0):
            raise ValueError(f"per_day is a whole number, not negative, or None, not {day!r}")
        least = 0 if self.counting == "leaky_bucket" else 1
        if burst is not None and (type(burst) is not int or burst < least):
            raise ValueError(f"burst is at least {least}, or None, not {burst!r}")
        if after not in (None, "seconds", "date") and not callable(after):
            raise ValueError(f"retry_after is seconds, date, a function or None, not {after!r}")


@attrs.frozen
class Refusal:
    """Why a request is refused, and the seconds until one would be accepted."""

    message: Literal["Too Many Requests", "Limit Exceeded"]
    wait: float


def limit_reached(refusal: Refusal, plan: Plan, unix_now: float) -> Answer:
    """Return the 429 for a refused request."""
    kind = "LimitExceededException" if refusal.message == "Limit Exceeded" else "TooManyRequestsException"
    answer = gateway_error(429, refusal.message, kind)
    if plan.retry_after == "seconds":
        answer.headers["Retry-After"] = str(math.ceil(refusal.wait))
    elif plan.retry_after == "date":
        answer.headers["Retry-After"] = formatdate(math.ceil(unix_now + refusal.wait), usegmt=True)
    elif plan.retry_after is not None:
        answer.headers["Retry-After"] = plan.retry_after(refusal.wait)
    return answer


class Count(Protocol):
    """A way of counting requests."""

    def wait(self, now: float) -> float:
        """Return the seconds until a request is accepted; 0 means now."""
        ...

    def take(self, now: float) -> None:
        """Count an accepted request."""
        ...

    def refuse(self, now: float) -> None:
        """Count a refused request."""
        ...


@attrs.define
class FixedWindow:
    """At most `limit` requests in each of consecutive windows."""

    limit: int
    window: float
    offset: float = 0.0
    _index: int = -1
    _count: int = 0

    def _advance(self, now: float) -> None:
        index = math.floor((now + self.offset + _EPSILON) / self.window)
        if index != self._index:
            self._index, self._count = index, 0

    def wait(self, now: float) -> float:
        """Return the seconds until a request is accepted."""
        self._advance(now)
        return 0.0 if self._count < self.limit else (self._index + 1) * self.window - self.offset - now

    def take(self, now: float) -> None:
        """Count a request."""
        self._advance(now)
        self._count += 1

    refuse = take


@attrs.define
class SlidingLog:
    """At most `limit` requests in the window that ends now; only the newest `limit` times are kept."""

    limit: int
    window: float
    _times: deque[float] = attrs.field(
        init=False, default=attrs.Factory(lambda self: deque(maxlen=self.limit), takes_self=True)
    )

    def wait(self, now: float) -> float:
        """Return the seconds until a request is accepted."""
        if len(self._times) < self.limit or now - self._times[0] >= self.window - _EPSILON:
            return 0.0
        return self._times[0] + self.window - now

    def take(self, now: float) -> None:
        """Count a request."""
        self._times.append(now)

    refuse = take


@attrs.define
class TokenBucket:
    """A token bucket that is full at first and refilled at a constant rate; each request takes one token."""

    rate: float
    capacity: int
    _level: float = attrs.field(
        init=False, default=attrs.Factory(lambda self: self.capacity, takes_self=True)
    )
    _at: float = 0.0

    def _fill(self, now: float) -> None:
        self._level = min(self.capacity, self._level + (now - self._at) * self.rate)
        self._at = now

    def wait(self, now: float) -> float:
        """Return the seconds until a request is accepted."""
        self._fill(now)
        return 0.0 if self._level >= 1 - _EPSILON else (1 - self._level) / self.rate

    def take(self, now: float) -> None:
        """Count a request."""
        self._fill(now)
        self._level -= 1

    def refuse(self, now: float) -> None:
        """Do nothing: a refused request takes no token."""


@attrs.define
class Gcra:
    """The generic cell rate algorithm: requests are due one interval apart, `burst` of them may come early."""

    rate: float
    burst: int
    _due: float = -math.inf

    def wait(self, now: float) -> float:
        """Return the seconds until a request is accepted."""
        early = self._due - (self.burst - 1) / self.rate - now
        return early if early > _EPSILON else 0.0

    def take(self, now: float) -> None:
        """Count a request."""
        self._due = max(self._due, now) + 1 / self.rate

    def refuse(self, now: float) -> None:
        """Do nothing: a refused request does not delay the next one."""


@attrs.define
class LeakyBucket:
    """nginx's `limit_req` without delay: requests fill the bucket and leak out of it, `burst` of them fit into it.

    It counts thousandths of a request and whole milliseconds. A refused request is not counted.
    """

    rate: float
    burst: int
    _excess: int = 0
    _last: int | None = None
    """The millisecond of the last accepted request."""

    def _excess_at(self, now: float) -> int:
        if self._last is None:
            return 0
        elapsed = math.floor(now * 1000 + _EPSILON) - self._last
        return max(0, self._excess - math.floor(self.rate * elapsed) + 1000)

    def wait(self, now: float) -> float:
        """Return the seconds until a request is accepted."""
        if self._last is None or self._excess_at(now) <= 1000 * self.burst:
            return 0.0
        # The first whole millisecond in which enough has leaked.
        elapsed = math.ceil((self._excess + 1000 - 1000 * self.burst) / self.rate)
        return (self._last + elapsed) / 1000 - now

    def take(self, now: float) -> None:
        """Count a request."""
        self._excess, self._last = self._excess_at(now), math.floor(now * 1000 + _EPSILON)

    def refuse(self, now: float) -> None:
        """Do nothing: a refused request is not counted."""


class Meter:
    """Counts the requests of one API key against its plan."""

    __slots__ = ("_day", "_second", "plan")

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._second = None if plan.per_second is None else _count_seconds(plan, plan.per_second)
        self._day = None if plan.per_day is None else _count_days(plan, plan.per_day)

    def admit(self, now: float, *, token: bool = False) -> Refusal | None:
        """Count a request and return its refusal, or None if it is accepted.

        The day is checked first, so that an exhausted quota is reported as "Limit Exceeded" at any rate.

        Parameters:
            token: whether it is a token request.
        """
        if token and not self.plan.counts_tokens:
            return None
        refusal = self._refusal(now)
        for count in (self._day, self._second):
            if count is None:
                continue
            if refusal is None:
                count.take(now)
            elif self.plan.counts_refused:
                count.refuse(now)
        return refusal

    def _refusal(self, now: float) -> Refusal | None:
        if self._day is not None and (wait := self._day.wait(now)) > 0:
            return Refusal("Limit Exceeded", wait)
        if self._second is not None and (wait := self._second.wait(now)) > 0:
            return Refusal("Too Many Requests", wait)
        return None


def _count_seconds(plan: Plan, rate: float) -> Count:
    limit = max(1, math.floor(rate))
    match plan.counting:
        case "fixed_window":
            return FixedWindow(limit, limit / rate)
        case "sliding_log":
            return SlidingLog(limit, limit / rate)
        case "token_bucket":
            return TokenBucket(rate, plan.burst or limit)
        case "gcra":
            return Gcra(rate, plan.burst or max(2, limit // 5))
        case "leaky_bucket":
            return LeakyBucket(rate, plan.burst or 0)


def _count_days(plan: Plan, limit: int) -> Count:
    if plan.per_day_counting == "sliding":
        return SlidingLog(limit, DAY)
    return FixedWindow(limit, DAY, plan.day_offset)
