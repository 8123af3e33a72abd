"""Admits each attempt of a call: waits for a token, then for a quota slot.

All waiting happens here or in the quota, holding no slot or permit.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import attrs

from aiodoo.client.call import Call
from aiodoo.client.retry_limits import LONGEST_WAIT, TryAgain
from aiodoo.client.tokens import Tokens
from aiodoo.clock import Clock
from aiodoo.errors import ConfigError, DeadlineExceeded, DooError, QueueFull, RateLimited
from aiodoo.events import Stats, Waited
from aiodoo.protocol.answers import describe
from aiodoo.protocol.wire import Kind
from aiodoo.quota import Account, Lane, Permits, Slot
from aiodoo.quota.hold import Claims, Hold
from aiodoo.secret import Secret

MIN_WAIT_SECONDS = 0.001
"""Shorter waits are not reported."""

STALE_SECONDS = 5.0
"""Age of a slot from which a run asks the ledger again before it sends: its process was frozen meanwhile, and another
one may have resumed the run."""


def check_waiting(value: int | None) -> int | None:
    """Return a valid `max_waiting`; raise ConfigError unless it is an integer of at least 0, or None."""
    if value is not None and (type(value) is not int or value < 0):
        raise ConfigError("max_waiting must be a whole number of at least 0, or None; nothing was sent")
    return value


@attrs.define(eq=False, repr=False)
class Line:
    """A queue of calls that run one at a time.

    Attributes:
        lock: held by the call that runs.
        waiting: the number of calls that wait for the lock.
    """

    lock: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    waiting: int = 0


@attrs.define(eq=False, kw_only=True, repr=False)
class Admission:
    """Admits the attempts of a client's calls.

    Attributes:
        holds: the holds of the runs in progress.
    """

    tokens: Tokens
    claims: Claims
    holds: list[Hold]
    permits: Permits
    clock: Clock
    stats: Stats
    tell: Callable[..., None]
    account: Account
    _acquire_now: Callable[..., Slot | None] | None = attrs.field(init=False)
    """Grants what need not be waited for; None if the ledger has to be asked."""
    _asking: Counter[Lane] = attrs.field(factory=Counter, init=False)
    _waiting: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._acquire_now = getattr(self.claims, "acquire_now", None)

    def at_once(self, call: Call[Any]) -> tuple[Secret | None, Slot] | None:
        """Return a token and a slot if the call need not wait for either, else None."""
        token = self.tokens.current if call.request.bearer else None
        if (
            (token is None and call.request.bearer)
            or self._acquire_now is None
            or self._waiting
            or call.max_waiting is not None
        ):
            return None
        hold = None if call.watch is None and call.request.bearer else self.hold(call)
        slot = self._acquire_now(call.lane, self.permits, give_up_at=call.until.ends_at, hold=hold)
        if slot is None:
            return None
        call.held = hold is not None
        return token, slot

    async def admit(self, call: Call[Any]) -> tuple[Secret | None, Slot]:
        """Wait for a token and then for a slot; return both, the token None if the request carries none.

        If the token is refused while the call waits for its slot, the slot is given back and a new token is fetched. A
        slot that was granted to a run some time ago is given back, too.
        """
        tokens, now = self.tokens, self.clock.monotonic
        while True:
            token = tokens.current if call.request.bearer else None
            if token is None and call.request.bearer:
                token = await self._token(call)
            call.waits_for = "its turn in the quota"
            begun = now()
            slot = await self._take_turn(call)
            if (waited := now() - begun) > MIN_WAIT_SECONDS:
                self.stats.quota_wait += waited
                self.tell(Waited, call, what="quota", seconds=waited)
            if call.held and now() - slot.sent_at > STALE_SECONDS:
                slot.give_back()
                continue
            if token is None:
                return None, slot
            if tokens.current is not None:
                return tokens.current, slot
            slot.give_back()

    async def _take_turn(self, call: Call[Any]) -> Slot:
        waits = self._check_queue(call)
        hold = self.hold(call)
        call.held = hold is not None
        self._asking[call.lane] += 1
        self._waiting += waits
        try:
            return await self.claims.acquire(
                call.lane, self.permits, give_up_at=call.until.ends_at, hold=hold
            )
        finally:
            self._asking[call.lane] -= 1
            self._waiting -= waits

    async def wait_in_line(self, line: Line, call: Call[Any]) -> None:
        """Acquire a line's lock; the call counts as waiting for the quota, as each one before it sends a request.

        Raises:
            QueueFull: too many calls wait already, or the call cannot be sent within its deadline.
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
        """Return whether a new call has to wait for a slot, and so counts as waiting.

        A call that has sent a request before is never refused, as it would be left half done; neither are token
        requests, nor the requests of runs, which limit their number themselves.

        Args:
            call: the new call.
            before: the number of calls before it that have not asked for a slot yet.
            waits: whether it has to wait in any case.

        Raises:
            QueueFull: too many calls wait already, or the call cannot be sent within its deadline.
        """
        if call.was_admitted or call.request.kind is Kind.TOKEN:
            return False
        # `eta` does not count the calls that wait already; requests of others can only make it later.
        ahead = before + self._asking[Lane.FRONT] + (self._asking[Lane.BULK] if call.lane is Lane.BULK else 0)
        if not ahead and call.max_waiting is None:
            return True
        now = self.clock.monotonic()
        left = self.account.left(call.lane)
        if left is not None and left <= ahead:
            return True  # `acquire` raises QuotaExhausted with the time
        turn = self.account.eta(ahead + 1, call.lane)
        end = call.until.ends_at
        if ahead and end is not None and self.account.eta(1, call.lane) <= end < turn:
            raise QueueFull(
                f"{describe(call.request)} cannot have its turn in the quota within {call.until.seconds:g} s: {ahead} calls of "
                f"this session are before it, and it could be sent in {turn - now:.1f} s at the earliest. Nothing was "
                "sent; try again later, or give it a longer deadline"
            )
        waits = waits or turn > now + MIN_WAIT_SECONDS or self.permits.held + ahead >= self.permits.limit
        if waits and call.max_waiting is not None and self._waiting >= call.max_waiting:
            raise QueueFull(
                f"{describe(call.request)} was not sent: {self._waiting} calls of this session wait for their turn in the "
                f"quota already, and max_waiting= allows {call.max_waiting}. Try again later"
            )
        return waits

    def not_admitted(self, call: Call[Any], error: DooError) -> Exception:
        """Return the exception for a call that got no token or no slot.

        A call without a deadline tries again, as the deadline of the token request is not its own. A retry ends with
        the error of the last attempt.
        """
        if not isinstance(error, (DeadlineExceeded, RateLimited)) or isinstance(error, QueueFull):
            return call.ends(error)
        if call.until.ends_at is None:
            return TryAgain(getattr(error, "retry_after", None) or LONGEST_WAIT)
        return call.ends(call.error or error)

    def hold(self, call: Call[Any]) -> Hold | None:
        """Return the hold of the run that the request belongs to; a token request belongs to any run in progress."""
        if call.request.kind is Kind.TOKEN:
            return next((hold for hold in self.holds if hold.lost is None), None)
        return None if call.watch is None else call.watch.hold

    async def _token(self, call: Call[Any]) -> Secret:
        call.waits_for = "a token"
        begun = self.clock.monotonic()
        token = await self.tokens.get()
        self.tell(Waited, call, what="token", seconds=self.clock.monotonic() - begun)
        return token
