"""What a run writes down before and after each request, so that another process can resume it."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import anyio
import attrs

from aiodoo.bulk import mismatch
from aiodoo.bulk.journal import age
from aiodoo.bulk.journal.past import KEPT, JournaledRun, OperationEnd, of, other_operations
from aiodoo.bulk.journal.store import Content, JournalStore, Row
from aiodoo.clock import Clock
from aiodoo.errors import ConfigError, JournalLocked
from aiodoo.offload import Offload, wait_uncancelled
from aiodoo.operations import Operation, encoding
from aiodoo.operations.forecast import Forecast
from aiodoo.operations.tracked import Stage, TrackedOperation

LOCK_ATTEMPTS = 10
"""Times that a journal is looked at which somebody has locked, before it is in use."""

LOCK_RETRY = 0.05
"""Seconds between two of them."""


@attrs.frozen(kw_only=True)
class Baseline:
    """How a team was before a run changed anything in it.

    Attributes:
        known: the ids of its webhook configurations.
        forecast: what it was to cost.
        changes: the team's, with the fingerprints of what they are to replace or delete, as it was read.
    """

    team_id: str
    known: Collection[str]
    forecast: Forecast
    changes: Collection[TrackedOperation] = ()

    def plain(self) -> dict[str, Any]:
        """Return what is written down of it."""
        forecast = {"requests": attrs.asdict(self.forecast.requests), "counts": self.forecast.counts}
        prints = {
            change.target_id: change.old_print
            for change in reversed([*self.changes])
            if change.old_print is not None and change.target_id == change.old_id
        }
        return {"baseline": sorted(self.known), "forecast": forecast, "prints": prints}


@attrs.define(eq=False)
class Journal:
    """One run's journal.

    Args:
        store: what keeps its rows.
        account: whose run it is, as a keyed hash.
        key: what fingerprints of bare secrets are made with.
        worker: where the store is read and written.
        clock: the time, and chance for the run's id.

    Attributes:
        run_id: the run's 16 hexadecimal digits; known once it is open.
    """

    store: JournalStore
    account: str
    key: bytes
    worker: Offload
    clock: Clock
    run_id: str = attrs.field(default="", init=False)
    _doubt: str | None = None
    _older_form: list[Row] | None = None
    _content: Content | None = None
    _taken: bool = False
    _finished: bool = False
    _written_at: datetime | None = None
    _moved: dict[int, TrackedOperation] = attrs.field(factory=dict)
    _recorded: dict[tuple[str, str], Any] = attrs.field(factory=dict)
    _writing: anyio.Lock = attrs.field(factory=anyio.Lock)

    @property
    def locator(self) -> str:
        """Where it is."""
        return self.store.locator

    @property
    def number(self) -> int:
        """The number of its last commit that is kept for good; the run's next process has to find it."""
        return self.store.number

    async def open(self) -> JournaledRun | None:
        """Lock it; return what it holds, or None if there is none yet. Nothing in it is changed.

        Raises:
            JournalLocked: another run holds it.
            JournalMismatch: it belongs to another account, or a newer version of aiodoo wrote it.
            JournalError: it cannot be used.
        """
        for more in reversed(range(LOCK_ATTEMPTS)):
            try:
                await self.worker.do(self._take)
                break
            except JournalLocked:
                # It may be somebody who only looks whether it is in use, or a process that is just ending.
                if not more:
                    raise
            await self.clock.sleep(LOCK_RETRY)
        past = await self.worker.do(self._past)
        self.run_id = self.run_id or f"{self.clock.token()}{self.clock.token()}"
        if past is not None:
            self._finished, self._written_at = past.finished, past.written_at
        return past

    async def resume(self, past: JournaledRun, *, known: int | None = None, moved: bool = False) -> None:
        """Go on with the run that it holds, if it is the last that was written of it; nothing is sent before.

        Args:
            past: what `open` returned; where only a person says that it is the last, its creates are in doubt then.
            known: the number of the run's last commit that the ledger has; None where it knows none.
            moved: whether a person says that it is the last one where nothing else does.

        Raises:
            JournalError: it is older, or nothing tells that it is not.
            JournalWriteFailed: it cannot be written.
        """
        if past.finished:
            return
        rows = [_owner()]
        if age.check(self.locator, self.number, known=known, why=self._doubt, moved=moved):
            rows += [("change", str(change.number), _state(change)) for change in past.doubt_creates()]
        await self._append(rows)

    async def begin(
        self,
        operations: Sequence[Operation],
        name: str | None = None,
        listings: Mapping[str, str] | None = None,
    ) -> None:
        """Write down what is to be done.

        Args:
            operations: in input order.
            name: what the run's ownership markers begin with; None for no markers.
            listings: what teams' lists have to be when the run comes to them.

        Raises:
            JournalLocked: another run has begun there meanwhile.
            JournalWriteFailed: it could not be written.
        """
        listings = dict(listings or {})
        await self.worker.do(
            lambda: self.store.begin(self.run_id, self._beginning(operations, name, listings))
        )

    def set_operations(self, past: JournaledRun, operations: Sequence[Operation]) -> None:
        """Let a past run have its operations again, whose bare secrets are kept nowhere.

        Raises:
            JournalMismatch: they are others.
        """
        if self._digest(operations) != past.digest:
            raise other_operations(
                self.locator,
                mismatch.described([change.operation for change in past.changes], operations, self.key),
                ended_at=past.written_at if past.finished else None,
            )
        for change, operation in zip(past.changes, operations, strict=True):
            change.operation = operation

    async def record(
        self,
        changes: Iterable[TrackedOperation],
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
                str(change.number): _state(change) for change in moved.values() if self._has_state(change)
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
                    await self._append([*rows, *always])
                except BaseException:  # a cancellation too: it is still to be written
                    self._moved = moved | self._moved
                    raise
                self._recorded.update({(kind, key): value for kind, key, value in rows})

    async def finish(self) -> None:
        """Note that every operation has ended."""
        if not self._finished:
            await self._append([("finished", "finished", True)])

    async def leave(self, end: OperationEnd) -> None:
        """Note how this process leaves a run that is not complete."""
        value = {
            "after": _iso(self._written_at),
            "resume_at": _iso(end.resume_at),
            "stopped_because": end.stopped_because,
        }
        await self._append([("end", "end", value)])

    async def abandon(self, now: datetime) -> None:
        """Note that a person has given the run up; it is never gone on with."""
        await self._append([("abandoned", "abandoned", now.isoformat())])

    async def close(self) -> None:
        """Let the next run have it; done when this returns, also if it is cancelled."""
        if not self._taken:
            return
        try:
            closing = self.worker.do(self._release)
        except ConfigError:
            # The session was closed while its run went on; its thread may still be writing.
            try:
                await self.worker.close()
            finally:
                self._release()
        else:
            await wait_uncancelled(closing)
            closing.result()

    # In the worker's thread, where nothing comes between what is done and what is known of it.

    def _take(self) -> JournalStore:
        self._taken = True
        self._content = self.store.open()
        return self.store

    def _release(self) -> None:
        self._taken = False
        self.store.close()

    def _past(self) -> JournaledRun | None:
        content, self._content = self._content, None
        if content is None:
            return None
        past = of(content, self.locator, self.account)
        if past is not None:
            self._doubt, self.run_id = content.doubt, past.run_id or ""
            if content.run_id is None:
                self._older_form = [
                    (kind, key, value)
                    for kind in sorted(content.rows, key=lambda kind: kind == "run")
                    for key, value in content.rows[kind].items()
                ]
        return past

    def _beginning(
        self, operations: Sequence[Operation], name: str | None, listings: dict[str, str]
    ) -> list[Row]:
        plain = [encoding.encode_operation(operation, self.key) for operation in operations]
        head = {
            "account": self.account,
            "digest": self._digest(operations),
            "operations": len(operations),
            "name": name,
            "listings": listings,
        }
        # The head comes last: a file that ends before it does not hold all of the operations.
        return [
            _owner(),
            *(("operation", str(number), each) for number, each in enumerate(plain)),
            ("run", "run", head),
        ]

    def _has_state(self, change: TrackedOperation) -> bool:
        """Whether there is more to keep of a change than its operation."""
        return (
            change.stage is not Stage.PLANNED
            or change.status is not None
            or ("change", str(change.number)) in self._recorded
        )

    def _digest(self, operations: Sequence[Operation]) -> str:
        return encoding.digest(operations, self.key)

    async def _append(self, rows: list[Row]) -> None:
        older, self._older_form = self._older_form, None
        if older is None:
            await self.worker.do(lambda: self.store.append(rows))
        else:
            # All of it in today's form; what its rows say is the last, and the run's head.
            *others, head = older
            await self.worker.do(lambda: self.store.begin(self.run_id, [*others, *rows, head]))


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _state(change: TrackedOperation) -> dict[str, Any]:
    state = {name: getattr(change, name) for name in KEPT}
    error = None if change.error is None else {"is": type(change.error).__name__, "says": str(change.error)}
    return state | {
        "stage": change.stage.value,
        "status": change.status and change.status.value,
        "error": error,
    }


def _owner() -> Row:
    return "owner", "owner", {"process": os.getpid(), "host": socket.gethostname()}
