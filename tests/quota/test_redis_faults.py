"""A ledger that hosts share, while processes and the server are killed, clocks are wrong and the network is cut."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import attrs
import pytest
from quota_judge import over_sliding_log
from redis_world import Valkey

from aiodoo.clock import Clock
from aiodoo.errors import DeadlineExceeded, QuotaUnavailable
from aiodoo.quota import Lane, Limits, Permits, Redis

PROCESS = Path(__file__).with_name("redis_process.py")
FRONT = Lane.FRONT


async def test_the_limit_holds_whatever_is_killed_and_however_clocks_are_set(server: Valkey) -> None:
    """Of processes whose clocks are an hour apart one is killed, then the server; the others send all they have to."""
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            str(PROCESS),
            server.url,
            "send",
            "40",
            "20",
            ahead,
            stdout=asyncio.subprocess.PIPE,
        )
        for ahead in ("0", "3600", "-3600")
    ]
    sent: list[list[float]] = [[], [], []]

    async def listen(number: int) -> None:
        output = processes[number].stdout
        assert output is not None
        async for line in output:
            sent[number].append(float(line))

    listening = [asyncio.create_task(listen(number)) for number in range(3)]
    while min(map(len, sent)) < 5:  # noqa: ASYNC110  # what processes print
        await asyncio.sleep(0.01)
    processes[0].kill()
    await asyncio.sleep(0.2)
    server.kill()
    await asyncio.sleep(0.2)
    server.start()
    server.say("SCRIPT", "FLUSH")
    await asyncio.gather(*listening, *(process.wait() for process in processes))
    assert [len(each) for each in sent[1:]] == [40, 40]
    assert over_sliding_log(sorted(at for each in sent for at in each), Limits(per_second=20)) == 0


async def test_a_server_that_comes_back_empty_begins_with_a_pause(server: Valkey) -> None:
    """What it does not remember may still be on its way, so nothing is sent beside it, by the process that has no past either."""
    old, new = server.account(per_second=10), server.account(per_second=10)
    (await old.acquire(FRONT, Permits(8))).answered(0.01)
    await old.refresh()
    server.say("FLUSHALL")
    for account in (old, new):
        with pytest.raises(DeadlineExceeded):
            await account.acquire(FRONT, Permits(8), give_up_at=time.monotonic() + 5.0)
        await account.close()
    first = server.account("b", per_second=10)
    (await first.acquire(FRONT, Permits(8), give_up_at=time.monotonic() + 5.0)).answered(0.01)
    await first.close()


@attrs.define
class Network:
    """The way to a server, which can be cut: at once, or when the next answer comes back."""

    port: int
    loses_answer: bool = False
    down: bool = False
    _ways: set[asyncio.StreamWriter] = attrs.field(factory=set)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry a connection both ways."""
        if self.down:
            writer.close()
            return
        back, onward = await asyncio.open_connection("127.0.0.1", self.port)
        self._ways |= {writer, onward}

        async def one_way(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await source.read(65_536):
                    if self.loses_answer and target is writer and not data.startswith(b"+"):
                        self.loses_answer = False
                        break
                    target.write(data)
            writer.close()
            onward.close()

        await asyncio.gather(one_way(reader, onward), one_way(back, writer))
        self._ways -= {writer, onward}

    def cut(self) -> None:
        """End all connections, and accept none."""
        self.down = True
        for way in self._ways:
            way.close()


@asynccontextmanager
async def network(server: Valkey) -> AsyncIterator[tuple[Network, str]]:
    """Return a way to the server, and its URL."""
    way = Network(server.port)
    async with await asyncio.start_server(way.carry, "127.0.0.1", 0) as listener:
        yield way, f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}/0"
        way.cut()


async def test_a_request_for_a_slot_that_is_sent_twice_gets_one(server: Valkey) -> None:
    """If the answer is lost on its way, the same request is answered again, and one slot is used."""
    async with network(server) as (way, url):
        account = Redis(url).open(account="a", limits=Limits(per_second=10, per_day=9), clock=Clock())
        (await account.acquire(FRONT, Permits(8))).answered(0.01)
        await account.refresh()
        way.loses_answer = True
        (await account.acquire(FRONT, Permits(8))).answered(0.01)
        assert not way.loses_answer
        await account.refresh()
        assert account.used == 2
        await account.close()


async def test_a_process_without_the_network_sends_nothing(server: Valkey) -> None:
    """It waits for as long as it was told, says so, and goes on when the network is back; others are not held up."""
    async with network(server) as (way, url):
        cut = Redis(url, wait=0.3).open(account="a", limits=Limits(per_second=10), clock=Clock())
        other = server.account(per_second=10)
        for account in (cut, other):
            (await account.acquire(FRONT, Permits(8))).answered(0.01)
        await cut.refresh()
        way.cut()
        with pytest.raises(QuotaUnavailable, match="nothing was sent"):
            await cut.acquire(FRONT, Permits(8))
        (await other.acquire(FRONT, Permits(8))).answered(0.01)
        way.down = False
        (await cut.acquire(FRONT, Permits(8))).answered(0.01)
        await cut.refresh()
        await other.refresh()
        assert other.used == 4
        await cut.close()
        await other.close()
