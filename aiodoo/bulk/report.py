"""What a run reports: how each operation ended, its progress, what it cost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import attrs

from aiodoo.errors import BulkFailed, DooError
from aiodoo.operations import Operation
from aiodoo.operations.forecast import Forecast, Requests
from aiodoo.operations.tracked import Status, TrackedOperation


@attrs.frozen(kw_only=True)
class Outcome:
    """How one operation ended.

    Attributes:
        index: its place in the input, from 0.
        both_live: the webhook configuration that was to go and its replacement may both be live, and nothing more is
            sent for them; resuming the run ends that, unless the outcome has ended.
        status: "applied", "unchanged", "skipped", "failed", "unknown", "unfinished" or "not_started"; "in_progress" only
            in the report of a run that is alive.
        webhook_id: the webhook configuration that is there now because of it: the new id after a create, an
            update or a replace; the old one where nothing had to change, and after a delete.
        reason: why it ended so, where that is not plain.
        error: what went wrong.
        scope_unknown: the copy may have a wider scope than the original, because doo's list may not show
            `event_id` and `event_guide_id`.
        ended: whether that is final; if not, a resumed run continues it.
    """

    operation: Operation
    status: Status
    webhook_id: str | None = None
    reason: str | None = None
    error: DooError | None = None
    scope_unknown: bool = False
    ended: bool = True
    index: int = 0
    both_live: bool = False

    @classmethod
    def of(cls, change: TrackedOperation, *, going: bool = False) -> Outcome:
        """Read the outcome off a change as it stands, in a run that may be going on."""
        return cls(
            operation=change.operation,
            status=change.status_now(alive=going),
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
        """Return it as plain values, for CSV and JSON; `old_id` is the webhook that the operation names."""
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
        """What `raise_for_failures` says of it; None if it is as wanted."""
        if self.status.fine:
            return None
        where = f"{self.operation.word} in team {self.operation.team_id}"
        told = f"{where}: {self.status.value}"
        if self.reason:
            told = f"{told}, {self.reason}"
        if self.error is None:
            return DooError(told)
        error = self.error.again()
        error.add_note(told)
        return error


@attrs.frozen(kw_only=True)
class Progress:
    """How far a run has come; what the `progress` callback gets.

    Attributes:
        total: operations in all.
        done: operations that have ended.
        counts: how many have ended how.
        requests: wire requests of this run so far, token requests apart.
        forecast: what the run will cost as far as the teams have been read, or None before the first.
        teams, teams_done: teams in all, and those whose every operation has ended.
        unconfirmed: webhook configurations that were replaced, and whose old ones no list has yet shown to be gone.
        waiting_for: what a team waits for, such as "for the day's quota until ...", or None.
        left: requests of the day that bulk may still use, or None without a daily limit.
        remaining: requests still to be sent if nothing fails; for teams that were not read yet, a guess.
        rate: requests a second since this process started the run, including waits.
        eta: seconds until these can all have been sent, if nobody else uses the quota; None while it is unknown.
        stopping: once the run was asked to stop, what it still does; else None.
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
        told = f"{self.done}/{self.total} operations, {self.teams_done}/{self.teams} teams, {self.requests.total} requests"
        if self.remaining:
            told += f" and about {self.remaining} to go"
            if self.eta is not None:
                told += f" in {timedelta(seconds=round(self.eta))}"
        if self.unconfirmed:
            told += f", {self.unconfirmed} replaced and not yet confirmed"
        if self.waiting_for:
            told += f"; waiting {self.waiting_for}"
        return f"{told}; {self.stopping}" if self.stopping else told


@attrs.frozen(kw_only=True, repr=False)
class Report:
    """The outcomes of a run, in the order of its operations.

    Attributes:
        outcomes: one for each operation, in input order; iterating over the report gives them.
        requests: the wire requests that the run sent, token requests apart.
        forecast: what it would have cost without faults, from the teams as they were found.
        resume_at: when the daily quota has room to resume it, if it was parked for that (UTC).
        recheck_at: when to list again for creates that may land very late, if any outcome was in doubt (UTC).
        resumed: whether it went on from a journal.
        stopped_because: why it stopped by itself before every team was done, other than for quota.
        replayed: whether `run` or `resume` found that the journal's run had ended before, and carried nothing out.
        ended_at: when the last operation ended (UTC); None while one has not.
        all_read: whether all operations are here; not if it was asked to stop while an async iterable or a function
            still gave them, so that nothing was started.
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
        told = [f"{len(self)} operations: {counts}" if counts else "no operations"]
        told += [f"{self.requests.total} requests", *more]
        return f"<Report {'; '.join(told)}>"

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.outcomes)

    def __len__(self) -> int:
        return len(self.outcomes)

    @property
    def complete(self) -> bool:
        """Whether every operation has ended, one way or another, and none has left an old and a new one both live."""
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
        """Count the operations by how they ended; all seven statuses are there, and they add up.

        While the run is alive, "in_progress" is among them: what was started and has not ended yet.
        """
        counted = dict.fromkeys((status.value for status in Status if status is not Status.IN_PROGRESS), 0)
        for outcome in self.outcomes:
            counted[outcome.status.value] = counted.get(outcome.status.value, 0) + 1
        return counted

    def to_rows(self) -> list[dict[str, Any]]:
        """Return each outcome as a dict of plain values, in input order, for `csv.DictWriter` and `json.dumps`.

        The keys are `index`, `team_id`, `operation`, `old_id` (the webhook that the operation names), `webhook_id` (the
        one that is there now), `status`, `ended`, `reason`, `error`, `scope_unknown` and `both_live`. No content, no secret.
        """
        return [outcome.to_row() for outcome in self.outcomes]

    def raise_for_failures(self) -> None:
        """Raise unless every operation was applied or had nothing to change.

        Raises:
            BulkFailed: a group with a member for each operation that was neither.
        """
        failures = [failure for outcome in self.outcomes if (failure := outcome.failure) is not None]
        if failures:
            raise BulkFailed(f"{len(failures)} of {len(self.outcomes)} operations were not applied", failures)
