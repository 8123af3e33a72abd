"""A summary of a run, from outside: what its journal tells without an API key, also while the run goes on."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs

from aiodoo.bulk.journal.past import operations_of
from aiodoo.bulk.journal.store import JournalStore
from aiodoo.operations import Delete
from aiodoo.operations.tracked import Stage, Status, TrackedOperation


@attrs.frozen(kw_only=True)
class OperationSummary:
    """One operation of a run.

    Attributes:
        word: "create", "ensure", "update", "replace" or "delete".
        webhook_id: the one that it names, if it names one.
        ended: whether nothing more will be done for it in this run, whatever became of it.
        stage: how far it has come.
        new_id: the one that it has made.
        reason: why it ended so, where that is not plain.
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
        account: whose run it is, as a keyed hash of the API key.
        requests: wire requests so far, token requests apart.
        finished: whether every operation has ended.
        worker: who is at work on it, if there seems to be somebody.
        abandoned: whether a person has given it up.
    """

    account: str
    lines: tuple[OperationSummary, ...]
    requests: int
    finished: bool
    worker: str | None = None
    abandoned: bool = False

    @property
    def half_done(self) -> int:
        """How many operations were begun, so that something may have been sent for them, and have not ended."""
        return sum(not line.ended and line.stage is not Stage.PLANNED for line in self.lines)

    def counts(self) -> dict[str, int]:
        """Count the operations by their status; only those that there are."""
        found = Counter(line.status.value for line in self.lines)
        return {status.value: found[status.value] for status in Status if found[status.value]}


def summary_of(store: JournalStore) -> RunSummary | None:
    """Return how far the run has come that a store keeps; None if none was begun in it.

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
            _line(number, operation, states.get(str(number)), going=worker is not None)
            for number, operation in enumerate(operations_of(content, store.locator))
        ),
        requests=sum((content.one("sent") or {}).values()),
        finished=content.one("finished") is not None,
        worker=worker,
        abandoned=content.one("abandoned") is not None,
    )


def _line(
    number: int, operation: dict[str, Any], state: dict[str, Any] | None, *, going: bool
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
        status=change.status_now(alive=going),
        ended=change.ended,
        stage=change.stage,
        new_id=state.get("new_id"),
        reason=state.get("reason"),
        error=(state.get("error") or {}).get("says"),
    )
