"""The state of an account as it is stored; its fields are the format of a ledger's file."""

from __future__ import annotations

import math
from collections import deque
from typing import Self

import msgspec

from aiodoo.quota.account_state import AccountState, Pause, Turn
from aiodoo.quota.day_window import DayWindow, Kept
from aiodoo.quota.ledger import Lane
from aiodoo.quota.limits import Limits
from aiodoo.quota.margin import Margin
from aiodoo.quota.slots import Grant, RoundTrips, Slots


class AccountRecord(msgspec.Struct, kw_only=True):
    """What is stored about an account; the ended requests that count for the day are rows of their own."""

    limits: Limits
    asked_at: float
    number: int = 0
    last: float = -math.inf
    away: dict[int, Grant] = {}
    settled: list[float] = []
    first: int = 0
    after: int = 0
    newest: float = -math.inf
    shut: float | None = None
    trips: list[float] = []
    distrust: int = 0
    margin: float = 0.0
    pause: tuple[float, bool, float, float] = (-math.inf, False, -math.inf, 1.0)
    turns: dict[tuple[str, Lane], Turn] = {}
    reset_until: float | None = None
    kept: dict[str, Kept] = {}

    @classmethod
    def of(cls, state: AccountState) -> Self:
        """Return the record of a state."""
        slots, day, pause = state.slots, state.day, state.pause
        return cls(
            limits=state.limits,
            asked_at=state.asked_at,
            number=state.number,
            last=slots.last,
            away=state.away,
            settled=slots.settled,
            first=day.first,
            after=day.after,
            newest=day.newest,
            shut=day.shut,
            trips=list(slots.trips.last),
            distrust=slots.trips.distrust,
            margin=slots.margin.part,
            pause=(pause.until, pause.refused, pause.began, pause.next),
            turns=state.turns,
            reset_until=state.reset_until,
            kept=day.kept,
        )

    def state(self, limits: Limits) -> AccountState:
        """Return the state, under limits that may have changed."""
        return AccountState(
            limits=limits,
            slots=Slots(
                limits,
                RoundTrips(deque(self.trips), self.distrust),
                Margin(self.margin),
                settled=self.settled,
                away=sorted(grant.held_until for grant in self.away.values()),
                last=self.last,
            ),
            day=DayWindow(
                limits,
                shut=self.shut,
                probing=any(grant.probe for grant in self.away.values()),
                kept=self.kept,
                away=len(self.away),
                first=self.first,
                after=self.after,
                newest=self.newest,
            ),
            pause=Pause(*self.pause),
            number=self.number,
            away=self.away,
            turns=self.turns,
            asked_at=self.asked_at,
            reset_until=self.reset_until,
        )
