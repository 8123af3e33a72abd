"""Gives up a run that will not be resumed, so that others may work on its teams."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import attrs

from aiodoo.bulk.claiming import teams_of, who
from aiodoo.bulk.context import RunContext
from aiodoo.bulk.journal import Journal, JournaledRun, JournalStore, SharedJournal, store_at
from aiodoo.checks import storable
from aiodoo.errors import ConfigError, JournalError, JournalLocked, JournalMismatch
from aiodoo.quota.claims import Claim
from aiodoo.quota.hold import Claims
from aiodoo.quota.updates import Abandoned

_log = logging.getLogger("aiodoo.bulk")


async def abandon(context: RunContext, *, journal: Path | SharedJournal | None, run: str | None) -> Claim:
    """Give up a run; see `Bulk.abandon`."""
    claims = await context.claims.claims()
    if run is not None:
        claim = next((claim for claim in claims if claim.run == run), None)
        if claim is None:
            raise ConfigError(f"no run {run} claims a team in this ledger; nothing was changed")
        if claim.journal is None:
            return await _given_up(context.claims, claim)
        if not os.path.isabs(claim.journal):  # noqa: PTH117  # the locator of a journal on a server
            raise ConfigError(
                f"the journal of the run {run} is {claim.journal}; nothing was changed. Abandon it with journal= in place "
                "of run="
            )
        journal = Path(claim.journal)
    assert journal is not None  # noqa: S101  # the caller checks it
    store = store_at(journal, key=context.owner.key, clock=context.clock)
    path = store.locator
    if isinstance(journal, SharedJournal) or await context.worker.do(lambda: os.path.lexists(path)):
        return await _with_journal(context, store, claims, run)
    claim = next((claim for claim in claims if claim.journal == storable(path)), None)
    if claim is None:
        raise ConfigError(
            f"there is no journal {path}, and no run in this ledger names it; nothing was changed"
        )
    return await _given_up(context.claims, claim)


async def _with_journal(
    context: RunContext, store: JournalStore, claims: Sequence[Claim], run: str | None
) -> Claim:
    """Give up the run of a journal, which is locked meanwhile, in the ledger and in the journal.

    If the journal cannot be read, a run that the ledger knows is abandoned there alone.
    """
    path = store.locator
    journal = Journal(store, context.owner.account, context.owner.key, context.worker, context.clock)
    try:
        try:
            past = await journal.open()
        except JournalError as error:
            return await _without_content(context, path, claims, run, error)
        claim = next((claim for claim in claims if past is not None and claim.run == past.run_id), None)
        claim = claim or next((claim for claim in claims if claim.journal == storable(path)), None)
        if past is None and claim is None:
            raise ConfigError(
                f"the journal {path} holds no run, and no run in this ledger names it; nothing was changed"
            )
        if claim is not None:
            claim = await _given_up(context.claims, claim)
        if past is not None and not past.finished:
            await journal.abandon(context.clock.now())
        return claim or _unclaimed(context, path, past)
    finally:
        await journal.close()


async def _without_content(
    context: RunContext, path: str, claims: Sequence[Claim], run: str | None, error: JournalError
) -> Claim:
    """Give up the run that was named, or the one that the ledger has for that journal, else raise `error`."""
    named = (
        claim for claim in claims if claim.run == run or (run is None and claim.journal == storable(path))
    )
    claim = next(named, None)
    in_use = isinstance(error, JournalLocked)
    if claim is None or in_use or (run is None and isinstance(error, JournalMismatch)):
        raise error
    await _given_up(context.claims, claim)
    _log.info(
        "the run %s was abandoned without its journal, which could not be read (%s); list its teams to see what was done",
        claim.run,
        error,
    )
    return attrs.evolve(claim, unread=str(error))


async def _given_up(ledger: Claims, claim: Claim) -> Claim:
    answer = await ledger.say(Abandoned(claim.run))
    if isinstance(answer, Claim):
        raise attrs.evolve(answer, alive=True).refusal()
    return claim


def _unclaimed(context: RunContext, path: str, past: JournaledRun | None) -> Claim:
    """Return a claim for a run that this ledger does not know."""
    return Claim(
        run=(past and past.run_id) or "",
        base_url=context.owner.base_url,
        teams=teams_of(past.open if past is not None else ()),
        journal=storable(path),
        command=None,
        who=who(),
        since=(past and past.written_at) or context.clock.now(),
        alive=False,
    )
