"""What may go wrong behind the gateway: one fault, faults told in order, and faults drawn by chance."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Container, Iterable, Mapping
from random import Random
from typing import Any, Literal, cast, get_args

import attrs

from aiodoo.sandbox.wire import Drop, Operation, check_team

FaultKind = Literal[
    "lost_before",
    "lost_after",
    "late",
    "error_acted",
    "error_not_acted",
    "delete_ignored",
    "reset",
    "slow",
    "stale",
    "truncated",
    "too_many",
    "unauthorized",
    "replaced",
    "envelope_lie",
    "broken_items",
]

_NEVER_CARRIED_OUT = frozenset(
    {"lost_before", "late", "error_not_acted", "delete_ignored", "too_many", "unauthorized"}
)
_ONLY_ON: Mapping[FaultKind, Operation] = {
    "delete_ignored": "delete",
    "stale": "list",
    "broken_items": "list",
}
_ROUNDING = 1e-9
_CARRIED_OUT_OR_NOT = frozenset({"reset", "envelope_lie"})


def _deprecated(old: str, new: str, *, stacklevel: int) -> None:
    warnings.warn(f"{old} is deprecated; use {new}", DeprecationWarning, stacklevel=stacklevel)


def _operations(on: Operation | Iterable[Operation]) -> tuple[Operation, ...]:
    if isinstance(on, str) or not isinstance(on, Iterable):
        return (on,)
    return tuple(on)


def _check_on(_: object, __: attrs.Attribute[Any], on: tuple[Operation, ...] | None) -> None:
    if on == ():
        raise ValueError("on is one operation at least")
    for operation in on or ():
        if operation not in get_args(Operation):
            raise ValueError(f"on is of {get_args(Operation)}, not {operation!r}")


def _check_team(_: object, __: attrs.Attribute[Any], team: object) -> None:
    if team is not None and not isinstance(team, str):
        raise ValueError(f"team is an id, which is text, not {team!r}")


def _check_times(_: object, __: attrs.Attribute[Any], times: object) -> None:
    if times is not None and (type(times) is not int or times < 1):
        raise ValueError(f"times is at least 1, or None for ever, not {times!r}")


def _check_nth(_: object, __: attrs.Attribute[Any], nth: object) -> None:
    if type(nth) is not int or nth < 1:
        raise ValueError(f"nth is at least 1, not {nth!r}")


@attrs.frozen
class Fault:
    """One thing that goes wrong, and which request it befalls.

    It befalls a request that the gateway let through and counted; a fault waits while requests are refused.

    What goes wrong
        lost_before: the connection breaks (`stage`), nothing is carried out.
        lost_after: it is carried out, then the connection breaks (`stage`).
        late: the connection breaks (`stage`), or `status` (such as 504) is answered; it is carried out `after`
            seconds later.
        error_acted, error_not_acted: `status` (500 if not given), with `body` and `headers` if given.
        delete_ignored: a delete is answered with 204 and not carried out.
        reset: a TCP reset at `stage`; carried out unless `acted=False`.
        slow: the answer takes `seconds` more, its body arrives a few bytes at a time.
        stale: a list shows the state of `seconds` ago (at most an hour).
        truncated: the body ends after `keep` bytes (half of them, if not given), while Content-Length promises the
            whole, or what is sent with `content_length="matching"`.
        too_many: 429 with `body` and `headers`; nothing is carried out.
        unauthorized: 401; nothing is carried out.
        replaced: exactly `status`, `headers` and `body`, or the bytes `wire` instead of HTTP, then the connection is
            closed; carried out unless `acted=False`.
        envelope_lie: the body's `response_status` is the one given here, the HTTP status stays; carried out unless
            `acted=False`.
        broken_items: a list shows `count` times `item` instead of webhooks, `[1, 1, 1, ...]` if neither is given.

    Which request
        on: the operation, or several; any if not given.
        team: the team in the path, or the one in which the webhook to delete lives.
        nth: the first nth - 1 such requests that no earlier fault takes pass unharmed.
        times: how many are befallen, one after the other; None is for ever.
    """

    kind: FaultKind = attrs.field(default=cast("FaultKind", ""))  # it may come as `what`, its old name
    on: tuple[Operation, ...] | None = attrs.field(
        default=None, kw_only=True, converter=attrs.converters.optional(_operations), validator=_check_on
    )
    team: str | None = attrs.field(default=None, kw_only=True, validator=_check_team)
    nth: int = attrs.field(default=1, kw_only=True, validator=_check_nth)
    times: int | None = attrs.field(default=1, kw_only=True, validator=_check_times)
    stage: Drop = attrs.field(
        default="before_answer", kw_only=True, validator=attrs.validators.in_(get_args(Drop))
    )
    acted: bool = attrs.field(default=True, kw_only=True)
    after: float = attrs.field(default=30.0, kw_only=True)
    seconds: float = attrs.field(default=5.0, kw_only=True)
    status: int | None = attrs.field(default=None, kw_only=True)
    headers: Mapping[str, str] | None = attrs.field(default=None, kw_only=True)
    body: bytes | None = attrs.field(default=None, kw_only=True)
    wire: bytes | None = attrs.field(default=None, kw_only=True)
    response_status: int | str = attrs.field(default=500, kw_only=True)
    keep: int | None = attrs.field(default=None, kw_only=True)
    content_length: Literal["full", "matching"] = attrs.field(default="full", kw_only=True)
    count: int = attrs.field(default=1000, kw_only=True, validator=attrs.validators.ge(0))
    item: Any = attrs.field(default=1, kw_only=True)
    _what: FaultKind | None = attrs.field(default=None, kw_only=True, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if self._what is not None:
            _deprecated("Fault(what=...)", "Fault(kind=...)", stacklevel=4)
            object.__setattr__(self, "kind", self._what)
            object.__setattr__(self, "_what", None)
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"the kind of a fault is one of {get_args(FaultKind)}, not {self.kind!r}")
        if self.on is not None and _ONLY_ON.get(self.kind, self.on[0]) not in self.on:
            raise ValueError(f"on is {_ONLY_ON[self.kind]} for {self.kind}, which nothing else can have")

    @property
    def what(self) -> FaultKind:
        """Deprecated: `kind`."""
        _deprecated("Fault.what", "Fault.kind", stacklevel=3)
        return self.kind

    @property
    def carried_out(self) -> bool:
        """Whether the request is carried out when it arrives."""
        return self.acted and self.kind not in _NEVER_CARRIED_OUT

    def befalls(self, operation: Operation, team: str | None) -> bool:
        """Return whether a request is one that this fault is meant for."""
        if _ONLY_ON.get(self.kind, operation) != operation or self.team not in {None, team}:
            return False
        return self.on is None or operation in self.on


class Script:
    """Faults in the order in which they are to happen: a request is taken by the first that is meant for it."""

    def __init__(self) -> None:
        self._told: list[_Told] = []

    def add(self, *faults: Fault, teams: Container[str]) -> None:
        """Put faults at the end; those of a team that there is none of are refused."""
        for fault in faults:
            check_team(fault.team, teams)
        self._told += [_Told(fault, fault.nth - 1, fault.times) for fault in faults]

    @property
    def left(self) -> list[Fault]:
        """The faults that have not happened as often as they should."""
        return [told.fault for told in self._told]

    def pick(self, operation: Operation, team: str | None) -> Fault | None:
        """Return the fault that takes a request, and count it."""
        for told in self._told:
            if not told.fault.befalls(operation, team):
                continue
            if told.spared:
                told.spared -= 1
                continue
            if told.times is not None:
                told.times -= 1
                if told.times <= 0:
                    self._told.remove(told)
            return told.fault
        return None


@attrs.define(eq=False)
class _Told:
    fault: Fault
    spared: int
    times: int | None


def _late(chance: Random) -> float:
    return chance.uniform(1, 120)


def _slow(chance: Random) -> float:
    return chance.uniform(1, 10)


def _stale(chance: Random) -> float:
    return chance.uniform(1, 30)


@attrs.frozen(kw_only=True)
class FaultRates:
    """How likely each fault is for a request that no told fault takes; drawn with the box's own chance.

    Parameters:
        on: the operations that are at risk.
        until: seconds on the box's clock after which nothing happens any more.
        late_after, slow_seconds, stale_seconds: draw how long, in seconds.
        stages: where connections break.
        statuses: what servers' errors say.
    """

    lost_before: float = 0.0
    lost_after: float = 0.0
    late: float = 0.0
    error_acted: float = 0.0
    error_not_acted: float = 0.0
    delete_ignored: float = 0.0
    reset: float = 0.0
    slow: float = 0.0
    stale: float = 0.0
    truncated: float = 0.0
    too_many: float = 0.0
    unauthorized: float = 0.0
    envelope_lie: float = 0.0
    broken_items: float = 0.0
    on: tuple[Operation, ...] = attrs.field(
        default=("token", "organizations", "list", "create", "delete", "initialize"),
        converter=_operations,
        validator=_check_on,
    )
    until: float = math.inf
    late_after: Callable[[Random], float] = _late
    slow_seconds: Callable[[Random], float] = _slow
    stale_seconds: Callable[[Random], float] = _stale
    stages: tuple[Drop, ...] = ("before_answer", "in_headers", "in_body")
    statuses: tuple[int, ...] = (500, 502, 503, 504)

    def __attrs_post_init__(self) -> None:
        rates = {kind: getattr(self, kind, 0.0) for kind in get_args(FaultKind)}
        for kind, rate in rates.items():
            if not isinstance(rate, int | float) or not 0 <= rate <= 1:
                raise ValueError(f"{kind} is a chance from 0 to 1, not {rate!r}")
        if sum(rates.values()) > 1 + _ROUNDING:
            raise ValueError(f"the chances of {', '.join(filter(rates.get, rates))} add up to more than 1")

    def draw(self, operation: Operation, now: float, chance: Random) -> Fault | None:
        """Draw what befalls a request, with as many draws each time, so that one request's luck is not another's."""
        roll, stage, status, acted = chance.random(), chance.random(), chance.random(), chance.random()
        durations = (self.late_after(chance), self.slow_seconds(chance), self.stale_seconds(chance))
        if operation not in self.on or now > self.until:
            return None
        for what in get_args(FaultKind):
            rate = getattr(self, what, 0.0) if _ONLY_ON.get(what, operation) == operation else 0.0
            if roll < rate:
                after, slow, stale = durations
                return Fault(
                    what,
                    stage=self.stages[int(stage * len(self.stages))],
                    status=self.statuses[int(status * len(self.statuses))]
                    if what.startswith("error")
                    else None,
                    acted=what not in _CARRIED_OUT_OR_NOT or acted < 0.5,
                    after=after,
                    seconds=stale if what == "stale" else slow,
                )
            roll -= rate
        return None
