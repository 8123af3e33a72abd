"""What can be done with the journal of a run, and with its claims, without resuming it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import attrs

from aiodoo.bulk.abandoning import abandon
from aiodoo.bulk.claiming import claims_on
from aiodoo.bulk.context import RunContext
from aiodoo.bulk.journal import JournaledRun, JournalPlace, JournalStore, SharedJournal, read, store_at
from aiodoo.bulk.options import journal_path
from aiodoo.bulk.report import Report
from aiodoo.bulk.run_progress import report_of
from aiodoo.bulk.undo import GivenById, Undo, undo
from aiodoo.bulk.verification import Verification
from aiodoo.bulk.verifying import verify
from aiodoo.checks import check_callback, check_kind, check_seconds
from aiodoo.errors import ConfigError
from aiodoo.quota.claims import Claim


@attrs.frozen
class JournaledRuns:
    """Reports, verifies, undoes and abandons the runs of journals."""

    _context: RunContext

    async def report(self, journal: JournalPlace) -> Report:
        """Return the report of a journal's run; costs no request.

        While a process carries out the run, started operations are "in_progress".

        Args:
            journal: what `run(journal=)` was given.

        Raises:
            JournalError: it cannot be read, or belongs to another API key.
        """
        store = self._store(journal_path(journal))
        context = self._context

        def reported() -> Report:
            past = read(store, context.owner.account)
            return report_of(past, context.limits, alive=store.owner() is not None)

        return await context.worker.do(reported)

    async def verify(self, journal: JournalPlace) -> Verification:
        """Read every team of a journal's run again and name each difference from what the run wanted, with ids.

        Every operation is checked, however it ended: what was created and is gone or changed, what is live although it
        was to be deleted, what is live twice, what was not done, and what no operation accounts for. A team that cannot
        be read is named (`unread`). Use it after `report.recheck_at`, when a create whose answer was lost can have
        landed late. Nothing is changed. A client secret that is not available is not compared (`secret_unknown`). Costs
        one request a page of each team, twice that where a team has several pages.

        Args:
            journal: what `run(journal=)` was given.

        Raises:
            JournalError: it cannot be read, or belongs to another API key.
        """
        past = await self._read(journal_path(journal))
        verified = await verify(self._context, past)
        await self._context.worker.do(past.forget)
        return verified

    async def undo(
        self,
        journal: JournalPlace,
        *,
        decrypt: Callable[[bytes], bytes] | None = None,
        secrets: GivenById | None = None,
        settle: float = 130.0,
        on_wait: Callable[[float], object] | None = None,
    ) -> Undo:
        """Return the operations that undo the run of a journal, finished or not; nothing is changed.

        Give `operations` of what it returns to `run`, with a journal of their own. Webhooks that the run created are
        deleted, deleted ones are created again, with new ids, and updated ones get their old content; what cannot be
        undone is in `left`. Costs nothing, except that each team in which something is in doubt is read once, when it
        can no longer land.

        Args:
            journal: what `run(journal=)` was given.
            decrypt: reverses what the run's `keep_secrets` did.
            secrets: client secrets that were not kept, by the id that the webhook had before the run, or where it had
                several secrets `{id: {field: secret}}`; None for one that is to stay as it is. An update that left the
                secret unchanged needs none.
            settle: seconds after which the run's requests in flight can no longer land.
            on_wait: called with the seconds that are waited for that, if any.

        Raises:
            SecretsNeeded: a configuration had a secret that is neither kept nor given; names it.
            JournalError: it cannot be read, or belongs to another API key.
        """
        check_seconds(settle, "settle")
        check_callback(on_wait, "on_wait")
        check_callback(decrypt, "decrypt")
        given = {} if secrets is None else secrets
        check_kind(given, "secrets", Mapping, "a mapping of the ids that webhooks had to their secrets")
        past = await self._read(journal_path(journal))
        undone = await undo(
            self._context, past, decrypt=decrypt, secrets=given, settle=settle, on_wait=on_wait
        )
        await self._context.worker.do(past.forget)
        return undone

    async def claims(
        self, teams: Iterable[str | int] | None = None, *, journal: JournalPlace | None = None
    ) -> tuple[Claim, ...]:
        """Return the runs that claim teams at this service, as far as the ledger knows; costs no request.

        Another run of any of these teams raises `TeamClaimed`, whether the claiming run is alive or not.

        Args:
            teams: only the claims on these teams; all if not given.
            journal: that of a run to be resumed, whose own claim is left out unless some process carries it out.

        Raises:
            ConfigError: the ledger cannot be used, or something is no team id.
        """
        resumed = None if journal is None else self._store(journal_path(journal)).locator
        return await claims_on(self._context, teams, resumed=resumed)

    async def abandon(self, *, journal: JournalPlace | None = None, run: str | None = None) -> Claim:
        """Give up a run that was killed, stopped or parked, so that others may work on its teams; return its claim.

        Costs no request, and undoes nothing. A journal whose run was abandoned can be reported, verified and undone,
        but not resumed. `TeamClaimed` names the run and its journal. Where that cannot be read, the run is abandoned in
        the ledger alone, and `unread` says why: only its teams and times are known then.

        Args:
            journal: what `run(journal=)` was given; it may be gone.
            run: the run's id, in place of that.

        Raises:
            TeamClaimed: the run is alive; stop it first.
            JournalError: the journal is in use; or it cannot be read and no run in the ledger names it.
            ConfigError: there is no such run.
        """
        if (journal is None) == (run is None):
            raise ConfigError("name a run either by its journal or by its id; nothing was changed")
        path = None if journal is None else journal_path(journal)
        return await abandon(self._context, journal=path, run=run)

    async def _read(self, path: Path | SharedJournal) -> JournaledRun:
        store = self._store(path)
        return await self._context.worker.do(lambda: read(store, self._context.owner.account))

    def _store(self, path: Path | SharedJournal) -> JournalStore:
        return store_at(path, key=self._context.owner.key, clock=self._context.clock)
