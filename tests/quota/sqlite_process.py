"""A process that asks doo (a socket that logs) for as long as it is let, on a ledger it shares with others.

Run as `python sqlite_process.py PATH PORT NAME REQUESTS PER_SECOND CALLERS`.
"""

from __future__ import annotations

import asyncio
import collections
import sys
import time

from aiodoo.clock import Clock
from aiodoo.quota import Lane, Limits, Permits, SQLite


async def main(path: str, port: int, name: str, requests: int, per_second: float, callers: int) -> None:
    """Say that it is ready, wait for the sign, and send so many requests."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    account = SQLite(path).open(
        account="a", limits=Limits(per_second=per_second, per_day=100_000), clock=Clock()
    )
    permits = Permits(callers)
    sent: collections.deque[asyncio.Future[None]] = collections.deque()

    async def read() -> None:
        while await reader.readline():
            sent.popleft().set_result(None)

    async def call() -> None:
        nonlocal requests
        while requests > 0:
            requests -= 1
            slot = await account.acquire(Lane.BULK, permits)
            begun = time.monotonic()
            answered = asyncio.get_running_loop().create_future()
            sent.append(answered)
            writer.write(b"request\n")
            await answered
            slot.answered(time.monotonic() - begun)

    writer.write(f"{name}\n".encode())
    await reader.readline()
    reading = asyncio.create_task(read())
    await asyncio.gather(*(call() for _ in range(callers)))
    reading.cancel()
    await account.close()
    writer.close()


if __name__ == "__main__":
    _, path, port, name, requests, per_second, callers = sys.argv
    asyncio.run(main(path, int(port), name, int(requests), float(per_second), int(callers)))
