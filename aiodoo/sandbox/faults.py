"""Faults that the sandbox applies to requests: a single fault, a script of faults, and random faults."""

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
    """A fault, and the requests that it applies to.

    It applies to requests that pass the gateway; requests that the gateway refuses do not use it up.

    Kinds
        lost_before: the connection breaks (`stage`); the request is not carried out.
        lost_after: the request is carried out, then the connection breaks (`stage`).
        late: the connection breaks (`stage`), or the answer is `status` (such as 504); the request is carried out
            `after` seconds later.
        error_acted, error_not_acted: the answer is `status` (500 by default), with `body` and `headers` if given.
        delete_ignored: the answer to a delete is 204, but it is not carried out.
        reset: a TCP reset at `stage`; the request is carried out unless `acted=False`.
        slow: the answer takes `seconds` more, and its body arrives a few bytes at a time.
        stale: a list shows the state of `seconds` ago (at most 3600).
        truncated: the body ends after `keep` bytes (half of them by default). Content-Length is that of the whole body,
            or with `content_length="matching"` that of the bytes sent.
        too_many: the answer is 429 with `body` and `headers`; the request is not carried out.
        unauthorized: the answer is 401; the request is not carried out.
        replaced: the answer is exactly `status`, `headers` and `body`, or the bytes `wire` instead of HTTP, and the
            connection is closed; the request is carried out unless `acted=False`.
        envelope_lie: the body's `response_status` is the given one, and differs from the HTTP status; the request is
            carried out unless `acted=False`.
        broken_items: a list shows `item` (1 by default) `count` times instead of webhooks.

    Requests
        on: one operation or several; any by default.
        team: the team in the path, or of the webhook to delete; any by default.
        nth: the first such request that it applies to, counted from 1 without those that an earlier fault takes.
        times: the number of requests that it applies to; None means all.
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
        """Return whether this fault applies to a request."""
        if _ONLY_ON.get(self.kind, operation) != operation or self.team not in {None, team}:
            return False
        return self.on is None or operation in self.on


class Script:
    """An ordered list of faults; the first one that applies to a request is used."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []

    def add(self, *faults: Fault, teams: Container[str]) -> None:
        """Append faults.

        Raises:
            ValueError: a fault names a team that does not exist.
        """
        for fault in faults:
            check_team(fault.team, teams)
        self._entries += [_Entry(fault, fault.nth - 1, fault.times) for fault in faults]

    @property
    def left(self) -> list[Fault]:
        """The faults that have not happened as often as they should."""
        return [entry.fault for entry in self._entries]

    def pick(self, operation: Operation, team: str | None) -> Fault | None:
        """Return the fault for a request, or None, and count it."""
        for entry in self._entries:
            if not entry.fault.befalls(operation, team):
                continue
            if entry.skip:
                entry.skip -= 1
                continue
            if entry.times is not None:
                entry.times -= 1
                if entry.times <= 0:
                    self._entries.remove(entry)
            return entry.fault
        return None


@attrs.define(eq=False)
class _Entry:
    fault: Fault
    skip: int
    times: int | None


def _late(chance: Random) -> float:
    return chance.uniform(1, 120)


def _slow(chance: Random) -> float:
    return chance.uniform(1, 10)


def _stale(chance: Random) -> float:
    return chance.uniform(1, 30)


@attrs.frozen(kw_only=True)
class FaultRates:
    """The probability of each kind of fault, for requests without a fault of the script.

    Faults are drawn with the box's random generator. The probabilities add up to at most 1.

    Parameters:
        on: operations that faults are drawn for.
        until: seconds on the box's clock after which no fault is drawn.
        late_after, slow_seconds, stale_seconds: functions that draw seconds.
        stages: stages at which connections break.
        statuses: statuses of server errors.
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
        """Draw a fault or None; each call draws equally many numbers, so that requests do not affect each other."""
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
