"""The ledger `Memory`, for the Sessions of one event loop."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import attrs

from aiodoo.clock import Clock
from aiodoo.errors import (
    SESSION_CLOSED,
    ConfigError,
    DeadlineExceeded,
    DooError,
    QuotaExhausted,
    RateLimited,
    TeamClaimed,
)
from aiodoo.event_loop import running_loop
from aiodoo.quota.account_state import AccountState
from aiodoo.quota.claims import Answer, Claim, Overtaken
from aiodoo.quota.hold import Hold
from aiodoo.quota.ledger import Account, Lane, Permits, Slot
from aiodoo.quota.limits import Limits
from aiodoo.quota.local_claims import local_claims
from aiodoo.quota.slots import Grant
from aiodoo.quota.updates import Claimed, ClaimUpdate
from aiodoo.quota.wait_queue import Waiter, Waiting

LANES = tuple(Lane)
LATE = 0.002
"""Seconds by which a timer may be late without delaying the grants after it."""


@attrs.define(repr=False)
class Memory:
    """A ledger in memory, for Sessions of one event loop; the count of the day is lost when the process ends.

    Sessions on one API key share its limits if they are given the same ledger.
    """

    _accounts: dict[str, MemoryAccount] = attrs.field(factory=dict, init=False)

    def __repr__(self) -> str:
        return f"<quota.Memory for {len(self._accounts)} API keys>"

    def open(self, *, account: str, limits: Limits, clock: Clock) -> Account:
        """Return the account of an API key; see `Ledger.open`."""
        known = self._accounts.get(account)
        if known is None:
            known = self._accounts[account] = MemoryAccount(AccountState(limits), clock)
        elif known.books.limits.shared() != limits.shared():
            raise ConfigError(
                "this API key is already in use with other limits: "
                f"{known.books.limits}, not {limits}. Give every Session on it the same per_second, per_day "
                "and reserve; nothing was sent."
            )
        return known


@attrs.define(eq=False, repr=False)
class MemoryAccount:
    """The quota of one API key; see `Account`.

    There is no background task: each change of the state serves the waiters, and one of them, the watcher, sleeps
    until the next time at which something changes by itself.
    """

    books: AccountState
    clock: Clock
    _waiting: Waiting = attrs.field(factory=Waiting, init=False)
    _watcher: Waiter | None = attrs.field(default=None, init=False)
    _watched: float = attrs.field(default=math.inf, init=False)
    _loop: asyncio.AbstractEventLoop | None = attrs.field(default=None, init=False)

    async def acquire(
        self, lane: Lane, permits: Permits, *, give_up_at: float | None = None, hold: Hold | None = None
    ) -> Slot:
        """Wait for a slot and a permit; see `Account.acquire` and `Claims.acquire`."""
        if running_loop() is not self._loop:
            self._bind_loop()
        self._mark(hold)
        now = self.clock.monotonic()
        run = None if hold is None else hold.run
        if self.books.day.exhausted(lane, now, run):
            raise self._exhausted_error(lane, now, run)
        if give_up_at is None:
            give_up_at = math.inf
        if not self._waiting and permits.free and self.books.opens(now) <= now <= give_up_at:
            return self._grant(permits, now, now)
        if give_up_at < self.books.certain(now):
            raise self._deadline_error(give_up_at, now)
        return await self._wait(Waiter(lane, permits, give_up_at, hold))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.books.limits}>"

    async def refresh(self) -> None:
        """Do nothing, as no other process shares the account."""

    def pause(
        self,
        seconds: float | None,
        *,
        unreadable: bool = False,
        refused: bool = True,
        slot: Slot | None = None,
    ) -> None:
        """Pause the whole API key; see `Account.pause`."""
        now = self.clock.monotonic()
        sent_at = None if slot is None else slot.sent_at
        self.books.pause.ask(now, seconds, unreadable=unreadable, refused=refused, sent_at=sent_at)
        while (
            waiter := self._waiting.earliest_deadline()
        ) is not None and waiter.give_up_at < self.books.pause.until:
            self._fail(waiter, self._deadline_error(waiter.give_up_at, now))
        self.serve()

    def day_spent(self) -> None:
        """Record that the day is spent; see `Account.day_spent`."""
        self.books.day.spent(self.clock.monotonic())
        self.serve()

    def left(self, lane: Lane, *, hold: Hold | None = None) -> int | None:
        """Return how many requests of the day are free for a lane; None without a daily limit."""
        return self._refresh_books().day.left(
            lane, self.clock.monotonic(), None if hold is None else hold.run
        )

    def eta(self, requests: int, lane: Lane, *, hold: Hold | None = None) -> float:
        """Return the earliest time by which further requests can be sent; see `Account.eta`."""
        return self._refresh_books().eta(
            requests, lane, self.clock.monotonic(), None if hold is None else hold.run
        )

    @property
    def used(self) -> int | None:
        """The requests of the last 24 hours, including those in flight; None without a daily limit."""
        books = self._refresh_books()
        return None if books.limits.per_day is None else books.day.used(self.clock.monotonic())

    def resume_at(self, lane: Lane) -> datetime | None:
        """Return when the day has room again for a lane (UTC); None while it has."""
        now = self.clock.monotonic()
        return self._resume_at(lane, now) if self._refresh_books().day.exhausted(lane, now) else None

    async def close(self, permits: Permits | None = None) -> None:
        """Fail the waiting calls of a Session; other Sessions can still use the account."""
        if permits is None:
            return
        for waiter in self._waiting.with_permits(permits):
            self._fail(waiter, ConfigError(SESSION_CLOSED))

    def _refresh_books(self) -> AccountState:
        """Return the current state; overridden where other processes share it."""
        return self.books

    # Claims and commitments; see `Claims`.

    async def claim(self, update: Claimed) -> Hold | Claim | Overtaken:
        """Claim a run's teams; see `Claims.claim`."""
        return local_claims().claim(update, self)

    async def say(self, update: ClaimUpdate) -> Answer:
        """Carry out an update of claims."""
        return local_claims().say(update)

    async def claims(self) -> Sequence[Claim]:
        """Return the runs that claim teams."""
        return local_claims().all()

    async def commit(self, hold: Hold, requests: int) -> bool:
        """Set the commitment of a run; see `Claims.commit`."""
        return self._keep(hold, requests, whole=True)

    def keep(self, hold: Hold, requests: int) -> None:
        """Set the commitment of a run to as many of the requests as are free."""
        self._keep(hold, requests, whole=False)

    async def let_go(self, hold: Hold) -> None:
        """Mark the run as no longer alive, and drop its commitment."""
        self._keep(hold, 0, whole=False)
        local_claims().living.let_go(hold.run)

    def _keep(self, hold: Hold, requests: int, *, whole: bool) -> bool:
        day = self.books.day
        enough = day.keep(hold.run, requests, self.clock.monotonic(), whole=whole)
        hold.committed = day.kept.get(hold.run, 0) if day.per_day(Lane.BULK) is not None else requests
        self.serve()
        return enough

    def _mark(self, hold: Hold | None) -> None:
        """Check whether a run may still send, and record the last number of its journal.

        Raises:
            TeamClaimed: it was resumed by another process, or abandoned.
        """
        if hold is not None:
            hold.check()
            if isinstance(answer := local_claims().say(hold.mark()), Overtaken):
                raise hold.overtaken(answer).again()

    def serve(self) -> None:
        """Grant the slots that are free, and set the watcher; also called by slots that end."""
        if not self._waiting:
            return
        now = self.clock.monotonic()
        due = now
        if self._watcher is not None and self._watched <= now:
            due = max(self._watched, now - LATE)
            self._watcher = None
        self._fail_exhausted(now)
        opens = math.inf
        while (waiter := self._waiting.first()) is not None:
            opens = self.books.opens(now)
            if opens > now:
                break
            try:
                self._mark(waiter.hold)
            except TeamClaimed as error:
                self._fail(waiter, error)
                continue
            waiter.slot = self._grant(waiter.permits, now, max(opens, due))
            self._release(waiter)
            self._fail_exhausted(now)
            opens = math.inf
        while (waiter := self._waiting.earliest_deadline()) is not None and waiter.give_up_at <= now:
            self._fail(waiter, self._deadline_error(waiter.give_up_at, now))
        self._watch_for(opens if waiter is None else min(opens, waiter.give_up_at))

    def _bind_loop(self) -> None:
        """Bind to the running event loop; raise ConfigError if the account is bound to another one that is still open."""
        if self._loop is not None and not self._loop.is_closed():
            raise ConfigError(
                "this quota.Memory ledger is in use by another event loop; nothing was sent. Share a "
                "quota.SQLite ledger between threads and event loops, or give each event loop a quota.Memory "
                "of its own with its part of the limits."
            )
        self._loop = asyncio.get_running_loop()
        self._waiting, self._watcher = Waiting(), None

    def _grant(self, permits: Permits, now: float, due: float) -> MemorySlot:
        permits.take()
        return MemorySlot(self, permits, self.books.take(now, due))

    async def _wait(self, waiter: Waiter) -> Slot:
        """Wait in the queue; at the end, remove the waiter and serve the next one."""
        self._waiting.add(waiter)
        try:
            self.serve()
            while (slot := waiter.result()) is None:
                await (self._watch(waiter) if waiter is self._watcher else waiter.sleep())
        except BaseException:  # a cancellation too: a slot granted meanwhile is given back
            if waiter.slot is not None:
                waiter.slot.give_back()
            raise
        finally:
            self._waiting.discard(waiter)
            if waiter is self._watcher:
                self._watcher = None
                self.serve()
        return slot

    async def _watch(self, waiter: Waiter) -> None:
        """Sleep until the watched time, then serve."""
        while waiter is self._watcher:
            seconds = self._watched - self.clock.monotonic()
            if seconds <= 0:
                self.serve()
                return
            await waiter.watch(self.clock, seconds)

    def _watch_for(self, instant: float) -> None:
        """Have a waiter wake up at a time: the one that will probably wait longest, so that it seldom changes."""
        if self._watcher is not None:
            if instant < self._watched:
                self._watched = instant
                self._watcher.wake()
        elif instant < math.inf and (waiter := self._waiting.last()) is not None:
            self._watcher, self._watched = waiter, instant
            waiter.wake()

    def _fail_exhausted(self, now: float) -> None:
        """Fail all waiters whose daily quota is spent."""
        for lane in LANES:
            if self.books.day.exhausted(lane, now):
                for waiter in self._waiting.of(lane):
                    if self.books.day.exhausted(lane, now, waiter.run):
                        self._fail(waiter, self._exhausted_error(lane, now, waiter.run))

    def _fail(self, waiter: Waiter, error: DooError) -> None:
        waiter.error = error
        self._release(waiter)

    def _release(self, waiter: Waiter) -> None:
        """Remove and wake a waiter that has its slot or an error."""
        self._waiting.discard(waiter)
        if waiter is self._watcher:
            self._watcher = None
        waiter.wake()

    def _resume_at(self, lane: Lane, now: float, run: str | None = None) -> datetime:
        """Return when the day has room again, rounded up, so that nothing is sent a moment too early."""
        wait = math.ceil((self.books.day.resumes(lane, now, run) - now) * 1e6) + 1
        return self.clock.now() + timedelta(microseconds=wait)

    def _exhausted_error(self, lane: Lane, now: float, run: str | None = None) -> QuotaExhausted:
        if self.books.day.shut is not None:
            what = "doo says that the day's requests are spent"
        elif self.books.day.kept_from(run):
            what = "the day's requests are spent, or committed to runs that need them to finish what they have begun"
        elif lane is Lane.BULK:
            what = "the requests of the day that runs may use are spent"
        else:
            what = "the day's requests are spent"
        resume_at = self._resume_at(lane, now, run)
        words = f"{what}; nothing was sent. Try again from {resume_at:%Y-%m-%d %H:%M:%S} UTC{self._explanation(now)}."
        return QuotaExhausted(words, resume_at=resume_at)

    def _explanation(self, now: float) -> str:  # noqa: ARG002  # overridden
        """Return an explanation for a day that is spent for another reason, and the remedy."""
        return ""

    def _deadline_error(self, give_up_at: float, now: float) -> DooError:
        """Return the error for a slot that is not free in time."""
        pause = self.books.pause
        if pause.refused and pause.until > max(now, give_up_at):
            return RateLimited(
                f"doo asked this API key to wait, and {pause.until - now:.1f} s of it are left, more than this "
                "call may take; nothing was sent. Try again after that.",
                status=429,
                retry_after=pause.until - now,
            )
        return DeadlineExceeded(
            f"the quota has no free slot in the {max(0.0, give_up_at - now):.1f} s that this call may still take; nothing "
            "was sent. Try again later, or allow more time with deadline=."
        )


