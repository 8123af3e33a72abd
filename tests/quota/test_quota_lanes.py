"""Who is served first: lanes, Sessions and their permits."""

from __future__ import annotations

import asyncio

import pytest
from simulated import SimulatedClock, simulate

from aiodoo.quota import Account, Lane, Limits, Memory, Permits

FRONT, BULK = Lane.FRONT, Lane.BULK


def open_account(clock: SimulatedClock, **limits: float | None) -> Account:
    """Open an account without a daily limit, if not told otherwise."""
    return Memory().open(account="a", limits=Limits(**{"per_day": None, **limits}), clock=clock)


async def call(account: Account, lane: Lane, permits: Permits, trip: float = 0.1) -> float:
    """Do one request; return when it left."""
    slot = await account.acquire(lane, permits)
    left = asyncio.get_running_loop().time()
    await asyncio.sleep(trip)
    slot.answered(trip)
    return left


def test_a_lane_is_first_come_first_served():
    """Callers of one lane leave in the order in which they asked."""

    async def main(clock: SimulatedClock) -> list[float]:
        account, permits = open_account(clock), Permits(8)
        return await asyncio.gather(*(call(account, BULK, permits) for _ in range(20)))

    left = simulate(main)
    assert left == sorted(left)


@pytest.mark.parametrize("per_second", [1, 20])
def test_a_persons_call_waits_two_slots_at_most_while_bulk_floods(per_second: int):
    """A front call takes the next slot, however many bulk calls wait."""

    async def main(clock: SimulatedClock) -> list[float]:
        account, permits = open_account(clock, per_second=per_second), Permits(8)
        bulk = [asyncio.create_task(call(account, BULK, permits)) for _ in range(600)]
        waits = []
        for turn in range(20):
            await asyncio.sleep(0.37 * (1 + turn % 3))
            asked = clock.monotonic()
            waits.append(await call(account, FRONT, permits) - asked)
        for task in bulk:
            task.cancel()
        await asyncio.gather(*bulk, return_exceptions=True)
        return waits

    assert max(simulate(main)) <= 2 * (1 / per_second + 0.1)


def test_no_slot_is_taken_without_a_permit():
    """A Session with all its permits in use holds no slot while it waits; another one goes ahead."""

    async def main(clock: SimulatedClock) -> tuple[list[float], list[float]]:
        account, narrow, wide = open_account(clock, per_second=10), Permits(1), Permits(8)
        first = asyncio.gather(*(call(account, FRONT, narrow, trip=2) for _ in range(2)))
        second = asyncio.gather(*(call(account, BULK, wide, trip=0) for _ in range(5)))
        return await first, await second

    narrow, wide = simulate(main)
    assert narrow == pytest.approx([0, 2])
    assert wide == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])


def test_no_permit_is_held_while_waiting_for_a_slot():
    """Callers in the queue count as nothing under way."""

    async def main(clock: SimulatedClock) -> int:
        account, permits = open_account(clock), Permits(8)
        calls = [asyncio.create_task(call(account, BULK, permits)) for _ in range(5)]
        await asyncio.sleep(0.5)
        held = permits.held
        await asyncio.gather(*calls)
        return held

    assert simulate(main) == 0


def test_sessions_of_one_lane_are_served_by_their_turn():
    """Two Sessions on an account share a lane, first come first served."""

    async def main(clock: SimulatedClock) -> list[float]:
        account, sessions = open_account(clock), [Permits(8), Permits(8)]
        return await asyncio.gather(*(call(account, BULK, sessions[turn % 2]) for turn in range(10)))

    left = simulate(main)
    assert left == sorted(left)


def test_never_more_under_way_than_permits():
    """However fast the limits are, a Session has no more under way than its concurrency."""

    async def main(clock: SimulatedClock) -> int:
        account, permits, most = open_account(clock, per_second=None), Permits(3), 0

        async def one() -> None:
            nonlocal most
            slot = await account.acquire(FRONT, permits)
            most = max(most, permits.held)
            await asyncio.sleep(clock.uniform(0, 1))
            slot.answered(0.1)

        await asyncio.gather(*(one() for _ in range(50)))
        return most

    assert simulate(main) == 3


def test_ten_thousand_waiters_wake_one_by_one():
    """A slot wakes who gets it, and now and then one who keeps watch: never the crowd."""
    wakes = 0

    class Counting(asyncio.Future[None]):
        def set_result(self, result: None) -> None:
            nonlocal wakes
            wakes += 1
            super().set_result(result)

    async def main(clock: SimulatedClock) -> None:
        account, permits = open_account(clock, per_second=50), Permits(64)
        asyncio.get_running_loop().create_future = Counting
        await asyncio.gather(*(call(account, BULK, permits, trip=0.02) for _ in range(10_000)))

    simulate(main)
    # One for each grant, one for each caller's own `sleep(trip)`, and a few for the watch.
    assert wakes <= 2.01 * 10_000
