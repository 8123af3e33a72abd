"""Days that are spent."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import START, SimulatedClock, simulate

from aiodoo.errors import QuotaExhausted
from aiodoo.quota import Account, Lane, Limits, Memory, Permits

FRONT, BULK = Lane.FRONT, Lane.BULK
DAY = 86_400


def open_account(clock: SimulatedClock, per_day: int | None, **limits: float | None) -> Account:
    """Open an account with that many requests a day, as fast as they come."""
    return Memory().open(
        account="a", limits=Limits(**{"per_second": None, "per_day": per_day, **limits}), clock=clock
    )


async def call(account: Account, permits: Permits, lane: Lane = FRONT, *, refused: bool = False) -> float:
    """Do one request that is answered at once; return when."""
    slot = await account.acquire(lane, permits)
    slot.answered(0.0, refused=refused)
    return asyncio.get_running_loop().time()


def since_start(instant: datetime) -> float:
    """Return seconds, without the microsecond by which instants are rounded up."""
    return round((instant - START).total_seconds(), 4)


async def exhausted(account: Account, permits: Permits, lane: Lane = FRONT) -> tuple[float, float]:
    """Return when QuotaExhausted was raised, and when it says to go on."""
    with pytest.raises(QuotaExhausted, match="nothing was sent") as caught:
        await account.acquire(lane, permits)
    return asyncio.get_running_loop().time(), since_start(caught.value.resume_at)


def test_a_spent_day_is_said_at_once():
    """When the day's requests are spent a call fails right away and says when the next may leave."""

    async def main(clock: SimulatedClock) -> None:
        account, permits = open_account(clock, 3, reserve=0), Permits(8)
        for _ in range(3):
            await asyncio.sleep(100)
            await call(account, permits)
        assert account.left(FRONT) == 0
        assert account.used == 3
        assert await exhausted(account, permits) == (300, DAY + 100)
        assert since_start(account.resume_at(FRONT)) == DAY + 100
        await asyncio.sleep(DAY - 200)
        assert account.resume_at(FRONT) is None
        await call(account, permits)
        assert await exhausted(account, permits) == (DAY + 100, DAY + 200)

    simulate(main)


def test_whoever_sleeps_until_then_is_not_too_early():
    """Sleeping until `resume_at` is enough, whatever fractions of a second the clocks show."""

    async def main(clock: SimulatedClock) -> None:
        account, permits = open_account(clock, 1), Permits(8)
        for _ in range(50):
            await asyncio.sleep(clock.uniform(0, 1))
            await call(account, permits)
            resume_at = account.resume_at(FRONT)
            await asyncio.sleep((resume_at - clock.now()).total_seconds())
            assert account.resume_at(FRONT) is None
            assert (clock.now() - resume_at).total_seconds() < 1e-4

    simulate(main)


def test_those_who_wait_hear_when_the_day_becomes_spent():
    """The last request of the day sends the whole queue away, bulk's when only the reserve is left."""

    async def main(clock: SimulatedClock) -> None:
        account, permits = open_account(clock, 10, reserve=0.2, per_second=1), Permits(8)
        bulk = [asyncio.create_task(call(account, permits, BULK)) for _ in range(8)]
        late = [asyncio.create_task(exhausted(account, permits, BULK)) for _ in range(5)]
        assert [await task for task in bulk] == pytest.approx(range(8))
        assert [await task for task in late] == [pytest.approx((7, DAY))] * 5
        assert account.left(BULK) == 0
        assert account.left(FRONT) == 2
        await call(account, permits)
        await call(account, permits)
        assert account.left(FRONT) == 0

    simulate(main)


def test_refused_requests_and_those_lost_count():
    """Whatever left may have been counted by doo; only what was given back was not."""

    async def main(clock: SimulatedClock) -> None:
        account, permits = open_account(clock, 10), Permits(8)
        await call(account, permits, refused=True)
        (await account.acquire(FRONT, permits)).lost()
        (await account.acquire(FRONT, permits)).give_back()
        await account.acquire(FRONT, permits)
        assert account.used == 3
        await asyncio.sleep(DAY)
        assert account.used == 2
        await asyncio.sleep(5)
        assert account.used == 1

    simulate(main)


def test_a_lifted_day_is_never_spent():
    """Without a daily limit nothing is counted and nothing runs out."""

    async def main(clock: SimulatedClock) -> None:
        account, permits = open_account(clock, None), Permits(8)
        for _ in range(2000):
            await call(account, permits, BULK)
        assert account.left(BULK) is None
        assert account.used is None
        assert account.resume_at(FRONT) is None

    simulate(main)


