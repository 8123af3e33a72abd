"""The summary of a run that its journal gives without an API key, also while the run is alive."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

import attrs

from aiodoo.bulk.journal.past import OperationEnd, end_of, operations_of
from aiodoo.bulk.journal.store import JournalStore
from aiodoo.operations import Delete
from aiodoo.operations.tracked import Stage, Status, TrackedOperation


@attrs.frozen(kw_only=True)
class OperationSummary:
    """One operation of a run.

    Attributes:
        number: its place in the input, from 0.
        word: "create", "ensure", "update", "replace" or "delete".
        team_id: its team.
        webhook_id: the webhook configuration that it names, if any.
        status: its status, or "in_progress" in a run that is alive.
        ended: whether the status is final.
        stage: how far it has come.
        new_id: the webhook configuration that it has made.
        reason: why it ended so, where the status does not say it.
        error: what went wrong.
    """

    number: int
    word: str
    team_id: str
    webhook_id: str | None
    status: Status
    ended: bool
    stage: Stage
    new_id: str | None = None
    reason: str | None = None
    error: str | None = None


@attrs.frozen(kw_only=True)
class RunSummary:
    """How far a run has come.

    Attributes:
        account: a keyed hash of the run's API key.
        lines: its operations, in input order.
        requests: the requests so far, without token requests.
        finished: whether every operation has ended.
        worker: the process that carries it out, if any.
        abandoned: whether it was abandoned.
        end: how its last process has ended; empty if it is alive or was killed.
    """

    account: str
    lines: tuple[OperationSummary, ...]
    requests: int
    finished: bool
    worker: str | None = None
    abandoned: bool = False
    end: OperationEnd = attrs.field(factory=OperationEnd)

    @property
    def state(self) -> Literal["finished", "abandoned", "running", "parked", "interrupted"]:
        """Where the run is: a parked one can be resumed from `end.resume_at` on, an interrupted one at once."""
        if self.finished:
            return "finished"
        if self.abandoned:
            return "abandoned"
        if self.worker is not None:
            return "running"
        return "interrupted" if self.end.resume_at is None else "parked"

    @property
    def done(self) -> int:
        """The number of operations that have ended."""
        return sum(line.ended for line in self.lines)

    @property
    def half_done(self) -> int:
        """The number of operations that were started and have not ended."""
        return sum(not line.ended and line.stage is not Stage.PLANNED for line in self.lines)

    def counts(self) -> dict[str, int]:
        """Return the number of operations by status, without statuses that none has."""
        found = Counter(line.status.value for line in self.lines)
        return {status.value: found[status.value] for status in Status if found[status.value]}


def summary_of(store: JournalStore) -> RunSummary | None:
    """Return the summary of a store's run; None if it holds no run.

    Raises:
        JournalError: it cannot be read.
    """
    content = store.read()
    head = content.one("run")
    if head is None:
        return None
    states = content.rows.get("change", {})
    worker = store.owner()
    return RunSummary(
        account=head["account"],
        lines=tuple(
            _line(number, operation, states.get(str(number)), alive=worker is not None)
            for number, operation in enumerate(operations_of(content, store.locator))
        ),
        requests=sum((content.one("sent") or {}).values()),
        finished=content.one("finished") is not None,
        worker=worker,
        abandoned=content.one("abandoned") is not None,
        end=end_of(content),
    )


def _line(
    number: int, operation: dict[str, Any], state: dict[str, Any] | None, *, alive: bool
) -> OperationSummary:
    state = state or {}
    change = TrackedOperation(number=number, operation=Delete(operation["team"], "0"))
    change.stage = Stage(state.get("stage") or Stage.PLANNED)
    change.status = Status(state["status"]) if state.get("status") else None
    return OperationSummary(
        number=number,
        word=operation["is"],
        team_id=operation["team"],
        webhook_id=operation.get("webhook"),
        status=change.status_now(alive=alive),
        ended=change.ended,
        stage=change.stage,
        new_id=state.get("new_id"),
        reason=state.get("reason"),
        error=(state.get("error") or {}).get("says"),
    )
