"""The margin that the ledger learns where doo refuses requests that arrive a moment early."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quota_judge import STRICT, Way
from simulated import SimulatedClock, simulate
from sqlite_world import ledger_path, simulated_ledger

from aiodoo.offload import InlineWorker
from aiodoo.quota import Account, Lane, Limits, Memory, Permits, SQLite
from aiodoo.quota.account_record import AccountRecord
from aiodoo.quota.account_state import AccountState
from aiodoo.quota.margin import LEAST, MOST, STEP, Margin
from aiodoo.quota.slots import Slots
from aiodoo.quota.updates import Answered, DaySpent, LedgerUpdate, Paused
from aiodoo.sandbox import Plan
from aiodoo.sandbox.gateway import Meter

RATE = 20
LIMITS = Limits(per_second=RATE, per_day=None)
NGINX = Plan(per_second=RATE, per_day=None, counting="leaky_bucket")
WAY = Way.steady(0.02)


T = TypeVar("T")


class SlowWorker(InlineWorker):
    """A disk: each function takes 2 to 18 ms until its result is known."""

    def __init__(self) -> None:
        self.chance = random.Random(1)

    def do(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Run a function now, and return its result later."""
        result, known = super().do(work), asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(
            self.chance.uniform(0.002, 0.018), lambda: known.cancelled() or known.set_result(result.result())
        )
        return known


def hesitating(chance: random.Random) -> float:
    """Return by how much a request is sent late, as timers have it: up to 1.5 ms, and one in 25 up to 15 ms."""
    return chance.uniform(0.005, 0.015) if chance.random() < 0.04 else chance.uniform(0, 0.0015)


