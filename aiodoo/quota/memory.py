"""The ledger of one event loop: kept in memory, gone with it."""

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
from aiodoo.quota.wait_queue import Waiter, Waiting
from aiodoo.quota.words import Claimed, ClaimWord

LANES = tuple(Lane)
LATE = 0.002
"""Seconds: how late an event loop's timers are, at most, for the next grant to make good for it."""


@attrs.define(repr=False)
class Memory:
    """A ledger for Sessions of one event loop; it forgets the day when the process ends.

    Hand the same one to several Sessions on one API key, so that they share its limits.
    """

    _accounts: dict[str, MemoryAccount] = attrs.field(factory=dict, init=False)

    def __repr__(self) -> str:
        return f"<quota.Memory for {len(self._accounts)} API keys>"

    def open(self, *, account: str, limits: Limits, clock: Clock) -> Account:
        """Return the account of that name; see `Ledger.open`."""
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
    """One API key's quota; see `Account` for what its methods promise.

    Nothing runs in the background: whatever changes the books serves those who wait, and one of them keeps
    watch for the next instant at which time alone changes something.
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
            self._settle_in()
        self._mark(hold)
        now = self.clock.monotonic()
        run = None if hold is None else hold.run
        if self.books.day.exhausted(lane, now, run):
            raise self._day_over(lane, now, run)
        if give_up_at is None:
            give_up_at = math.inf
        if not self._waiting and permits.free and self.books.opens(now) <= now <= give_up_at:
            return self._grant(permits, now, now)
        if give_up_at < self.books.certain(now):
            raise self._too_late(give_up_at, now)
        return await self._wait(Waiter(lane, permits, give_up_at, hold))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.books.limits}>"

    async def refresh(self) -> None:
        """Learn what other processes have done; nothing, as no other one shares it."""

    def pause(
        self,
        seconds: float | None,
        *,
        unreadable: bool = False,
        refused: bool = True,
        slot: Slot | None = None,
    ) -> None:
        """Let the whole key wait; see `Account.pause`."""
        now = self.clock.monotonic()
        sent_at = None if slot is None else slot.sent_at
        self.books.pause.ask(now, seconds, unreadable=unreadable, refused=refused, sent_at=sent_at)
        while (waiter := self._waiting.hasty()) is not None and waiter.give_up_at < self.books.pause.until:
            self._fail(waiter, self._too_late(waiter.give_up_at, now))
        self.serve()

    def day_spent(self) -> None:
        """Take the day as spent for an hour; see `Account.day_spent`."""
        self.books.day.spent(self.clock.monotonic())
        self.serve()

    def left(self, lane: Lane, *, hold: Hold | None = None) -> int | None:
        """Return how many requests of the day are free for that lane; None without a daily limit."""
        return self.books.day.left(lane, self.clock.monotonic(), None if hold is None else hold.run)

    def eta(self, requests: int, lane: Lane, *, hold: Hold | None = None) -> float:
        """Return the earliest instant by which so many requests more can have left; see `Account.eta`."""
        return self.books.eta(requests, lane, self.clock.monotonic(), None if hold is None else hold.run)

    @property
    def used(self) -> int | None:
        """Requests of the last 24 hours, those under way included; None without a daily limit."""
        return None if self.books.limits.per_day is None else self.books.day.used(self.clock.monotonic())

    def resume_at(self, lane: Lane) -> datetime | None:
        """Return when (UTC) that lane's day has room again; None while it has."""
        now = self.clock.monotonic()
        return self._resume_at(lane, now) if self.books.day.exhausted(lane, now) else None

    async def close(self, permits: Permits | None = None) -> None:
        """Send a Session's callers away; other Sessions may go on with the same account."""
        if permits is None:
            return
        for waiter in self._waiting.with_permits(permits):
            self._fail(waiter, ConfigError(SESSION_CLOSED))

    # Claims and commitments; see `Claims`.

    async def claim(self, word: Claimed) -> Hold | Claim | Overtaken:
        """Claim a run's teams, or return who is in the way."""
        return local_claims().claim(word, self)

    async def say(self, word: ClaimWord) -> Answer:
        """Carry out what is said of claims."""
        return local_claims().say(word)

    async def claims(self) -> Sequence[Claim]:
        """Return the runs that claim teams."""
        return local_claims().all()

    async def commit(self, hold: Hold, requests: int) -> bool:
        """Keep so many requests of the day for a run."""
        return self._keep(hold, requests, whole=True)

    def keep(self, hold: Hold, requests: int) -> None:
        """Keep so many, or as many as are free."""
        self._keep(hold, requests, whole=False)

    async def let_go(self, hold: Hold) -> None:
        """Take the run for alive no more."""
        self._keep(hold, 0, whole=False)
        local_claims().living.let_go(hold.run)

    def _keep(self, hold: Hold, requests: int, *, whole: bool) -> bool:
        day = self.books.day
        enough = day.keep(hold.run, requests, self.clock.monotonic(), whole=whole)
        hold.committed = day.kept.get(hold.run, 0) if day.per_day(Lane.BULK) is not None else requests
        self.serve()
        return enough

    def _mark(self, hold: Hold | None) -> None:
        """Look whether a run may still send, and note how far its journal has come.

        Raises:
            TeamClaimed: it was taken up by somebody else, or given up.
        """
        if hold is not None:
            hold.check()
            if isinstance(answer := local_claims().say(hold.mark()), Overtaken):
                raise hold.overtaken(answer).again()

    def serve(self) -> None:
        """Grant what may leave now, and have somebody watch for the next instant; for slots that end."""
        if not self._waiting:
            return
        now = self.clock.monotonic()
        due = now
        if self._watcher is not None and self._watched <= now:
            due = max(self._watched, now - LATE)
            self._watcher = None
        self._turn_away(now)
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
            self._turn_away(now)
            opens = math.inf
        while (hasty := self._waiting.hasty()) is not None and hasty.give_up_at <= now:
            self._fail(hasty, self._too_late(hasty.give_up_at, now))
        self._watch_for(opens if hasty is None else min(opens, hasty.give_up_at))

    def _settle_in(self) -> None:
        """Belong to the running event loop, unless one that is still open was here first."""
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
        """Queue; however it ends, no trace is left and whoever is next is served at once."""
        self._waiting.add(waiter)
        try:
            self.serve()
            while (slot := waiter.result()) is None:
                await (self._watch(waiter) if waiter is self._watcher else waiter.sleep())
        except BaseException:  # a cancellation too: what was granted meanwhile is given back
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
        """Sleep until the instant that is watched for, then serve."""
        while waiter is self._watcher:
            seconds = self._watched - self.clock.monotonic()
            if seconds <= 0:
                self.serve()
                return
            await waiter.watch(self.clock, seconds)

    def _watch_for(self, instant: float) -> None:
        """Have one waiter awake at that instant: the one likely to wait longest, so that it seldom changes."""
        if self._watcher is not None:
            if instant < self._watched:
                self._watched = instant
                self._watcher.wake()
        elif instant < math.inf and (waiter := self._waiting.last()) is not None:
            self._watcher, self._watched = waiter, instant
            waiter.wake()

    def _turn_away(self, now: float) -> None:
        """Fail everybody in a lane whose day is spent."""
        for lane in LANES:
            if self.books.day.exhausted(lane, now):
                for waiter in self._waiting.of(lane):
                    if self.books.day.exhausted(lane, now, waiter.run):
                        self._fail(waiter, self._day_over(lane, now, waiter.run))

    def _fail(self, waiter: Waiter, error: DooError) -> None:
        waiter.error = error
        self._release(waiter)

    def _release(self, waiter: Waiter) -> None:
        """Let a waiter go that has what it waited for, or never will."""
        self._waiting.discard(waiter)
        if waiter is self._watcher:
            self._watcher = None
        waiter.wake()

    def _resume_at(self, lane: Lane, now: float, run: str | None = None) -> datetime:
        """Return it rounded up: whoever sleeps until then must not come a fraction too early."""
        wait = math.ceil((self.books.day.resumes(lane, now, run) - now) * 1e6) + 1
        return self.clock.now() + timedelta(microseconds=wait)

    def _day_over(self, lane: Lane, now: float, run: str | None = None) -> QuotaExhausted:
        if self.books.day.shut is not None:
            what = "doo says that the day's requests are spent"
        elif self.books.day.kept_from(run):
            what = (
                "the day's requests are spent, or kept for runs that need them to finish what they have begun"
            )
        elif lane is Lane.BULK:
            what = "the requests that bulk jobs may use of a day are spent"
        else:
            what = "the day's requests are spent"
        resume_at = self._resume_at(lane, now, run)
        words = (
            f"{what}; nothing was sent. Go on from {resume_at:%Y-%m-%d %H:%M:%S} UTC{self._other_way(now)}."
        )
        return QuotaExhausted(words, resume_at=resume_at)

    def _other_way(self, now: float) -> str:  # noqa: ARG002  # for ledgers that know one
        """Return why the day is spent though nothing was sent, and what ends that."""
        return ""

    def _too_late(self, give_up_at: float, now: float) -> DooError:
        """Say why no slot can be had in time."""
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
    """The permission for one wire request; see `Slot`."""

    _account: MemoryAccount
    _permits: Permits
    _grant: Grant
    _over: bool = attrs.field(default=False, init=False)

    @property
    def sent_at(self) -> float:
        """When the request was sent, or else granted (monotonic seconds)."""
        return self._grant.sent_at

    def sent(self) -> None:
        """Say that the request leaves now; see `Slot.sent`."""
        if not self._over:
            self._account.books.slots.sent(self._grant, self._account.clock.monotonic())

    def give_back(self) -> None:
        """End it: nothing was sent."""
        if self._end():
            self._account.books.give_back(self._grant)
            self._account.serve()

    def answered(self, round_trip: float | None, *, refused: bool = False) -> None:
        """End it: the answer is complete; see `Slot.answered`."""
        if self._end():
            now = self._account.clock.monotonic()
            self._account.books.answered(self._grant, now, round_trip, refused=refused)
            self._account.serve()

    def lost(self) -> None:
        """End it: nobody knows whether doo will see the request."""
        if self._end():
            self._account.books.lost(self._grant, self._account.clock.monotonic())
            self._account.serve()

    def _end(self) -> bool:
        """Release the permit; False if the slot had ended before."""
        if self._over:
            return False
        self._over = True
        self._permits.release()
        return True
