"""A process on a ledger that hosts share; it prints what happens, a word a line.

Run as `python redis_process.py URL send REQUESTS PER_SECOND AHEAD`, which prints when it has sent each request and whose
clocks are so many seconds ahead, or as
`python redis_process.py URL hold RUN`, which claims a team, takes a slot and stays, or as
`python redis_process.py URL fork`, which prints what a child is told that uses its parent's ledger.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from datetime import UTC, datetime, timedelta

from aiodoo.clock import Clock
from aiodoo.errors import ConfigError
from aiodoo.quota import Lane, Limits, Permits, Redis, redis_claims
from aiodoo.quota.claims import Given
from aiodoo.quota.hold import Hold
from aiodoo.quota.updates import Claimed

SINCE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class SetClock(Clock):
    """The clocks of a host that are wrong."""

    def __init__(self, ahead: float) -> None:
        self._ahead = ahead

    def monotonic(self) -> float:
        """Return the seconds since another boot."""
        return super().monotonic() + self._ahead

    def now(self) -> datetime:
        """Return a wrong time."""
        return super().now() + timedelta(seconds=self._ahead)


async def send(url: str, requests: int, per_second: float, ahead: float) -> None:
    """Send so many requests as fast as it is let."""
    limits = Limits(per_second=per_second)
    account = Redis(url, wait=30.0).open(account="a", limits=limits, clock=SetClock(ahead))
    permits = Permits(8)

    async def call() -> None:
        slot = await account.acquire(Lane.BULK, permits)
        begun = time.monotonic()
        print(begun, flush=True)  # noqa: T201
        await asyncio.sleep(0.01)
        slot.answered(time.monotonic() - begun)

    await asyncio.gather(*(call() for _ in range(requests)))
    await account.close()


async def hold(url: str, run: str) -> None:
    """Claim a team for a second at a time, and stay until it is killed."""
    redis_claims.LEASE, redis_claims.RENEW = 1.0, 0.2
    account = Redis(url).open(account="a", limits=Limits(per_second=100), clock=Clock())
    given = await account.say(
        Claimed(run=run, base_url="u", teams=("1", "2"), journal="j", command="c", who="w", since=SINCE)
    )
    assert isinstance(given, Given)
    kept = Hold.of(run, given, account)
    await account.acquire(Lane.BULK, Permits(8), hold=kept)
    await account.refresh()
    print(given.number, flush=True)  # noqa: T201
    await asyncio.sleep(60)


def fork(url: str) -> None:
    """Use a ledger, and again in a child."""
    ledger = Redis(url)

    async def use() -> None:
        account = ledger.open(account="a", limits=Limits(), clock=Clock())
        (await account.acquire(Lane.BULK, Permits(8))).give_back()

    asyncio.run(use())
    if os.fork():
        os.wait()
        return
    try:
        asyncio.run(use())
    except ConfigError as error:
        print(error, flush=True)  # noqa: T201


if __name__ == "__main__":
    _, url, what, *words = sys.argv
    if what == "fork":
        fork(url)
        sys.exit()
    if what == "send":
        asyncio.run(send(url, int(words[0]), float(words[1]), float(words[2])))
    else:
        asyncio.run(hold(url, words[0]))
