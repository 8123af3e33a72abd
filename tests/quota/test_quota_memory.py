"""The ledger in memory: who may share it."""

from __future__ import annotations

import asyncio
import secrets
import threading

import pytest
from simulated import SimulatedClock, simulate

from aiodoo.clock import Clock
from aiodoo.errors import ConfigError
from aiodoo.quota import Lane, Limits, Memory, Permits

FRONT = Lane.FRONT


def test_sessions_on_one_key_share_its_limits():
    """Opening an account again returns the same books."""

    async def main(clock: SimulatedClock) -> float:
        ledger, name = Memory(), secrets.token_hex()
        for _ in range(3):
            account = ledger.open(account=name, limits=Limits(), clock=clock)
            (await account.acquire(FRONT, Permits(8))).answered(0)
        assert account.used == 3
        return clock.monotonic()

    assert simulate(main) == pytest.approx(2)


def test_keys_have_books_of_their_own():
    """Two API keys run side by side, each at its own full speed."""

    async def main(clock: SimulatedClock) -> float:
        ledger = Memory()
        for _ in range(3):
            account = ledger.open(account=secrets.token_hex(), limits=Limits(), clock=clock)
            await account.acquire(FRONT, Permits(8))
        return clock.monotonic()

    assert simulate(main) == 0


@pytest.mark.parametrize("other", [{"per_second": 2}, {"per_day": 999}, {"per_day": None}, {"reserve": 0.1}])
def test_other_limits_for_the_same_key_are_refused(other: dict[str, float | None]):
    """A Session that thinks otherwise of the key's limits does not get in."""
    ledger, name = Memory(), secrets.token_hex()
    ledger.open(account=name, limits=Limits(), clock=Clock())
    with pytest.raises(ConfigError, match="other limits") as caught:
        ledger.open(account=name, limits=Limits(**other), clock=Clock())
    assert name not in str(caught.value)


def test_concurrency_is_each_sessions_own():
    """How much a Session has under way is no limit of the key."""
    ledger, name = Memory(), secrets.token_hex()
    first = ledger.open(account=name, limits=Limits(concurrency=8), clock=Clock())
    assert ledger.open(account=name, limits=Limits(concurrency=2), clock=Clock()) is first


def test_another_event_loop_is_refused():
    """While one event loop uses the account, another one is told what to use instead."""
    account = Memory().open(account="a", limits=Limits(per_second=None), clock=Clock())
    refused: list[ConfigError] = []

    async def acquire() -> None:
        (await account.acquire(FRONT, Permits(8))).answered(0)

    def elsewhere() -> None:
        with pytest.raises(ConfigError, match=r"quota\.SQLite") as caught:
            asyncio.run(acquire())
        refused.append(caught.value)

    async def main() -> None:
        await acquire()
        thread = threading.Thread(target=elsewhere)
        thread.start()
        await asyncio.to_thread(thread.join)

    asyncio.run(main())
    assert "nothing was sent" in str(refused[0])


def test_the_books_go_on_in_the_next_event_loop():
    """A script that runs one event loop after another keeps its count."""
    account = Memory().open(account="a", limits=Limits(per_second=None, per_day=10), clock=Clock())

    async def acquire() -> None:
        (await account.acquire(FRONT, Permits(8))).answered(0)

    asyncio.run(acquire())
    asyncio.run(acquire())
    assert account.used == 2


async def test_real_time_works_too():
    """On the machine's own clock, three requests at 50 a second take two gaps of 20 ms."""
    clock = Clock()
    account, permits = Memory().open(account="a", limits=Limits(per_second=50), clock=clock), Permits(8)
    begun = clock.monotonic()
    for _ in range(3):
        (await account.acquire(FRONT, permits, give_up_at=begun + 60)).answered(0.0)
    assert clock.monotonic() - begun >= 0.04 - 0.0001
