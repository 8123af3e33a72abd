"""What a run writes down before and after each request, so that another process can go on with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import anyio
import attrs

from aiodoo import errors
from aiodoo.bulk import mismatch, written
from aiodoo.bulk.journal_file import JournalFile, Row
from aiodoo.errors import ConfigError, DooError, JournalMismatch
from aiodoo.forecast import Forecast, Requests
from aiodoo.models.marker import marker
from aiodoo.operations import Operation
from aiodoo.steps import Change, Stage, Status
from aiodoo.worker import Worker, to_the_end

T = TypeVar("T")

_KEPT = (
    "old_id",
    "new_id",
    "reason",
    "creates_sent",
    "deletes_sent",
    "scope_unknown",
    "adopted",
    "old_print",
)


@attrs.frozen(kw_only=True)
class End:
    """How a process left a run that is not complete.

    Attributes:
        resume_at: when the day's quota lets it go on, if it was parked for that.
        stopped_because: why it stopped by itself, other than for quota.
    """

    resume_at: datetime | None = None
    stopped_because: str | None = None


@attrs.frozen(kw_only=True)
class Past:
    """What a journal holds of a run.

    Attributes:
        digest: tells its operations from others.
        name: what its ownership markers begin with, if it uses them.
        changes: one for each operation, in input order.
        listings: what teams' lists have to be when the run comes to them.
        baselines: the ids that each team had before the run changed anything.
        forecasts: what each team was to cost, when it was first read.
        sent: wire requests by kind.
        deleted: what each webhook configuration was, without its secrets, that the run deleted, by id.
        sealed: the secrets of those, if they were to be kept, encrypted and in base64, by id.
        written_at: when something was last written down of what the run sends.
        doubted_at: when a create was last in doubt.
        end: how its last process ended, unless that goes on or died.
        finished: whether every operation had ended.
        run_id: the run's id; None where an older version began it.
        abandoned: when a person gave the run up.
    """

    digest: str
    name: str | None
    changes: list[Change]
    listings: dict[str, str]
    baselines: dict[str, set[str]]
    forecasts: dict[str, Forecast]
    sent: dict[str, int]
    deleted: dict[str, dict[str, Any]]
    sealed: dict[str, str]
    written_at: datetime | None
    doubted_at: datetime | None
    end: End
    finished: bool
    run_id: str | None = None
    abandoned: datetime | None = None

    @property
    def open(self) -> list[Operation]:
        """The operations that have not ended."""
        return [] if self.finished else [change.operation for change in self.changes if change.status is None]


@attrs.frozen(kw_only=True)
class Baseline:
    """How a team was before a run changed anything in it.

    Attributes:
        known: the ids of its webhook configurations.
        forecast: what it was to cost.
    """

    team_id: str
    known: Collection[str]
    forecast: Forecast

    def plain(self) -> dict[str, Any]:
        """Return what is written down of it."""
        forecast = {"requests": attrs.asdict(self.forecast.requests), "counts": self.forecast.counts}
        return {"baseline": sorted(self.known), "forecast": forecast}


@attrs.define(eq=False)
class Journal:
    """One run's journal.

    Args:
        path: where it is kept.
        account: whose run it is, as a keyed hash.
        key: what fingerprints of bare secrets are made with.
        worker: where the file is read and written.
    """

    path: Path
    account: str
    key: bytes
    worker: Worker
    _file: JournalFile | None = None
    _finished: bool = False
    _written_at: datetime | None = None
    _moved: dict[int, Change] = attrs.field(factory=dict)
    _recorded: dict[tuple[str, str], Any] = attrs.field(factory=dict)
    _writing: anyio.Lock = attrs.field(factory=anyio.Lock)

    async def open(self) -> Past | None:
        """Lock it; return what it holds, or None if it is new.

        Raises:
            JournalLocked: another run holds it.
            JournalMismatch: it belongs to another account, or a newer version of aiodoo wrote it.
            JournalError: it cannot be used.
        """
        await self.worker.do(self._take)
        past = await self._do(lambda file: _read(file, self.path, self.account))
        if past is not None:
            self._finished, self._written_at = past.finished, past.written_at
        return past

    async def begin(
        self,
        operations: Sequence[Operation],
        name: str | None = None,
        listings: Mapping[str, str] | None = None,
        *,
        run_id: str | None = None,
    ) -> None:
        """Write down what is to be done.

        Args:
            operations: in input order.
            name: what the run's ownership markers begin with; None for no markers.
            listings: what teams' lists have to be when the run comes to them.
            run_id: the run's id.

        Raises:
            JournalWriteFailed: it could not be written.
        """
        rows: list[Row] = [
            ("operation", str(number), written.write(operation, self.key))
            for number, operation in enumerate(operations)
        ]
        head = {
            "account": self.account,
            "digest": self._digest(operations),
            "operations": len(operations),
            "name": name,
            "listings": dict(listings or {}),
            "run_id": run_id,
        }
        await self._do(lambda file: file.write([*rows, ("run", "run", head)]))

    async def named(self, run_id: str) -> None:
        """Give an id to a run that an older version began."""
        await self._do(lambda file: file.write([("run_id", "run_id", run_id)]))

    def hand_in(self, past: Past, operations: Sequence[Operation]) -> None:
        """Let a past run have its operations again, whose bare secrets are kept nowhere.

        Raises:
            JournalMismatch: they are others.
        """
        if self._digest(operations) != past.digest:
            raise other_operations(
                self.path,
                mismatch.described([change.operation for change in past.changes], operations, self.key),
                ended_at=past.written_at if past.finished else None,
            )
        for change, operation in zip(past.changes, operations, strict=True):
            change.operation = operation

    async def record(
        self,
        changes: Iterable[Change],
        sent: dict[str, int],
        *,
        baseline: Baseline | None = None,
        deleted: tuple[str, Any] | None = None,
        sealed: tuple[str, str] | None = None,
        now: datetime,
    ) -> None:
        """Keep what has changed since it was last recorded; on the disk when this returns.

        Args:
            changes: those that have moved since the last time.
            sent: wire requests by kind.
            baseline: how a team was before anything was changed.
            deleted: the id of a webhook configuration that is about to be deleted, and its content without secrets.
            sealed: the same id and its secret, encrypted and in base64, if it is to be kept.
            now: what time it is.

        Raises:
            JournalWriteFailed: it is not kept, so nothing may be sent on its ground.
        """
        self._moved.update((change.number, change) for change in changes)
        # One at a time: what another task is still writing is not on the disk yet.
        async with self._writing:
            moved, self._moved = self._moved, {}
            states = {
                str(change.number): _state(change) for change in moved.values() if self._is_news(change)
            }
            rows: list[Row] = [
                ("change", number, state)
                for number, state in states.items()
                if self._recorded.get(("change", number)) != state
            ]
            if baseline is not None and ("team", baseline.team_id) not in self._recorded:
                rows.append(("team", baseline.team_id, baseline.plain()))
            if deleted is not None:
                rows.append(("deleted", *deleted))
            if sealed is not None:
                rows.append(("sealed", *sealed))
            if rows:
                always: list[Row] = [("sent", "sent", sent), ("written_at", "written_at", now.isoformat())]
                if any(change.stage is Stage.MAYBE for change in moved.values()):
                    always.append(("doubted_at", "doubted_at", now.isoformat()))
                self._written_at = now
                try:
                    await self._do(lambda file: file.write([*rows, *always]))
                except BaseException:
                    self._moved = moved | self._moved
                    raise
                self._recorded.update({(kind, key): value for kind, key, value in rows})

    async def finish(self) -> None:
        """Note that every operation has ended."""
        if not self._finished:
            await self._do(lambda file: file.write([("finished", "finished", True)]))

    async def leave(self, end: End) -> None:
        """Note how this process leaves a run that is not complete."""
        value = {
            "after": _iso(self._written_at),
            "resume_at": _iso(end.resume_at),
            "stopped_because": end.stopped_because,
        }
        await self._do(lambda file: file.write([("end", "end", value)]))

    async def abandon(self, now: datetime) -> None:
        """Note that a person has given the run up; it is never gone on with."""
        await self._do(lambda file: file.write([("abandoned", "abandoned", now.isoformat())]))

    async def close(self) -> None:
        """Let the next run have it; done when this returns, also if it is cancelled."""
        try:
            closing = self.worker.do(self._let_go)
        except ConfigError:
            # The session was closed while its run went on; its thread may still be writing.
            try:
                await self.worker.close()
            finally:
                self._let_go()
        else:
            await to_the_end(closing)
            closing.result()

    # In the worker's thread, where nothing comes between what is done and what is known of it.

    def _take(self) -> JournalFile:
        self._file = JournalFile(self.path, write=True)
        return self._file

    def _let_go(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _is_news(self, change: Change) -> bool:
        """Whether there is more to keep of a change than its operation."""
        return (
            change.stage is not Stage.PLANNED
            or change.status is not None
            or ("change", str(change.number)) in self._recorded
        )

    def _digest(self, operations: Sequence[Operation]) -> str:
        return written.digest(operations, self.key)

    async def _do(self, work: Callable[[JournalFile], T]) -> T:
        file = self._file
        assert file is not None  # noqa: S101  # it was opened
        return await self.worker.do(lambda: work(file))


def read(path: Path, account: str) -> Past:
    """Return what a journal holds, without locking it; the run may be going on.

    Raises:
        JournalMismatch: it holds no run, or one of another account.
        JournalError: it cannot be read.
    """
    file = JournalFile(path, write=False)
    try:
        past = _read(file, path, account)
    finally:
        file.close()
    if past is None:
        raise no_run(path)
    return past


def no_run(path: Path) -> JournalMismatch:
    """Return the error for a journal in which no run was begun."""
    return JournalMismatch(
        f"the journal {path} holds no run; nothing was sent. Begin one with bulk.run(journal=)"
    )


def other_operations(path: Path, how: str, *, ended_at: datetime | None) -> JournalMismatch:
    """Return the error for operations that are not the journal's; `how` names the first rows."""
    way = (
        "To go on with its run call bulk.resume(journal, secrets=...), which needs no operations, or pass operations as a "
        "function, which is not called then; for these operations name another journal"
        if ended_at is None
        else f"Its run ended at {ended_at:%Y-%m-%d %H:%M:%S} UTC; for these operations name another journal"
    )
    return JournalMismatch(f"the journal {path} belongs to other operations ({how}); nothing was sent. {way}")


