"""The report of a run: outcomes, progress and requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs

from aiodoo.errors import BulkFailed, ConfigError, DooError
from aiodoo.operations import Operation, forecast
from aiodoo.operations.forecast import Forecast, Requests
from aiodoo.operations.records import Record
from aiodoo.operations.tracked import Status, TrackedOperation


@attrs.frozen(kw_only=True)
class Outcome(Record):
    """How one operation ended.

    Attributes:
        operation: the operation.
        status: "applied", "unchanged", "skipped", "failed", "unknown", "unfinished" or "not_started"; "in_progress" only
            in the report of a run that is alive.
        webhook_id: the new id after a create, an update or a replace; the old id if nothing had to change, and after a
            delete.
        reason: why it ended so, where the status does not say it.
        error: what went wrong.
        scope_unknown: the copy may have a wider scope than the original, because doo's list may not show
            `event_id` and `event_guide_id`.
        ended: whether the status is final; if not, a resumed run continues the operation.
        index: its place in the input, from 0.
        both_live: the old webhook configuration and its replacement may both be live, and nothing more is sent for them;
            resuming the run ends that, unless the outcome has ended.
    """

    operation: Operation
    status: Status
    webhook_id: str | None = None
    reason: str | None = None
    error: DooError | None = None
    scope_unknown: bool = False
    ended: bool = True
    index: int = attrs.field(default=0, metadata={"required": True})
    both_live: bool = False

    @classmethod
    def of(cls, change: TrackedOperation, *, alive: bool = False) -> Outcome:
        """Return the present outcome of an operation of a run that may be alive."""
        return cls(
            operation=change.operation,
            status=change.status_now(alive=alive),
            webhook_id=change.new_id or change.old_id or change.target_id,
            reason=change.reason,
            error=change.error,
            scope_unknown=change.scope_unknown
            and change.new_id is not None
            and change.ending is not Status.UNCHANGED,
            ended=change.ended,
            index=change.number,
            both_live=change.both_live,
        )

    def to_row(self) -> dict[str, Any]:
        """Return a dict of plain values, for CSV and JSON; `old_id` is the webhook that the operation names."""
        return {
            "index": self.index,
            "team_id": self.operation.team_id,
            "operation": self.operation.word,
            "old_id": getattr(self.operation, "webhook_id", None),
            "webhook_id": self.webhook_id,
            "status": self.status.value,
            "ended": self.ended,
            "reason": self.reason,
            "error": None if self.error is None else str(self.error),
            "scope_unknown": self.scope_unknown,
            "both_live": self.both_live,
        }

    @property
    def failure(self) -> DooError | None:
        """The error that `raise_for_failures` raises for it; None if its status is "applied" or "unchanged"."""
        if self.status.fine:
            return None
        where = f"{self.operation.word} in team {self.operation.team_id}"
        text = f"{where}: {self.status.value}"
        if self.reason:
            text = f"{text}, {self.reason}"
        if self.error is None:
            return DooError(text)
        error = self.error.again()
        error.add_note(text)
        return error


@attrs.frozen(kw_only=True)
class Progress(Record):
    """How far a run has come; the argument of the `progress` callback.

    Attributes:
        total: the number of operations.
        done: the number of operations that have ended.
        counts: the number of ended operations by status.
        requests: the requests of the run so far, without token requests.
        forecast: the forecast of the teams that were read so far, or None before the first.
        teams, teams_done: the number of teams, and of those whose operations have all ended.
        unconfirmed: replaced webhook configurations whose delete no list has confirmed yet.
        waiting_for: what a team waits for, such as "for the day's quota until ...", or None.
        left: requests of today's quota that runs may still use, or None without a daily limit.
        remaining: requests still to be sent if nothing fails; an estimate for teams that were not read yet.
        rate: requests a second since this process started the run, including waits.
        eta: seconds until the remaining requests are sent, if nobody else uses the quota; None while it is unknown.
        stopping: what a run that is stopping still does, as text; else None.
    """

    total: int
    done: int
    counts: dict[str, int]
    requests: Requests
    forecast: Forecast | None
    teams: int
    teams_done: int
    unconfirmed: int
    waiting_for: str | None
    left: int | None
    remaining: int
    rate: float
    eta: float | None
    stopping: str | None = None

    def __str__(self) -> str:
        text = f"{self.done}/{self.total} operations, {self.teams_done}/{self.teams} teams, {self.requests.total} requests"
        if self.remaining:
            text += f" and about {self.remaining} to go"
            if self.eta is not None:
                text += f" in {timedelta(seconds=round(self.eta))}"
        if self.unconfirmed:
            text += f", {self.unconfirmed} replaced and not yet confirmed"
        if self.waiting_for:
            text += f"; waiting {self.waiting_for}"
        return f"{text}; {self.stopping}" if self.stopping else text


@attrs.frozen(kw_only=True, repr=False)
class Report(Record):
    """The outcomes of a run, in the order of its operations.

    Attributes:
        outcomes: one for each operation, in input order; iterating over the report yields them.
        requests: the requests that the run has sent, without token requests.
        forecast: the forecast of the run from the first lists of its teams.
        resume_at: when the daily quota has room to resume the run, if it was parked (UTC).
        recheck_at: when to run `bulk.verify` for creates that may land late, if any was in doubt (UTC).
        resumed: whether the run was resumed from a journal.
        stopped_because: why the run stopped before every team was done, other than for quota.
        replayed: whether the journal's run had ended before, so that `run` or `resume` sent nothing.
        ended_at: when the last operation ended (UTC); None while one has not.
        all_read: whether all operations were read; False if `stop=` was set while an async iterable or a function
            yielded them, so that nothing was started.
    """

    outcomes: tuple[Outcome, ...]
    requests: Requests
    forecast: Forecast | None
    resume_at: datetime | None = None
    recheck_at: datetime | None = None
    resumed: bool = False
    stopped_because: str | None = None
    replayed: bool = False
    ended_at: datetime | None = None
    all_read: bool = True

    def __repr__(self) -> str:
        counts = ", ".join(f"{number} {word}" for word, number in self.counts().items() if number)
        times = {"ended_at": self.ended_at, "resume_at": self.resume_at, "recheck_at": self.recheck_at}
        more = [f"{name}={time:%Y-%m-%dT%H:%M:%SZ}" for name, time in times.items() if time is not None]
        more += [name for name in ("resumed", "replayed") if getattr(self, name)]
        parts = [f"{len(self)} operations: {counts}" if counts else "no operations"]
        parts += [f"{self.requests.total} requests", *more]
        return f"<Report {'; '.join(parts)}>"

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.outcomes)

    def __len__(self) -> int:
        return len(self.outcomes)

    @property
    def complete(self) -> bool:
        """Whether every operation has ended, with whatever status, and none may have left a webhook live twice."""
        return self.all_read and all(outcome.ended and not outcome.both_live for outcome in self.outcomes)

    @property
    def both_live(self) -> tuple[Outcome, ...]:
        """The updates and replacements whose old and new webhook configurations may both be live."""
        return tuple(outcome for outcome in self.outcomes if outcome.both_live)

    @property
    def scope_unknown(self) -> tuple[Outcome, ...]:
        """The copies that may have a wider scope than their originals, because doo's list may not show their scope."""
        return tuple(outcome for outcome in self.outcomes if outcome.scope_unknown)

    def counts(self) -> dict[str, int]:
        """Return the number of operations by status, with all seven statuses.

        While the run is alive, started operations count as "in_progress".
        """
        counted = dict.fromkeys((status.value for status in Status if status is not Status.IN_PROGRESS), 0)
        for outcome in self.outcomes:
            counted[outcome.status.value] = counted.get(outcome.status.value, 0) + 1
        return counted

    def to_rows(self) -> list[dict[str, Any]]:
        """Return each outcome as a dict of plain values, in input order, for `csv.DictWriter` and `json.dumps`.

        The keys are `index`, `team_id`, `operation`, `old_id` (the webhook that the operation names), `webhook_id` (the
        present id), `status`, `ended`, `reason`, `error`, `scope_unknown` and `both_live`. No value holds content or a
        secret.
        """
        return [outcome.to_row() for outcome in self.outcomes]

    @staticmethod
    def merged(reports: Iterable[Report], *, places: Iterable[Iterable[int]] | None = None) -> Report:
        """Return one report of several, such as those of the parts of one job; sends nothing.

        Requests and forecasts add up. `resume_at` is the earliest, `recheck_at` the latest; `forecast` and `ended_at` are
        None unless all have one.

        Args:
            reports: of runs that have nothing in common.
            places: for each report the places of its operations in the whole input, from 0. Without them the outcomes
                follow one another in the order of the reports, numbered anew.

        Raises:
            ConfigError: the places are not each used once, or not as many as there are outcomes.
        """
        parts = tuple(reports)
        return Report(outcomes=_placed(parts, places), **_added_up(parts))

    def raise_for_failures(self) -> None:
        """Raise an error unless the status of every operation is "applied" or "unchanged".

        Raises:
            BulkFailed: a group with one error for each other operation.
        """
        failures = [failure for outcome in self.outcomes if (failure := outcome.failure) is not None]
        if failures:
            raise BulkFailed(f"{len(failures)} of {len(self.outcomes)} operations were not applied", failures)