@attrs.define(eq=False)
class MemorySlot:
    """The right to send one wire request; see `Slot`."""

    _account: MemoryAccount
    _permits: Permits
    _grant: Grant
    _over: bool = attrs.field(default=False, init=False)

    @property
    def sent_at(self) -> float:
        """When the request was sent; until then, when the slot was granted (monotonic seconds)."""
        return self._grant.sent_at

    def sent(self) -> None:
        """Report that the request is sent now; see `Slot.sent`."""
        if not self._over:
            self._account.books.slots.sent(self._grant, self._account.clock.monotonic())

    def give_back(self) -> None:
        """End the slot of a request that was not sent."""
        if self._end():
            self._account.books.give_back(self._grant)
            self._account.serve()

    def answered(self, round_trip: float | None, *, refused: bool = False) -> None:
        """End the slot after a complete answer; see `Slot.answered`."""
        if self._end():
            now = self._account.clock.monotonic()
            self._account.books.answered(self._grant, now, round_trip, refused=refused)
            self._account.serve()

    def lost(self) -> None:
        """End the slot of a request without an answer."""
        if self._end():
            self._account.books.lost(self._grant, self._account.clock.monotonic())
            self._account.serve()

    def _end(self) -> bool:
        """Release the permit; return False if the slot has ended already."""
        if self._over:
            return False
        self._over = True
        self._permits.release()
        return True
