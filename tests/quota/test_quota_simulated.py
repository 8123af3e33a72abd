"""Simulated time itself: the other tests stand on it."""

from __future__ import annotations

import asyncio
import time

import anyio
import pytest
from simulated import START, SimulatedClock, simulate


def test_time_jumps_to_the_next_timer():
    """A day of sleep takes no time, and the clocks agree on it."""

    async def main(clock: SimulatedClock) -> float:
        await asyncio.sleep(80_000)
        await clock.sleep(6_400)
        assert (clock.now() - START).total_seconds() == 86_400
        return clock.monotonic()

    begun = time.monotonic()
    assert simulate(main) == 86_400
    assert time.monotonic() - begun < 60


def test_waiting_for_an_event_ends_by_the_event_or_in_time():
    """`Clock.wait` tells whether the event came, in simulated time too."""

    async def main(clock: SimulatedClock) -> list[tuple[bool, float]]:
        event = anyio.Event()
        asyncio.get_running_loop().call_later(7, event.set)
        return [
            (await clock.wait(event, 5), clock.monotonic()),
            (await clock.wait(event, 5), clock.monotonic()),
        ]

    assert simulate(main) == [(False, 5), (True, 7)]


def test_the_same_seed_is_the_same_chance():
    """Chance comes from the seed alone."""

    async def main(clock: SimulatedClock) -> list[float]:
        return [clock.uniform(0, 1) for _ in range(3)]

    assert simulate(main, seed=4) == simulate(main, seed=4) != simulate(main, seed=5)


def test_waiting_for_nothing_is_said():
    """A simulation in which nothing can happen any more fails instead of hanging."""

    async def main(_: SimulatedClock) -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="stuck"):
        simulate(main)
