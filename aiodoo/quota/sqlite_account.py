"""The account of one Session in a ledger's file, which exchanges updates and requests for slots with the file."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import attrs

from aiodoo.errors import SESSION_CLOSED, ConfigError, DooError
from aiodoo.event_loop import running_loop
from aiodoo.quota.account_state import AccountState
from aiodoo.quota.claims import Answer, Claim, Overtaken
from aiodoo.quota.day_ends import DayEnds
from aiodoo.quota.hold import Hold
from aiodoo.quota.ledger import Lane, Permits, Slot
from aiodoo.quota.ledger_access import LedgerAccess, held_too_long, is_busy_too_long, retry_while_busy
from aiodoo.quota.memory import MemoryAccount
from aiodoo.quota.shared_state import SharedState
from aiodoo.quota.slot import SQLiteSlot
from aiodoo.quota.sqlite_file import Ask, Busy, LedgerFile, Reply
from aiodoo.quota.updates import (
    Claimed,
    ClaimUpdate,
    Committed,
    DaySpent,
    GaveBack,
    LedgerUpdate,
    Left,
    Paused,
)
from aiodoo.quota.wait_queue import Waiter, Waiting

logger = logging.getLogger("aiodoo.quota")

T = TypeVar("T")

OVERDUE = 0.01
"""Seconds that an exchange in progress may take beyond the deadline of a waiter."""


@attrs.define(eq=False, repr=False)
class SQLiteAccount(MemoryAccount):
    """The quota of one API key, shared with other processes; see `Account`.

    An exchange with the file reports the ends of this Session's requests and asks for a slot for its first waiter, which
    is granted one or has to ask again later. `left`, `used`, `eta` and `resume_at` include what other processes did
    until the last exchange.
    """

    ledger: LedgerAccess[SQLiteAccount]
    name: str
    _holder: str = attrs.field(default="", init=False)
    """Names it in the file's queue; made when it is used first, as it may be forked until then."""
    _pending: list[LedgerUpdate] = attrs.field(factory=list, init=False)
    """What the next exchange says."""
    _copy: SharedState = attrs.field(init=False)
    """What the last exchange left in the file."""
    _origin: float = attrs.field(default=0.0, init=False)
    _ends: DayEnds = attrs.field(factory=DayEnds, init=False)
    """Until when requests count, as far as the last exchange told."""
    _unapplied: list[LedgerUpdate] = attrs.field(factory=list, init=False)
    """Updates that are not applied to `_copy` yet."""
    _exchange: asyncio.Future[Reply] | None = attrs.field(default=None, init=False)
    _place: float | None = attrs.field(default=None, init=False)
    """When to ask again; None without a place in the file's queue."""
    _busy_since: float | None = attrs.field(default=None, init=False)
    _broken: bool = attrs.field(default=False, init=False)
    """Whether the last exchange failed, so that only a waiter starts another one."""
    _closed: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._copy = SharedState(limits=self.books.limits, asked_at=-math.inf)

    async def acquire(
        self, lane: Lane, permits: Permits, *, give_up_at: float | None = None, hold: Hold | None = None
    ) -> Slot:
        """Wait for a slot and a permit; see `Account.acquire` and `Claims.acquire`."""
        if running_loop() is not self._loop:
            self._bind_loop()
        if self._closed:
            raise ConfigError(SESSION_CLOSED)
        if give_up_at is None:
            give_up_at = math.inf
        # Ask again, even behind others: by now it may be known that it cannot be had in time.
        self._place = None
        return await self._wait(Waiter(lane, permits, give_up_at, hold))

    def pause(
        self,
        seconds: float | None,
        *,
        unreadable: bool = False,
        refused: bool = True,
        slot: Slot | None = None,
    ) -> None:
        """Pause the whole API key, in all processes; see `Account.pause`."""
        at, sent_at = self.clock.monotonic(), None if slot is None else slot.sent_at
        self._note(Paused(at, seconds, unreadable, refused, sent_at))
        super().pause(seconds, unreadable=unreadable, refused=refused, slot=slot)

    def day_spent(self) -> None:
        """Record that the day is spent, for all processes; see `Account.day_spent`."""
        self._note(DaySpent(self.clock.monotonic()))
        super().day_spent()

    # Claims and commitments; see `Claims`.

    async def claim(self, update: Claimed) -> Hold | Claim | Overtaken:
        """Claim a run's teams; see `Claims.claim`."""
        return await self._file(lambda file: file.claim(update, self.clock, self))

    async def say(self, update: ClaimUpdate) -> Answer:
        """Carry out an update of claims."""
        return await self._file(lambda file: file.say(update, self.clock))

    async def claims(self) -> Sequence[Claim]:
        """Return the runs that claim teams."""
        return await self._file(lambda file: file.claims(self.clock))

    async def commit(self, hold: Hold, requests: int) -> bool:
        """Set the commitment of a run; see `Claims.commit`."""
        reply = await self._exchange_now(Committed(hold.run, requests, self.clock.monotonic(), whole=True))
        if self.books.limits.per_day is None:
            hold.committed = requests
            return True
        kept = reply.books.kept.get(hold.run)
        hold.committed = 0 if kept is None else kept.requests
        self.serve()
        return hold.committed == requests

    def keep(self, hold: Hold, requests: int) -> None:
        """Set the commitment of a run to as many of the requests as are free, with the next exchange."""
        hold.committed = requests
        if self.books.limits.per_day is not None:
            self._note(Committed(hold.run, requests, self.clock.monotonic(), whole=False))

    async def let_go(self, hold: Hold) -> None:
        """Mark the run as no longer alive, and drop its commitment."""
        if hold.committed:
            self.keep(hold, 0)
            self.serve()
        await self._file(lambda file: file.living.let_go(hold.run))

    async def refresh(self) -> None:
        """Read from the file what other processes have done; costs no request."""
        if self._closed:
            raise ConfigError(SESSION_CLOSED)
        await self._exchange_now()
        self.serve()

    async def _exchange_now(self, *more: LedgerUpdate) -> Reply:
        """Send all pending updates, and more, in an exchange without a request for a slot."""
        updates, self._pending = self._pending, []
        try:
            reply = await self._file(
                lambda file: file.exchange(
                    self.name, self.books.limits, self.clock, [*updates, *more], None, known=self._ends.after
                )
            )
        except BaseException:  # a cancellation too: updates must not be lost
            self._pending[:0] = updates
            raise
        self._update_copy(reply)
        return reply

    async def _file(self, work: Callable[[LedgerFile], T]) -> T:
        return await retry_while_busy(self.ledger, self, self.clock, work)

    def tell(self, update: LedgerUpdate) -> None:
        """Send an update with the next exchange; for slots."""
        self._note(update)
        self.serve()

    def serve(self) -> None:
        """Start an exchange if there are updates or a slot to ask for, and set the watcher."""
        if self._closed or self._loop is None:
            return
        now = self.clock.monotonic()
        if self._watcher is not None and self._watched <= now:
            self._watcher = None
        if self._place is not None and not self._waiting:
            self._place = None
            self._pending.append(Left(self._holder))
        if self._exchange is None and self._wants_exchange(now):
            self._start_exchange()
        # An exchange takes no simulated time, and may grant the slot right at the deadline.
        overdue = 0.0 if self._exchange is None else OVERDUE
        while (
            waiter := self._waiting.earliest_deadline()
        ) is not None and waiter.give_up_at + overdue <= now:
            self._fail(waiter, self._deadline_error(waiter.give_up_at, now))
        instant = math.inf if waiter is None else waiter.give_up_at + overdue
        if self._exchange is None and self._place is not None and self._waiting.first() is not None:
            instant = min(instant, self._place)
        self._watch_for(instant)

    async def close(self, permits: Permits | None = None) -> None:  # noqa: ARG002  # the account has one Session
        """Send all pending updates and release the file; see `Account.close`."""
        if self._closed:
            return
        self._closed = True
        for waiter in self._waiting.all():
            self._fail(waiter, ConfigError(SESSION_CLOSED))
        try:
            if self._exchange is not None and self._loop is asyncio.get_running_loop():
                await asyncio.wait([self._exchange])
            updates, self._pending = [*self._pending, Left(self._holder)], []
            if self._place is not None or len(updates) > 1:
                await self.ledger.exchange(self, updates, None, self._ends.after)
        except (Busy, DooError) as error:
            logger.warning(
                "the end of requests could not be noted in the quota ledger %s; their slots are freed by "
                "patience (%s)",
                self.ledger.path,
                str(error) or "another process holds the file",
            )
        finally:
            await self.ledger.leave(self)

    def _bind_loop(self) -> None:
        """Bind to the running event loop; raise ConfigError if the account is bound to another one that is still open."""
        if self._loop is not None and not self._loop.is_closed():
            raise ConfigError(
                "this Session is in use by another event loop; nothing was sent. Open a Session for each, with "
                "the same quota.SQLite ledger."
            )
        self._loop, self._holder = asyncio.get_running_loop(), secrets.token_hex(8)
        self._waiting, self._watcher, self._exchange, self._place = Waiting(), None, None, None

    async def _wait(self, waiter: Waiter) -> Slot:
        """Wait in the queue; the last waiter gives up the place in the file's queue."""
        try:
            return await super()._wait(waiter)
        finally:
            if self._place is not None and not self._waiting:
                self.serve()

    def _note(self, update: LedgerUpdate) -> None:
        self._pending.append(update)
        self._unapplied.append(update)

    def _refresh_books(self) -> AccountState:
        """Update and return the state."""
        for update in self._unapplied:
            self._copy.apply(update, self._origin)
        self._unapplied.clear()
        now = self.clock.monotonic() + self._origin
        books = self._copy.books(now, origin=self._origin, ends=self._ends.instants)
        self._ends.guess(self._copy.fresh)
        self._copy.fresh = []
        self.books = books
        return self.books

    def _wants_exchange(self, now: float) -> bool:
        first = self._waiting.first()
        if first is None:
            return bool(self._pending) and not self._broken
        return bool(self._pending) or self._place is None or self._place <= now

    def _start_exchange(self) -> None:
        updates, self._pending = self._pending, []
        first = self._waiting.first()
        ask = None
        if first is not None:
            ask = Ask(self._holder, first.lane, None if first.hold is None else first.hold.mark())
        try:
            self._exchange = self.ledger.exchange(self, updates, ask, self._ends.after)
        except DooError as error:
            # Raised to the waiters, but not to a slot that ends.
            self._exchange = asyncio.get_running_loop().create_future()
            self._exchange.set_exception(error)
        self._exchange.add_done_callback(partial(self._exchanged, updates, ask))

    def _exchanged(
        self, updates: list[LedgerUpdate], ask: Ask | None, exchange: asyncio.Future[Reply]
    ) -> None:
        self._exchange = None
        error = exchange.exception()
        if error is not None:
            self._pending[:0] = updates
            self._exchange_failed(error)
        else:
            self._busy_since, self._broken = None, False
            self._apply_reply(ask, exchange.result())
        self.serve()

    def _apply_reply(self, ask: Ask | None, reply: Reply) -> None:
        """Assign a granted slot, and fail the waiters that cannot get one in time."""
        self._update_copy(reply)
        now = self.clock.monotonic()
        if ask is not None:
            self._place = reply.back_at
            if reply.overtaken is not None:
                self._fail_run(reply.overtaken)
            if reply.number is not None:
                self._assign(ask, reply.number, reply.granted_at)
        certain = self._refresh_books().certain(now)
        self._fail_exhausted(now)
        while (waiter := self._waiting.earliest_deadline()) is not None and waiter.give_up_at < certain:
            self._fail(waiter, self._deadline_error(waiter.give_up_at, now))

    def _explanation(self, now: float) -> str:
        until = self._copy.reset_until
        if until is None or until - self._origin <= now:
            return ""
        return (
            f": the ledger {self.ledger.path} was reset and counts the day as spent. If the key's requests are known to be "
            f"free, `aiodoo quota reset --day-is-free --ledger {self.ledger.path}` lifts that"
        )

    def _update_copy(self, reply: Reply) -> None:
        """Update the copy of the state from a reply."""
        self._copy, self._origin, self._unapplied = reply.books, reply.origin, self._pending.copy()
        self._ends.learn(reply)

    def _fail_run(self, overtaken: Overtaken) -> None:
        """Fail the waiters of a run that was resumed by another process, or abandoned."""
        for waiter in self._waiting.all():
            if waiter.hold is not None and waiter.run == overtaken.run:
                self._fail(waiter, waiter.hold.overtaken(overtaken).again())

    def _assign(self, ask: Ask, number: int, granted_at: float) -> None:
        """Assign a granted slot to the first waiter, or give it back if that is of another run or lane.

        A grant of the front lane may belong to the reserve, and a grant of a run to its commitment.
        """
        waiter = self._waiting.first()
        run = None if ask.mark is None else ask.mark.run
        mine = waiter is not None and waiter.run == run
        if waiter is None or not mine or (ask.lane is Lane.FRONT and waiter.lane is Lane.BULK):
            self._note(GaveBack(number))
            return
        waiter.permits.take()
        waiter.slot = SQLiteSlot(self, waiter.permits, number, granted_at, granted_at)
        self._release(waiter)

    def _exchange_failed(self, error: BaseException) -> None:
        """Retry later while another process has locked the file; else fail all waiters."""
        now = self.clock.monotonic()
        if isinstance(error, Busy):
            self._busy_since = now if self._busy_since is None else self._busy_since
            if not is_busy_too_long(self._busy_since, now):
                return
            error = held_too_long(self.ledger.path)
        elif not isinstance(error, DooError):
            logger.error("the quota ledger %s failed", self.ledger.path, exc_info=error)
            error = ConfigError(
                f"the quota ledger {self.ledger.path} failed with {type(error).__name__}; nothing was sent"
            )
        self._busy_since, self._broken, self._place = None, True, None
        for waiter in self._waiting.all():
            self._fail(waiter, error.again())
