"""When so many requests can have left."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import SimulatedClock, simulate

from aiodoo.errors import QuotaExhausted
from aiodoo.quota import Account, Lane, Limits, Memory, Permits

FRONT, BULK = Lane.FRONT, Lane.BULK
DAY = 86_400


async def leave(
    account: Account, clock: SimulatedClock, number: int, lane: Lane, trip: float = 0.0
) -> list[float]:
    """Let so many requests leave as early as they may, over as many days as it takes; return when."""
    permits, left = Permits(1000), []

    async def answer(slot, begun: float) -> None:
        await asyncio.sleep(trip)
        slot.answered(clock.monotonic() - begun)

    async with asyncio.TaskGroup() as group:
        while len(left) < number:
            try:
                slot = await account.acquire(lane, permits)
            except QuotaExhausted as error:
                await asyncio.sleep((error.resume_at - clock.now()).total_seconds())
                continue
            left.append(clock.monotonic())
            if trip:
                group.create_task(answer(slot, clock.monotonic()))
            else:
                slot.answered(0.0)
    return left


@pytest.mark.parametrize("lane", Lane)
@pytest.mark.parametrize(
    "limits",
    [
        Limits(per_day=None),
        Limits(per_second=0.3, per_day=None),
        Limits(per_second=20, per_day=None),
        Limits(per_second=1, per_day=10, reserve=0.2),
        Limits(per_second=7, per_day=10, reserve=0.2),
        Limits(per_second=None, per_day=10, reserve=0.2),
        Limits(per_second=0.0001, per_day=10, reserve=0.2),
    ],
    ids=str,
)
def test_the_nth_request_of_an_idle_account_leaves_exactly_then(limits: Limits, lane: Lane):
    """With instant answers each request leaves at the instant that was foretold, over several days too."""

    async def main(clock: SimulatedClock) -> tuple[list[float], list[float]]:
        account = Memory().open(account="a", limits=limits, clock=clock)
        foretold = [account.eta(number, lane) for number in range(1, 46)]
        return foretold, await leave(account, clock, 45, lane)

    foretold, left = simulate(main)
    # The wall clock tells microseconds, and so the day's end is told that exactly.
    assert left == pytest.approx(foretold, abs=1e-4)


def test_round_trips_add_one_percent_at_most():
    """A thousand requests with round trips of 100 ms leave no more than 1 % (and the first few) later."""

    async def main(clock: SimulatedClock) -> tuple[float, float]:
        account = Memory().open(account="a", limits=Limits(per_day=None), clock=clock)
        return account.eta(1001, BULK), (await leave(account, clock, 1001, BULK, trip=0.1))[-1]

    foretold, left = simulate(main)
    assert foretold == 1000
    assert 1000 <= left <= 1000 * 1.01 + 20 * 0.1


def test_the_daily_limit_decides_a_large_job():
    """Two and a half days' requests at a thousand a day: what is over 950 a day waits for the next."""

    async def main(clock: SimulatedClock) -> list[float]:
        account = Memory().open(account="a", limits=Limits(), clock=clock)
        return [account.eta(number, BULK) for number in (0, 1, 950, 951, 1900, 1901, 2375)]

    assert simulate(main) == [0, 0, 949, DAY, DAY + 949, 2 * DAY, 2 * DAY + 474]


def test_requests_of_before_are_waited_for():
    """Room that others' requests take is there again when their day is over."""

    async def main(clock: SimulatedClock) -> list[float]:
        account = Memory().open(
            account="a", limits=Limits(per_second=None, per_day=10, reserve=0.2), clock=clock
        )
        for _ in range(9):
            await leave(account, clock, 1, FRONT)
            await asyncio.sleep(100)
        return [account.eta(number, lane) for lane in Lane for number in (1, 2, 3, 10, 11, 21)]

    assert simulate(main) == [
        *(900, DAY, DAY + 100, DAY + 800, DAY + 900, 2 * DAY + 900),
        *(DAY + 100, DAY + 200, DAY + 300, 2 * DAY + 200, 2 * DAY + 300, 3 * DAY + 500),
    ]


def test_a_pause_moves_everything():
    """Nothing is foretold for before the end of a pause."""

    async def main(clock: SimulatedClock) -> list[float]:
        account = Memory().open(account="a", limits=Limits(per_second=2), clock=clock)
        account.pause(30)
        return [account.eta(number, BULK) for number in (1, 2, 3)]

    assert simulate(main) == pytest.approx([30, 30.5, 31])


TRAFFIC = (
    st.sampled_from([0.5, 1, 3, 20]),
    st.sampled_from([None, 7, 30]),
    st.lists(st.tuples(st.floats(0, 3), st.floats(0.1, 4.9), st.booleans()), max_size=30),
    st.integers(1, 40),
    st.floats(0, 40),
    st.sampled_from(Lane),
)


@pytest.mark.parametrize("at_once", [True, False])
@settings(max_examples=60)
@given(*TRAFFIC)
def test_it_holds_whatever_is_under_way(at_once, per_second, per_day, earlier, number, looks, lane):
    """If all answers came now, requests would leave at the very instants foretold; else they leave no earlier."""
    limits = Limits(per_second=per_second, per_day=per_day, reserve=0.2)

    async def main(clock: SimulatedClock) -> tuple[list[float], list[float]]:
        account, permits = Memory().open(account="a", limits=limits, clock=clock), Permits(100)
        now = asyncio.Event()

        async def one(asks: float, trip: float, lost: bool) -> None:  # noqa: FBT001
            await asyncio.sleep(asks)
            try:
                slot = await account.acquire(FRONT, permits)
            except QuotaExhausted:
                return
            try:
                await clock.wait(now, trip)
                slot.answered(None) if not lost else slot.lost()
            finally:
                slot.answered(None)

        before = [asyncio.create_task(one(*errand)) for errand in earlier]
        await asyncio.sleep(looks)
        foretold = [account.eta(count, lane) for count in range(1, number + 1)]
        if at_once:
            for task in before:
                task.cancel()
            await asyncio.gather(*before, return_exceptions=True)
        left = await leave(account, clock, number, lane)
        await asyncio.gather(*before, return_exceptions=True)
        return foretold, left

    foretold, left = simulate(main)
    if at_once:
        assert left == pytest.approx(foretold, abs=1e-4)
    else:
        assert all(later >= earlier - 1e-4 for earlier, later in zip(foretold, left, strict=True))


def test_it_counts_on_the_credit_there_is():
    """With steady round trips, an answer that comes now frees its slot by 0.9 of a round trip sooner."""

    async def main(clock: SimulatedClock) -> tuple[list[float], float]:
        account = Memory().open(account="a", limits=Limits(per_day=None), clock=clock)
        left = await leave(account, clock, 30, FRONT, trip=0.1)
        slot = await account.acquire(FRONT, Permits(1))
        etas = []
        for _ in range(2):
            await asyncio.sleep(0.05)
            etas.append(account.eta(1, FRONT) - clock.monotonic())
        slot.answered(0.1)
        etas.append(account.eta(1, FRONT) - clock.monotonic())
        return etas, len(left)

    assert simulate(main) == (pytest.approx([0.955, 0.91, 0.91]), 30)


def test_a_lost_request_is_counted_on_by_patience_only():
    """Nothing is foretold for before a lost request's patience and window are over."""

    async def main(clock: SimulatedClock) -> float:
        account = Memory().open(account="a", limits=Limits(per_day=None), clock=clock)
        (await account.acquire(FRONT, Permits(1))).lost()
        return account.eta(1, FRONT)

    assert simulate(main) == 6
