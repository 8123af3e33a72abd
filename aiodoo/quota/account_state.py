"""The state of an account: slots, day and pause. Pure functions of the time that is passed to each method."""

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
    """The requests that were sent on one API key, and when the next one may be. Times are monotonic seconds."""

    limits: Limits
    slots: Slots = attrs.field(init=False)
    day: DayWindow = attrs.field(init=False)
    pause: Pause = attrs.field(factory=Pause, init=False)

    def __attrs_post_init__(self) -> None:
        self.slots = Slots(self.limits)
        self.day = DayWindow(self.limits)

    def opens(self, now: float) -> float:
        """Return from when a request may be sent; `now` or earlier for at once, infinity while a probe is in flight.

        The daily quota is checked separately, with `day`.
        """
        if self.day.probing:
            return math.inf
        return max(self.slots.earliest(now), self.pause.until)

    def certain(self, now: float) -> float:
        """Return the time before which nothing is sent, even if all answers arrive now."""
        return self.slots.nth(1, now=now, start=max(now, self.pause.until))

    def take(self, now: float, due: float) -> Grant:
        """Grant a slot to a request that was due at `due`; to be called only if `opens` and `day` allow it."""
        return self.slots.take(now, due, probe=self.day.take())

    def give_back(self, grant: Grant) -> None:
        """Undo the grant of a request that was not sent."""
        self.slots.give_back(grant)
        self.day.give_back(probe=grant.probe)

    def answered(self, grant: Grant, now: float, round_trip: float | None, *, refused: bool) -> None:
        """Record a complete answer."""
        self.slots.answered(grant, now, round_trip, refused=refused)
        self.day.ended(min(now, grant.sent_at + PATIENCE))
        if not refused:
            self.pause.answered(grant.sent_at)
        if grant.probe:
            self.day.probed(now, refused=refused)

    def lost(self, grant: Grant, now: float) -> None:
        """Record that there will be no answer."""
        self.slots.lost(grant)
        self.day.ended(grant.sent_at + PATIENCE)
        if grant.probe:
            self.day.probed(now, refused=True)

    def eta(self, requests: int, lane: Lane, now: float, run: str | None = None) -> float:
        """Return the earliest time at which the last of some requests can be sent; a run may use its commitment.

        Takes constant time while the day has room for them; else as many steps as the lane has requests in two days,
        as from the third day on each day repeats the one before.
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
