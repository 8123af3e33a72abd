"""The content of a journal: a run's operations with their states, and the baselines of its teams."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import attrs

from aiodoo import errors
from aiodoo.bulk.journal.refusals import DamagedJournal
from aiodoo.bulk.journal.store import Content, JournalStore
from aiodoo.errors import DooError, JournalMismatch
from aiodoo.models.run_marker import marker
from aiodoo.operations import Delete, Operation, encoding
from aiodoo.operations.forecast import Forecast, Requests
from aiodoo.operations.places import Kept
from aiodoo.operations.tracked import Stage, Status, TrackedOperation

KEPT = (
    "old_id",
    "new_id",
    "reason",
    "creates_sent",
    "deletes_sent",
    "scope_unknown",
    "adopted",
    "stray",
    "old_print",
)
"""The attributes of an operation that a journal stores, besides stage, status and error."""


@attrs.frozen(kw_only=True)
class OperationEnd:
    """How a process has ended with a run that is not complete.

    Attributes:
        resume_at: when the daily quota has room to resume it, if it was parked (UTC).
        stopped_because: why it stopped, other than for quota.
    """

    resume_at: datetime | None = None
    stopped_because: str | None = None


@attrs.frozen(kw_only=True)
class JournaledRun:
    """A run as its journal has recorded it.

    Attributes:
        run_id: the id of the run; None in a journal that is older than run ids.
        digest: a keyed hash of its operations.
        name: the first part of its markers, if it uses them.
        changes: the operations, in input order.
        listings: the fingerprints that teams' lists must have when the run reads them.
        baselines: the ids that each team had before the run changed anything.
        lists: the same in the order of the list, for each team whose page size is known.
        forecasts: the forecast of each team from its first list.
        sent: the requests by kind.
        deleted: the webhook configurations that the run has deleted, without their secrets, by id.
        sealed: their encrypted secrets in base64, if they were kept, by id.
        written_at: when a step was last written (UTC).
        doubted_at: when a create was last in doubt (UTC).
        end: how its last process has ended; empty if it is alive or was killed.
        finished: whether every operation has ended.
        abandoned: when the run was abandoned (UTC).
        foreground: whether teams in which the run only creates were not listed first.
        resumed: whether another process has resumed it; False in a journal that is older than this.
    """

    run_id: str | None
    digest: str
    name: str | None
    changes: list[TrackedOperation]
    listings: dict[str, str]
    baselines: dict[str, set[str]]
    lists: dict[str, Kept]
    forecasts: dict[str, Forecast]
    sent: dict[str, int]
    deleted: dict[str, dict[str, Any]]
    sealed: dict[str, str]
    written_at: datetime | None
    doubted_at: datetime | None
    end: OperationEnd
    finished: bool
    abandoned: datetime | None = None
    foreground: bool = False
    resumed: bool = False

    @property
    def open(self) -> list[Operation]:
        """The operations that have not ended."""
        return [] if self.finished else [change.operation for change in self.changes if not change.ended]

    def forget(self) -> None:
        """Empty it, in a thread: freeing thousands of operations at once, as Python would, blocks the event loop."""
        for each in (self.changes, self.baselines, self.deleted):
            while each:
                each.pop() if isinstance(each, list) else each.popitem()

    def doubt_creates(self) -> list[TrackedOperation]:
        """Treat every planned create of a started team as possibly sent, and return these operations."""
        doubted = [
            change
            for change in self.changes
            if (self.foreground or change.operation.team_id in self.baselines)
            and change.status is None
            and change.stage is Stage.PLANNED
            # A delete is harmless: its webhook is looked for in the list first.
            and not isinstance(change.operation, Delete)
        ]
        for change in doubted:
            change.stage, change.creates_sent = Stage.CREATE_INTENT, max(1, change.creates_sent)
            change.old_id = change.target_id
        return doubted


def read(store: JournalStore, account: str) -> JournaledRun:
    """Return the run of a journal without locking it; the run may be alive.

    Raises:
        JournalMismatch: it holds no run, or one of another account.
        JournalError: it cannot be read.
    """
    past = of(store.read(), store.locator, account)
    if past is None:
        raise no_run(store.locator)
    return past


def of(content: Content, locator: str, account: str) -> JournaledRun | None:
    """Return the run of a journal's content; None if it holds no run.

    Raises:
        JournalMismatch: it belongs to another account.
        JournalError: operations are missing, or another program has written to it.
    """
    head = content.one("run")
    if head is None:
        return None
    if head["account"] != account:
        raise JournalMismatch(
            f"the journal {locator} belongs to another API key; nothing was sent. Use that one's session"
        )
    if content.forged_at is not None:
        raise DamagedJournal(locator, f"line {content.forged_at} was written by something else")
    operations = operations_of(content, locator)
    states, teams = content.rows.get("change", {}), content.rows.get("team", {})
    changes = [
        _change(number, encoding.decode_operation(plain), states.get(str(number)), head.get("name"))
        for number, plain in enumerate(operations)
    ]
    _compare_with(changes, {team_id: value.get("prints", {}) for team_id, value in teams.items()})
    return JournaledRun(
        run_id=content.run_id or head.get("run_id") or content.one("run_id"),
        digest=head["digest"],
        name=head.get("name"),
        changes=changes,
        listings=head.get("listings", {}),
        baselines={team_id: set(value["baseline"]) for team_id, value in teams.items()},
        # An older version has sorted the ids and written no page size.
        lists={
            team_id: Kept(value["baseline"], size)
            for team_id, value in teams.items()
            if (size := value.get("page_size"))
        },
        forecasts={
            team_id: _forecast(value["forecast"]) for team_id, value in teams.items() if "forecast" in value
        },
        sent=content.one("sent") or {},
        deleted=dict(content.rows.get("deleted", {})),
        sealed=dict(content.rows.get("sealed", {})),
        written_at=_time(content.one("written_at")),
        doubted_at=_time(content.one("doubted_at")),
        end=end_of(content),
        finished=content.one("finished") is not None,
        abandoned=_time(content.one("abandoned")),
        foreground=head.get("foreground", False),
        resumed=(content.one("owner") or {}).get("resumed", False),
    )


def operations_of(content: Content, locator: str) -> list[dict[str, Any]]:
    """Return the encoded operations of a journal, in input order.

    Raises:
        JournalError: an operation is missing, or there are too many.
    """
    number = content.one("run")["operations"]
    rows = content.rows.get("operation", {})
    keys = [str(each) for each in range(number)]
    if rows.keys() != set(keys):
        raise DamagedJournal(locator, "it does not hold every operation")
    return [rows[key] for key in keys]


def no_run(locator: str) -> JournalMismatch:
    """Return the error for a journal that holds no run."""
    return JournalMismatch(
        f"the journal {locator} holds no run; nothing was sent. Begin one with bulk.run(journal=)"
    )


def other_operations(locator: str, how: str, *, ended_at: datetime | None) -> JournalMismatch:
    """Return the error for operations that are not the journal's; `how` names the first rows that differ."""
    way = (
        "To resume its run call bulk.resume(journal, secrets=...), which needs no operations, or pass operations as a "
        "function, which is not called then; for these operations name another journal"
        if ended_at is None
        else f"Its run ended at {ended_at:%Y-%m-%d %H:%M:%S} UTC; for these operations name another journal"
    )
    return JournalMismatch(
        f"the journal {locator} belongs to other operations ({how}); nothing was sent. {way}"
    )


