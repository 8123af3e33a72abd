"""Real processes on one file, judged by a server that notes when each request arrived."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
from quota_judge import over_sliding_log
from sqlite_world import ledger_path

from aiodoo.clock import Clock
from aiodoo.quota import Lane, Limits, Permits, SQLite

REQUESTS = int(os.environ.get("AIODOO_LEDGER_REQUESTS", "50"))
"""How many requests each of eight processes makes; from 200 on their pace is judged too, which takes a quiet machine."""

KILLS = REQUESTS // 5
CHILD = Path(__file__).with_name("sqlite_process.py")


@attrs.define
class Doo:
    """The other side: a socket that answers every line, and notes whose it was and when it came."""

    port: int = 0
    arrivals: list[tuple[float, str]] = attrs.field(factory=list)
    begin: asyncio.Event = attrs.field(factory=asyncio.Event)
    busy: asyncio.Event = attrs.field(factory=asyncio.Event)
    ready: asyncio.Semaphore = attrs.field(factory=lambda: asyncio.Semaphore(0))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one process."""
        with contextlib.suppress(ConnectionError):
            name = (await reader.readline()).decode().strip()
            self.ready.release()
            await self.begin.wait()
            writer.write(b"begin\n")
            while await reader.readline():
                self.arrivals.append((time.monotonic(), name))
                if len(self.arrivals) == 20:
                    self.busy.set()
                writer.write(b"answer\n")
        writer.close()

    def over(self, limits: Limits) -> int:
        """Count the requests that found the window behind them full."""
        return over_sliding_log([at for at, _ in self.arrivals], limits)

    def of(self, name: str) -> list[float]:
        """Return when a process's requests came."""
        return [at for at, whose in self.arrivals if whose == name]


@contextlib.asynccontextmanager
async def doo() -> AsyncIterator[Doo]:
    """Run the other side."""
    side = Doo()
    server = await asyncio.start_server(side.serve, "127.0.0.1", 0)
    side.port = server.sockets[0].getsockname()[1]
    async with server:
        yield side


async def start(
    path: Path, side: Doo, name: str, *, requests: int, per_second: float
) -> asyncio.subprocess.Process:
    """Start a process and wait until it is ready."""
    arguments = [CHILD, path, side.port, name, requests, per_second, 4]
    process = await asyncio.create_subprocess_exec(sys.executable, *map(str, arguments))
    await side.ready.acquire()
    return process


async def test_eight_processes_keep_the_limit_and_take_turns():
    """Never over at the server's clock, the slowest gets at least 70 % of the fastest one's share, nearly all is used."""
    judge_the_pace = REQUESTS >= 200
    limits = Limits(per_second=20 if judge_the_pace else 50)
    with ledger_path() as path:
        async with doo() as side:
            names = [f"process {turn}" for turn in range(8)]
            processes = [
                await start(path, side, name, requests=REQUESTS, per_second=limits.per_second)
                for name in names
            ]
            side.begin.set()
            assert [await process.wait() for process in processes] == [0] * 8
    assert len(side.arrivals) == 8 * REQUESTS
    assert side.over(limits) == 0
    first_done = min(side.of(name)[-1] for name in names)
    served = [sum(at <= first_done for at in side.of(name)) for name in names]
    assert min(served) >= 0.7 * max(served)
    if judge_the_pace:
        seconds = side.arrivals[-1][0] - side.arrivals[0][0]
        assert len(side.arrivals) / seconds >= 0.95 * limits.per_second


async def test_processes_that_are_killed_disturb_nobody():
    """Whenever one is killed, the limit is kept, and the others go on and finish."""
    limits, chance = Limits(per_second=50), random.Random(7)
    with ledger_path() as path:
        async with doo() as side:
            side.begin.set()
            steady = [
                await start(path, side, f"steady {turn}", requests=6 * KILLS, per_second=50)
                for turn in range(2)
            ]
            for turn in range(KILLS):
                victim = await start(path, side, f"victim {turn}", requests=10_000, per_second=50)
                await asyncio.sleep(chance.uniform(0, 0.4))
                victim.kill()
                await victim.wait()
            assert [await process.wait() for process in steady] == [0, 0]
            late = await start(path, side, "late", requests=30, per_second=50)
            assert await late.wait() == 0
    assert side.over(limits) == 0
    assert [len(side.of(name)) for name in ("steady 0", "steady 1", "late")] == [6 * KILLS, 6 * KILLS, 30]


async def test_what_a_killed_process_sent_counts_for_the_day():
    """A process that is killed mid-request has used a request of the day; the next process knows."""
    with ledger_path() as path:
        async with doo() as side:
            side.begin.set()
            victim = await start(path, side, "victim", requests=10_000, per_second=100)
            await asyncio.wait_for(side.busy.wait(), 60)
            victim.kill()
            await victim.wait()
        limits = Limits(per_second=100, per_day=100_000)
        account = SQLite(path).open(account="a", limits=limits, clock=Clock())
        (await account.acquire(Lane.FRONT, Permits(1))).answered(0.0)
        used = account.used
        await account.close()
    # What was granted and had not been sent, or not arrived, counts too.
    assert used is not None
    assert len(side.arrivals) + 1 <= used <= len(side.arrivals) + 1 + 4


@pytest.mark.parametrize("turn", range(3))
async def test_processes_that_make_the_file_at_the_same_moment_share_it(turn: int):
    """However they race, there is one file, and nobody meets half of it."""
    limits = Limits(per_second=50)
    with ledger_path() as path:
        async with doo() as side:
            processes = [
                await start(path, side, f"{turn} {place}", requests=3, per_second=50) for place in range(6)
            ]
            side.begin.set()
            assert [await process.wait() for process in processes] == [0] * 6
        assert [entry.name for entry in path.parent.iterdir()] == ["quota.db"]
    assert len(side.arrivals) == 18
    assert side.over(limits) == 0
