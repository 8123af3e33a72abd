"""The state of an account that several processes share. Pure functions of the time that is passed to each method.

In contrast to `AccountState`, each request has a number by which its process reports its end, and ends by patience if
the process is gone; and there is a queue of the processes that wait, the front lane first, so that they take turns and
do not all ask at the same time.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable

import attrs

from aiodoo.quota.account_state import AccountState
from aiodoo.quota.day_window import DAY, PROBE_EVERY, DayWindow
from aiodoo.quota.ledger import Lane
from aiodoo.quota.limits import Limits
from aiodoo.quota.pause import Pause
from aiodoo.quota.round_trips import RoundTrips
from aiodoo.quota.slots import PATIENCE, Slots
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

KEPT = 3600.0
"""Seconds after which the commitment of a killed run lapses."""
QUIET = 600.0
"""Seconds after the last request after which other limits are accepted."""
LATE = 0.05
"""Seconds by which a process may wake up late without delaying the grants after it."""
GRACE = 0.1
"""Maximum seconds that the others wait for a process whose turn it is."""
LOOK_AGAIN = 0.05
"""Seconds after which to ask again if a slot may become free at any time, such as by a late answer."""
PROBE_LOOK = 0.5
"""Seconds after which to ask again while a probe is in flight."""
CROWD = 0.5
"""Maximum seconds until a process far back in the queue asks again, as others before it may have left."""
TICK = 1e-6
"""Minimum seconds until a process asks again, despite rounding."""
FORGOTTEN = 60.0
"""Seconds after which a process that has not asked again loses its place, and the end of a request is ignored."""


@attrs.define
class Away:
    """A request whose end was not reported yet. The fields are part of the format of the file."""

    due: float
    followed: float
    """`due` of the request before."""
    sent_at: float
    held_until: float
    """The latest time at which its slot is free."""
    probe: bool


@attrs.define
class Turn:
    """A place in the queue. The fields are part of the format of the file."""

    lane: Lane
    number: int
    back_at: float
    kept_until: float
    """Until when the others wait for its holder."""

    @property
    def rank(self) -> tuple[bool, int]:
        """The key that the queue is sorted by."""
        return self.lane is Lane.BULK, self.number


@attrs.define
class Kept:
    """The commitment of a run. The fields are part of the format of the file."""

    requests: int
    at: float
    """When it was last set or confirmed."""


@attrs.define(kw_only=True)
class SharedState:
    """The requests of all processes on one API key, and the queue. The fields are part of the format of the file."""

    limits: Limits
    asked_at: float
    """When a slot was last asked for under these limits."""
    number: int = 0
    """The last number of a request or a turn."""
    last: float = -math.inf
    """`due` of the last request."""
    away: dict[int, Away] = attrs.field(factory=dict)
    settled: list[float] = attrs.field(factory=list)
    """Until when ended requests use their slots, sorted."""
    first: int = 0
    """The number of the oldest ended request that counts for the day; each is a row in the ledger."""
    after: int = 0
    """The number after the newest one."""
    newest: float = -math.inf
    """Until when the newest one counts."""
    fresh: list[float] = attrs.field(factory=list)
    """Until when the newest ones count that are not stored as rows yet."""
    shut: float | None = None
    """From when a probe may be sent, if doo has said that the day is spent."""
    trips: list[float] = attrs.field(factory=list)
    """The last round trips of all processes, in seconds."""
    distrust: int = 0
    """For how many more answers there is no credit."""
    pause: tuple[float, bool, float, float] = attrs.field(factory=lambda: KeptPause().kept())
    turns: dict[tuple[str, Lane], Turn] = attrs.field(factory=dict)
    reset_until: float | None = None
    """Until when the day counts as spent after a reset of the ledger."""
    kept: dict[str, Kept] = attrs.field(factory=dict)
    """The commitments of runs."""

    def apply(self, update: LedgerUpdate, origin: float) -> None:
        """Apply an update of a process whose monotonic clock is `origin` seconds behind."""
        match update:
            case Sent(number, at):
                self.sent(number, at + origin)
            case GaveBack(number):
                self.give_back(number)
            case Answered(number, at, sent_at, round_trip, refused):
                self.answered(
                    number, at + origin, sent_at=sent_at + origin, round_trip=round_trip, refused=refused
                )
            case Lost(number, at, sent_at):
                self.lost(number, at + origin, sent_at=sent_at + origin)
            case Paused(at, seconds, unreadable, refused, sent_at):
                left_at = None if sent_at is None else sent_at + origin
                self.wait(at + origin, seconds, unreadable=unreadable, refused=refused, sent_at=left_at)
            case DaySpent(at):
                self.spent(at + origin)
            case Left(holder):
                self.leave(holder)
            case Committed(run, requests, at, whole):
                self.keep(run, requests, at + origin, whole=whole)

    def ask(self, holder: str, lane: Lane, now: float, run: str | None = None) -> int | None:
        """Grant a slot and return the number of the request; else put the holder into `turns` and return None.

        If the day is spent for the lane, and the run has no commitment, the holder is removed from `turns`.
        """
        self.asked_at = now
        books = self.books(now)
        if books.day.exhausted(lane, now, run):
            self.turns.pop((holder, lane), None)
            return None
        turn = self._turn(holder, lane, now)
        ahead = [other for other in self.turns.values() if other.rank < turn.rank and other.kept_until > now]
        spacing = books.slots.spacing
        opens = books.opens(now)
        awaited = [other.kept_until for other in ahead if other.back_at <= now] if spacing else []
        if opens <= now and not awaited:
            del self.turns[holder, lane]
            return self._take(now, max(opens, min(turn.back_at, now), now - LATE))
        rank = len(ahead) * spacing
        if opens <= now:
            turn.back_at = max(now + 0.001, min(now + rank, *awaited))
        else:
            turn.back_at = max(now + TICK, self._earliest(books, now) + min(rank, max(spacing, CROWD)))
        turn.kept_until = turn.back_at + min(max(spacing, GRACE / 10), GRACE)
        return None

    def leave(self, holder: str) -> None:
        """Remove a holder from the queue."""
        for lane in Lane:
            self.turns.pop((holder, lane), None)

    def in_use(self, now: float) -> bool:
        """Return whether the current limits are in use."""
        return now < self.asked_at + QUIET or any(turn.kept_until > now for turn in self.turns.values())

    def sent(self, number: int, at: float) -> None:
        """Record when a request was sent, from which its patience counts."""
        if (away := self.away.get(number)) is not None:
            away.sent_at = at
            away.held_until = at + PATIENCE + self.limits.window

    def give_back(self, number: int) -> None:
        """Undo the grant of a request that was not sent."""
        away = self.away.pop(number, None)
        if away is not None and self.last == away.due:
            self.last = away.followed

    def answered(
        self, number: int, at: float, *, sent_at: float, round_trip: float | None, refused: bool
    ) -> None:
        """Record a complete answer; `round_trip` is None if it was not measured."""
        away = self.away.pop(number, None)
        if away is None:
            return
        credit = self._credit(round_trip, refused=refused)
        insort(self.settled, min(max(at - credit, sent_at), sent_at + PATIENCE) + self.limits.window)
        self.count(min(at, sent_at + PATIENCE) + DAY)
        if not refused:
            pause = KeptPause.of(self.pause)
            pause.answered(sent_at)
            self.pause = pause.kept()
        if away.probe:
            self.shut = at + PROBE_EVERY if refused else None

    def lost(self, number: int, at: float, *, sent_at: float) -> None:
        """Record that there will be no answer; the slot is freed by patience."""
        away = self.away.pop(number, None)
        if away is None:
            return
        insort(self.settled, sent_at + PATIENCE + self.limits.window)
        self.count(sent_at + PATIENCE + DAY)
        if away.probe:
            self.shut = at + PROBE_EVERY

    def wait(
        self, at: float, seconds: float | None, *, unreadable: bool, refused: bool, sent_at: float | None
    ) -> None:
        """Pause the API key; see `Pause.ask`."""
        pause = KeptPause.of(self.pause)
        pause.ask(at, seconds, unreadable=unreadable, refused=refused, sent_at=sent_at)
        self.pause = pause.kept()

    def spent(self, at: float) -> None:
        """Record that doo has said that the day is spent."""
        self.shut = at + PROBE_EVERY
        for away in self.away.values():
            away.probe = False

    def keep(self, run: str, requests: int, at: float, *, whole: bool) -> None:
        """Set the commitment of a run; see `DayWindow.keep`."""
        day = self.books(at).day
        day.keep(run, requests, at, whole=whole)
        self.kept.pop(run, None)
        if run in day.kept:
            self.kept[run] = Kept(day.kept[run], at)

    def lapse(self, now: float, alive: Callable[[str], bool]) -> None:
        """Drop the commitments of runs that have not been alive for an hour."""
        for run, kept in list(self.kept.items()):
            if kept.at + KEPT <= now:
                if alive(run):
                    kept.at = now
                else:
                    del self.kept[run]

    def count(self, until: float) -> None:
        """Add an ended request that counts for the day until a time, but at least until the one before."""
        if self.limits.per_day is not None:
            self.newest = max(until, self.newest)
            self.fresh.append(self.newest)
            self.after += 1

    def books(self, now: float, *, origin: float = 0.0, ends: deque[float] | None = None) -> AccountState:
        """Return a copy as `AccountState`, for a clock that is `origin` seconds behind.

        Args:
            now: the time.
            origin: the difference to that clock, in seconds.
            ends: until when ended requests count, on that clock; without it the copy has their number, but not when it
                decreases.
        """
        self._forget(now)
        books = AccountState(self.limits)
        held = [away.held_until for away in self.away.values() if away.held_until > now]
        books.slots = KeptSlots(self.limits)
        books.slots.fill(_moved(self.settled, origin), _moved(sorted(held), origin), self.last - origin)
        books.slots.trips = KeptTrips.of(self.trips, self.distrust)
        books.day = KeptDay(self.limits)
        if self.limits.per_day is not None:
            away = len(self.away)
            if ends is None:
                books.day.fill(
                    deque(_moved(self.fresh, origin)), away + self.after - self.first - len(self.fresh)
                )
            else:
                books.day.fill(ends, away)
        books.day.kept = {run: kept.requests for run, kept in self.kept.items()}
        books.day.shut = None if self.shut is None else self.shut - origin
        books.day.probing = any(away.probe for away in self.away.values())
        books.pause = KeptPause.of(self.pause, origin)
        return books

    def _credit(self, round_trip: float | None, *, refused: bool) -> float:
        """Add a round trip; return the credit of its request."""
        trips = KeptTrips.of(self.trips, self.distrust)
        if round_trip is not None:
            trips.add(round_trip)
        credit = 0.0 if round_trip is None or refused else trips.credit
        if refused:
            trips.refused()
        self.trips, self.distrust = trips.kept()
        return credit

    def _take(self, now: float, due: float) -> int:
        self.number += 1
        held_until = now + PATIENCE + self.limits.window
        self.away[self.number] = Away(due, self.last, now, held_until, self.shut is not None)
        self.last = due
        return self.number

    def _turn(self, holder: str, lane: Lane, now: float) -> Turn:
        """Return the holder's place in a lane, a new last one if it has none; its place in the other lane does not count."""
        for other in Lane:
            if other is not lane and (holder, other) in self.turns:
                self.turns[holder, other].kept_until = now
        turn = self.turns.get((holder, lane))
        if turn is None:
            self.number += 1
            turn = self.turns[holder, lane] = Turn(lane, self.number, now, now)
        return turn

    def _earliest(self, books: AccountState, now: float) -> float:
        """Return from when a request may be sent if all answers arrive now.

        A process is not notified of the answers of others, so it asks again at this time.
        """
        if books.day.probing:
            return now + PROBE_LOOK
        window, credit = self.limits.window, books.slots.trips.credit
        in_use = self.settled + [
            min(away.held_until, max(now - credit, away.sent_at) + window)
            for away in self.away.values()
            if away.held_until > now
        ]
        earliest = max(self.last + books.slots.spacing, books.pause.until)
        excess = len(in_use) - (self.limits.slots or math.inf)
        if excess >= 0:
            earliest = max(earliest, sorted(in_use)[int(excess)])
        return earliest if earliest > now else now + LOOK_AGAIN

    def _forget(self, now: float) -> None:
        """Remove what no longer counts; a probe whose end was not reported has failed."""
        del self.settled[: bisect_right(self.settled, now)]
        for number, away in list(self.away.items()):
            patience = away.sent_at + PATIENCE
            if away.probe and patience <= now:
                away.probe = False
                self.shut = patience + PROBE_EVERY
            if patience + FORGOTTEN <= now and away.held_until <= now:
                # Its process is gone.
                del self.away[number]
                self.count(patience + DAY)
        for place, turn in list(self.turns.items()):
            if turn.kept_until + FORGOTTEN <= now:
                del self.turns[place]


