"""The account of an API key on a Redis or Valkey server, which carries out an exchange in one call.

The time is that of the server, and never decreases. A request may be granted a slot up to half a second before it is
free, and is sent when it is: so a process needs one call a request while requests wait.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Sequence
from typing import Any

import attrs
import msgspec

from aiodoo.clock import Clock
from aiodoo.quota.account_record import AccountRecord
from aiodoo.quota.account_state import AccountState, Turn
from aiodoo.quota.day_window import KEPT
from aiodoo.quota.day_window import Kept as Commitment
from aiodoo.quota.exchange import LATE_GRANT, Ask, Reply
from aiodoo.quota.ledger import Lane
from aiodoo.quota.limits import Limits
from aiodoo.quota.redis_claims import ServerClaims
from aiodoo.quota.redis_script import EXCHANGE
from aiodoo.quota.redis_server import Server
from aiodoo.quota.refusals import other_limits
from aiodoo.quota.slots import Grant
from aiodoo.quota.updates import GaveBack, LedgerUpdate


class Lapsed(msgspec.Struct, frozen=True, tag=True):
    """The run of a commitment that was last confirmed at `at` is alive, or is not and loses it."""

    run: str
    at: float
    alive: bool


class Asking(msgspec.Struct, frozen=True):
    """A request for a slot; `id` tells it from others when it is sent again."""

    holder: str
    lane: Lane
    run: str | None
    id: str


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What an exchange says; `at` is the monotonic time of the asker, `seed` the number that a new account begins with."""

    limits: str
    slots: int | None
    window: float
    per_day: int | None
    per_day_for_bulk: int | None
    seed: int
    at: float
    known: int
    updates: Sequence[LedgerUpdate | Lapsed]
    ask: Asking | None


class Kept(msgspec.Struct, kw_only=True):
    """What the server keeps of an account, beside the ended requests of the day; see `redis_script`."""

    limits: str
    number: int
    asked_at: float
    last: float
    first: int
    after: int
    newest: float
    distrust: int
    margin: float
    time: float
    ahead: float
    paused_until: float
    refused: bool
    began: float
    next: float
    shut: float | None = None
    away: list[tuple[int, float, float, float, float, bool]]
    settled: list[float]
    trips: list[float]
    turns: list[tuple[str, Lane, int, float, float]]
    kept: list[tuple[str, int, float]]

    def state(self, limits: Limits) -> AccountState:
        """Return it as a state, without the times of the day."""
        away = {
            number: Grant(due, followed, sent_at, held_until, probe)
            for number, due, followed, sent_at, held_until, probe in self.away
        }
        return AccountRecord(
            limits=limits,
            asked_at=self.asked_at,
            number=self.number,
            last=self.last,
            away=away,
            settled=self.settled,
            first=self.first,
            after=self.after,
            newest=self.newest,
            shut=self.shut,
            trips=self.trips,
            distrust=self.distrust,
            margin=self.margin,
            pause=(self.paused_until, self.refused, self.began, self.next),
            turns={
                (holder, lane): Turn(lane, number, back_at, until)
                for holder, lane, number, back_at, until in self.turns
            },
            kept={run: Commitment(requests, at) for run, requests, at in self.kept},
        ).state(limits)


@attrs.define(eq=False)
class ServerAccount:
    """An account on a server, as one user of it sees it."""

    _server: Server
    _claims: ServerClaims
    _account: str
    _limits: Limits
    _clock: Clock

    async def exchange(self, updates: Sequence[LedgerUpdate], ask: Ask | None, known: int) -> Reply:
        """Carry out updates, then grant a slot or return when to ask again; see `Connection.exchange`.

        Raises:
            QuotaUnavailable, ConfigError: the server is away or refuses the command, or other limits are in use.
        """
        overtaken = None
        if ask is not None and ask.mark is not None:
            overtaken = await self._claims.note(ask.mark, self._clock)
        said: Sequence[LedgerUpdate | Lapsed] = updates
        while True:
            reply = await self._say(said, ask if overtaken is None else None, known)
            if reply.number is not None and self._clock.monotonic() > reply.granted_at + LATE_GRANT:
                # Its patience began when it was granted, and its end would be reported too late.
                said = [GaveBack(reply.number)]
            elif reply.number is not None or not (said := await self._lapsed(reply)):
                return msgspec.structs.replace(reply, overtaken=overtaken)

    async def _say(self, updates: Sequence[LedgerUpdate | Lapsed], ask: Ask | None, known: int) -> Reply:
        limits, began = self._limits, self._clock.monotonic()
        asking = None
        if ask is not None:
            run = None if ask.mark is None else ask.mark.run
            asking = Asking(ask.holder, ask.lane, run, secrets.token_hex(8))
        said = Said(
            limits=msgspec.json.encode(limits.shared()).decode(),
            slots=limits.slots,
            window=limits.window,
            per_day=limits.per_day,
            per_day_for_bulk=limits.per_day_for_bulk,
            # A random number, so that answers to requests of a ledger that was lost are not taken for those of others.
            seed=secrets.randbits(40),
            at=began,
            known=known,
            updates=updates,
            ask=asking,
        )
        name = f"aiodoo:{{{self._account}}}"
        keys = f"{name}:account", f"{name}:day", f"{name}:asked:{'' if ask is None else ask.holder}"
        answer = await self._server.run(self._clock, EXCHANGE, keys, msgspec.msgpack.encode(said))
        if answer[0] == b"limits":
            per_second, per_day, reserve = msgspec.json.decode(answer[1])
            before = Limits(per_second=per_second, per_day=per_day, reserve=reserve)
            raise other_limits(before, limits, self._server.name)
        return self._reply(answer, known, began)

    def _reply(self, answer: list[Any], known: int, began: float) -> Reply:
        _, content, number, instant, ends = answer
        kept = msgspec.msgpack.decode(content, type=Kept)
        origin, at = kept.time - began, _unpacked(instant)
        granted_at, back_at = began, None
        if not number:
            back_at = at[0] - origin if at else None
        elif at[0] > kept.time:
            # Counted from the answer, so that it is certainly free by then.
            granted_at = at[0] - kept.time + self._clock.monotonic()
        return Reply(
            state=kept.state(self._limits),
            origin=origin,
            ends=_unpacked(ends),
            ends_from=max(known, kept.first),
            number=int(number) if number else None,
            granted_at=granted_at,
            back_at=back_at,
        )

    async def _lapsed(self, reply: Reply) -> list[Lapsed]:
        """Return which commitments are confirmed or lapse, of those that are due."""
        now = self._clock.monotonic() + reply.origin
        due = {run: kept.at for run, kept in reply.state.day.kept.items() if kept.at + KEPT <= now}
        living = await self._claims.living(list(due), self._clock) if due else set()
        return [Lapsed(run, at, run in living) for run, at in due.items()]


def _unpacked(ends: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(ends) // 8}d", ends))
