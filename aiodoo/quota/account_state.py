"""The state of an account: slots, day, pause, and the queue of the processes that share it.

Pure functions of the time that is passed to each method. A ledger in memory has one such state and changes it in place;
a shared ledger stores it, and each process has a copy.
"""

from __future__ import annotations

import math
from itertools import chain, islice

import attrs

from aiodoo.quota.day_window import DAY, DayWindow
from aiodoo.quota.ledger import Lane
from aiodoo.quota.limits import Limits
from aiodoo.quota.slots import PATIENCE, Grant, Slots
from aiodoo.quota.updates import (
    Answered,
    Committed,
    DaySpent,
    GaveBack,
    LedgerUpdate,
    Left,
    Lost,
    Paused,
    Sent,
)

FORGOTTEN = 60.0
"""Seconds after which a process that has not asked again loses its place, and the end of a request is ignored."""
LONGEST = 60.0
"""Seconds; the longest pause without a Retry-After, and the one for a Retry-After that cannot be parsed."""


@attrs.define(repr=False)
class Pause:
    """Until when nothing is sent, and how long the next pause without a Retry-After is."""

    until: float = -math.inf
    refused: bool = False
    """Whether a 429 is the cause of the pause."""
    began: float = -math.inf
    next: float = 1.0
    """Seconds."""

    def ask(
        self, now: float, seconds: float | None, *, unreadable: bool, refused: bool, sent_at: float | None
    ) -> bool:
        """Pause for `seconds`, or without them for 1, 2, 4 ... 60 s; `sent_at` is when the refused request was sent.

        Returns whether it is the first of those that were sent before doo's refusal was known.
        """
        same_wave = now < self.until or (sent_at is not None and sent_at <= self.began)
        if unreadable or (seconds is not None and not 0 <= seconds < math.inf):
            seconds = LONGEST
        elif seconds is None:
            if same_wave:
                return False
            seconds = self.next
            self.next = min(2 * seconds, LONGEST)
        if not same_wave:
            self.began = now
        if now + seconds > self.until:
            self.until = now + seconds
            self.refused = refused
        return not same_wave

    def answered(self, sent_at: float, first: float = 1.0) -> None:
        """Reset the next pause to `first` seconds if the request was sent since the last pause began."""
        if sent_at > self.began:
            self.next = first


@attrs.define(repr=False)
class Turn:
    """A place in the queue of processes. The fields are part of the format of a ledger's file."""

    lane: Lane
    number: int
    back_at: float
    kept_until: float
    """Until when the others wait for its holder."""

    @property
    def rank(self) -> tuple[bool, int]:
        """The key that the queue is sorted by."""
        return self.lane is Lane.BULK, self.number


def _slots(state: AccountState) -> Slots:
    return Slots(state.limits)


def _day(state: AccountState) -> DayWindow:
    return DayWindow(state.limits)


@attrs.define(kw_only=True, repr=False)
class AccountState:
    """The requests that were sent on one API key, and when the next one may be. Times are those of the ledger.

    Each request has a number, by which its end is reported.
    """

    limits: Limits
    slots: Slots = attrs.field(default=attrs.Factory(_slots, takes_self=True))
    day: DayWindow = attrs.field(default=attrs.Factory(_day, takes_self=True))
    pause: Pause = attrs.field(factory=Pause)
    number: int = 0
    """The last number of a request or a turn."""
    away: dict[int, Grant] = attrs.field(factory=dict)
    """The requests whose end was not reported yet."""
    turns: dict[tuple[str, Lane], Turn] = attrs.field(factory=dict)
    asked_at: float = -math.inf
    """When a slot was last asked for under these limits."""
    reset_until: float | None = None
    """Until when the day counts as spent after a reset of the ledger."""

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

    def take(self, now: float, due: float) -> int:
        """Grant a slot to a request that was due at `due`; to be called only if `opens` and `day` allow it."""
        self.number += 1
        self.away[self.number] = self.slots.take(now, due, probe=self.day.take())
        return self.number

    def apply(self, update: LedgerUpdate, origin: float = 0.0) -> None:
        """Carry out an update of a process whose clock is `origin` seconds behind; an unknown request is ignored."""
        match update:
            case Answered() | Lost():
                self._end(update, origin)
            case Sent(number, at):
                if number in self.away:
                    self.slots.sent(self.away[number], at + origin)
            case GaveBack(number):
                self._give_back(number)
            case Paused():
                self._pause(update, origin)
            case DaySpent(at):
                self._day_spent(at + origin)
            case Left(holder):
                for lane in Lane:
                    self.turns.pop((holder, lane), None)
            case Committed(run, requests, at, whole):
                self.day.keep(run, requests, at + origin, whole=whole)

    def _end(self, update: Answered | Lost, origin: float) -> None:
        grant = self.away.pop(update.number, None)
        if grant is None:
            return
        at, sent_at = update.at + origin, update.sent_at + origin
        if sent_at != grant.sent_at:
            self.slots.sent(grant, sent_at)
        refused = True
        if isinstance(update, Answered):
            refused = update.refused
            self.slots.answered(grant, at, update.round_trip, refused=refused)
            self.day.ended(min(at, sent_at + PATIENCE))
            if not refused:
                self.pause.answered(sent_at, self.slots.margin.first_pause(self.slots.interval))
                self.slots.margin.accepted()
        else:
            self.slots.lost(grant)
            self.day.ended(sent_at + PATIENCE)
        if grant.probe:
            self.day.probed(at, refused=refused)

    def _give_back(self, number: int) -> None:
        grant = self.away.pop(number, None)
        if grant is not None:
            self.slots.give_back(grant)
            self.day.give_back(probe=grant.probe)

    def _pause(self, paused: Paused, origin: float) -> None:
        first = self.pause.ask(
            paused.at + origin,
            paused.seconds,
            unreadable=paused.unreadable,
            refused=paused.refused,
            sent_at=None if paused.sent_at is None else paused.sent_at + origin,
        )
        # Who asks for longer than a window does not mean that a request was a moment too early.
        is_short = not paused.unreadable and (
            paused.seconds is None or 0 <= paused.seconds <= self.limits.window
        )
        if first and is_short and paused.refused and paused.sent_at is not None:
            self.slots.margin.refused()

    def _day_spent(self, at: float) -> None:
        """Shut the day; the result of a probe in flight does not count."""
        self.day.spent(at)
        for grant in self.away.values():
            grant.probe = False

    def forget(self, now: float) -> None:
        """End the requests and turns of processes that are gone; a probe whose end was not reported has failed."""
        for number, grant in list(self.away.items()):
            patience = grant.sent_at + PATIENCE
            if grant.probe and patience <= now:
                grant.probe = False
                self.day.spent(patience)
            if patience + FORGOTTEN <= now and grant.held_until <= now:
                del self.away[number]
                self.day.ended(patience)
        for place, turn in list(self.turns.items()):
            if turn.kept_until + FORGOTTEN <= now:
                del self.turns[place]

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