class KeptSlots(Slots):
    """Slots that are created from their stored form."""

    def fill(self, settled: list[float], away: list[float], last: float) -> None:
        """Set the slots in use."""
        self._settled, self._away, self._last = settled, away, last


class KeptTrips(RoundTrips):
    """Round trips that are created from their stored form."""

    @classmethod
    def of(cls, last: list[float], distrust: int) -> KeptTrips:
        """Create them from their stored form."""
        trips = cls()
        trips._last, trips._sorted, trips._distrust = deque(last), sorted(last), distrust
        trips._judge()
        return trips

    def kept(self) -> tuple[list[float], int]:
        """Return the stored form."""
        return list(self._last), self._distrust


class KeptDay(DayWindow):
    """A day that is created from its stored form."""

    def fill(self, ends: deque[float], away: int) -> None:
        """Set until when requests count, and the number of those in flight."""
        self._ends, self._away = ends, away


class KeptPause(Pause):
    """A pause that is created from its stored form."""

    @classmethod
    def of(cls, kept: tuple[float, bool, float, float], origin: float = 0.0) -> KeptPause:
        """Create it from its stored form, for a clock that is `origin` seconds behind."""
        pause = cls()
        pause.until, pause.refused = kept[0] - origin, kept[1]
        pause._began, pause._next = kept[2] - origin, kept[3]
        return pause

    def kept(self) -> tuple[float, bool, float, float]:
        """Return the stored form."""
        return self.until, self.refused, self._began, self._next


def _moved(instants: list[float], origin: float) -> list[float]:
    return [instant - origin for instant in instants] if origin else list(instants)
