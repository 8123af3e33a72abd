"""The queue of the calls that wait for a slot, with two lanes; operations do not depend on its length."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count

import anyio
import attrs

from aiodoo.clock import Clock
from aiodoo.errors import DooError
from aiodoo.quota.hold import Hold
from aiodoo.quota.ledger import Lane, Permits, Slot


@attrs.define(eq=False, repr=False)
class Waiter:
    """One waiting call. It sleeps until it is woken: with a slot, with an error, or to become the watcher."""

    lane: Lane
    permits: Permits
    give_up_at: float
    hold: Hold | None = None
    """The hold of the run that asks; None for a single call."""
    turn: int = attrs.field(default=0, init=False)
    slot: Slot | None = attrs.field(default=None, init=False)
    error: DooError | None = attrs.field(default=None, init=False)
    _asleep: asyncio.Future[None] | None = attrs.field(default=None, init=False)
    _watching: anyio.Event | None = attrs.field(default=None, init=False)

    @property
    def run(self) -> str | None:
        """The id of the run that asks; None for a single call."""
        return None if self.hold is None else self.hold.run

    def result(self) -> Slot | None:
        """Return its slot, or None while it waits; raise its error if it failed."""
        if self.error is not None:
            raise self.error
        return self.slot

    async def sleep(self, clock: Clock, seconds: float | None) -> None:
        """Sleep until `wake`, for at most `seconds` if given."""
        if seconds is None:
            self._asleep = asyncio.get_running_loop().create_future()
            await self._asleep
        else:
            self._watching = anyio.Event()
            await clock.wait(self._watching, seconds)

    def wake(self) -> None:
        """Make `sleep` return."""
        if self._asleep is not None and not self._asleep.done():
            self._asleep.set_result(None)
        if self._watching is not None:
            self._watching.set()


@attrs.define(repr=False)
class Waiting:
    """The waiters by lane and Session, first in, first out.

    One of them, the watcher, sleeps until the next time at which something changes by itself.
    """

    watcher: Waiter | None = attrs.field(default=None, init=False)
    _watched: float = attrs.field(default=math.inf, init=False)
    _lanes: dict[Lane, dict[Permits, OrderedDict[Waiter, None]]] = attrs.field(
        factory=lambda: {lane: {} for lane in Lane}, init=False
    )
    _turns: count[int] = attrs.field(factory=count, init=False)
    _patience: list[tuple[float, int, Waiter]] = attrs.field(factory=list, init=False)
    length: int = attrs.field(default=0, init=False)
    """How many there are."""

    def __len__(self) -> int:
        return self.length

    def add(self, waiter: Waiter) -> None:
        """Add a waiter at the end of its lane."""
        waiter.turn = next(self._turns)
        self._lanes[waiter.lane].setdefault(waiter.permits, OrderedDict())[waiter] = None
        self.length += 1
        if waiter.give_up_at < math.inf:
            heappush(self._patience, (waiter.give_up_at, waiter.turn, waiter))

    def end(self, waiter: Waiter, *, slot: Slot | None = None, error: DooError | None = None) -> None:
        """Remove and wake a waiter that has its slot or an error."""
        waiter.slot, waiter.error = slot, error
        self.discard(waiter)
        waiter.wake()

    def fail(self, error: DooError, permits: Permits | None = None) -> None:
        """End all waiters with an error, or those of a Session."""
        for waiter in self.all():
            if permits is None or waiter.permits is permits:
                self.end(waiter, error=error.again())

    async def wait(self, waiter: Waiter, clock: Clock, serve: Callable[[], None]) -> Slot:
        """Wait in the queue; at the end, remove the waiter.

        Args:
            waiter: the waiter.
            clock: the clock.
            serve: looks what can be done for the waiters, and sets the watcher.
        """
        self.add(waiter)
        try:
            serve()
            while (slot := waiter.result()) is None:
                seconds = self._watched - clock.monotonic() if waiter is self.watcher else None
                if seconds is None or seconds > 0:
                    await waiter.sleep(clock, seconds)
                else:
                    serve()
        except BaseException:  # a cancellation too: a slot granted meanwhile is given back
            if waiter.slot is not None:
                waiter.slot.give_back()
            raise
        finally:
            if self.discard(waiter):
                serve()
        return slot

    def discard(self, waiter: Waiter) -> bool:
        """Remove a waiter, if it is in the queue; return whether it was the watcher."""
        watched = waiter is self.watcher
        if watched:
            self.watcher = None
        self._remove(waiter)
        return watched

    def dismiss(self, now: float) -> None:
        """Have no watcher if the watched time has come."""
        if self._watched <= now:
            self.watcher = None

    def watch_for(self, instant: float) -> None:
        """Have a waiter wake up at a time: the one that will probably wait longest, so that it seldom changes."""
        if self.watcher is not None:
            if instant < self._watched:
                self._watched = instant
                self.watcher.wake()
        elif instant < math.inf and (waiter := self.last()) is not None:
            self.watcher, self._watched = waiter, instant
            waiter.wake()

    def _remove(self, waiter: Waiter) -> None:
        lines = self._lanes[waiter.lane]
        line = lines.get(waiter.permits)
        if line is None or waiter not in line:
            return
        del line[waiter]
        self.length -= 1
        if not line:
            del lines[waiter.permits]
        if len(self._patience) > 2 * self.length + 100:
            self._patience = [entry for entry in self._patience if self._has(entry[2])]
            heapify(self._patience)

    def first(self) -> Waiter | None:
        """Return the next waiter: the first one in the front lane whose Session has a free permit, else in the bulk lane."""
        for lines in self._lanes.values():
            heads = [next(iter(line)) for permits, line in lines.items() if permits.free]
            if heads:
                return min(heads, key=_turn)
        return None

    def last(self) -> Waiter | None:
        """Return the waiter that will probably wait longest: the last one in the bulk lane, else in the front lane."""
        for lines in reversed(self._lanes.values()):
            if lines:
                return max((next(reversed(line)) for line in lines.values()), key=_turn)
        return None

    def of(self, lane: Lane) -> list[Waiter]:
        """Return the waiters of a lane."""
        return [waiter for line in self._lanes[lane].values() for waiter in line]

    def all(self) -> list[Waiter]:
        """Return all waiters, lane by lane."""
        return [waiter for lane in self._lanes for waiter in self.of(lane)]

    def earliest_deadline(self) -> Waiter | None:
        """Return the waiter with the earliest `give_up_at`; None if no waiter has one."""
        while self._patience:
            waiter = self._patience[0][2]
            if self._has(waiter):
                return waiter
            heappop(self._patience)
        return None

    def _has(self, waiter: Waiter) -> bool:
        return waiter in self._lanes[waiter.lane].get(waiter.permits, ())


def _turn(waiter: Waiter) -> int:
    return waiter.turn
