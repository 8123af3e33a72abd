"""An account's books: slots, day and pause put together. Pure arithmetic, every method is told the time."""

from __future__ import annotations

import math
from itertools import chain, islice

import attrs

from aiodoo.quota.day_window import DAY, DayWindow
from aiodoo.quota.ledger import Lane
from aiodoo.quota.limits import Limits
from aiodoo.quota.pause import Pause
from aiodoo.quota.slots import PATIENCE, Grant, Slots


@attrs.define
class AccountState:
    """What has left on one API key, and so when the next request may."""

    limits: Limits
    slots: Slots = attrs.field(init=False)
    day: DayWindow = attrs.field(init=False)
    pause: Pause = attrs.field(factory=Pause, init=False)

    def __attrs_post_init__(self) -> None:
        self.slots = Slots(self.limits)
        self.day = DayWindow(self.limits)

    def opens(self, now: float) -> float:
        """Return from when a request may leave as far as is known; `now` or before: at once.

        Infinity while a probe is under way: its end decides. Whether the day has room is asked of `day`.
        """
        if self.day.probing:
            return math.inf
        return max(self.slots.earliest(now), self.pause.until)

    def certain(self, now: float) -> float:
        """Return the instant before which nothing leaves, even if the answers come now."""
        return self.slots.nth(1, now=now, start=max(now, self.pause.until))

    def take(self, now: float, due: float) -> Grant:
        """Let a request leave that was due then; `opens` and `day` have said that it may."""
        return self.slots.take(now, due, probe=self.day.take())

    def give_back(self, grant: Grant) -> None:
        """Forget a request that was not sent."""
        self.slots.give_back(grant)
        self.day.give_back(probe=grant.probe)

    def answered(self, grant: Grant, now: float, round_trip: float | None, *, refused: bool) -> None:
        """Note a complete answer."""
        self.slots.answered(grant, now, round_trip, refused=refused)
        self.day.ended(min(now, grant.sent_at + PATIENCE))
        if not refused:
            self.pause.answered(grant.sent_at)
        if grant.probe:
            self.day.probed(now, refused=refused)

    def lost(self, grant: Grant, now: float) -> None:
        """Note that no answer will come."""
        self.slots.lost(grant)
        self.day.ended(grant.sent_at + PATIENCE)
        if grant.probe:
            self.day.probed(now, refused=True)

    def eta(self, requests: int, lane: Lane, now: float, run: str | None = None) -> float:
        """Return the earliest instant at which the last of so many requests can leave; a run may use what is kept for it.

        Takes no time to speak of while the day has room for them; otherwise as many steps as the lane has
        requests in two days, because from the third day on each day is like the one before.
        """
        if requests <= 0:
            return now
        day, spacing = self.day, self.slots.spacing
        start = max(now, self.pause.until, -math.inf if day.shut is None else day.shut)
        room = day.room(lane, now, run)
        if room is None or requests <= room:
            return self.slots.nth(requests, now=now, start=start)
        per_day = day.per_day(lane) or 1
        alike = max(0, (requests - per_day - 1) // per_day)
        leaves: list[float] = []
        freed = chain(day.freed(lane, now, run), (instant + DAY for instant in leaves))
        instants = self.slots.instants(now=now, start=start)
        for spaced in islice(instants, requests - alike * per_day):
            instant = max(spaced, leaves[-1] + spacing) if leaves else spaced
            leaves.append(instant if len(leaves) < room else max(instant, next(freed)))
        return leaves[-1] + alike * max(DAY, per_day * spacing)
