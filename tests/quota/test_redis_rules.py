"""The script of the server against the rules in Python, step by step: the same state, to the last bit, after each.

In CI a slice of 10,000 random steps. `python tests/quota/test_redis_rules.py 1000000 7` takes as many as it is told,
with that seed, and ends at the first difference.
"""

from __future__ import annotations

import random
import struct
import sys
from collections import deque
from itertools import count

import attrs
import msgspec
import redis
from redis_world import valkey

from aiodoo.quota import Lane, Limits
from aiodoo.quota.account_state import AccountState
from aiodoo.quota.day_window import KEPT
from aiodoo.quota.exchange import Ask
from aiodoo.quota.redis_account import Asking, Kept, Lapsed, Said
from aiodoo.quota.redis_script import EXCHANGE, NUMBERS, RULES
from aiodoo.quota.turns import AHEAD, exchange
from aiodoo.quota.updates import (
    Answered,
    Committed,
    DaySpent,
    GaveBack,
    LedgerUpdate,
    Left,
    Lost,
    Noted,
    Paused,
    Sent,
)

EPISODE = 250
"""Steps on one account."""
AT_CHOSEN_TIMES = EXCHANGE.text.replace("redis.call('TIME')", "said.time")
LIMITS = [
    Limits(per_second=rate, per_day=day, reserve=reserve)
    for rate, day, reserve in (
        (1, 1000, 0.05), (50, None, 0.0), (10, 30, 0.2), (3, 8, 0.5), (0.5, 5, 0.0), (2.5, 40, 0.1), (None, 12, 0.3),
        (None, None, 0.0),
    )
]  # fmt: skip


class SaidAt(Said, kw_only=True):
    """What an exchange says at a chosen time of the server."""

    time: tuple[int, int]


def kept(state: AccountState, before: Kept) -> Kept:
    """Return what the server should keep of a state; limits and time are its own."""
    slots, day, pause = state.slots, state.day, state.pause
    return Kept(
        limits=before.limits, number=state.number, asked_at=state.asked_at, last=slots.last, first=day.first,
        after=day.after, newest=day.newest, distrust=slots.trips.distrust, margin=slots.margin.part, time=before.time, ahead=before.ahead,
        paused_until=pause.until, refused=pause.refused, began=pause.began, next=pause.next, shut=day.shut,
        away=[(number, *attrs.astuple(grant)) for number, grant in state.away.items()],
        settled=[free for free in slots.settled if free > before.time],
        trips=list(slots.trips.last),
        turns=[
            (holder, lane, turn.number, turn.back_at, turn.kept_until)
            for (holder, lane), turn in state.turns.items()
        ],
        kept=[(run, each.requests, each.at) for run, each in day.kept.items()],
    )  # fmt: skip


