"""The state of an account on a Redis or Valkey server, replaced as a whole if nobody else has replaced it meanwhile.

The hash of an account holds its record and a random version; the ended requests that count for the day are a list beside
it, so that an exchange costs the same whatever the day. The time is that of the server, and never decreases.
"""

from __future__ import annotations

import math
import secrets
import struct
from collections.abc import Sequence
from typing import Any

import attrs
import msgspec

from aiodoo.clock import Clock
from aiodoo.quota.account_record import AccountRecord
from aiodoo.quota.account_state import AccountState
from aiodoo.quota.claims import Overtaken
from aiodoo.quota.day_window import KEPT
from aiodoo.quota.exchange import Ask, Reply
from aiodoo.quota.limits import Limits
from aiodoo.quota.redis_claims import ServerClaims
from aiodoo.quota.redis_server import Script, Server
from aiodoo.quota.refusals import other_limits
from aiodoo.quota.turns import exchange, in_use
from aiodoo.quota.updates import GaveBack, LedgerUpdate

TRIES = 50
"""How often an exchange is tried that others always precede."""
STALE = 1.0
"""Seconds after which a state that was read is not written."""
TRUSTED = 5.0
"""Seconds for which the difference between two clocks is taken for constant."""
LATE_GRANT = 2.0
"""Seconds after which a grant that arrives is given back, as its patience began when it was granted."""
UNUSED = 2 * 86_400.0
"""Seconds after which the server forgets an account that nobody uses; nothing counts for longer, except a pause."""

SWAP = Script("""
local time = redis.call('TIME')
local kept = redis.call('HMGET', KEYS[1], 'version', 'time', 'ahead', 'first', 'state')
local version, first = kept[1] or '', tonumber(kept[4] or '0')
local ahead = tonumber(kept[3] or '0')
local now = time[1] + time[2] / 1000000 + ahead
local last = kept[2] and struct.unpack('<d', kept[2]) or 0
if now < last then
    ahead = ahead + last - now
    now = last
end
local packed = struct.pack('<d', now)
if ARGV[1] ~= 'read' then
    if version == ARGV[3] then return {1, packed} end
    local taken = struct.unpack('<d', ARGV[4])
    if version == ARGV[2] and taken > now - tonumber(ARGV[5]) and taken <= now + 0.001 then
        redis.call('HSET', KEYS[1], 'version', ARGV[3], 'time', packed, 'ahead', string.format('%.17g', ahead),
            'first', ARGV[6], 'state', ARGV[7])
        for at = 1, #ARGV[8], 8 do redis.call('RPUSH', KEYS[2], string.sub(ARGV[8], at, at + 7)) end
        redis.call('PEXPIRE', KEYS[1], ARGV[9])
        redis.call('PEXPIRE', KEYS[2], ARGV[9])
        return {1, packed}
    end
end
if version == '' then redis.call('DEL', KEYS[2]) end
local passed, oldest = 0, redis.call('LINDEX', KEYS[2], 0)
while oldest and struct.unpack('<d', oldest) <= now do
    redis.call('LPOP', KEYS[2])
    passed = passed + 1
    oldest = redis.call('LINDEX', KEYS[2], 0)
end
if passed > 0 then
    first = first + passed
    redis.call('HSET', KEYS[1], 'first', string.format('%.0f', first))
end
local since = redis.call('LRANGE', KEYS[2], string.format('%.0f', math.max(0, ARGV[10] - first)), -1)
return {0, packed, version, kept[5] or '', string.format('%.0f', first), oldest or '', table.concat(since)}
""")
"""Replaces the state if its version is the expected one and the time it was computed for is not long ago; else, or
with 'read', drops the requests that no longer count, and returns the state.

Keys: the account, its day. Values: 'read' or 'swap', expected version, new version, time, `STALE`, first, state, further
ends of the day, milliseconds until it is forgotten, number of the first end that the asker does not know.
"""


@attrs.define
class Seen:
    """The state that was read or written last.

    Attributes:
        now: the time of the server then.
        origin: the latest time of the server that the monotonic clock can correspond to, minus that clock.
        origin_low: the earliest one.
        version: the version; empty for a new account.
        content: the record; likewise.
        first: the number of the oldest request that counts for the day.
        oldest: until when it counts; infinite without one.
        known: the number of the first request in `ends`.
        ends: until when the requests from that number on count.
    """

    now: float
    origin: float
    origin_low: float
    version: bytes
    content: bytes
    first: int
    oldest: float
    known: int
    ends: Sequence[float] = ()

    def at(self, monotonic: float, known: int) -> float | None:
        """Return the time of the server for an exchange that need not read the state first; None if it must."""
        now = monotonic + self.origin_low
        return now if known == self.known and now < min(self.oldest, self.now + TRUSTED) else None


