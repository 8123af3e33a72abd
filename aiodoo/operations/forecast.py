"""Forecasts the result and cost of operations by running the real `TeamSteps` against a simulated doo. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from aiodoo.errors import ConfigError, DooError
from aiodoo.facts import Facts
from aiodoo.models import AddWebhook, WebhookConfiguration
from aiodoo.operations import cost
from aiodoo.operations.actions import Scan, SendCreate, SendDelete, Wait
from aiodoo.operations.operations import Operation
from aiodoo.operations.records import Record
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.operations.tracked import Stage, Status, TrackedOperation

PAGE_SIZE = 25
"""Webhook configurations a page if the list does not say ("List webhook configurations" has 25 and 7)."""


PORTION = 50
"""Actions that are simulated before a caller may let other tasks run."""


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
        seconds: how long the run takes at the rate limit, if nothing else uses it; 0 without one.
        days: days of the daily quota without the reserve; 0.25 is a quarter of what runs may use in one day.
        outcomes: how each operation is expected to end, in input order; only `bulk.forecast` sets it.
        baseline: the lists that `bulk.forecast` was given or has read and that a run can use. Pass it to
            `bulk.run(operations, baseline=forecast.baseline)`, and no team is listed twice. A team of several pages is
            in it only if its list was given.
    """

    requests: Requests
    counts: dict[str, int]
    seconds: float = 0.0
    days: float = 0.0
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
    for forecast in forecasts:
        requests += forecast.requests
        counts.update(forecast.counts)
        outcomes += forecast.outcomes
    return Forecast(
        requests=requests,
        counts=dict(counts),
        seconds=requests.total / per_second if per_second else 0.0,
        days=requests.total / per_day if per_day else 0.0,
        outcomes=tuple(sorted(outcomes, key=lambda outcome: outcome.index)),
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
    )


def forecast_team(
    team_id: str,
    operations: Sequence[Operation],
    listed: Iterable[WebhookConfiguration],
    *,
    page_size: int | None,
    facts: Facts,
    first_look: bool = True,
    numbers: Sequence[int] | None = None,
) -> Forecast:
    """Return the forecast of one team's operations from its present list.

    Args:
        team_id: the team.
        operations: its operations.
        listed: its list.
        page_size: webhook configurations a page, if the list says it.
        facts: what doo does not document.
        first_look: whether to count the run's first list.
        numbers: the places of the operations in the input; without them the forecast has no `outcomes`.
    """
    changes = [TrackedOperation(number=number, operation=each) for number, each in enumerate(operations)]
    forecast = TeamForecast(
        team_id, changes, listed, page_size=page_size, facts=facts, first_look=first_look, numbers=numbers
    )
    return forecast.result()


class TeamForecast:
    """The forecast of one team in the making, so that a caller can let other tasks run between its steps.

    Args:
        changes: the operations; those that a run has made ready from this list are not prepared again.
        team_id, listed, page_size, facts, first_look, numbers: as for `forecast_team`.
    """

    def __init__(
        self,
        team_id: str,
        changes: Iterable[TrackedOperation],
        listed: Iterable[WebhookConfiguration],
        *,
        page_size: int | None,
        facts: Facts,
        first_look: bool = True,
        numbers: Sequence[int] | None = None,
    ) -> None:
        self._changes = tuple([_as_prepared(change) for change in changes])
        self._numbers = numbers or ()
        self._steps = TeamSteps(team_id=team_id, changes=self._changes, facts=facts)
        named = Counter(change.target_id for change in self._changes)
        self._doo = _SimulatedTeam(
            {webhook.id: webhook for webhook in listed},
            page_size or PAGE_SIZE,
            first_look=first_look,
            several={webhook_id for webhook_id, count in named.items() if webhook_id and count > 1},
        )

    def portions(self) -> Iterator[None]:
        """Simulate all actions, and yield after each portion, which takes milliseconds."""
        while not self._steps.done:
            for _ in range(PORTION):
                if not self._steps.done:
                    self._doo.carry_out(self._steps)
            yield

    def result(self) -> Forecast:
        """Return the forecast; simulates what is left."""
        for _ in self.portions():
            pass
        outcomes = tuple(
            Expected(
                index=number,
                operation=change.operation,
                status=change.ending,
                reason=change.reason,
                error=change.error,
                scope_unknown=change.scope_unknown and change.ending is Status.APPLIED,
            )
            for number, change in zip(self._numbers, self._changes, strict=False)
        )
        counts = Counter(change.ending.value for change in self._changes)
        return Forecast(requests=self._doo.requests, counts=dict(counts), outcomes=outcomes)


def _as_prepared(change: TrackedOperation) -> TrackedOperation:
    """Return a copy of an operation as it was made ready, or as it ended then; a new one if it has come further."""
    begun = change.stage is not Stage.PLANNED or change.creates_sent or change.deletes_sent
    if begun or not (change.ready or change.status is not None):
        return TrackedOperation(number=change.number, operation=change.operation)
    return attrs.evolve(change, index=None)


def unreadable(operations: Sequence[Operation], numbers: Sequence[int], error: DooError) -> Forecast:
    """Return the forecast of operations on a team that cannot be read: they fail, and nothing is sent for them."""
    outcomes = tuple(
        Expected(
            index=number,
            operation=operation,
            status=Status.FAILED,
            reason=f"the list of team {operation.team_id} could not be read",
            error=error,
        )
        for number, operation in zip(numbers, operations, strict=True)
    )
    return Forecast(requests=Requests(), counts={Status.FAILED.value: len(outcomes)}, outcomes=outcomes)


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


_SMALL: Final = AddWebhook(name="small", description=None, hooks=())


@attrs.define
class _SimulatedTeam:
    """A simulated team at a doo that never fails."""

    webhooks: dict[str, WebhookConfiguration]
    page_size: int
    several: Collection[str] = ()
    """The ids of the webhook configurations that several operations name."""
    requests: Requests = attrs.field(factory=Requests)
    first_look: bool = True
    now: float = 0.0

    def carry_out(self, steps: TeamSteps) -> None:
        match steps.next(self.now):
            case Wait(until=until):
                self.now = until
            case Scan(stable=stable):
                pages = max(1, math.ceil(len(self.webhooks) / self.page_size))
                if self.first_look or steps.looked:
                    self.requests += Requests(lists=cost.stable(pages) if stable else pages)
                steps.listed(self.webhooks.values(), pages=pages, began=self.now, now=self.now)
            case SendCreate(change=change, config=config) if (error := _wrong(config)) is not None:
                steps.refused(change, error, self.now)
            case SendCreate(change=change, config=config):
                new_id = f"forecast-{self.requests.creates}"
                self.requests += Requests(creates=1)
                if change.target_id in self.several:
                    shown = WebhookConfiguration.showing(config, team_id=steps.team_id, webhook_id=new_id)
                else:
                    # Its content matters no more, so a small one is compared in its place.
                    change.wanted = _SMALL
                    shown = WebhookConfiguration(team_id=steps.team_id, id=new_id, name=_SMALL.name)
                self.webhooks[new_id] = shown
                steps.applied(change, new_id, self.now)
            case SendDelete(change=change, webhook_id=webhook_id):
                self.requests += Requests(deletes=1)
                self.webhooks.pop(webhook_id, None)
                steps.applied(change, None, self.now)
            case action:
                raise AssertionError(f"a doo that never fails leads to no {action}")


def _wrong(config: AddWebhook) -> ConfigError | None:
    """Return why a configuration cannot be sent; None if it can."""
    try:
        config.check()
    except ConfigError as error:
        return error
    return None
