"""The machine's clock as one small object."""

from __future__ import annotations

import time
from datetime import UTC

import anyio

from aiodoo import Clock


async def test_durations_come_from_a_clock_that_nobody_can_set() -> None:
    """`monotonic` is the standard library's, `now` is aware, `sleep` lets time pass."""
    clock = Clock()
    before, wall = time.monotonic(), clock.now()
    await clock.sleep(0.01)
    assert before < clock.monotonic() <= time.monotonic()
    assert wall.tzinfo is UTC
    assert wall < clock.now()


async def test_waiting_ends_with_the_event_or_with_the_time() -> None:
    """`wait` says whether the event came."""
    clock, event = Clock(), anyio.Event()
    assert await clock.wait(event, 0.01) is False
    event.set()
    assert await clock.wait(event, 60.0) is True


def test_chance_stays_between_its_ends() -> None:
    """`uniform` draws from the whole range."""
    drawn = [Clock().uniform(1.0, 2.0) for _ in range(200)]
    assert 1.0 <= min(drawn) < 1.3
    assert 1.7 < max(drawn) <= 2.0
