"""Claims of a run: on all its teams before anything is sent, and on each team while it is worked on."""

from __future__ import annotations

import getpass
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from datetime import datetime

import attrs

from aiodoo.bulk.context import RunContext
from aiodoo.bulk.options import RunSettings
from aiodoo.bulk.stopping import StopRequested, unless_stopped
from aiodoo.checks import storable
from aiodoo.clock import Clock
from aiodoo.errors import DooError, TeamClaimed
from aiodoo.models import check_id
from aiodoo.operations import Operation
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.operations.tracked import Status
from aiodoo.quota.claims import Claim, Given, Overtaken
from aiodoo.quota.hold import Hold, overtaken
from aiodoo.quota.updates import Claimed

_log = logging.getLogger("aiodoo.bulk")

FIRST_POLL, LONGEST_POLL = 0.05, 5.0
"""Seconds between two attempts to claim a team of another run: at first, doubled each time, and at most."""


@attrs.define
class Polling:
    """The growing intervals between attempts to claim a team."""

    _next: float = FIRST_POLL

    def seconds(self) -> float:
        """Return the seconds until the next attempt."""
        seconds, self._next = self._next, min(2 * self._next, LONGEST_POLL)
        return seconds


def new_run(clock: Clock) -> str:
    """Return the id of a new run."""
    return clock.token() + clock.token()


async def claims_on(
    context: RunContext, teams: Iterable[str | int] | None, *, resumed: str | None
) -> tuple[Claim, ...]:
    """Return the claims on some teams at the client's service, each with these teams alone; see `Bulk.claims`.

    Args:
        context: what runs need of the session whose ledger is read.
        teams: the teams; None for all.
        resumed: the locator of the journal of a run to resume, whose own claim is left out unless it is alive.
    """
    asked = None if teams is None else {check_id(team_id, "team id") for team_id in teams}
    found = []
    for claim in await context.claims.claims():
        own = resumed is not None and claim.journal == storable(resumed) and not claim.alive
        on = tuple(team_id for team_id in claim.teams if asked is None or team_id in asked)
        if claim.base_url == context.owner.base_url and on and not own:
            found.append(attrs.evolve(claim, teams=on))
    return tuple(found)


def teams_of(operations: Iterable[Operation]) -> tuple[str, ...]:
    """Return the teams of operations, in the order in which these name them."""
    return tuple(dict.fromkeys(operation.team_id for operation in operations))


@asynccontextmanager
async def holding(
    context: RunContext,
    settings: RunSettings,
    *,
    run: str,
    teams: Collection[str],
    journal: str | None = None,
    known: bool = False,
) -> AsyncIterator[Hold | None]:
    """Claim a run's teams and yield the run's entry in the ledger, or None if it has nothing to do.

    At the end of the block a run without a journal releases all its teams. A run with a journal keeps those that are not
    done, for the process that resumes it.

    Args:
        context: what it needs of its session.
        settings: its options.
        run: its id.
        teams: the teams with open operations.
        journal: where its journal is, if it has one.
        known: whether the run may have left claims; a run that was killed at its end has some without open operations.

    Raises:
        TeamClaimed: another run has claimed a team; nothing was claimed or sent.
        ConfigError: the ledger cannot be used.
        StopRequested: `stop=` was set while it waited for another run; nothing was claimed or sent.
    """
    if not teams and not known:
        yield None
        return
    hold = await _claimed(context, settings, run=run, teams=tuple(teams), journal=journal)
    context.holds.append(hold)
    try:
        yield hold
    finally:
        context.holds.remove(hold)
        await hold.close(finished=journal is None, at=context.clock.now())


async def _claimed(
    context: RunContext, settings: RunSettings, *, run: str, teams: tuple[str, ...], journal: str | None
) -> Hold:
    again, logged = Polling(), False
    while True:
        update = Claimed(
            run=run,
            base_url=context.owner.base_url,
            teams=teams,
            journal=None if journal is None else storable(journal),
            command=settings.command,
            who=who(),
            since=context.clock.now(),
        )
        answer = await context.claims.say(update)
        if isinstance(answer, Given):
            return Hold.of(run, answer, context.claims)
        if isinstance(answer, Overtaken):
            raise overtaken(answer)
        if not (settings.wait_for_claims and answer.alive):
            raise answer.refusal()
        if not logged:
            logged = True
            _log.info("waiting for the run %s to release team %s", answer.run, answer.teams[0])
        try:
            await unless_stopped(settings.stop, context.clock, context.clock.sleep(again.seconds()))
        except StopRequested:
            raise StopRequested(answer.refusal()) from None


def who() -> str:
    """Return the user and host as "user@host"."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = str(os.getuid()) if hasattr(os, "getuid") else "somebody"
    return storable(f"{user}@{socket.gethostname()}")


@attrs.define
class TeamClaims:
    """Claims and releases a run's teams one by one.

    Attributes:
        hold: the run's entry in the ledger; None if it has nothing to do.
        clock: the time.
        may_wait: returns whether to wait for claims of runs that are alive.
        wait_until: waits until a monotonic time while other teams continue; the text says for what.
        on_lost: called with the error if the run must end: another process has resumed it, or the ledger cannot be used.
    """

    hold: Hold | None
    clock: Clock
    may_wait: Callable[[], bool]
    wait_until: Callable[[TeamSteps, float, str], Awaitable[None]]
    on_lost: Callable[[DooError], None]

    async def claim(self, steps: TeamSteps) -> bool:
        """Claim a team; return False if another run has claimed it since this one started and is not waited for."""
        if self.hold is None:
            return True
        again = Polling()
        while (claimed := await self._claimed_by(self.hold, steps.team_id)) is not None:
            if not (claimed.alive and self.may_wait()):
                for change in steps.changes:
                    if change.ending is Status.NOT_STARTED:
                        change.error = claimed.again()
                return False
            until = self.clock.monotonic() + again.seconds()
            await self.wait_until(steps, until, f"for the run {claimed.run} to release team {steps.team_id}")
        for change in steps.changes:
            if change.status is None and isinstance(change.error, TeamClaimed):
                change.error = None
        return True

    async def release(self, steps: TeamSteps) -> None:
        """Release a team if all of its operations have ended."""
        if self.hold is not None and all(change.ended for change in steps.changes):
            await self.hold.release(steps.team_id, self._changed_until(steps))

    def _changed_until(self, steps: TeamSteps) -> datetime | None:
        sent = any(change.creates_sent or change.deletes_sent for change in steps.changes)
        return self.clock.now() if sent else None

    async def _claimed_by(self, hold: Hold, team_id: str) -> TeamClaimed | None:
        try:
            return await hold.begin(team_id)
        except DooError as error:
            self.on_lost(error)
            return TeamClaimed(str(error))