def _read(file: JournalFile, path: Path, account: str) -> Past | None:
    head = file.read("run").get("run")
    if head is None:
        return None
    if head["account"] != account:
        raise JournalMismatch(
            f"the journal {path} belongs to another API key; nothing was sent. Use that one's session"
        )
    operations = file.read_numbered("operation", head["operations"])
    states, teams = file.read("change"), file.read("team")
    written_at = file.read("written_at").get("written_at")
    return Past(
        digest=head["digest"],
        name=head.get("name"),
        changes=[
            _change(number, written.read(plain), states.get(str(number)), head.get("name"))
            for number, plain in enumerate(operations)
        ],
        listings=head.get("listings", {}),
        baselines={team_id: set(value["baseline"]) for team_id, value in teams.items()},
        forecasts={
            team_id: _forecast(value["forecast"]) for team_id, value in teams.items() if "forecast" in value
        },
        sent=file.read("sent").get("sent", {}),
        deleted=file.read("deleted"),
        sealed=file.read("sealed"),
        written_at=_time(written_at),
        doubted_at=_time(file.read("doubted_at").get("doubted_at")),
        end=_end(file.read("end").get("end"), written_at),
        finished="finished" in file.read("finished"),
        run_id=head.get("run_id") or file.read("run_id").get("run_id"),
        abandoned=_time(file.read("abandoned").get("abandoned")),
    )


def _end(end: dict[str, Any] | None, written_at: str | None) -> End:
    if end is None or end["after"] != written_at:
        return End()
    return End(resume_at=_time(end["resume_at"]), stopped_because=end["stopped_because"])


def _forecast(plain: dict[str, Any]) -> Forecast:
    return Forecast(requests=Requests(**plain["requests"]), counts=plain["counts"])


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _state(change: Change) -> dict[str, Any]:
    state = {name: getattr(change, name) for name in _KEPT}
    error = None if change.error is None else {"is": type(change.error).__name__, "says": str(change.error)}
    return state | {
        "stage": change.stage.value,
        "status": change.status and change.status.value,
        "error": error,
    }


def _change(number: int, operation: Operation, state: dict[str, Any] | None, name: str | None) -> Change:
    change = Change(number=number, operation=operation, marker=marker(name, number))
    if state is None:
        return change
    for field in _KEPT:
        # What an older version did not keep stays as it is for a new one.
        setattr(change, field, state.get(field, getattr(change, field)))
    change.stage = Stage(state["stage"])
    change.status = None if state["status"] is None else Status(state["status"])
    if state["error"] is not None:
        kind = getattr(errors, state["error"]["is"], DooError)
        change.error = kind(state["error"]["says"])
    return change
