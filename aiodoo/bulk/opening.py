"""What a run was asked for, made ready: operations checked, journal opened, and nothing sent yet."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from aiodoo.bulk import resume_secrets
from aiodoo.bulk.input import Operations, checked, is_function, waits
from aiodoo.bulk.journal import Journal, JournaledRun, no_run, store_at
from aiodoo.bulk.options import RunSettings
from aiodoo.bulk.report import Report
from aiodoo.bulk.run_claims import holding, new_run, teams_of
from aiodoo.bulk.runner import Run
from aiodoo.bulk.stopping import AskedToStop, unless_asked
from aiodoo.client.client import Client
from aiodoo.doo_warnings import Line
from aiodoo.errors import JournalMismatch
from aiodoo.operations import Operation
from aiodoo.quota.hold import Hold

_log = logging.getLogger("aiodoo.bulk")


@attrs.define(eq=False)
class _Ready:
    """What a run begins with, as far as it is known."""

    operations: Sequence[Operation] = ()
    all_read: bool = True
    past: JournaledRun | None = None
    name: str | None = None
    hold: Hold | None = None
    journal: Journal | None = None


@attrs.frozen(kw_only=True)
class PreparedRun:
    """What a run was asked for.

    Args:
        client: what sends it.
        operations: None to go on with those of the journal.
        settings: how it behaves.
        journal: where it is written down; None for nowhere.
        allow_net_deletes: if given, exactly how many `Delete` operations there must be.
        listings: what teams' lists have to be when the run comes to them, as fingerprints. A team with another list is
            left alone: its operations are skipped, with a `PlanDrift`.
        look_first: called once the teams of a run that begins are claimed, before anything is written down; what it
            raises ends the run.
        line: who asked for it.
    """

    client: Client
    operations: Operations | None
    settings: RunSettings
    journal: Path | None
    allow_net_deletes: int | None = None
    listings: Mapping[str, str] = attrs.field(factory=dict)
    look_first: Callable[[], Coroutine[Any, Any, None]] | None = None
    line: Line = attrs.field(factory=Line.of_caller)

    async def run(self) -> Report:
        """Carry it out and report how each operation ended; see `Bulk.run`."""
        async with self.opened() as run:
            await run.go()
            return run.report()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Run]:
        """Give the run, ready to go; its journal is open until the end of the block.

        If it is asked to stop before it is ready, it is given all the same, and only tells that nothing was begun.

        Raises:
            ConfigError: an operation cannot be right, or a secret is not at hand.
            JournalError: the journal cannot be used, or its run has ended and that is to be refused.
            TeamClaimed: another run works on a team, or was left half done there.
        """
        ready, not_begun = _Ready(), None
        async with AsyncExitStack() as stack:
            try:
                await self._make_ready(ready, stack)
            except AskedToStop as asked:
                # Nothing is sent, so that there is nothing to write down either.
                not_begun, ready.journal, ready.hold = asked, None, None
            yield Run(
                self.client,
                ready.operations,
                self.settings,
                journal=ready.journal,
                past=ready.past,
                name=ready.name,
                listings=self.listings,
                hold=ready.hold,
                all_read=ready.all_read,
                not_begun=not_begun,
            )

    async def _make_ready(self, ready: _Ready, stack: AsyncExitStack) -> None:
        """Read the operations, claim their teams and open the journal.

        Raises:
            AskedToStop: it was asked to stop meanwhile.
        """
        if self.journal is None:
            await self._without_journal(ready, stack)
        else:
            await self._with_journal(self.journal, ready, stack)

    async def _without_journal(self, ready: _Ready, stack: AsyncExitStack) -> None:
        await self._read(ready)
        run, teams = new_run(self.client), teams_of(ready.operations)
        ready.hold = await stack.enter_async_context(
            holding(self.client, self.settings, run=run, teams=teams)
        )
        await self._look_first()
        ready.name = self._name()

    async def _with_journal(self, path: Path, ready: _Ready, stack: AsyncExitStack) -> None:
        client, settings = self.client, self.settings
        store = store_at(path, key=client.fingerprint_key, clock=client.clock)
        journal = Journal(store, client.account_name, client.fingerprint_key, client.worker, client.clock)
        stack.push_async_callback(journal.close)
        ready.past = past = await journal.open()
        ready.name = self._name()
        if past is None:
            await self._to_begin(journal, ready)
        else:
            ready.operations = await self._go_on(journal, past)
        held = holding(
            client,
            settings,
            run=journal.run_id,
            teams=teams_of(ready.operations if past is None else past.open),
            journal=journal.locator,
            known=past is not None and past.run_id is not None,
        )
        ready.hold = hold = await stack.enter_async_context(held)
        if past is None:
            await self._look_first()
            await journal.begin(ready.operations, ready.name, self.listings)
        else:
            number = None if hold is None else hold.journal_number
            await journal.take_up(past, known=number, moved=settings.moved)
        if hold is not None:
            # So that the ledger knows it from the first request on.
            hold.note_journal(journal.number)
        if past is not None:
            bring = resume_secrets.bring(client, past, settings.secrets, hold)
            await unless_asked(settings.stop, client.clock, bring)
        ready.journal = journal

    async def _look_first(self) -> None:
        """Look whether the run is to begin; a claim lapses if it is not, as no request was made for it."""
        if self.look_first is not None:
            await unless_asked(self.settings.stop, self.client.clock, self.look_first())

    def _name(self) -> str | None:
        return self.client.clock.token() if self.settings.marker else None

    async def _to_begin(self, journal: Journal, ready: _Ready) -> None:
        if self.operations is None:
            raise no_run(journal.locator)
        await self._read(ready)

    async def _go_on(self, journal: Journal, past: JournaledRun) -> Sequence[Operation]:
        if past.finished and self.settings.on_finished == "refuse":
            raise JournalMismatch(
                f"the run of the journal {journal.locator} has ended{_at(past.written_at)}; nothing was sent. See how with "
                "bulk.report(journal), look again with bulk.verify(journal), or name another journal for a new run"
            )
        if past.abandoned is not None:
            raise JournalMismatch(
                f"the run of the journal {journal.locator} was given up{_at(past.abandoned)}; nothing was sent. It can be "
                "reported, verified and undone; name another journal for a new run"
            )
        if self.operations is not None and not is_function(self.operations):
            operations = await checked(self.operations, self.client.facts, self.line, self.allow_net_deletes)
            # In a thread, as all of them are compared.
            await self.client.worker.do(lambda: journal.hand_in(past, operations))
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
        """Read and check the operations; what was read counts if that is broken off.

        Raises:
            AskedToStop: it was asked to stop while they were read, and there may be more of them.
        """
        assert self.operations is not None  # noqa: S101  # only a journal can do without
        found: list[Operation] = []
        reading = checked(self.operations, self.client.facts, self.line, self.allow_net_deletes, into=found)
        stop = self.settings.stop if waits(self.operations) else None
        ready.operations, ready.all_read = found, False
        await unless_asked(stop, self.client.clock, reading)
        ready.all_read = True


def _at(time: datetime | None) -> str:
    return "" if time is None else f" at {time:%Y-%m-%d %H:%M:%S} UTC"