@attrs.define
class Wish:
    """What an exchange is to do."""

    updates: Sequence[LedgerUpdate]
    ask: Ask | None
    known: int
    overtaken: Overtaken | None


@attrs.define(eq=False)
class ServerAccount:
    """An account on a server, as one user of it sees it."""

    _server: Server
    _claims: ServerClaims
    _account: str
    _limits: Limits
    _clock: Clock
    _seen: Seen | None = attrs.field(default=None, init=False)

    async def exchange(self, updates: Sequence[LedgerUpdate], ask: Ask | None, known: int) -> Reply:
        """Carry out updates, then grant a slot or return when to ask again; see `Connection.exchange`.

        Raises:
            Busy: others were always faster.
            QuotaUnavailable, ConfigError: the server is away or refuses the command, or other limits are in use.
        """
        overtaken = None
        if ask is not None and ask.mark is not None:
            overtaken = await self._claims.note(ask.mark, self._clock)
        wish = Wish(updates, ask, known, overtaken)
        began = self._clock.monotonic()
        seen = self._seen
        now = None if seen is None else seen.at(began, known)
        for _ in range(TRIES):
            if seen is None or now is None:
                seen = await self._read(known)
                now = seen.now
            reply = await self._try(seen, now, wish)
            if reply is not None and (reply.number is None or self._clock.monotonic() - began <= LATE_GRANT):
                return reply
            if reply is not None and reply.number is not None:
                # Its patience began when it was granted, and its end would be reported too late.
                wish.updates, began = [GaveBack(reply.number)], self._clock.monotonic()
                now = None
                continue
            # What the script has returned is what the others have just written.
            seen = self._seen
            now = None if seen is None else seen.now
        raise self._server.busy()

    async def _read(self, known: int) -> Seen:
        began = self._clock.monotonic()
        answer = await self._server.run(self._clock, SWAP, self._keys(), "read", *[""] * 8, known)
        return self._take(answer, began, known)

    async def _try(self, seen: Seen, now: float, wish: Wish) -> Reply | None:
        """Compute an exchange and store its result; return None if somebody else was faster."""
        state = await self._state(seen, now)
        reply = exchange(state, wish.updates, wish.ask, now, seen.origin, overtaken=wish.overtaken)
        known = wish.known
        fresh, first = list(state.day.ends), state.day.first
        ends_from = max(known, first)
        state.day.ends.clear()
        content = msgspec.msgpack.encode(AccountRecord.of(state))
        version = secrets.token_hex(8).encode()
        forget = max(UNUSED, state.pause.until - now + UNUSED)
        began = self._clock.monotonic()
        answer = await self._server.run(
            self._clock, SWAP, self._keys(),
            "swap", seen.version, version, _packed([now]), STALE, first, content, _packed(fresh),
            math.ceil(1000 * min(forget, 1e9)), known,
        )  # fmt: skip
        if answer[0] != 1:
            self._take(answer, began, known)
            return None
        oldest = min([seen.oldest, *fresh])
        self._seen = Seen(*self._times(answer, began), version, content, first, oldest, state.day.after)
        return msgspec.structs.replace(reply, ends=[*seen.ends, *fresh], ends_from=ends_from)

    async def _state(self, seen: Seen, now: float) -> AccountState:
        """Return the state; commitments of runs that are not alive any more lapse."""
        if not seen.content:
            # A random number, so that answers to requests of a ledger that was lost are not taken for those of others.
            return AccountState(limits=self._limits, asked_at=now, number=secrets.randbits(40))
        record = msgspec.msgpack.decode(seen.content, type=AccountRecord)
        record.first = seen.first
        state = record.state(self._limits)
        if record.limits.shared() != self._limits.shared() and in_use(state, now):
            raise other_limits(record.limits, self._limits, self._server.name)
        due = [run for run, kept in state.day.kept.items() if kept.at + KEPT <= now]
        if due:
            living = await self._claims.living(due, self._clock)
            state.day.lapse(now, living.__contains__)
        return state

    def _take(self, answer: list[Any], began: float, known: int) -> Seen:
        """Return what a script has returned of the state, and keep it for the next exchange."""
        _, _, version, content, first, oldest, ends = answer
        self._seen = seen = Seen(
            *self._times(answer, began),
            version,
            content,
            int(first),
            _unpacked(oldest)[0] if oldest else math.inf,
            known,
            _unpacked(ends),
        )
        return seen

    def _times(self, answer: list[Any], began: float) -> tuple[float, float, float]:
        (now,) = _unpacked(answer[1])
        return now, now - began, now - self._clock.monotonic()

    def _keys(self) -> tuple[str, str]:
        return f"aiodoo:{{{self._account}}}:account", f"aiodoo:{{{self._account}}}:day"


def _packed(ends: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(ends)}d", *ends)


def _unpacked(ends: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(ends) // 8}d", ends))
