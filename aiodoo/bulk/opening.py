"""Prepares a run before its first request: checks its operations, claims its teams and opens its journal."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from aiodoo.bulk import resume_secrets
from aiodoo.bulk.claiming import holding, new_run, teams_of
from aiodoo.bulk.context import RunContext
from aiodoo.bulk.input import Operations, checked, is_function, waits
from aiodoo.bulk.journal import Journal, JournaledRun, SharedJournal, no_run, store_at
from aiodoo.bulk.options import RunSettings
from aiodoo.bulk.report import Report
from aiodoo.bulk.run_teams import changes_of, steps_of
from aiodoo.bulk.runner import Run
from aiodoo.bulk.stopping import StopRequested, unless_stopped
from aiodoo.doo_warnings import Line
from aiodoo.errors import JournalMismatch
from aiodoo.operations import Operation
from aiodoo.quota.hold import Hold

_log = logging.getLogger("aiodoo.bulk")


@attrs.define(eq=False)
class _Ready:
    """What the preparation of a run has yielded so far."""

    operations: Sequence[Operation] = ()
    all_read: bool = True
    past: JournaledRun | None = None
    name: str | None = None
    hold: Hold | None = None
    journal: Journal | None = None


@attrs.frozen(kw_only=True)
class PreparedRun:
    """The arguments of a run.

    Args:
        context: what it needs of its session.
        operations: its operations; None to resume with those of the journal.
        settings: its options.
        journal: its journal; None for none.
        allow_net_deletes: if given, exactly how many `Delete` operations there must be.
        listings: the fingerprints that teams' lists must have. A team with another list is not changed: its operations
            are skipped, with a `PlanDrift`.
        look_first: called after the teams of a new run are claimed and before its journal is written; an error that it
            raises ends the run.
        line: the caller's line, for warnings.
    """

    context: RunContext
    operations: Operations | None
    settings: RunSettings
    journal: Path | SharedJournal | None
    allow_net_deletes: int | None = None
    listings: Mapping[str, str] = attrs.field(factory=dict)
    look_first: Callable[[], Coroutine[Any, Any, None]] | None = None
    line: Line = attrs.field(factory=Line.of_caller)

    async def run(self) -> Report:
        """Carry out all operations and return the report; see `Bulk.run`."""
        async with self.opened() as run:
            await run.execute()
            return await run.last_report()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Run]:
        """Yield the prepared run, whose journal is open until the end of the block.

        If `stop=` is set meanwhile, the run that is yielded sends nothing and reports that nothing was started.

        Raises:
            ConfigError: an operation is invalid, or a secret is missing.
            JournalError: the journal cannot be used, or its run has ended and `on_finished` is "refuse".
            TeamClaimed: another run has claimed a team.
        """
        ready, not_begun = _Ready(), None
        async with AsyncExitStack() as stack:
            try:
                await self._make_ready(ready, stack)
            except StopRequested as stop:
                # Nothing is sent, so nothing is written to the journal.
                not_begun, ready.journal, ready.hold = stop, None, None
            context, past = self.context, ready.past
            listings = self.listings if past is None else past.listings
            changes = await changes_of(
                ready.operations, past=past, name=ready.name, now=context.clock.monotonic()
            )
            teams = await steps_of(
                changes,
                context,
                self.settings,
                past=past,
                listings=listings,
                journaled=ready.journal is not None,
            )
            yield Run(
                context,
                changes,
                teams,
                self.settings,
                journal=ready.journal,
                past=past,
                listings=listings,
                hold=ready.hold,
                all_read=ready.all_read,
                not_begun=not_begun,
            )

    async def _make_ready(self, ready: _Ready, stack: AsyncExitStack) -> None:
        """Read the operations, claim their teams and open the journal.

        Raises:
            StopRequested: `stop=` was set meanwhile.
        """
        if self.journal is None:
            await self._without_journal(ready, stack)
        else:
            await self._with_journal(self.journal, ready, stack)

    async def _without_journal(self, ready: _Ready, stack: AsyncExitStack) -> None:
        await self._read(ready)
        run, teams = new_run(self.context.clock), teams_of(ready.operations)
        ready.hold = await stack.enter_async_context(
            holding(self.context, self.settings, run=run, teams=teams)
        )
        await self._look_first()
        ready.name = self._name()

    async def _with_journal(self, path: Path | SharedJournal, ready: _Ready, stack: AsyncExitStack) -> None:
        context, settings = self.context, self.settings
        store = store_at(path, key=context.owner.key, clock=context.clock)
        journal = Journal(store, context.owner.account, context.owner.key, context.worker, context.clock)
        stack.push_async_callback(journal.close)
        ready.past = past = await journal.open()
        ready.name = self._name()
        if past is None:
            await self._new_operations(journal, ready)
        else:
            ready.operations = await self._journaled_operations(journal, past)
        held = holding(
            context,
            settings,
            run=journal.run_id,
            teams=teams_of(ready.operations if past is None else past.open),
            journal=journal.locator,
            known=past is not None and past.run_id is not None,
        )
        ready.hold = hold = await stack.enter_async_context(held)
        if past is None:
            await self._look_first()
            await journal.begin(ready.operations, ready.name, self.listings, foreground=settings.foreground)
        else:
            number = None if hold is None else hold.journal_number
            await journal.resume(past, known=number, moved=settings.moved)
        if hold is not None:
            # The ledger has to know the journal from the first request on.
            hold.note_journal(journal.number)
        if past is not None:
            resolve_secrets = resume_secrets.resolve_secrets(context, past, settings.secrets, hold)
            await unless_stopped(settings.stop, context.clock, resolve_secrets)
        ready.journal = journal

    async def _look_first(self) -> None:
        """Call `look_first`; if it raises, the claims are released, as nothing was sent."""
        if self.look_first is not None:
            await unless_stopped(self.settings.stop, self.context.clock, self.look_first())

    def _name(self) -> str | None:
        return self.context.clock.token() if self.settings.marker else None

    async def _new_operations(self, journal: Journal, ready: _Ready) -> None:
        if self.operations is None:
            raise no_run(journal.locator)
        await self._read(ready)

    async def _journaled_operations(self, journal: Journal, past: JournaledRun) -> Sequence[Operation]:
        if past.finished and self.settings.on_finished == "refuse":
            raise JournalMismatch(
                f"the run of the journal {journal.locator} has ended{_at(past.written_at)}; nothing was sent. See how with "
                "bulk.report(journal), look again with bulk.verify(journal), or name another journal for a new run"
            )
        if past.abandoned is not None:
            raise JournalMismatch(
                f"the run of the journal {journal.locator} was abandoned{_at(past.abandoned)}; nothing was sent. It can be "
                "reported, verified and undone; name another journal for a new run"
            )
        if self.operations is not None and not is_function(self.operations):
            operations = await checked(self.operations, self.context.facts, self.line, self.allow_net_deletes)
            # In a thread, as comparing all of them takes long.
            await self.context.worker.do(lambda: journal.set_operations(past, operations))
        if past.finished:
            _log.info(
                "the run of the journal %s has ended%s; its report is returned and nothing is sent",
                journal.locator,
                _at(past.written_at),
            )
        for change in past.changes:
            if not past.finished:
                change.reopen()
        return [change.operation for change in past.changes]

    async def _read(self, ready: _Ready) -> None:
        """Read and check the operations; `ready` has those read so far if that is stopped.

        Raises:
            StopRequested: `stop=` was set before all were read.
        """
        assert self.operations is not None  # noqa: S101  # only a resumed run has none
        found: list[Operation] = []
        reading = checked(self.operations, self.context.facts, self.line, self.allow_net_deletes, into=found)
        stop = self.settings.stop if waits(self.operations) else None
        ready.operations, ready.all_read = found, False
        await unless_stopped(stop, self.context.clock, reading)
        ready.all_read = True
        await self.context.worker.do(lambda: resume_secrets.read_sources(found))


def _at(time: datetime | None) -> str:
    return "" if time is None else f" at {time:%Y-%m-%d %H:%M:%S} UTC"
