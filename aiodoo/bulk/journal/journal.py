"""The journal of a run, written before and after each request so that another process can resume the run."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs
import msgspec

from aiodoo.bulk import mismatch
from aiodoo.bulk.journal import age
from aiodoo.bulk.journal.commits import Commits, Pending
from aiodoo.bulk.journal.past import KEPT, JournaledRun, OperationEnd, of, other_operations
from aiodoo.bulk.journal.store import Content, JournalStore, Row
from aiodoo.clock import Clock
from aiodoo.errors import ConfigError, JournalLocked
from aiodoo.offload import Offload, wait_uncancelled
from aiodoo.operations import Operation, encoding
from aiodoo.operations.forecast import Forecast
from aiodoo.operations.places import Kept
from aiodoo.operations.tracked import Stage, TrackedOperation

LOCK_ATTEMPTS = 10
"""Attempts to lock a journal before it counts as in use."""

LOCK_RETRY = 0.05
"""Seconds between two attempts."""

_TURNS_OF_REQUEST, _TURNS_OF_RESULT = 4, 8
"""Turns of the event loop for which what a request waits for, and a result, wait for more to write in the same commit."""

_DEFAULTS = {name: attrs.fields_dict(TrackedOperation)[name].default for name in KEPT}


@attrs.frozen(kw_only=True)
class Baseline:
    """A team as it was before a run changed anything in it.

    Attributes:
        team_id: the team.
        kept: its list.
        forecast: the forecast of its operations.
        changes: its operations, with the fingerprints of the webhooks that they replace or delete.
    """

    team_id: str
    kept: Kept
    forecast: Forecast
    changes: Collection[TrackedOperation] = ()

    def plain(self) -> dict[str, Any]:
        """Return the value that the journal stores."""
        forecast = {
            "requests": attrs.asdict(self.forecast.requests),
            "counts": self.forecast.counts,
            "in_one_day": self.forecast.in_one_day,
        }
        prints = {
            change.target_id: change.old_print
            for change in reversed([*self.changes])
            if change.old_print is not None and change.target_id == change.old_id
        }
        return {
            "baseline": [*self.kept.ids],
            "page_size": self.kept.page_size,
            "forecast": forecast,
            "prints": prints,
        }


@attrs.define(eq=False)
class Journal:
    """The journal of one run.

    Args:
        store: keeps its rows.
        account: a keyed hash of the run's API key.
        key: the key of secrets' fingerprints.
        worker: the thread in which the store is read and written.
        clock: the time, and randomness for the run's id.

    Attributes:
        run_id: the run's id of 16 hexadecimal digits, set by `open`.
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
    _pending: Pending = attrs.field(factory=Pending)
    _recorded: dict[int, bytes] = attrs.field(factory=dict)
    _baselines: set[str] = attrs.field(factory=set)
    _sent: Callable[[], dict[str, int]] = dict
    _commits: Commits = attrs.field(
        default=attrs.Factory(lambda self: Commits(self._commit), takes_self=True)
    )

    @property
    def locator(self) -> str:
        """Where it is."""
        return self.store.locator

    @property
    def number(self) -> int:
        """The number of the last commit on the disk."""
        return self.store.number

    @property
    def may_be_taken(self) -> bool:
        """Whether another process may have taken it up since it was last written."""
        return self.store.may_be_taken

    def has_baseline(self, team_id: str) -> bool:
        """Return whether this process has written a team's baseline, or is about to."""
        return team_id in self._baselines

    async def open(self) -> JournaledRun | None:
        """Lock the journal and return its content, or None if there is none yet; nothing is written.

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
                # Another process may only be checking whether it is in use, or may be about to end.
                if not more:
                    raise
            await self.clock.sleep(LOCK_RETRY)
        past = await self.worker.do(self._past)
        self.run_id = self.run_id or f"{self.clock.token()}{self.clock.token()}"
        if past is not None:
            self._finished, self._written_at = past.finished, past.written_at
        return past

    async def resume(self, past: JournaledRun, *, known: int | None = None, moved: bool = False) -> None:
        """Check that the journal is the latest copy, and record that this process resumes its run.

        Args:
            past: what `open` returned; if only `moved` says that it is the latest copy, its creates are in doubt then.
            known: the number of the run's last commit in the ledger; None if the ledger does not know the run.
            moved: whether the caller states that it is the latest copy.

        Raises:
            JournalError: it is an old copy, or may be one.
            JournalWriteFailed: it cannot be written.
        """
        if past.finished:
            return
        rows = [_owner(resumed=True)]
        if age.check(self.locator, self.number, known=known, why=self._doubt, moved=moved):
            rows += [("change", str(change.number), _state(change)) for change in past.doubt_creates()]
        await self._append(rows)

    async def begin(
        self,
        operations: Sequence[Operation],
        name: str | None = None,
        listings: Mapping[str, str] | None = None,
        *,
        foreground: bool = False,
    ) -> None:
        """Create the journal of a new run.

        Args:
            operations: its operations, in input order.
            name: the first part of its markers; None for no markers.
            listings: the fingerprints that teams' lists must have when the run reads them.
            foreground: whether teams in which the run only creates are not listed first.

        Raises:
            JournalLocked: another run has started there meanwhile.
            JournalWriteFailed: it could not be written.
        """
        listings = dict(listings or {})
        await self.worker.do(
            lambda: self.store.begin(
                self.run_id, self._beginning(operations, name, listings, foreground=foreground)
            )
        )

    def set_operations(self, past: JournaledRun, operations: Sequence[Operation]) -> None:
        """Replace the operations of a past run with equal ones that have the values of bare secrets.

        Raises:
            JournalMismatch: they are not equal.
        """
        if encoding.digest(operations, self.key) != past.digest:
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
        sent: Callable[[], dict[str, int]],
        *,
        baseline: Baseline | None = None,
        deleted: tuple[str, Any] | None = None,
        sealed: tuple[str, str] | None = None,
        soon: bool,
    ) -> None:
        """Write what has changed since the last call; it is on the disk when this returns.

        Tasks that write at the same time share a commit.

        Args:
            changes: the operations that have changed since the last call.
            sent: returns the requests so far by kind.
            baseline: a team as it was before anything was changed.
            deleted: the id of a webhook configuration that is about to be deleted, and its content without secrets.
            sealed: the same id and its encrypted secrets in base64, if they are kept.
            soon: whether a request waits for it.

        Raises:
            JournalWriteFailed: it was not written, so the request that depends on it must not be sent.
        """
        pending, self._sent = self._pending, sent
        pending.moved.update((change.number, change) for change in changes)
        if baseline is not None:
            self._baselines.add(baseline.team_id)
            pending.rows.append(("team", baseline.team_id, baseline.plain()))
        if deleted is not None:
            pending.rows.append(("deleted", *deleted))
        if sealed is not None:
            pending.rows.append(("sealed", *sealed))
        await self._commits.wait(
            pending=bool(pending.moved or pending.rows), turns=_TURNS_OF_REQUEST if soon else _TURNS_OF_RESULT
        )

    def _commit(self) -> asyncio.Future[None] | None:
        """Begin to write what is pending."""
        pending, self._pending = self._pending, Pending()
        states = {
            change.number: msgspec.json.encode(_state(change))
            for change in pending.moved.values()
            if self._has_state(change)
        }
        rows: list[Row] = [
            ("change", str(number), msgspec.Raw(state))
            for number, state in states.items()
            # Written again where another process may have it by now: only then the store can tell.
            if self._recorded.get(number) != state or self.may_be_taken
        ]
        rows += pending.rows
        if not rows:
            return None
        self._written_at = now = self.clock.now()
        rows += [("sent", "sent", self._sent()), ("written_at", "written_at", now.isoformat())]
        if any(change.stage is Stage.MAYBE for change in pending.moved.values()):
            rows.append(("doubted_at", "doubted_at", now.isoformat()))

        def written(writing: asyncio.Future[None]) -> None:
            if writing.cancelled() or writing.exception() is not None:
                self._pending = pending.before(self._pending)
            else:
                self._recorded.update(states)

        try:
            writing = self._append(rows)
        except ConfigError:  # the session was closed
            self._pending = pending.before(self._pending)
            raise
        writing.add_done_callback(written)
        return writing

    async def finish(self) -> None:
        """Record that every operation has ended."""
        if not self._finished:
            await self._append([("finished", "finished", True)])

    async def leave(self, end: OperationEnd) -> None:
        """Record how this process ends with a run that is not complete."""
        value = {
            "after": _iso(self._written_at),
            "resume_at": _iso(end.resume_at),
            "stopped_because": end.stopped_because,
        }
        await self._append([("end", "end", value)])

    async def abandon(self, now: datetime) -> None:
        """Record that the run was abandoned, so that it is never resumed."""
        await self._append([("abandoned", "abandoned", now.isoformat())])

    async def close(self) -> None:
        """Unlock the journal; also when cancelled, this returns only after it is unlocked."""
        if not self._taken:
            return
        try:
            closing = self.worker.do(self._release)
        except ConfigError:
            # The session was closed during its run, and its thread may still be writing.
            try:
                await self.worker.close()
            finally:
                self._release()
        else:
            await wait_uncancelled(closing)
            closing.result()

    # These run in the worker's thread, so that a cancellation cannot separate an effect from its record.

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
        self, operations: Sequence[Operation], name: str | None, listings: dict[str, str], *, foreground: bool
    ) -> list[Row]:
        plain, digest = encoding.encode_all(operations, self.key)
        head = {
            "account": self.account,
            "digest": digest,
            "operations": len(operations),
            "name": name,
            "listings": listings,
            **({"foreground": True} if foreground else {}),
        }
        # The head comes last: a file that ends before it does not hold all of the operations.
        return [
            _owner(),
            *(("operation", str(number), each) for number, each in enumerate(plain)),
            ("run", "run", head),
        ]

    def _has_state(self, change: TrackedOperation) -> bool:
        """Return whether an operation has a state to write."""
        return (
            change.stage is not Stage.PLANNED or change.status is not None or change.number in self._recorded
        )

    def _append(self, rows: list[Row]) -> asyncio.Future[None]:
        older, self._older_form = self._older_form, None
        if older is None:
            return self.worker.do(lambda: self.store.append(rows))
        # Write all of it in the present form: its rows, the new rows, and the head last.
        *others, head = older
        return self.worker.do(lambda: self.store.begin(self.run_id, [*others, *rows, head]))


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _state(change: TrackedOperation) -> dict[str, Any]:
    """Return what a journal keeps of an operation, without attributes that have their defaults."""
    state: dict[str, Any] = {
        "stage": change.stage,
        "status": change.status,
        "error": None
        if change.error is None
        else {"is": type(change.error).__name__, "says": str(change.error)},
    }
    for name, default in _DEFAULTS.items():
        if (value := getattr(change, name)) != default:
            state[name] = value
    return state


def _owner(**more: bool) -> Row:
    return "owner", "owner", {"process": os.getpid(), "host": socket.gethostname(), **more}
