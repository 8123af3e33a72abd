"""What one try of a call has to have before it is sent: a token, then a slot of the quota.

Whatever waits, waits here or in the quota, and holds neither a slot nor a permit meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import attrs

from aiodoo.client.call import Call
from aiodoo.client.retries import LONGEST_WAIT, TryAgain
from aiodoo.client.tokens import Tokens
from aiodoo.clock import Clock
from aiodoo.errors import ConfigError, DeadlineExceeded, DooError, QueueFull, RateLimited
from aiodoo.events import Stats, Waited
from aiodoo.protocol.answers import describe
from aiodoo.protocol.wire import Kind
from aiodoo.quota import Account, Lane, Permits, Slot
from aiodoo.quota.hold import Claims, Hold
from aiodoo.secret import Secret

NOTICED = 0.001
"""Seconds from which on a wait is worth an event."""


def check_waiting(value: int | None) -> int | None:
    """Return how many calls may wait; raise ConfigError if that is no such number."""
    if value is not None and (type(value) is not int or value < 0):
        raise ConfigError("max_waiting must be a whole number of at least 0, or None; nothing was sent")
    return value


@attrs.define(eq=False)
class Line:
    """Calls that have to come one after the other.

    Attributes:
        lock: whoever has it goes on.
        waiting: how many wait for it.
    """

    lock: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    waiting: int = 0


@attrs.define(eq=False, kw_only=True)
class Admission:
    """Lets one try after the other go.

    Attributes:
        holds: those of the runs that are going on.
    """

    tokens: Tokens
    claims: Claims
    permits: Permits
    clock: Clock
    stats: Stats
    tell: Callable[..., None]
    account: Account
    holds: list[Hold] = attrs.field(factory=list, init=False)
    _asking: Counter[Lane] = attrs.field(factory=Counter, init=False)
    _waiting: int = attrs.field(default=0, init=False)

    async def admit(self, call: Call[Any]) -> tuple[Secret | None, Slot]:
        """Wait for a token and then for a slot; a token refused meanwhile is fetched anew, without the slot."""
        while True:
            token = await self._token(call) if call.request.bearer else None
            call.waits_for = "its turn in the quota"
            begun = self.clock.monotonic()
            slot = await self._take_turn(call)
            self._waited(call, self.clock.monotonic() - begun)
            if token is None:
                return None, slot
            if self.tokens.current is not None:
                return self.tokens.current, slot
            slot.give_back()

    async def _take_turn(self, call: Call[Any]) -> Slot:
        waits = self._check_queue(call)
        self._asking[call.lane] += 1
        self._waiting += waits
        try:
            return await self.claims.acquire(
                call.lane, self.permits, give_up_at=call.until.ends_at, hold=self.hold(call)
            )
        finally:
            self._asking[call.lane] -= 1
            self._waiting -= waits

    async def stand_in(self, line: Line, call: Call[Any]) -> None:
        """Wait for a line's lock, as one that waits for its turn in the quota: each before it asks doo at least once.

        Raises:
            QueueFull: too many wait already, or those before it leave no time within its deadline.
        """
        if line.lock.locked():
            self._check_queue(call, before=line.waiting, waits=True)
        line.waiting += 1
        self._waiting += 1
        try:
            await line.lock.acquire()
        finally:
            line.waiting -= 1
            self._waiting -= 1

    def _check_queue(self, call: Call[Any], *, before: int = 0, waits: bool = False) -> bool:
        """Return whether a call has to wait for its turn and counts as one that does.

        What has had its turn once waits however long that is: turned away in the middle it would be half done. So do
        tokens, and the requests of runs, which see to their number themselves.

        Args:
            call: the one that comes.
            before: how many come before it that have not asked for a turn yet.
            waits: whether it has to wait in any case.

        Raises:
            QueueFull: too many wait already, or it cannot have its turn within its deadline.
        """
        if call.was_admitted or call.request.kind is Kind.TOKEN:
            return False
        # The ledger's reckoning leaves out who waits already; others' requests only make it later.
        ahead = before + self._asking[Lane.FRONT] + (self._asking[Lane.BULK] if call.lane is Lane.BULK else 0)
        if not ahead and call.max_waiting is None:
            return True
        now = self.clock.monotonic()
        left = self.account.left(call.lane)
        if left is not None and left <= ahead:
            return True  # the ledger itself says when the day goes on
        turn = self.account.eta(ahead + 1, call.lane)
        end = call.until.ends_at
        if ahead and end is not None and self.account.eta(1, call.lane) <= end < turn:
            raise QueueFull(
                f"{describe(call.request)} cannot have its turn in the quota within {call.until.seconds:g} s: {ahead} calls of "
                f"this session are before it, and it could be sent in {turn - now:.1f} s at the earliest. Nothing was "
                "sent; try again later, or give it a longer deadline"
            )
        waits = waits or turn > now + NOTICED or self.permits.held + ahead >= self.permits.limit
        if waits and call.max_waiting is not None and self._waiting >= call.max_waiting:
            raise QueueFull(
                f"{describe(call.request)} was not sent: {self._waiting} calls of this session wait for their turn in the "
                f"quota already, and max_waiting= allows {call.max_waiting}. Try again later"
            )
        return waits

    def not_admitted(self, call: Call[Any], error: DooError) -> Exception:
        """Return what to raise for a call that got no token or no slot.

        A call without a deadline does not take over that of the token request. A call that was to be tried
        again ends with what its last try ended with.
        """
        if not isinstance(error, (DeadlineExceeded, RateLimited)) or isinstance(error, QueueFull):
            return call.ends(error)
        if call.until.ends_at is None:
            return TryAgain(getattr(error, "retry_after", None) or LONGEST_WAIT)
        return call.ends(call.error or error)

    def hold(self, call: Call[Any]) -> Hold | None:
        """Return that of the run whose request it is; a token is any run's that needs one, too."""
        if call.request.kind is Kind.TOKEN:
            return next((hold for hold in self.holds if hold.lost is None), None)
        return None if call.watch is None else call.watch.hold

    async def _token(self, call: Call[Any]) -> Secret:
        if self.tokens.current is not None:
            return self.tokens.current
        call.waits_for = "a token"
        begun = self.clock.monotonic()
        token = await self.tokens.get()
        self.tell(Waited, call, what="token", seconds=self.clock.monotonic() - begun)
        return token

    def _waited(self, call: Call[Any], seconds: float) -> None:
        if seconds > NOTICED:
            self.stats.quota_wait += seconds
            self.tell(Waited, call, what="quota", seconds=seconds)