@attrs.define
class Episode:
    """One account on the server, and its day in Python."""

    server: redis.Redis
    digest: str
    chance: random.Random
    limits: Limits
    name: str
    time: int = 1_900_000_000_000_000
    """The clock of the server, in microseconds."""
    state: AccountState = attrs.field(init=False)
    ends: deque[float] = attrs.field(factory=deque, init=False)
    before: Kept | None = attrs.field(default=None, init=False)
    ended: list[int] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.state = AccountState(limits=self.limits, number=7)

    @property
    def now(self) -> float:
        """Return the time of the ledger, which does not go back when the clock of the server does."""
        if self.before is None:
            return self.time / 1e6
        seconds, micro = divmod(self.time, 1_000_000)
        return max(seconds + micro / 1_000_000 + self.before.ahead, self.before.time)

    def step(self, asks: int) -> bool:
        """Carry out one exchange in both, and compare; return whether a request was granted a slot."""
        self._pass()
        mono = (
            self.time / 1e6
            - self.chance.choice([0.0, 3600.0, -3600.0, 5e8])
            - self.chance.choice([0.0, 0.004])
        )
        lapsed = self._lapsed() if self.chance.random() < 0.3 else []
        updates = [self._drawn(mono) for _ in range(self.chance.choice([0, 0, 1, 1, 2, 4]))]
        asking = None
        if self.chance.random() < 0.8:
            run = self.chance.choice([None, None, "r", "s"])
            asking = Asking(self.chance.choice("abcde"), self.chance.choice(list(Lane)), run, str(asks))
        known = self.chance.choice([0, self.state.day.after, max(0, self.state.day.after - 3)])
        said = SaidAt(
            limits="l", slots=self.limits.slots, window=self.limits.window, per_day=self.limits.per_day,
            per_day_for_bulk=self.limits.per_day_for_bulk, seed=7, at=mono, known=known, updates=[*lapsed, *updates],
            ask=asking, time=divmod(self.time, 1_000_000),
        )  # fmt: skip
        keys = [f"{{{self.name}}}:{what}" for what in ("account", "day", "asked")]
        answer = self.server.evalsha(self.digest, 3, *keys, msgspec.msgpack.encode(said))
        found = msgspec.msgpack.decode(answer[1], type=Kept)
        self._compare(answer, found, mono, lapsed, updates, asking, known)
        self.ended = [*self.ended, *(set(self.state.away) - {each[0] for each in found.away})][-5:]
        self.state, self.before = found.state(self.limits), found
        return bool(answer[2])

    def _compare(self, answer, found, mono, lapsed, updates, asking, known) -> None:
        state, now = self.state, found.time
        state.day.ends = self.ends
        state.day.used(now)
        living = {each.run for each in lapsed if each.alive}
        if lapsed:
            state.day.lapse(now, living.__contains__)
        origin = now - mono
        ask = None
        if asking is not None:
            mark = None if asking.run is None else Noted(asking.run, 1, None)
            ask = Ask(asking.holder, asking.lane, mark)
        reply = exchange(state, updates, ask, now, origin, overtaken=None, ahead=AHEAD)
        state.day.used(now)
        expected = kept(state, found)
        differing = [
            each for each in Kept.__struct_fields__ if getattr(found, each) != getattr(expected, each)
        ]
        assert not differing, [(each, getattr(found, each), getattr(expected, each)) for each in differing]
        assert (int(answer[2]) if answer[2] else None) == reply.number
        instant = struct.unpack("<d", answer[3])[0] if answer[3] else None
        if reply.number is not None:
            assert instant == state.away[reply.number].sent_at
        else:
            turn = None if ask is None else state.turns.get((ask.holder, ask.lane))
            assert instant == (None if turn is None else turn.back_at)
        since = list(self.ends)[max(0, known - state.day.first) :]
        assert list(struct.unpack(f"<{len(answer[4]) // 8}d", answer[4])) == since

    def _pass(self) -> None:
        chance, spacing = self.chance, self.state.slots.spacing
        seconds = chance.choice(
            [0.0, 1e-6, 0.0005, 0.02, 0.1, spacing, spacing / 2, spacing, self.limits.window]
            if chance.random() < 0.97
            else [5.0, 6.5, 30.0, 66.0, 3600.0, 3601.5, 40_000.0, 86_400.0, -2.0, -4000.0]
        )  # fmt: skip
        self.time += round(seconds * 1e6)
        if chance.random() < 0.2 and self.state.turns:
            turn = chance.choice(list(self.state.turns.values()))
            self.time = max(self.time, round(turn.back_at * 1e6))

    def _lapsed(self) -> list[Lapsed]:
        return [
            Lapsed(run, each.at, self.chance.random() < 0.5)
            for run, each in self.state.day.kept.items()
            if each.at + KEPT <= self.now
        ]

    def _drawn(self, mono: float) -> LedgerUpdate:
        chance, away = self.chance, self.state.away
        number = chance.choice([*away, *self.ended, *away, 1]) if away else 1
        origin = self.time / 1e6 - mono
        at = mono - chance.choice([0.0, 0.0, 0.01, 0.3])
        sent_at = (away[number].sent_at - origin if number in away else mono) + chance.choice(
            [0.0, 0.002, 0.5]
        )
        trip = chance.choice([None, 0.02, 0.021, 0.02 + 0.02 * chance.random(), 0.3, 0.1])
        return chance.choice(
            [
                *[Answered(number, at, sent_at, trip, refused=chance.random() < 0.02)] * 12,
                Lost(number, at, sent_at),
                Sent(number, at),
                GaveBack(number),
                Committed(chance.choice("rs"), chance.randrange(5), at, whole=chance.random() < 0.5),
                Left(chance.choice("abcde")),
                *[self._paused(at, sent_at)] * (chance.random() < 0.3),
                *[DaySpent(at)] * (chance.random() < 0.05),
            ]
        )

    def _paused(self, at: float, sent_at: float) -> Paused:
        chance = self.chance
        seconds = chance.choice([None, None, None, 0.01, 2.0, 70.0, float("nan"), float("inf"), -1.0])
        return Paused(
            at,
            seconds,
            unreadable=chance.random() < 0.1,
            refused=chance.random() < 0.5,
            sent_at=chance.choice([None, sent_at]),
        )


def take(url: str, steps: int, seed: int) -> int:
    """Take random steps; return how many requests were granted a slot."""
    chance, asks, granted = random.Random(seed), count(), 0
    with redis.Redis.from_url(url) as server:
        digest = server.script_load(AT_CHOSEN_TIMES)
        for number in range(0, steps, EPISODE):
            episode = Episode(server, digest, chance, chance.choice(LIMITS), f"{seed}-{number}")
            for step in range(EPISODE):
                try:
                    granted += episode.step(next(asks))
                except AssertionError:
                    print(f"seed {seed}, step {number + step}, {episode.limits}")  # noqa: T201
                    raise
            server.delete(*(f"{{{seed}-{number}}}:{what}" for what in ("account", "day", "asked")))
    return granted


def test_the_script_does_what_the_rules_do() -> None:
    """After each of 10,000 random exchanges the server has the state that the rules in Python come to."""
    assert EXCHANGE.text != AT_CHOSEN_TIMES
    with valkey(durable=False) as server:
        assert take(server.url, 10_000, 7) > 1000


def test_a_name_of_the_script_stands_for_one_number() -> None:
    """The script takes the numbers of all rules by their names, so no two rules give one name to different numbers."""
    for name, value in NUMBERS.items():
        named = {vars(rules)[name] for rules in RULES if name in vars(rules)}
        assert named <= {value}, name


if __name__ == "__main__":
    with valkey(durable=False) as own:
        print(take(own.url, int(sys.argv[1]), int(sys.argv[2])))  # noqa: T201
