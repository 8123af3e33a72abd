"""Forecasts the result and cost of operations by running the real `TeamSteps` against a simulated doo. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from aiodoo.errors import DooError, UnstableListing
from aiodoo.facts import Facts
from aiodoo.models import WebhookConfiguration
from aiodoo.operations.batch import MAX_PAIRS
from aiodoo.operations.operations import Operation
from aiodoo.operations.records import Record
from aiodoo.operations.simulated_team import SimulatedTeam
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.operations.tracked import Stage, Status, TrackedOperation

_DAY = 86_400.0

EACH_DAY = 5
"""Requests with which a run goes on the next day: for a token, and for pages that say where it has to go on."""

PAGE_SIZE = 25
"""Webhook configurations a page if the list does not say ("List webhook configurations" has 25 and 7)."""


PORTION = 10
"""Actions that are simulated before a caller may let other tasks run."""

COPIES = 500
"""Operations that are copied before a caller may let other tasks run."""


@attrs.frozen(kw_only=True)
class Requests:
    """Numbers of requests by kind, without token requests, of which a run needs about one."""

    lists: int = 0
    creates: int = 0
    deletes: int = 0

    @property
    def total(self) -> int:
        """The sum of all kinds."""
        return self.lists + self.creates + self.deletes

    def __add__(self, other: Requests) -> Requests:
        return Requests(
            lists=self.lists + other.lists,
            creates=self.creates + other.creates,
            deletes=self.deletes + other.deletes,
        )


@attrs.frozen(kw_only=True)
class Expected:
    """How one operation is expected to end.

    Attributes:
        index: its place in the input, from 0.
        operation: the operation.
        status: "applied", "unchanged", "skipped" or "failed".
        reason: why it ends so, where the status does not say it.
        error: what is wrong with it, or why its team could not be read.
        scope_unknown: as of an `Outcome`: the copy may have a wider scope than the original.
    """

    index: int
    operation: Operation
    status: Status
    reason: str | None = None
    error: DooError | None = None
    scope_unknown: bool = False

    def to_row(self) -> dict[str, Any]:
        """Return a dict of plain values, for CSV and JSON; `old_id` is the webhook that the operation names."""
        return {
            "index": self.index,
            "team_id": self.operation.team_id,
            "operation": self.operation.word,
            "old_id": getattr(self.operation, "webhook_id", None),
            "status": self.status.value,
            "reason": self.reason,
            "error": None if self.error is None else str(self.error),
        }


@attrs.frozen(kw_only=True)
class Forecast(Record):
    """What a run would do and cost if nothing fails and nobody else changes anything.

    Attributes:
        requests: the requests of the run, with its first list of every team.
        counts: the number of operations by expected status, such as `{"applied": 3, "unchanged": 1}`.
        seconds: how long the run takes at the rate limit, if nothing else uses it, with the waits for the next day; 0
            without one.
        days: days of the daily quota without the reserve; 0.25 is a quarter of what runs may use in one day. What is read
            again each day, and what cannot be split between two days, is included.
        in_one_day: requests that have to be made within one day: a list proves something only if it was read twice in a
            row.
        cannot_end: why the run can never end with the daily quota, and what makes it possible; None if it can.
        outcomes: how each operation is expected to end, in input order; only `bulk.forecast` sets it.
        baseline: the lists that `bulk.forecast` was given or has read and that a run can use. Pass it to
            `bulk.run(operations, baseline=forecast.baseline)`, and no team is listed twice. A team of several pages is
            in it only if its list was given.
    """

    requests: Requests
    counts: dict[str, int]
    seconds: float = 0.0
    days: float = 0.0
    in_one_day: int = 0
    cannot_end: str | None = None
    outcomes: tuple[Expected, ...] = attrs.field(default=(), eq=False, repr=False)
    baseline: Mapping[str, list[WebhookConfiguration]] = attrs.field(
        factory=dict, eq=False, repr=False, metadata={"plain": False}
    )

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The operations in input order, to pass to `bulk.run` with `baseline`."""
        return tuple(outcome.operation for outcome in self.outcomes)

    @property
    def scope_unknown(self) -> tuple[Expected, ...]:
        """Those whose copies may have a wider scope than the originals."""
        return tuple(outcome for outcome in self.outcomes if outcome.scope_unknown)

    def to_rows(self) -> list[dict[str, Any]]:
        """Return each expected outcome as a dict of plain values, in input order.

        The keys are `index`, `team_id`, `operation`, `old_id` (the webhook that the operation names), `status`, `reason`
        and `error`; a report's rows have these and more. No value holds content or a secret.
        """
        return [outcome.to_row() for outcome in self.outcomes]