def _placed(reports: Sequence[Report], places: Iterable[Iterable[int]] | None) -> tuple[Outcome, ...]:
    """Return the outcomes of all reports, by their places in the whole input."""
    outcomes = [outcome for report in reports for outcome in report]
    numbers = list(range(len(outcomes)))
    if places is not None:
        of_parts = [tuple(part) for part in places]
        numbers = [number for part in of_parts for number in part]
        if [len(part) for part in of_parts] != [len(report) for report in reports] or (
            sorted(numbers) != list(range(len(outcomes)))
        ):
            raise ConfigError(
                f"places must give each of the {len(outcomes)} outcomes one of the numbers from 0 on, report by report"
            )
    made = [attrs.evolve(outcome, index=number) for number, outcome in zip(numbers, outcomes, strict=True)]
    return tuple(sorted(made, key=lambda outcome: outcome.index))


def _added_up(reports: Sequence[Report]) -> dict[str, Any]:
    """Return what several reports say together, beside their outcomes."""
    forecasts = [report.forecast for report in reports if report.forecast is not None]
    ended = [report.ended_at for report in reports if report.ended_at is not None]
    why = [report.stopped_because for report in reports if report.stopped_because is not None]
    return {
        "requests": sum((report.requests for report in reports), Requests()),
        "forecast": forecast.added_up(forecasts) if len(forecasts) == len(reports) > 0 else None,
        "resume_at": min((report.resume_at for report in reports if report.resume_at), default=None),
        "recheck_at": max((report.recheck_at for report in reports if report.recheck_at), default=None),
        "resumed": any(report.resumed for report in reports),
        "stopped_because": "; ".join(dict.fromkeys(why)) or None,
        "replayed": bool(reports) and all(report.replayed for report in reports),
        "ended_at": max(ended, default=None) if len(ended) == len(reports) else None,
        "all_read": all(report.all_read for report in reports),
    }
