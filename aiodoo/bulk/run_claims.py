"""A run's claims from its beginning to its end: taken before anything is sent, let go of however it ends."""

from __future__ import annotations

import getpass
import logging
import os
import socket
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager

import attrs

from aiodoo.bulk.options import RunSettings
from aiodoo.bulk.stopping import AskedToStop, unless_asked
from aiodoo.checks import storable
from aiodoo.client.client import Client
from aiodoo.operations import Operation
from aiodoo.quota.claims import Overtaken
from aiodoo.quota.hold import Hold, overtaken
from aiodoo.quota.words import Claimed

_log = logging.getLogger("aiodoo.bulk")

SOON, SELDOM = 0.05, 5.0
"""Seconds between two looks at a team that another run has: so many at first, twice as many each time, at most so many."""


@attrs.define
class Polling:
    """When to look again."""

    _next: float = SOON

    def seconds(self) -> float:
        """Return how long to wait this time."""
        seconds, self._next = self._next, min(2 * self._next, SELDOM)
        return seconds


def new_run(client: Client) -> str:
    """Return the id of a new run."""
    return client.clock.token() + client.clock.token()


def teams_of(operations: Iterable[Operation]) -> tuple[str, ...]:
    """Return the teams of operations, in their order."""
    return tuple(dict.fromkeys(operation.team_id for operation in operations))


@asynccontextmanager
async def holding(
    client: Client,
    settings: RunSettings,
    *,
    run: str,
    teams: Collection[str],
    journal: str | None = None,
    known: bool = False,
) -> AsyncIterator[Hold | None]:
    """Claim a run's teams; give its hold, or None if there is nothing to do.

    A run that was `known` before may have left claims although nothing remains to be done: it was killed in its last
    moment. They are taken up, and let go of when the run is finished.

    At the end of the block a run without a journal lets go of all its teams. One with a journal keeps those that are not
    done, for whoever goes on with it.

    Raises:
        TeamClaimed: another run works on a team, or was left half done there; nothing was claimed or sent.
        ConfigError: the ledger cannot be used.
        AskedToStop: it was asked to stop while it waited for another run; nothing was claimed or sent.
    """
    if not teams and not known:
        yield None
        return
    hold = await _claimed(client, settings, run=run, teams=tuple(teams), journal=journal)
    client.holds.append(hold)
    try:
        yield hold
    finally:
        client.holds.remove(hold)
        await hold.close(finished=journal is None, at=client.clock.now())


async def _claimed(
    client: Client, settings: RunSettings, *, run: str, teams: tuple[str, ...], journal: str | None
) -> Hold:
    again, told = Polling(), False
    while True:
        word = Claimed(
            run=run,
            base_url=client.base_url,
            teams=teams,
            journal=None if journal is None else storable(journal),
            command=settings.command,
            who=who(),
            since=client.clock.now(),
        )
        answer = await client.claims.claim(word)
        if isinstance(answer, Hold):
            return answer
        if isinstance(answer, Overtaken):
            raise overtaken(answer)
        if not (settings.wait_for_claims and answer.alive):
            raise answer.refusal()
        if not told:
            told = True
            _log.info("waiting for the run %s to let go of team %s", answer.run, answer.teams[0])
        try:
            await unless_asked(settings.stop, client.clock, client.clock.sleep(again.seconds()))
        except AskedToStop:
            raise AskedToStop(answer.refusal()) from None


def who() -> str:
    """Return the user and host, as a person knows them."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = str(os.getuid()) if hasattr(os, "getuid") else "somebody"
    return storable(f"{user}@{socket.gethostname()}")
