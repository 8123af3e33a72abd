"""What a delivery costs a receiver beside an aiohttp handler that makes the same checks by hand.

Usage: python benchmarks/receiver.py [--deliveries 3000] [--rounds 5]

Both are served by a process of their own, and asked in turns. Compared is the CPU time of the server for each delivery:
the token in constant time, the size of the body, JSON, the envelope, and an answer with a message and a description.
Exit code 1 if the goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import multiprocessing
import secrets
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
import profiles
from aiohttp import web
from figures import goal, header, told

from aiodoo.receiver import Delivery, Receiver

GOAL = 1.5
BODY = json.dumps(
    {"data": {"event": {"id": 4711, "title": "Fair", "startDate": "2026-01-01", "endDate": "2026-01-02"}}}
)
SECRET = secrets.token_hex(16)


def with_receiver() -> web.Application:
    """Return the application of a receiver."""
    receiver = Receiver(client_secrets=SECRET)

    @receiver.on("event_created")
    async def created(delivery: Delivery) -> None:
        """Take it."""

    return receiver.application()


def by_hand() -> web.Application:
    """Return an application that makes the same checks."""
    issued: dict[bytes, float] = {}

    async def token(request: web.Request) -> web.Response:
        form = await request.post()
        if not secrets.compare_digest(str(form["client_secret"]).encode(), SECRET.encode()):
            return web.json_response({"message": "Unauthorized", "description": ""}, status=401)
        made = secrets.token_urlsafe(32)
        issued[hashlib.sha256(made.encode()).digest()] = time.time() + 3600
        return web.json_response({"access_token": made, "message": "OK", "description": ""})

    async def created(request: web.Request) -> web.Response:
        given = request.headers.getall("Authorization", [])
        if len(given) != 1 or not given[0].startswith("Bearer "):
            return web.json_response({"message": "Unauthorized", "description": ""}, status=401)
        if issued.get(hashlib.sha256(given[0][7:].encode()).digest(), 0.0) < time.time():
            return web.json_response({"message": "Unauthorized", "description": ""}, status=401)
        body = await request.read()
        if len(body) > 1 << 20:
            return web.json_response({"message": "Too large", "description": ""}, status=413)
        try:
            document = json.loads(body)
        except ValueError:
            return web.json_response({"message": "Not readable", "description": ""}, status=400)
        document = document["data"] if set(document) == {"data"} else document
        async with asyncio.timeout(20):
            await asyncio.sleep(0) if document is None else None
        return web.json_response({"message": "OK", "description": "The delivery was handled."})

    app = web.Application(client_max_size=(1 << 20) + 1)
    app.router.add_post("/token", token)
    app.router.add_post("/event_created", created)
    return app


def serve(make: Callable[[], web.Application], pipe: Connection, *, profiled: bool) -> None:
    """Serve an application, and answer each message with the CPU time so far, or the profile since the one before."""

    async def main() -> None:
        runner = web.AppRunner(make(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipe.send(runner.addresses[0][1])
        while await asyncio.to_thread(pipe.recv):
            if not profiled:
                pipe.send(time.process_time())
                continue
            with profiles.Profile() as profile:
                pipe.send(None)
                deliveries = await asyncio.to_thread(pipe.recv)
            pipe.send(profile.rows(deliveries))
        await runner.cleanup()

    asyncio.run(main())


async def deliver(port: int, deliveries: int) -> None:
    """Send that many deliveries, eight at a time."""
    left = iter(range(deliveries))
    async with aiohttp.ClientSession() as http:
        form = {"client_id": "doo", "client_secret": SECRET, "grant_type": "client_credentials"}
        async with http.post(f"http://127.0.0.1:{port}/token", data=form) as answer:
            token = (await answer.json())["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

        async def sender() -> None:
            for _ in left:
                async with http.post(
                    f"http://127.0.0.1:{port}/event_created", data=BODY, headers=headers
                ) as answer:
                    await answer.read()
                    assert answer.status == 200  # noqa: S101  # a wrong answer costs less

        await asyncio.gather(*[sender() for _ in range(8)])


@contextmanager
def served(*, profiled: bool = False) -> Iterator[dict[str, tuple[int, Connection]]]:
    """Serve both; yield the port and the pipe of each."""
    pipes: dict[str, tuple[int, Connection]] = {}
    processes = []
    for name, make in (("by hand", by_hand), ("receiver", with_receiver)):
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(
            target=serve, args=(make, theirs), kwargs={"profiled": profiled}
        )
        process.start()
        processes.append(process)
        pipes[name] = ours.recv(), ours
    yield pipes
    for _, pipe in pipes.values():
        pipe.send(0)
    for process in processes:
        process.join()


def asked(port: int, pipe: Connection, deliveries: int) -> tuple[Any, Any]:
    """Deliver; return what the server said before and after."""
    pipe.send(1)
    before = pipe.recv()
    asyncio.run(deliver(port, deliveries))
    pipe.send(deliveries)
    return before, pipe.recv()


def measure(deliveries: int, rounds: int) -> dict[str, list[float]]:
    """Return microseconds of CPU per delivery, round by round."""
    found: dict[str, list[float]] = {"by hand": [], "receiver": []}
    with served() as pipes:
        for turn in range(rounds + 1):
            for name in sorted(pipes, reverse=turn % 2 == 0):
                before, after = asked(*pipes[name], deliveries)
                if turn:  # the first round warms up
                    found[name].append((after - before) / deliveries * 1e6)
    return found


def explain(deliveries: int) -> None:
    """Print where the difference comes from."""
    with served(profiled=True) as pipes:
        theirs, ours = (asked(*pipe, deliveries)[1] for pipe in pipes.values())
    profiles.show("a delivery", ("by hand", "receiver"), theirs, ours)


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--deliveries", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    header("aiohttp")
    found = measure(given.deliveries, given.rounds)
    for name, each in found.items():
        print(f"{name:<10} {told(each, '.1f')} us of CPU a delivery")
    ratios = [ours / theirs for ours, theirs in zip(found["receiver"], found["by hand"], strict=True)]
    met = goal(f"ratio      {told(ratios, '.2f')}   at most {GOAL}", met=statistics.median(ratios) <= GOAL)
    if not met:
        explain(given.deliveries)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