async def ask(
    accounts: Sequence[Account],
    clock: SimulatedClock,
    meter: Meter,
    until: float,
    late: Callable[[random.Random], float] | None = None,
) -> tuple[list[float], list[float]]:
    """Let more callers ask than the limit serves; return when requests arrived that doo admitted, and that it refused."""
    chance, permits = random.Random(0), Permits(1000)
    admitted: list[float] = []
    refused: list[float] = []

    async def call_on(account: Account) -> None:
        while clock.monotonic() < until:
            slot = await account.acquire(Lane.BULK, permits)
            if late is not None:
                await asyncio.sleep(late(chance))
            slot.sent()
            left = clock.monotonic()
            await asyncio.sleep(WAY.leg(chance))
            at = clock.monotonic()
            wrong = meter.admit(at) is not None
            (refused if wrong else admitted).append(at)
            await asyncio.sleep(WAY.leg(chance))
            if wrong:
                account.pause(None, slot=slot)
            slot.answered(clock.monotonic() - left, refused=wrong)

    await asyncio.gather(*(call_on(account) for account in accounts for _ in range(40 // len(accounts))))
    return admitted, refused


def share(admitted: list[float], begin: float, end: float) -> float:
    """Return how much of the limit was used."""
    return sum(begin <= at < end for at in admitted) / (end - begin) / RATE


@pytest.mark.parametrize("kind", ["Memory", "SQLite"])
def test_a_server_that_spaces_strictly_is_used_to_95_percent(kind: str) -> None:
    """With a `limit_req` without a burst a few refusals teach it, and the next program knows from its first request on.

    Two processes share the file. Never more than the limit is sent.
    """
    meter, end = Meter(NGINX), 120.0 if kind == "Memory" else 60.0

    async def program(clock: SimulatedClock, until: float) -> tuple[list[float], list[float]]:
        ledgers = [memory] if kind == "Memory" else [simulated_ledger(path) for _ in range(2)]
        accounts = [ledger.open(account="a", limits=LIMITS, clock=clock) for ledger in ledgers]
        result = await ask(accounts, clock, meter, until)
        if kind == "SQLite":
            await asyncio.gather(*(account.close() for account in accounts))
        return result

    async def main(clock: SimulatedClock) -> tuple[list[float], ...]:
        return *await program(clock, end / 2), *await program(clock, end)

    memory = Memory()
    with ledger_path() as path:
        admitted, refused, later, refused_later = simulate(main)
    assert share(admitted + later, 0, end) >= 0.95
    assert share(later, later[0], end) >= 0.95
    assert 1 <= len(refused) <= 4
    assert len(refused_later) <= 1
    arrivals = sorted(admitted + refused + later + refused_later)
    assert [over(arrivals, LIMITS) for over in STRICT] == [0, 0, 0]


@pytest.mark.parametrize(("kind", "least", "most"), [("Memory", 0.95, 5), ("SQLite", 0.9, 8)])
def test_neither_late_timers_nor_slow_commits_bring_requests_together(
    kind: str, least: float, most: int
) -> None:
    """A request counts from when it is sent, and a slot is granted before it is free, as a commit may take long."""
    meter, memory = Meter(NGINX), Memory()

    async def main(clock: SimulatedClock) -> tuple[list[float], list[float]]:
        ledgers = [memory] if kind == "Memory" else [SQLite(path, worker=SlowWorker) for _ in range(2)]
        accounts = [ledger.open(account="a", limits=LIMITS, clock=clock) for ledger in ledgers]
        result = await ask(accounts, clock, meter, 60.0, hesitating)
        await asyncio.gather(*(account.close() for account in accounts))
        return result

    with ledger_path() as path:
        admitted, refused = simulate(main)
    assert share(admitted, 10, 60) >= least, (share(admitted, 10, 60), len(refused))
    assert len(refused) <= most


@given(st.floats(0.5, 100), st.lists(st.booleans(), max_size=200))
def test_whatever_happens_requests_are_never_closer_than_the_limit_says(
    per_second: float, accepted: list[bool]
) -> None:
    """Refusals only move them apart, by no more than a part, and answers bring them back to the limit at most."""
    slots = Slots(Limits(per_second=per_second))
    interval = slots.spacing
    for each in accepted:
        slots.margin.accepted() if each else slots.margin.refused()
        assert interval <= slots.spacing <= interval * (1 + MOST) * (1 + 1e-9)
    if accepted and not any(accepted):
        assert slots.spacing >= interval * (1 + min(MOST, len(accepted) * STEP)) * (1 - 1e-9)
        assert len(accepted) < 20 or slots.spacing == pytest.approx(interval * (1 + MOST))


def test_a_margin_shrinks_slowly_and_goes_away() -> None:
    """A thousand accepted requests leave nine tenths of it, and a hundred thousand leave nothing."""
    margin = Margin()
    margin.refused()
    for _ in range(1000):
        margin.accepted()
    assert margin.part == pytest.approx(0.9 * STEP, rel=0.01)
    for _ in range(99_000):
        margin.accepted()
    assert margin.part == 0.0
    assert LEAST < STEP


@given(st.floats(0, MOST), st.floats(0, 1), st.floats(0, 1))
def test_half_of_the_margin_stays_between_any_two(part: float, now: float, late: float) -> None:
    """A late timer is made up for by half of the margin at most, and by all of the delay without one."""
    due = Margin(part).due(now - late, now, 0.05)
    assert now - late <= due <= now
    assert due == pytest.approx(now - (min(late, part * 0.05 / 2) if part else late))


@pytest.mark.parametrize(
    ("updates", "waves"),
    [
        ([Paused(1.0, None, False, True, 0.5)], 1),
        ([Paused(1.0, 1.0, False, True, 0.5)], 1),
        ([Paused(1.0, None, False, True, 0.5), Paused(1.1, None, False, True, 0.6)], 1),
        ([Paused(1.0, None, False, True, 0.5), Paused(3.0, None, False, True, 2.5)], 2),
        ([Paused(1.0, 30.0, False, True, 0.5)], 0),
        ([Paused(1.0, None, False, True, None)], 0),
        ([Paused(1.0, 1.0, False, False, 0.5)], 0),
        ([DaySpent(1.0), Answered(1, 1.0, 0.5, 0.1, True)], 0),
    ],
    ids=[
        *("a 429", "Retry-After of a second", "two of one wave", "two waves", "Retry-After of 30 s"),
        *("a person's pause", "a 503", "the day is spent"),
    ],
)
def test_a_wave_of_early_requests_is_one_step(updates: list[LedgerUpdate], waves: int) -> None:
    """Only what may mean that a request came too early is learned from, and once for all that were under way."""
    state = AccountState(limits=LIMITS)
    state.take(0.0, 0.0)
    for update in updates:
        state.apply(update)
    assert state.slots.margin.part == pytest.approx(waves * STEP)


@pytest.mark.parametrize(("margin", "per_second", "pauses"), [
    (0.0, 20, [1, 2, 4]), (STEP, 20, [0.2, 0.4, 0.8]), (STEP, 1, [1, 2, 4]), (STEP, None, [1, 2, 4]),
])  # fmt: skip
def test_a_refusal_is_a_short_pause_where_doo_is_known_to_space(
    margin: float, per_second: float | None, pauses: list[float]
) -> None:
    """After a request that was accepted it lasts four spacings, at most a second, and refusals in a row double it."""
    state = AccountState(limits=Limits(per_second=per_second, per_day=None))
    state.slots.margin.part = margin
    state.take(0.0, 0.0)
    state.apply(Answered(1, 0.1, 0.0, 0.1, False))
    at, lasted = 10.0, []
    for _ in pauses:
        state.apply(Paused(at, None, False, True, at))
        lasted.append(state.pause.until - at)
        at = state.pause.until + 1
    assert lasted == pytest.approx(pauses)


def test_the_margin_is_kept_in_the_ledger_and_old_ledgers_have_none() -> None:
    """A record keeps it for the next process; one that was written before there were margins is read as it is."""
    state = AccountState(limits=LIMITS)
    state.slots.margin.refused()
    written = msgspec.msgpack.encode(AccountRecord.of(state))
    assert msgspec.msgpack.decode(written, type=AccountRecord).state(LIMITS).slots.margin.part == STEP
    old = msgspec.msgpack.decode(written)
    del old["margin"]
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(old), type=AccountRecord)
    assert read.state(LIMITS).slots.margin.part == 0.0
    assert math.isclose(read.state(LIMITS).slots.spacing, 1 / RATE)