def end_of(content: Content) -> OperationEnd:
    """Return how the last process of a journal's run has ended; empty if it is alive or was killed."""
    end = content.one("end")
    if end is None or end["after"] != content.one("written_at"):
        return OperationEnd()
    return OperationEnd(resume_at=_time(end["resume_at"]), stopped_because=end["stopped_because"])


def _forecast(plain: dict[str, Any]) -> Forecast:
    # Journals of earlier versions do not have `in_one_day`.
    return Forecast(
        requests=Requests(**plain["requests"]), counts=plain["counts"], in_one_day=plain.get("in_one_day", 0)
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _change(
    number: int, operation: Operation, state: dict[str, Any] | None, name: str | None
) -> TrackedOperation:
    change = TrackedOperation(number=number, operation=operation, marker=marker(name, number))
    if state is None:
        return change
    for field in KEPT:
        # An attribute that an older version did not store keeps its default.
        setattr(change, field, state.get(field, getattr(change, field)))
    change.stage = Stage(state["stage"])
    change.status = None if state["status"] is None else Status(state["status"])
    if state["error"] is not None:
        kind = getattr(errors, state["error"]["is"], DooError)
        change.error = kind(state["error"]["says"])
    return change


def _compare_with(changes: Iterable[TrackedOperation], prints: Mapping[str, Mapping[str, str]]) -> None:
    """Give the first planned operation on each webhook its fingerprint from the team's baseline.

    By it the present list is compared with the baseline. Later operations on the same webhook have none, as the first
    one changes it.
    """
    named = set[str]()
    for change in changes:
        if change.target_id is not None and change.target_id not in named:
            named.add(change.target_id)
            if change.stage is Stage.PLANNED and change.old_print is None:
                change.old_print = prints.get(change.operation.team_id, {}).get(change.target_id)