def test_limit_exceeded_shuts_the_key_for_an_hour():
    """When doo says so, all who wait are sent away, and the first probe leaves an hour later."""

    async def main(clock: SimulatedClock) -> None:
        account, permits = open_account(clock, 1000, per_second=1), Permits(8)
        slot = await account.acquire(FRONT, permits)
        waiting = [asyncio.create_task(exhausted(account, permits, lane)) for lane in Lane]
        await asyncio.sleep(0.5)
        account.day_spent()
        slot.answered(0.5, refused=True)
        assert [await task for task in waiting] == [(0.5, 3600.5)] * 2
        assert account.left(FRONT) == 0
        assert account.eta(1, FRONT) == 3600.5
        await asyncio.sleep(3599.9)
        assert await exhausted(account, permits) == (3600.4, 3600.5)
        await asyncio.sleep(0.1)
        await call(account, permits)
        assert account.left(FRONT) == 998

    simulate(main)


def test_others_wait_for_the_probe_and_go_on_if_it_is_answered():
    """While the probe is under way the others wait; a good answer lets them leave."""

    async def main(clock: SimulatedClock) -> None:
        account, permits = open_account(clock, 1000, per_second=10), Permits(8)
        account.day_spent()
        await asyncio.sleep(3600)
        probe = await account.acquire(BULK, permits)
        others = [asyncio.create_task(call(account, permits)) for _ in range(3)]
        await asyncio.sleep(4)
        assert not any(task.done() for task in others)
        probe.answered(4)
        assert [await task for task in others] == pytest.approx([3604, 3604.1, 3604.2])

    simulate(main)


@pytest.mark.parametrize("how", ["refused", "lost"])
def test_others_are_sent_away_for_another_hour_if_the_probe_fails(how: str):
    """A probe that is refused, or never answered, shuts the key for an hour more."""

    async def main(clock: SimulatedClock) -> None:
        account, permits = open_account(clock, 1000), Permits(8)
        account.day_spent()
        await asyncio.sleep(3600)
        probe = await account.acquire(FRONT, permits)
        others = [asyncio.create_task(exhausted(account, permits)) for _ in range(3)]
        await asyncio.sleep(2)
        if how == "lost":
            probe.lost()
        else:
            account.day_spent()
            probe.answered(2, refused=True)
        assert [await task for task in others] == [(3602, 7202)] * 3
        await asyncio.sleep(3600)
        assert account.left(FRONT) == 1

    simulate(main)


def test_the_wall_clock_frees_nothing():
    """A wall clock that jumps a day ahead makes no room; only `resume_at` is told in its time."""

    async def main(clock: SimulatedClock) -> None:
        account, permits = open_account(clock, 1), Permits(8)
        await call(account, permits)
        clock.ahead = timedelta(days=3)
        assert account.left(FRONT) == 0
        assert await exhausted(account, permits) == (0, 4 * DAY)

    simulate(main)


@settings(max_examples=60, deadline=None)
@given(
    per_day=st.integers(1, 8),
    callers=st.lists(st.tuples(st.floats(0, 3 * DAY), st.floats(0, 4.9), st.sampled_from(Lane)), max_size=60),
)
def test_no_day_ever_holds_too_many(per_day: int, callers: list[tuple[float, float, Lane]]):
    """In any 24 hours at doo's clock no more arrive than the limit, and bulk's never take the reserve."""
    limits = Limits(per_second=None, per_day=per_day, reserve=0.3)
    arrivals: list[float] = []

    async def main(clock: SimulatedClock) -> None:
        account, permits = Memory().open(account="a", limits=limits, clock=clock), Permits(100)

        async def one(asks: float, there: float, lane: Lane) -> None:
            await asyncio.sleep(asks)
            try:
                slot = await account.acquire(lane, permits)
            except QuotaExhausted:
                return
            if lane is BULK:
                assert account.used <= limits.per_day_for_bulk
            await asyncio.sleep(there)
            arrivals.append(clock.monotonic())
            if there < 2:
                slot.answered(there)
            else:
                slot.lost()

        await asyncio.gather(*(one(*caller) for caller in callers))

    simulate(main)
    arrivals.sort()
    assert all(later - earlier >= DAY for earlier, later in zip(arrivals, arrivals[per_day:], strict=False))
