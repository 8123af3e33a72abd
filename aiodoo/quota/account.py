"""The account of an API key: the queue of its calls, and its exchanges with a ledger.

There is no background task: each change of the state serves the waiters, and one of them, the watcher, sleeps until the
next time at which something changes by itself.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import Sequence
from datetime import datetime
from functools import partial

import attrs

from aiodoo.clock import Clock
from aiodoo.errors import SESSION_CLOSED, ConfigError, DooError
from aiodoo.event_loop import running_loop
from aiodoo.quota.account_state import AccountState
from aiodoo.quota.claims import Answer, Claim
from aiodoo.quota.exchange import LATE_GRANT, Ask, Busy, Connection, Reply, finished, is_busy_too_long
from aiodoo.quota.granted_slot import LedgerSlot
from aiodoo.quota.hold import Hold
from aiodoo.quota.ledger import Lane, Permits, Slot
from aiodoo.quota.pending import Pending, Ticket
from aiodoo.quota.refusals import fail_exhausted, fail_run, late, resume_at
from aiodoo.quota.turns import AHEAD, LATE, ask_after_sending
from aiodoo.quota.updates import ClaimUpdate, Committed, DaySpent, GaveBack, LedgerUpdate, Left, Paused
from aiodoo.quota.wait_queue import Waiter, Waiting

logger = logging.getLogger("aiodoo.quota")

OVERDUE = 0.01
"""Seconds that an exchange in progress may take beyond the deadline of a waiter."""


@attrs.define(eq=False, repr=False)
class LedgerAccount:
    """The quota of one API key; see `Account` and `Claims`.

    An exchange with the ledger reports the ends of requests and asks for a slot for the first waiter, which is granted
    one or has to ask again later. With a shared ledger, `left`, `used`, `eta` and `resume_at` include what other
    processes did until the last exchange.
    """

    clock: Clock
    connection: Connection
    state: AccountState
    """What the last exchange left in the ledger, and what this process has reported since."""
    _origin: float = attrs.field(default=0.0, init=False)
    _known: int = attrs.field(default=0, init=False)
    """The number of the first ended request that is not known from an exchange."""
    _begun: int = attrs.field(default=0, init=False)
    """How many exchanges were started."""
    _learned: int = attrs.field(default=0, init=False)
    """Which of them the state is from."""
    _pending: Pending = attrs.field(factory=Pending, init=False)
    _ticket: Ticket | None = attrs.field(default=None, init=False)
    _exchange: asyncio.Future[Reply] | None = attrs.field(default=None, init=False)
    _place: float | None = attrs.field(default=None, init=False)
    """When to ask again; None without a place in the ledger's queue."""
    _holder: str = attrs.field(default="", init=False)
    """Names it in the ledger's queue; set when it is used first, as it may be forked until then."""
    _waiting: Waiting = attrs.field(factory=Waiting, init=False)
    _loop: asyncio.AbstractEventLoop | None = attrs.field(default=None, init=False)
    _busy_since: float | None = attrs.field(default=None, init=False)
    _broken: bool = attrs.field(default=False, init=False)
    """Whether the last exchange failed, so that only a waiter starts another one."""
    _closed: bool = attrs.field(default=False, init=False)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.state.limits}>"

    def acquire_now(
        self, lane: Lane, permits: Permits, *, give_up_at: float | None = None, hold: Hold | None = None
    ) -> Slot | None:
        """Return a slot and a permit if neither has to be waited for, else None."""
        if running_loop() is not self._loop:
            self._bind_loop()
        if self._closed:
            raise ConfigError(SESSION_CLOSED)
        if self.connection.shared or self._waiting.length or not permits.free:
            return None
        reply = self.connection.exchange((Left(self._holder),), self._ask(lane, hold), 0)
        if isinstance(reply, Reply) and reply.number is not None:
            if give_up_at is None or reply.granted_at <= give_up_at:
                return self._slot(permits, reply.number, reply.granted_at)
            self._note(GaveBack(reply.number))
        return None

    async def acquire(
        self, lane: Lane, permits: Permits, *, give_up_at: float | None = None, hold: Hold | None = None
    ) -> Slot:
        """Wait for a slot and a permit; see `Account.acquire` and `Claims.acquire`."""
        slot = self.acquire_now(lane, permits, give_up_at=give_up_at, hold=hold)
        if slot is not None:
            return slot
        if give_up_at is None:
            give_up_at = math.inf
        if not self.connection.shared:
            now = self.clock.monotonic()
            if give_up_at < now:
                raise self._late(give_up_at, now)
        first = self._waiting.first()
        if first is None or give_up_at < math.inf or (lane, first.lane) == (Lane.FRONT, Lane.BULK):
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
        now, sent_at = self.clock.monotonic(), None if slot is None else slot.sent_at
        self._note(Paused(now, seconds, unreadable, refused, sent_at))
        self._fail_late(self.state.pause.until - self._origin, now)
        self.serve()

    def day_spent(self) -> None:
        """Record that the day is spent, for all processes; see `Account.day_spent`."""
        self.tell(DaySpent(self.clock.monotonic()))

    def left(self, lane: Lane, *, hold: Hold | None = None) -> int | None:
        """Return how many requests of the day are free for a lane; None without a daily limit."""
        return self.state.day.left(lane, self._now(), None if hold is None else hold.run)

    def eta(self, requests: int, lane: Lane, *, hold: Hold | None = None) -> float:
        """Return the earliest time by which further requests can be sent; see `Account.eta`."""
        return self.state.eta(requests, lane, self._now(), None if hold is None else hold.run) - self._origin

    @property
    def used(self) -> int | None:
        """The requests of the last 24 hours, including those in flight; None without a daily limit."""
        now = self._now()
        return None if self.state.limits.per_day is None else self.state.day.used(now)

    def resume_at(self, lane: Lane) -> datetime | None:
        """Return when the day has room again for a lane (UTC); None while it has."""
        now = self._now()
        if not self.state.day.exhausted(lane, now):
            return None
        return resume_at(self.state, lane, now, self.clock.now())

    async def refresh(self) -> None:
        """Read from the ledger what other processes have done; costs no request."""
        if self._closed:
            raise ConfigError(SESSION_CLOSED)
        self._learn(*await self._exchange_now())
        self.serve()

    async def close(self, permits: Permits | None = None) -> None:
        """Fail the waiting calls of a Session; report all pending updates and release a shared ledger."""
        if self._closed:
            return
        self._closed = self.connection.shared
        if self._closed or permits is not None:
            self._waiting.fail(ConfigError(SESSION_CLOSED), permits)
        if not self._closed:
            return
        try:
            if self._exchange is not None and self._loop is asyncio.get_running_loop():
                await asyncio.wait([self._exchange])
            if self._ticket is not None:
                self._note(GaveBack(self._ticket.number))
            updates = [*self._pending.take(), Left(self._holder)]
            if self._place is not None or len(updates) > 1:
                last = self.connection.exchange(updates, None, self._known)
                if isinstance(last, asyncio.Future):
                    await last
        except (Busy, DooError) as error:
            logger.warning(
                "the end of requests could not be noted in %s; their slots are freed by patience (%s)",
                self.connection.name,
                "another process is using it" if isinstance(error, Busy) else error,
            )
        finally:
            await self.connection.close()

    # Claims and commitments; see `Claims`.

    async def say(self, update: ClaimUpdate) -> Answer:
        """Carry out an update of claims."""
        return await finished(self.clock, lambda: self.connection.say(update))

    async def claims(self) -> Sequence[Claim]:
        """Return the runs that claim teams."""
        return await finished(self.clock, self.connection.claims)

    async def commit(self, hold: Hold, requests: int) -> bool:
        """Set the commitment of a run; see `Claims.commit`."""
        update = Committed(hold.run, requests, self.clock.monotonic(), whole=True)
        if self.connection.shared:
            reply, number = await self._exchange_now(update)
            # Looked at first: what other teams of the run have asked for meanwhile is applied by `_learn`.
            is_given = _committed(reply.state, hold, requests) == requests
            self._learn(reply, number)
        else:
            self._note(update)
            is_given = _committed(self.state, hold, requests) == requests
        hold.committed = _committed(self.state, hold, requests)
        self.serve()
        return is_given

    def keep(self, hold: Hold, requests: int) -> None:
        """Set the commitment of a run to as many of the requests as are free, with the next exchange; 0 is set at once."""
        if self.state.limits.per_day is not None:
            self._note(Committed(hold.run, requests, self.clock.monotonic(), whole=False))
        hold.committed = _committed(self.state, hold, requests)
        if not (self.connection.shared and requests):
            self.serve()

    # Exchanges.

    def tell(self, update: LedgerUpdate) -> None:
        """Report an update with the next exchange; for slots."""
        self._note(update)
        if self._waiting.length or self._pending.updates:
            self.serve()

    def serve(self) -> None:
        """Start an exchange if there are updates or a slot to ask for, and set the watcher."""
        if self._closed or self._loop is None:
            return
        now = self.clock.monotonic()
        self._waiting.dismiss(now)
        if self._place is not None and not self._waiting:
            self._place = None
            self._pending.add(Left(self._holder), now, 0.0)
        self._use_ticket(now)
        while self._exchange is None and self._start_exchange(now):
            pass
        # An exchange takes no simulated time, and may grant the slot right at the deadline.
        overdue = 0.0 if self._exchange is None else OVERDUE
        while (waiter := self._waiting.earliest_deadline()) and waiter.give_up_at + overdue <= now:
            self._waiting.end(waiter, error=self._late(waiter.give_up_at, now))
        instant = math.inf if waiter is None else waiter.give_up_at + overdue
        self._waiting.watch_for(min(instant, self._next_instant(now)))

    def _next_instant(self, now: float) -> float:
        """Return the next time at which there is something to do for those that wait."""
        instant = math.inf
        if self._ticket is not None:
            instant = self._ticket.at
        elif self._exchange is None and self._place is not None and self._waiting.first() is not None:
            instant = self._place
        if self._exchange is None and self._pending.by > now:
            instant = min(instant, self._pending.by)
        return instant

    def _note(self, update: LedgerUpdate) -> None:
        """Carry out an update in the state of this process, and report it with the next exchange."""
        self.state.apply(update, self._origin)
        if self.connection.shared:
            self._pending.add(update, self.clock.monotonic(), self.connection.report_after)
        else:
            self._place = None

    def _now(self) -> float:
        """Return the time of the ledger; what is certain by then is applied to the copy of a shared state."""
        now = self.clock.monotonic() + self._origin
        if self.connection.shared:
            self.state.forget(now)
        return now

    def _ask(self, lane: Lane, hold: Hold | None) -> Ask:
        return Ask(self._holder, lane, None if hold is None else hold.mark())

    def _start_exchange(self, now: float) -> bool:
        """Start an exchange, and return True, if there is something to say."""
        first = None if self._ticket is not None else self._waiting.first()
        asks = first is not None and (self._place is None or self._place <= now)
        reports = bool(self._pending) and (self._pending.by <= now or not self._waiting)
        if not asks and (not reports or (first is None and self._broken)):
            return False
        updates = self._pending.take()
        ask = None if first is None else self._ask(first.lane, first.hold)
        try:
            found = self._begin_exchange(updates, ask)
        except DooError as error:
            # Raised to the waiters, but not to a slot that ends.
            found = asyncio.get_running_loop().create_future()
            found.set_exception(error)
        if isinstance(found, Reply):
            self._apply_reply(ask, found, self._begun)
        else:
            self._exchange = found
            found.add_done_callback(partial(self._exchanged, updates, ask, self._begun))
        return True

    def _begin_exchange(
        self, updates: Sequence[LedgerUpdate], ask: Ask | None
    ) -> Reply | asyncio.Future[Reply]:
        self._begun += 1
        return self.connection.exchange(updates, ask, self._known)

    def _exchanged(
        self, updates: list[LedgerUpdate], ask: Ask | None, number: int, exchange: asyncio.Future[Reply]
    ) -> None:
        self._exchange = None
        if exchange.cancelled():
            # The event loop ends.
            self._pending.put_back(updates)
            return
        error = exchange.exception()
        if error is not None:
            self._pending.put_back(updates)
            self._exchange_failed(error)
        else:
            self._busy_since, self._broken = None, False
            self._apply_reply(ask, exchange.result(), number)
        self.serve()

    async def _exchange_now(self, *more: LedgerUpdate) -> tuple[Reply, int]:
        """Report all pending updates, and more, in an exchange without a request for a slot; return its number too."""
        updates, number = self._pending.take(), 0

        def exchange() -> Reply | asyncio.Future[Reply]:
            nonlocal number
            found = self._begin_exchange([*updates, *more], None)
            number = self._begun
            return found

        try:
            return await finished(self.clock, exchange), number
        except BaseException:  # a cancellation too: updates must not be lost
            self._pending.put_back(updates)
            raise

    def _apply_reply(self, ask: Ask | None, reply: Reply, number: int) -> None:
        """Assign a granted slot, and fail the waiters that cannot get one in time."""
        if self.connection.shared:
            self._learn(reply, number)
        if ask is not None:
            self._place = reply.back_at
            if reply.overtaken is not None:
                fail_run(self._waiting, reply.overtaken)
            if reply.number is not None:
                self._ticket = Ticket(ask, reply.number, reply.granted_at)
                self._use_ticket(self.clock.monotonic())
        now = self._now()
        if self._ticket is not None:
            # It may be the last one of the day.
            self._fail_late(self._ticket.at, now - self._origin)
            return
        fail_exhausted(self._waiting, self.state, now, self.clock.now(), self.connection.remedy)
        waiter = self._waiting.earliest_deadline()
        if waiter is not None and waiter.give_up_at + self._origin < self.state.opens(now):
            self._fail_late(self.state.certain(now) - self._origin, now - self._origin)

    def _use_ticket(self, now: float) -> None:
        """Assign a granted slot to the first waiter when its time has come, or give it back if it is of no use then."""
        ticket = self._ticket
        if ticket is None or (self._waiting and ticket.at > now):
            return
        self._ticket, waiter = None, self._waiting.first()
        paused = self.state.pause.until > self._now() + LATE
        if waiter is None or paused or now > ticket.at + LATE_GRANT or not ticket.suits(waiter):
            self._note(GaveBack(ticket.number))
            return
        self._waiting.end(waiter, slot=self._slot(waiter.permits, ticket.number, ticket.at))
        if self._waiting and self.connection.shared:
            self._place = ask_after_sending(self.state.slots, now)
        if self._waiting and self.connection.report_after:
            ledger_now = self._now()
            if self.state.opens(ledger_now) > ledger_now + AHEAD:
                # Only an answer frees a slot, so what asks for it can report the answer as well.
                self._place = now + self.connection.report_after

    def _learn(self, reply: Reply, number: int) -> None:
        """Replace the copy of a shared state by that of a reply, with the times of the day that are known.

        A task may come to its reply after that of a later exchange, which is newer.
        """
        old, new = self.state.day, reply.state.day
        if old is new or number < self._learned:
            return
        self._learned = number
        self._known = new.learn(old, self._known, reply.ends, reply.ends_from)
        self.state, self._origin = reply.state, reply.origin
        for update in self._pending.updates:
            self.state.apply(update, self._origin)

    def _slot(self, permits: Permits, number: int, granted_at: float) -> LedgerSlot:
        permits.take()
        prompt = self.state.slots.prompt
        return LedgerSlot(self.clock, self.tell, permits, number, granted_at, prompt, granted_at)

    # The queue.

    def _bind_loop(self) -> None:
        """Bind to the running event loop; raise ConfigError if the account is bound to another one that is still open."""
        if self._loop is not None and not self._loop.is_closed():
            raise ConfigError(self.connection.elsewhere)
        self._loop, self._holder = asyncio.get_running_loop(), secrets.token_hex(8)
        self._waiting, self._exchange, self._place = Waiting(), None, None

    async def _wait(self, waiter: Waiter) -> Slot:
        """Wait in the queue; the last waiter gives up the place in that of the ledger."""
        try:
            return await self._waiting.wait(waiter, self.clock, self.serve)
        finally:
            if not self._waiting and (self._place is not None or self._ticket is not None or self._pending):
                self.serve()

    def _fail_late(self, opens: float, now: float) -> None:
        """Fail all waiters whose deadline is before a slot is free."""
        while (waiter := self._waiting.earliest_deadline()) is not None and waiter.give_up_at < opens:
            self._waiting.end(waiter, error=self._late(waiter.give_up_at, now))

    def _exchange_failed(self, error: BaseException) -> None:
        """Retry later while the ledger is busy; else fail all waiters."""
        now = self.clock.monotonic()
        if isinstance(error, Busy):
            self._busy_since = now if self._busy_since is None else self._busy_since
            if not is_busy_too_long(self._busy_since, now):
                return
            error = error.lasting
        elif not isinstance(error, DooError):
            logger.error("%s failed", self.connection.name, exc_info=error)
            error = ConfigError(
                f"{self.connection.name} failed with {type(error).__name__}; nothing was sent"
            )
        self._busy_since, self._broken, self._place = None, True, None
        self._waiting.fail(error)

    def _late(self, give_up_at: float, now: float) -> DooError:
        return late(self.state.pause, give_up_at + self._origin, now + self._origin)


def _committed(state: AccountState, hold: Hold, requests: int) -> int:
    """Return the commitment of a run that has asked for so many requests of the day."""
    return requests if state.limits.per_day is None else state.day.kept_for(hold.run)
