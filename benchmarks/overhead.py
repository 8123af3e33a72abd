"""What aiodoo costs beside raw aiohttp and orjson: client CPU for a typed list page and for a create.

Both contenders ask the same minimal server, which runs in a process of its own and answers with fixed bytes.
Each measurement is a fresh process; the contenders take turns, and ratios are taken round by round.

    python benchmarks/overhead.py --rounds 5 --requests 3000
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import platform
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import Any

import aiohttp
import orjson
from aiohttp import web

import aiodoo
from aiodoo.sandbox import Box, Request, graphql

TEAM = "111"
CASES = ("list", "create")
CONTENDERS = ("raw", "aiodoo")
REACH = {"list": 1.5, "create": 1.8}
Ask = Callable[[], Awaitable[object]]


def answers() -> dict[str, bytes]:
    """Let the sandbox write one answer of each kind, once: a token, a page of 25, an id."""
    box = Box(organizations=1, webhooks_per_team=25, plan=None)
    headers = {"x-api-key": box.api_key, "Content-Type": "application/json"}
    login = {
        "client_id": box.client_id,
        "client_secret": box.client_secret,
        "grant_type": "client_credentials",
    }
    token = box.handle(Request("POST", "/v1/oauth", {}, headers, orjson.dumps(login)), 0.0).body
    headers["Authorization"] = f"Bearer {orjson.loads(token)['data']['access_token']}"
    path = f"/v1/team/{TEAM}/webhooks"
    page = box.handle(Request("GET", path, {}, headers, b""), 0.0).body
    created = box.handle(Request("POST", path, {}, headers, orjson.dumps(graphql())), 0.0).body
    return {"token": token, "list": page, "create": created}


async def serve() -> None:
    """Answer with fixed bytes until standard input ends; say first where, and how large a page is."""
    bodies = answers()

    async def handle(request: web.BaseRequest) -> web.Response:
        if request.body_exists:
            await request.read()
        kind = "list" if request.method == "GET" else "token" if request.path.endswith("/oauth") else "create"
        return web.Response(body=bodies[kind], content_type="application/json")

    runner = web.ServerRunner(web.Server(handle, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(json.dumps([runner.addresses[0][1], len(bodies["list"])]), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


async def raw(stack: AsyncExitStack, base_url: str, case: str) -> Ask:
    """The least that can be done: send, read, parse."""
    session = await stack.enter_async_context(
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            headers={
                "x-api-key": secrets.token_hex(20),
                "Authorization": f"Bearer {secrets.token_hex(20)}",
                "Content-Type": "application/json",
            },
        )
    )
    url = f"{base_url}/team/{TEAM}/webhooks"
    content = graphql()

    async def list_page() -> object:
        async with session.get(url) as response:
            return orjson.loads(await response.read())

    async def create() -> object:
        async with session.post(url, data=orjson.dumps(content)) as response:
            return orjson.loads(await response.read())

    return list_page if case == "list" else create


async def typed(stack: AsyncExitStack, base_url: str, case: str) -> Ask:
    """The same through aiodoo, its limits lifted."""
    doo = await stack.enter_async_context(
        aiodoo.Session(
            base_url=base_url,
            api_key=secrets.token_hex(20),
            client_id="benchmark",
            client_secret=secrets.token_hex(20),
            limits=aiodoo.Limits(per_second=None, per_day=None, concurrency=16),
        )
    )
    config = aiodoo.AddWebhook.from_dict(graphql())

    async def list_page() -> object:
        async for page in doo.webhooks.list(TEAM).pages():
            if len(page.items) != 25:
                raise RuntimeError("the page was not read")
        return None

    async def create() -> object:
        return await doo.webhooks.create(TEAM, config)

    return list_page if case == "list" else create


async def measure(contender: str, case: str, base_url: str, requests: int, concurrency: int) -> float:
    """Return the CPU time of this process for one request, in microseconds."""
    async with AsyncExitStack() as stack:
        ask = await (raw if contender == "raw" else typed)(stack, base_url, case)

        async def work(count: int) -> None:
            for _ in range(count):
                await ask()

        async def all_of(count: int) -> None:
            await asyncio.gather(*(work(count // concurrency) for _ in range(concurrency)))

        await all_of(max(requests // 10, concurrency))
        gc.collect()
        begun = time.process_time()
        await all_of(requests)
        return (time.process_time() - begun) / (requests // concurrency * concurrency) * 1e6


def measured(contender: str, case: str, base_url: str, requests: int, concurrency: int) -> float:
    """Measure in a process of its own."""
    arguments = [contender, case, base_url, str(requests), str(concurrency)]
    command = [sys.executable, __file__, "--measure", *arguments]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)  # noqa: S603  # ourselves


def spread(values: list[float], digits: int) -> str:
    """Write a median with its minimum and maximum."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def compare(base_url: str, rounds: int, requests: int, concurrencies: list[int]) -> None:
    """Measure everything and print a line for each case."""
    print("case    tasks  raw us               aiodoo us            aiodoo / raw       reach")
    for case in CASES:
        for concurrency in concurrencies:
            cost: dict[str, list[float]] = {contender: [] for contender in CONTENDERS}
            for _ in range(rounds):
                for contender in CONTENDERS:
                    cost[contender].append(measured(contender, case, base_url, requests, concurrency))
            ratios = [ours / theirs for theirs, ours in zip(cost["raw"], cost["aiodoo"], strict=True)]
            ok = "yes" if statistics.median(ratios) <= REACH[case] else "NO"
            print(
                f"{case:7} {concurrency:5}  {spread(cost['raw'], 0):20} {spread(cost['aiodoo'], 0):20} "
                f"{spread(ratios, 2):18} {REACH[case]}: {ok}",
                flush=True,
            )


def main() -> None:
    """Read the command line, start the server, compare, and stop the server."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[16, 1])
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
        return
    if options.measure:
        contender, case, base_url, requests, concurrency = options.measure
        print(asyncio.run(measure(contender, case, base_url, int(requests), int(concurrency))))
        return
    server: subprocess.Popen[str] = subprocess.Popen(  # noqa: S603  # ourselves
        [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with server:
        assert server.stdin is not None and server.stdout is not None  # noqa: S101, PT018  # piped
        port, size = json.loads(server.stdout.readline())
        versions: dict[str, Any] = {
            name: version(name) for name in ("aiohttp", "orjson", "msgspec", "aiodoo")
        }
        print(f"python benchmarks/overhead.py --rounds {options.rounds} --requests {options.requests}")
        print(
            f"Python {platform.python_version()}, " + ", ".join(f"{name} {v}" for name, v in versions.items())
        )
        print(
            f"client CPU time for one request, median (min-max) of {options.rounds}; a list page has {size} bytes\n"
        )
        compare(f"http://127.0.0.1:{port}/v1", options.rounds, options.requests, options.concurrency)
        server.stdin.close()


if __name__ == "__main__":
    main()
