"""doo's side of the limit a second: four ways to count, each by brute force, and the way there."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Sequence

import attrs
from simulated import SimulatedClock

from aiodoo.quota import Account, Lane, Limits, Permits

ULP = 1e-9
"""Seconds: what a float loses when instants are added and subtracted."""


def over_sliding_log(arrivals: Sequence[float], limits: Limits) -> int:
    """Count the arrivals that find the window behind them full."""
    window = limits.window - ULP
    return sum(
        sum(at - window < other for other in arrivals[max(0, index - 3 * limits.slots) : index])
        >= limits.slots
        for index, at in enumerate(arrivals)
    )


def over_fixed_window(arrivals: Sequence[float], limits: Limits) -> int:
    """Count the arrivals over the limit in windows that begin at the worst of ten offsets."""
    return max(_over_windows(arrivals, limits, tenth * limits.window / 10) for tenth in range(10))


def _over_windows(arrivals: Sequence[float], limits: Limits, offset: float) -> int:
    counts: dict[int, int] = {}
    for at in arrivals:
        window = math.floor((at - offset) / limits.window + ULP)
        counts[window] = counts.get(window, 0) + 1
    return sum(max(0, count - limits.slots) for count in counts.values())


def over_token_bucket(arrivals: Sequence[float], limits: Limits) -> int:
    """Count the arrivals that find a bucket of one window's requests empty."""
    return _over_bucket(arrivals, limits.per_second, limits.slots)


def over_gcra(arrivals: Sequence[float], limits: Limits) -> int:
    """Count the arrivals that come too early by more than a burst of a fifth, at least 2, allows."""
    return _over_bucket(arrivals, limits.per_second, max(2, limits.slots // 5))


def _over_bucket(arrivals: Sequence[float], rate: float, size: int) -> int:
    level, last, over = float(size), -math.inf, 0
    for at in arrivals:
        level, last = min(size, level + (at - last) * rate), at
        if level < 1 - ULP:
            over += 1
        else:
            level -= 1
    return over


STRICT = (over_sliding_log, over_fixed_window, over_token_bucket)


@attrs.define
class Way:
    """The way to doo and back: seconds there, seconds back, drawn for each request."""

    leg: Callable[[random.Random], float]

    @classmethod
    def steady(cls, latency: float, jitter: float = 0.05) -> Way:
        """A round trip of `latency`, each leg half of it give or take `jitter`."""
        return cls(lambda chance: latency / 2 * chance.uniform(1 - jitter, 1 + jitter))

    @classmethod
    def heavy(cls) -> Way:
        """Round trips of 20 to 300 ms, one in fifty of up to 3 s."""
        return cls(
            lambda chance: chance.uniform(0.1, 1.5) if chance.random() < 0.01 else chance.uniform(0.01, 0.15)
        )


async def flood(
    account: Account, clock: SimulatedClock, way: Way, *, seconds: float, callers: int, seed: int = 0
) -> list[float]:
    """Let so many callers ask without pause; return the instants of arrival at doo, sorted."""
    chance = random.Random(seed)
    permits = Permits(callers)
    arrivals: list[float] = []

    async def call_on() -> None:
        while clock.monotonic() < seconds:
            slot = await account.acquire(Lane.BULK, permits)
            left = clock.monotonic()
            await asyncio.sleep(way.leg(chance))
            arrivals.append(clock.monotonic())
            await asyncio.sleep(way.leg(chance))
            slot.answered(clock.monotonic() - left)

    await asyncio.gather(*(call_on() for _ in range(callers)))
    return sorted(arrivals)
