"""The claims of runs on a Redis or Valkey server, by the same rules as elsewhere, and which of the runs are alive.

The rules run on a copy of what they read, and their changes are written if there were no others since. Each run that is
alive has a lease, which its process renews.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterable, Sequence

import attrs

from aiodoo.clock import Clock
from aiodoo.errors import DooError
from aiodoo.quota.claims import Answer, Claim, Given, Overtaken, carry_out, shown, stands
from aiodoo.quota.hold import already_alive
from aiodoo.quota.redis_claim_store import (
    FENCES,
    NOTED,
    RUNS,
    TEAMS,
    VERSION,
    Copy,
    Read,
    Unread,
    Want,
    lease_key,
    teams_key,
)
from aiodoo.quota.redis_server import Script, Server
from aiodoo.quota.updates import Claimed, ClaimUpdate, LetGo, LookedUp, Noted

logger = logging.getLogger("aiodoo.quota")

TRIES = 50
"""How often an update is tried that others always precede."""
LEASE = 30.0
"""Seconds after which a run that has not renewed its lease is not alive."""
RENEW = 10.0
KEPT = 365 * 86_400
"""Seconds after which the server forgets all claims if none has changed."""

CHANGE = Script("""
local version = redis.call('GET', KEYS[1]) or ''
if version == ARGV[2] then return 1 end
if version ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
local at = 3
while at <= #ARGV do
    local command = {}
    for place = 1, ARGV[at] do command[place] = ARGV[at + place] end
    redis.call(unpack(command))
    at = at + ARGV[at] + 1
end
return 1
""")
"""Carries out commands if the version is the expected one. Values: expected version, new version, commands."""

NOTE = Script("""
local fence = redis.call('HGET', KEYS[1], ARGV[1])
if fence ~= ARGV[2] then return fence or '' end
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[3] then
    redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
    redis.call('SET', KEYS[3], ARGV[4])
    for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[5]) end
end
return 1
""")
"""Stores the number of a run's journal if its fencing number is the current one, which is returned else.

Keys: fences, noted, version. Values: run, fencing number, number of the journal, new version, seconds until forgotten.
"""

RENEWAL = Script("""
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return 1
""")
"""Takes, renews or, with 0 milliseconds, ends a lease that no other holds. Values: holder, milliseconds."""


@attrs.define(eq=False)
class ServerClaims:
    """The claims on a server, and the leases of the runs of this event loop."""

    _server: Server
    _holder: str = attrs.field(factory=lambda: secrets.token_hex(8), init=False)
    _held: set[str] = attrs.field(factory=set, init=False)
    _renewing: asyncio.Task[None] | None = attrs.field(default=None, init=False)

    async def say(self, update: ClaimUpdate, clock: Clock) -> Answer:
        """Carry out an update of claims.

        Raises:
            Busy: others were always faster.
            QuotaUnavailable, ConfigError: the server is away or refuses the command.
        """
        if isinstance(update, LetGo):
            await self._let_go(update.run, clock)
            return Given(number=0)
        if not isinstance(update, Claimed):
            return await self._carry_out(update, clock)
        if update.run in self._held or not await self._renew(update.run, clock, LEASE):
            return already_alive(update, await self._carry_out(LookedUp(update.run), clock))
        self._held.add(update.run)
        given: Answer | None = None
        try:
            answer = given = await self._carry_out(update, clock)
        finally:
            if not isinstance(given, Given):
                await self._let_go(update.run, clock)
        if self._held and (self._renewing is None or self._renewing.done()):
            self._renewing = asyncio.get_running_loop().create_task(self._renew_all(clock))
        return answer

    async def note(self, update: Noted, clock: Clock) -> Overtaken | None:
        """Record the number of a run's journal; return an answer only if the run must not send anything more.

        Raises:
            QuotaUnavailable, ConfigError: as for `say`.
        """
        number = "" if update.journal_number is None else update.journal_number
        keys = FENCES, NOTED, VERSION
        fence = await self._server.run(
            clock, NOTE, keys, update.run, update.number, number, secrets.token_hex(8), KEPT
        )
        return None if fence == 1 else Overtaken(update.run, given_up=fence == b"-")

    async def living(self, runs: Sequence[str], clock: Clock) -> set[str]:
        """Return those of some runs that are alive.

        Raises:
            QuotaUnavailable, ConfigError: as for `say`.
        """
        found = await self._server.read(clock, [("EXISTS", lease_key(run)) for run in runs])
        return {run for run, lease in zip(runs, found, strict=True) if lease}

    async def all(self, clock: Clock) -> Sequence[Claim]:
        """Return the runs that claim teams.

        Raises:
            QuotaUnavailable, ConfigError: as for `say`.
        """
        read = Read()
        await read.more(self._server, clock, [("all",)])
        runs = [record.run for record in Copy(read).records() if not record.abandoned]
        await read.more(
            self._server, clock, [want for run in runs for want in (("record", run), ("teams", run))]
        )
        copy = Copy(read)
        found = [copy.record(run) for run in runs]
        return [
            shown(record, copy, copy.alive)
            for record in found
            if record is not None and stands(record, copy.alive)
        ]

    async def close(self, clock: Clock) -> None:
        """Stop renewing, and end all leases."""
        if self._renewing is not None:
            self._renewing.cancel()
            self._renewing = None
        for run in tuple(self._held):
            await self._let_go(run, clock)

    async def _carry_out(self, update: ClaimUpdate, clock: Clock) -> Answer:
        for attempt in range(TRIES):
            read = Read()
            await read.more(self._server, clock, _wants(update))
            while True:
                copy = Copy(read)
                try:
                    answer = carry_out(update, copy, copy.alive)
                    break
                except Unread as unread:
                    await read.more(self._server, clock, unread.wants)
            if not copy.commands or await self._write(read, copy, update.run, clock):
                return answer
            await clock.sleep(clock.uniform(0.0, 0.001 * min(attempt, 10)))
        raise self._server.busy()

    async def _write(self, read: Read, copy: Copy, run: str, clock: Clock) -> bool:
        """Write the changes if there were no others since what they are based on was read."""
        keys = VERSION, RUNS, FENCES, NOTED, TEAMS, teams_key(run)
        values: list[bytes | str | float] = []
        for command in (*copy.commands, *(("EXPIRE", key, KEPT) for key in keys)):
            values += [len(command), *command]
        version = read.version or b""
        return bool(await self._server.run(clock, CHANGE, keys, version, secrets.token_hex(8), *values))

    # Leases.

    async def _renew(self, run: str, clock: Clock, seconds: float) -> bool:
        milliseconds = int(1000 * seconds)
        return bool(await self._server.run(clock, RENEWAL, [lease_key(run)], self._holder, milliseconds))

    async def _let_go(self, run: str, clock: Clock) -> None:
        if run not in self._held:
            return
        self._held.discard(run)
        try:
            await self._renew(run, clock, 0)
        except DooError as error:
            logger.warning("the run %s counts as alive for up to %.0f s more: %s", run, LEASE, error)

    async def _renew_all(self, clock: Clock) -> None:
        while self._held:
            await clock.sleep(RENEW)
            for run in tuple(self._held):
                try:
                    kept = await self._renew(run, clock, LEASE)
                except DooError as error:
                    logger.warning("the lease of the run %s could not be renewed: %s", run, error)
                else:
                    if not kept:
                        self._held.discard(run)


def _wants(update: ClaimUpdate) -> Iterable[Want]:
    """Return what an update needs at least."""
    yield "record", update.run
    if isinstance(update, Claimed):
        yield "teams", update.run
        for team_id in update.teams:
            yield "team", update.base_url, team_id