def total(forecasts: Iterable[Forecast], *, per_second: float | None, per_day: int | None) -> Forecast:
    """Return the sum of several forecasts, with the time that it takes at these limits (None: no limit)."""
    requests, counts, outcomes = Requests(), Counter[str](), list[Expected]()
    used, in_one_day, cannot_end = 0, 0, None
    for forecast in forecasts:
        requests += forecast.requests
        counts.update(forecast.counts)
        outcomes += forecast.outcomes
        in_one_day = max(in_one_day, forecast.in_one_day)
        cannot_end = cannot_end or forecast.cannot_end
        used = _used(used, forecast, per_day)
    if per_day and in_one_day > per_day:
        cannot_end = cannot_end or too_long(in_one_day, per_day)
    days = used // per_day if per_day else 0
    rest = used % per_day if per_day else used
    return Forecast(
        requests=requests,
        counts=dict(counts),
        seconds=days * _DAY + rest / per_second if per_second else 0.0,
        days=used / per_day if per_day else 0.0,
        in_one_day=in_one_day,
        cannot_end=cannot_end,
        outcomes=tuple(sorted(outcomes, key=lambda outcome: outcome.index)),
    )


def _used(used: int, forecast: Forecast, per_day: int | None) -> int:
    """Return what is used of the daily quota after a forecast's requests, with what each new day costs."""
    after = used + forecast.requests.total
    if not per_day:
        return after
    after += (after // per_day - used // per_day) * EACH_DAY
    last = after - forecast.in_one_day
    if 1 < forecast.in_one_day <= per_day and last // per_day < (after - 1) // per_day:
        # The list that confirms everything is read on the next day.
        after += -last % per_day
    return after


def too_long(requests: int, per_day: int) -> str:
    """Return why something can never end within the daily quota, and what makes it possible."""
    return (
        f"a team needs {requests} requests within one day, and runs may use {per_day} a day, so this can never end. It can "
        "with a larger daily quota (Limits(per_day=...), or a smaller reserve), or with fewer webhook configurations in "
        "the team"
    )


def added_up(forecasts: Sequence[Forecast]) -> Forecast:
    """Add up forecasts that were each made for the limits of one API key; their outcomes are left out."""
    counts = Counter[str]()
    for forecast in forecasts:
        counts.update(forecast.counts)
    return Forecast(
        requests=sum((forecast.requests for forecast in forecasts), Requests()),
        counts=dict(counts),
        seconds=sum(forecast.seconds for forecast in forecasts),
        days=sum(forecast.days for forecast in forecasts),
        in_one_day=max((forecast.in_one_day for forecast in forecasts), default=0),
        cannot_end=next((forecast.cannot_end for forecast in forecasts if forecast.cannot_end), None),
    )


def forecast_team(
    team_id: str,
    operations: Sequence[Operation],
    listed: Iterable[WebhookConfiguration],
    *,
    page_size: int | None,
    facts: Facts,
    interval: float = 0.0,
) -> Forecast:
    """Return the forecast of one team's operations from its present list; the arguments are those of `TeamForecast`."""
    changes = [TrackedOperation(number=number, operation=each) for number, each in enumerate(operations)]
    forecast = TeamForecast(team_id, changes, listed, page_size=page_size, facts=facts, interval=interval)
    return forecast.result()


class TeamForecast:
    """The forecast of one team in the making, so that a caller can let other tasks run between its steps.

    What it is given must not change until it is made.

    Args:
        team_id: the team.
        changes: its operations; those that a run has made ready from this list are not prepared again.
        listed: its present list.
        page_size: webhook configurations a page, if the list says it.
        facts: what doo does not document; new webhook configurations are assumed to go first if it is unknown.
        interval: seconds per request at the rate limit; 0 without one.
        max_pairs: as for a run.
        list_age: seconds since the list was read if the run begins with it; None if the run reads its own.
        numbers: the places of the operations in the input; without them the forecast has no `outcomes`.
    """

    def __init__(
        self,
        team_id: str,
        changes: Iterable[TrackedOperation],
        listed: Iterable[WebhookConfiguration],
        *,
        page_size: int | None,
        facts: Facts,
        interval: float = 0.0,
        max_pairs: int = MAX_PAIRS,
        list_age: float | None = None,
        numbers: Sequence[int] | None = None,
    ) -> None:
        self._team_id = team_id
        self._given = changes
        self._listed = listed
        self._page_size = page_size or PAGE_SIZE
        self._facts = facts
        self._interval = interval
        self._max_pairs = max_pairs
        self._list_age = list_age
        self._numbers = numbers or ()
        self._changes: list[TrackedOperation] = []
        self._outcomes: list[Expected] = []
        self._doo: SimulatedTeam | None = None
        self._portions = self._simulated()

    def portions(self) -> Iterator[None]:
        """Simulate all actions, and yield after each portion, which takes milliseconds."""
        yield from self._portions

    def _simulated(self) -> Iterator[None]:
        for number, change in enumerate(self._given, 1):
            self._changes.append(_as_prepared(change))
            if number % COPIES == 0:
                yield
        steps = TeamSteps(
            team_id=self._team_id,
            changes=tuple(self._changes),
            facts=self._facts,
            rate=self._interval,
            max_pairs=self._max_pairs,
        )
        yield
        self._doo = self._simulated_team()
        while not steps.done:
            for _ in range(PORTION):
                if not steps.done:
                    yield from self._doo.carry_out(steps)
            yield
        for number, change in zip(self._numbers, self._changes, strict=False):
            self._outcomes.append(_expected(number, change))
            if number % COPIES == 0:
                yield

    def _simulated_team(self) -> SimulatedTeam:
        webhooks = {webhook.id: webhook for webhook in self._listed}
        first = self._facts.new_webhooks in {"first", None}
        named = Counter(change.target_id for change in self._changes)
        return SimulatedTeam(
            dict(reversed(webhooks.items())) if first else webhooks,
            self._page_size,
            self._interval,
            first=first,
            list_age=self._list_age,
            several={webhook_id for webhook_id, count in named.items() if webhook_id and count > 1},
        )

    def result(self) -> Forecast:
        """Return the forecast; simulates what is left."""
        for _ in self.portions():
            pass
        assert self._doo is not None  # noqa: S101  # it was simulated
        counts = Counter(change.ending.value for change in self._changes)
        return Forecast(
            requests=Requests(**{str(kind): sent for kind, sent in self._doo.sent.items()}),
            counts=dict(counts),
            in_one_day=self._doo.in_one_day,
            outcomes=tuple(self._outcomes),
        )


def _expected(number: int, change: TrackedOperation) -> Expected:
    return Expected(
        index=number,
        operation=change.operation,
        status=change.ending,
        reason=change.reason,
        error=change.error,
        scope_unknown=change.scope_unknown and change.ending is Status.APPLIED,
    )


def _as_prepared(change: TrackedOperation) -> TrackedOperation:
    """Return a copy of an operation as it was made ready, or as it ended then; a new one if it has come further."""
    begun = change.stage is not Stage.PLANNED or change.creates_sent or change.deletes_sent
    if begun or not (change.ready or change.status is not None):
        return TrackedOperation(number=change.number, operation=change.operation)
    return TrackedOperation(
        number=change.number,
        operation=change.operation,
        status=change.status,
        reason=change.reason,
        error=change.error,
        ready=change.ready,
        wanted=change.wanted,
        old_id=change.old_id,
        new_id=change.new_id,
        scope_unknown=change.scope_unknown,
        is_checked=change.is_checked,
        copied=change.copied,
    )


def unreadable(operations: Sequence[Operation], numbers: Sequence[int], error: DooError) -> Forecast:
    """Return the forecast of operations on a team that cannot be read: they fail, and nothing is sent for them.

    If its list is too long for the daily quota they are not started.
    """
    cannot_end = str(error) if isinstance(error, UnstableListing) else None
    outcomes = tuple(
        Expected(
            index=number,
            operation=operation,
            status=Status.FAILED if cannot_end is None else Status.NOT_STARTED,
            reason=f"the list of team {operation.team_id} could not be read",
            error=error,
        )
        for number, operation in zip(numbers, operations, strict=True)
    )
    counts = Counter(outcome.status.value for outcome in outcomes)
    return Forecast(requests=Requests(), counts=dict(counts), cannot_end=cannot_end, outcomes=outcomes)


def refused(number: int, operation: Operation, error: DooError) -> Forecast:
    """Return the forecast of an invalid operation: a run with it is refused before anything is sent."""
    outcome = Expected(
        index=number,
        operation=operation,
        status=Status.FAILED,
        reason="it is invalid, and a run with it is refused before anything is sent",
        error=error,
    )
    return Forecast(requests=Requests(), counts={Status.FAILED.value: 1}, outcomes=(outcome,))
