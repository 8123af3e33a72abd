"""One Session's view of an API key's quota in a ledger's file: exchanges with the file, and who is handed what."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import attrs

from aiodoo.errors import SESSION_CLOSED, ConfigError, DooError
from aiodoo.event_loop import running_loop
from aiodoo.offload import wait_uncancelled
from aiodoo.quota.account_state import AccountState
from aiodoo.quota.claims import Answer, Claim, Overtaken
from aiodoo.quota.day_ends import DayEnds
from aiodoo.quota.hold import Hold
from aiodoo.quota.ledger import Lane, Permits, Slot
from aiodoo.quota.memory import MemoryAccount
from aiodoo.quota.shared_state import SharedState
from aiodoo.quota.slot import SQLiteSlot
from aiodoo.quota.sqlite_file import Ask, Busy, LedgerFile, Reply
from aiodoo.quota.wait_queue import Waiter, Waiting
from aiodoo.quota.words import Claimed, ClaimWord, Committed, DaySpent, GaveBack, LedgerUpdate, Left, Paused

logger = logging.getLogger("aiodoo.quota")

T = TypeVar("T")

BUSY_LIMIT = 30.0
"""Seconds after which those who wait are told that another process does not let go of the file."""
BUSY_AGAIN = 0.05
"""Seconds before what another process has kept from being written down is tried again."""
OVERDUE = 0.01
"""Seconds that an exchange which is under way may still take when a caller's time is over."""


class FileOfLedger(Protocol):
    """What carries out an account's exchanges with the file: a `SQLite`."""

    @property
    def path(self) -> Path:
        """Where the file is."""
        ...

    def exchange(
        self, user: SQLiteAccount, said: list[LedgerUpdate], ask: Ask | None, known: int, /
    ) -> asyncio.Future[Reply]:
        """Have the file's thread carry out an exchange."""
        ...

    def do(self, user: SQLiteAccount, work: Callable[[LedgerFile], T], /) -> asyncio.Future[T]:
        """Have the file's thread do something."""
        ...

    async def leave(self, user: SQLiteAccount, /) -> None:
        """Close the file if this was the last user."""


@attrs.define(eq=False, repr=False)
class SQLiteAccount(MemoryAccount):
    """One Session's view of an API key's quota; see `Account` for what its methods promise.

    It has exchanges with the file: one says what became of this Session's requests and asks for a slot for the
    first in its queue, who is granted it or told when to ask again. `left`, `used`, `eta` and `resume_at` know
    of other processes what was so at the last exchange.
    """

    ledger: FileOfLedger
    name: str
    _holder: str = attrs.field(default="", init=False)
    """Names it in the file's queue; made when it is used first, as it may be forked until then."""
    _said: list[LedgerUpdate] = attrs.field(factory=list, init=False)
    """What the next exchange says."""
    _copy: SharedState = attrs.field(init=False)
    """What the last exchange left in the file."""
    _origin: float = attrs.field(default=0.0, init=False)
    _ends: DayEnds = attrs.field(factory=DayEnds, init=False)
    """Until when requests count, as far as the last exchange told."""
    _news: list[LedgerUpdate] = attrs.field(factory=list, init=False)
    """What this Session said since; `_copy` is to hear of it before it is looked at."""
    _exchange: asyncio.Future[Reply] | None = attrs.field(default=None, init=False)
    _place: float | None = attrs.field(default=None, init=False)
    """When to ask again, if there is a place in the file's queue."""
    _busy_since: float | None = attrs.field(default=None, init=False)
    _broken: bool = attrs.field(default=False, init=False)
    """Whether the last exchange failed, so that only somebody's wish for a slot is worth another."""
    _closed: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._copy = SharedState(limits=self.books.limits, asked_at=-math.inf)

    async def acquire(
        self, lane: Lane, permits: Permits, *, give_up_at: float | None = None, hold: Hold | None = None
    ) -> Slot:
        """Wait for a slot and a permit; see `Account.acquire` and `Claims.acquire`."""
        if running_loop() is not self._loop:
            self._settle_in()
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
        """Let the whole key wait, in every process; see `Account.pause`."""
        at, sent_at = self.clock.monotonic(), None if slot is None else slot.sent_at
        self._note(Paused(at, seconds, unreadable, refused, sent_at))
        super().pause(seconds, unreadable=unreadable, refused=refused, slot=slot)

    def day_spent(self) -> None:
        """Take the day as spent for an hour, in every process; see `Account.day_spent`."""
        self._note(DaySpent(self.clock.monotonic()))
        super().day_spent()

    def left(self, lane: Lane, *, hold: Hold | None = None) -> int | None:
        """Return how many requests of the day are free for that lane; see `Account.left`."""
        self._look()
        return super().left(lane, hold=hold)

    def eta(self, requests: int, lane: Lane, *, hold: Hold | None = None) -> float:
        """Return the earliest instant by which so many requests more can have left; see `Account.eta`."""
        self._look()
        return super().eta(requests, lane, hold=hold)

    @property
    def used(self) -> int | None:
        """Requests of the last 24 hours; see `Account.used`."""
        self._look()
        return super().used

    def resume_at(self, lane: Lane) -> datetime | None:
        """Return when (UTC) that lane's day has room again; see `Account.resume_at`."""
        self._look()
        return super().resume_at(lane)

    # Claims and commitments; see `Claims`.

    async def claim(self, word: Claimed) -> Hold | Claim | Overtaken:
        """Claim a run's teams, or return who is in the way."""
        return await self._patiently(lambda file: file.claim(word, self.clock, self))

    async def say(self, word: ClaimWord) -> Answer:
        """Carry out what is said of claims."""
        return await self._patiently(lambda file: file.say(word, self.clock))

    async def claims(self) -> Sequence[Claim]:
        """Return the runs that claim teams."""
        return await self._patiently(lambda file: file.claims(self.clock))

    async def commit(self, hold: Hold, requests: int) -> bool:
        """Keep so many requests of the day for a run."""
        reply = await self._told(Committed(hold.run, requests, self.clock.monotonic(), whole=True))
        if self.books.limits.per_day is None:
            hold.committed = requests
            return True
        kept = reply.books.kept.get(hold.run)
        hold.committed = 0 if kept is None else kept.requests
        self.serve()
        return hold.committed == requests

    def keep(self, hold: Hold, requests: int) -> None:
        """Keep so many, or as many as are free; said with the next request for a slot."""
        hold.committed = requests
        if self.books.limits.per_day is not None:
            self._note(Committed(hold.run, requests, self.clock.monotonic(), whole=False))

    async def let_go(self, hold: Hold) -> None:
        """Take the run for alive no more."""
        if hold.committed:
            self.keep(hold, 0)
            self.serve()
        await self._patiently(lambda file: file.living.let_go(hold.run))

    async def refresh(self) -> None:
        """Learn what other processes have done; waits for the file, and costs no request."""
        if self._closed:
            raise ConfigError(SESSION_CLOSED)
        await self._told()
        self.serve()

    async def _told(self, *more: LedgerUpdate) -> Reply:
        """Say what is still to be said, and something more, in an exchange of its own."""
        said, self._said = self._said, []
        try:
            reply = await self._patiently(
                lambda file: file.exchange(
                    self.name, self.books.limits, self.clock, [*said, *more], None, known=self._ends.after
                )
            )
        except BaseException:  # a cancellation too: what is said of slots must not be lost
            self._said[:0] = said
            raise
        self._learn(reply)
        return reply

    async def _patiently(self, work: Callable[[LedgerFile], T]) -> T:
        """Have the file's thread do something, again and again while another process holds the file.

        What was begun is finished, whoever is cancelled meanwhile.
        """
        begun = self.clock.monotonic()
        while True:
            doing = self.ledger.do(self, work)
            try:
                await wait_uncancelled(doing)
                return doing.result()
            except Busy:
                if self.clock.monotonic() - begun >= BUSY_LIMIT:
                    raise self._held_too_long() from None
            await self.clock.sleep(BUSY_AGAIN)

    def tell(self, word: LedgerUpdate) -> None:
        """Tell the file something; for slots."""
        self._note(word)
        self.serve()

    def serve(self) -> None:
        """Exchange with the file if there is anything to say or to ask now; else watch for the next instant."""
        if self._closed or self._loop is None:
            return
        now = self.clock.monotonic()
        if self._watcher is not None and self._watched <= now:
            self._watcher = None
        if self._place is not None and not self._waiting:
            self._place = None
            self._said.append(Left(self._holder))
        if self._exchange is None and self._wants_exchange(now):
            self._speak()
        # In simulated time an exchange takes none, and may bring the slot at the last instant.
        overdue = 0.0 if self._exchange is None else OVERDUE
        while (hasty := self._waiting.hasty()) is not None and hasty.give_up_at + overdue <= now:
            self._fail(hasty, self._too_late(hasty.give_up_at, now))
        instant = math.inf if hasty is None else hasty.give_up_at + overdue
        if self._exchange is None and self._place is not None and self._waiting.first() is not None:
            instant = min(instant, self._place)
        self._watch_for(instant)

    async def close(self, permits: Permits | None = None) -> None:  # noqa: ARG002  # it is this Session's alone
        """Say what is still to be said, and let go of the file; see `Account.close`."""
        if self._closed:
            return
        self._closed = True
        for waiter in self._waiting.everybody():
            self._fail(waiter, ConfigError(SESSION_CLOSED))
        try:
            if self._exchange is not None and self._loop is asyncio.get_running_loop():
                await asyncio.wait([self._exchange])
            said, self._said = [*self._said, Left(self._holder)], []
            if self._place is not None or len(said) > 1:
                await self.ledger.exchange(self, said, None, self._ends.after)
        except (Busy, DooError) as error:
            logger.warning(
                "the end of requests could not be noted in the quota ledger %s; their slots are freed by "
                "patience (%s)",
                self.ledger.path,
                str(error) or "another process holds the file",
            )
        finally:
            await self.ledger.leave(self)

    def _settle_in(self) -> None:
        """Belong to the running event loop, unless one that is still open was here first."""
        if self._loop is not None and not self._loop.is_closed():
            raise ConfigError(
                "this Session is in use by another event loop; nothing was sent. Open a Session for each, with "
                "the same quota.SQLite ledger."
            )
        self._loop, self._holder = asyncio.get_running_loop(), secrets.token_hex(8)
        self._waiting, self._watcher, self._exchange, self._place = Waiting(), None, None, None

    async def _wait(self, waiter: Waiter) -> Slot:
        """Queue; whoever is the last to go gives up the place in the file's queue."""
        try:
            return await super()._wait(waiter)
        finally:
            if self._place is not None and not self._waiting:
                self.serve()

    def _note(self, word: LedgerUpdate) -> None:
        self._said.append(word)
        self._news.append(word)

    def _look(self) -> AccountState:
        """Bring the books up to the present."""
        for word in self._news:
            self._copy.hear(word, self._origin)
        self._news.clear()
        now = self.clock.monotonic() + self._origin
        books = self._copy.books(now, origin=self._origin, ends=self._ends.instants)
        self._ends.guess(self._copy.fresh)
        self._copy.fresh = []
        self.books = books
        return self.books

    def _wants_exchange(self, now: float) -> bool:
        first = self._waiting.first()
        if first is None:
            return bool(self._said) and not self._broken
        return bool(self._said) or self._place is None or self._place <= now

    def _speak(self) -> None:
        said, self._said = self._said, []
        first = self._waiting.first()
        ask = None
        if first is not None:
            ask = Ask(self._holder, first.lane, None if first.hold is None else first.hold.mark())
        try:
            self._exchange = self.ledger.exchange(self, said, ask, self._ends.after)
        except DooError as error:
            # Whoever waits is told; a slot that ends is not.
            self._exchange = asyncio.get_running_loop().create_future()
            self._exchange.set_exception(error)
        self._exchange.add_done_callback(partial(self._hear, said, ask))

    def _hear(self, said: list[LedgerUpdate], ask: Ask | None, exchange: asyncio.Future[Reply]) -> None:
        self._exchange = None
        error = exchange.exception()
        if error is not None:
            self._said[:0] = said
            self._heard_error(error)
        else:
            self._busy_since, self._broken = None, False
            self._heard(ask, exchange.result())
        self.serve()

    def _heard(self, ask: Ask | None, reply: Reply) -> None:
        """Hand on what was granted; tell those who can have nothing."""
        self._learn(reply)
        now = self.clock.monotonic()
        if ask is not None:
            self._place = reply.back_at
            if reply.overtaken is not None:
                self._send_away(reply.overtaken)
            if reply.number is not None:
                self._hand_on(ask, reply.number, reply.granted_at)
        certain = self._look().certain(now)
        self._turn_away(now)
        while (hasty := self._waiting.hasty()) is not None and hasty.give_up_at < certain:
            self._fail(hasty, self._too_late(hasty.give_up_at, now))

    def _other_way(self, now: float) -> str:
        until = self._copy.reset_until
        if until is None or until - self._origin <= now:
            return ""
        return (
            f": the ledger {self.ledger.path} was reset and counts the day as spent. If the key's requests are known to be "
            f"free, `aiodoo quota reset --day-is-free --ledger {self.ledger.path}` lifts that"
        )

    def _learn(self, reply: Reply) -> None:
        """Take in what an exchange told of the file."""
        self._copy, self._origin, self._news = reply.books, reply.origin, self._said.copy()
        self._ends.learn(reply)

    def _send_away(self, overtaken: Overtaken) -> None:
        """Fail the requests of a run that is somebody else's now."""
        for waiter in self._waiting.everybody():
            if waiter.hold is not None and waiter.run == overtaken.run:
                self._fail(waiter, waiter.hold.overtaken(overtaken).again())

    def _hand_on(self, ask: Ask, number: int, granted_at: float) -> None:
        """Give a slot to who is first now.

        What was granted to a person may be of the day's reserve, and what was granted to a run of what is kept for it.
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

    def _heard_error(self, error: BaseException) -> None:
        """Try again if another process holds the file; else everybody hears what is wrong with it."""
        now = self.clock.monotonic()
        if isinstance(error, Busy):
            self._busy_since = now if self._busy_since is None else self._busy_since
            if now - self._busy_since < BUSY_LIMIT:
                return
            error = self._held_too_long()
        elif not isinstance(error, DooError):
            logger.error("the quota ledger %s failed", self.ledger.path, exc_info=error)
            error = ConfigError(
                f"the quota ledger {self.ledger.path} failed with {type(error).__name__}; nothing was sent"
            )
        self._busy_since, self._broken, self._place = None, True, None
        for waiter in self._waiting.everybody():
            self._fail(waiter, error.again())

    def _held_too_long(self) -> ConfigError:
        return ConfigError(
            f"another process has held the quota ledger {self.ledger.path} for {BUSY_LIMIT:.0f} s; nothing was sent. End "
            "that process, or try again later."
        )
