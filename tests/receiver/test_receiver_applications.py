"""The receiver inside aiohttp, Starlette, FastAPI and alone under uvicorn, over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anyio
import pytest
import uvicorn
from fastapi import FastAPI
from serving import Doo, served
from starlette.applications import Starlette
from starlette.routing import Mount

from aiodoo.receiver import Delivery, Receiver


def receiver(seen: list[Any], **options: Any) -> Receiver:
    """Return a receiver that notes what it receives."""
    made = Receiver(**{"client_secrets": "right", **options})

    @made.on("event_created")
    async def created(delivery: Delivery) -> None:
        seen.append(delivery.data)

    return made


@asynccontextmanager
async def by_uvicorn(app: Any, path: str) -> AsyncIterator[Doo]:
    """Serve an ASGI application on a free port."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="on"))
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve)
        while not server.started:  # noqa: ASYNC110  # uvicorn tells it by an attribute
            await anyio.sleep(0.01)
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        try:
            async with aiohttp.ClientSession() as http:
                yield Doo(http, f"http://{host}:{port}{path}")
        finally:
            server.should_exit = True


@asynccontextmanager
async def by_framework(name: str, made: Receiver) -> AsyncIterator[Doo]:
    """Serve a receiver in one of the frameworks."""

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        async with made.working():
            yield

    if name == "aiohttp":
        serving = served(made)
    elif name == "uvicorn":
        serving = by_uvicorn(made.asgi(), "")
    elif name == "Starlette":
        serving = by_uvicorn(Starlette(routes=[Mount("/doo", app=made.asgi())], lifespan=lifespan), "/doo")
    else:
        app = FastAPI(lifespan=lifespan)
        app.mount("/doo", made.asgi())
        serving = by_uvicorn(app, "/doo")
    async with serving as doo:
        yield doo


@pytest.mark.parametrize("name", ["aiohttp", "uvicorn", "Starlette", "FastAPI"])
async def test_a_receiver_answers_the_same_in_every_framework(name: str) -> None:
    """Token request, delivery, refusals, and a stored delivery that is worked off while the application runs."""
    seen: list[Any] = []
    async with by_framework(name, receiver(seen, acknowledge_first=True, max_body=1000)) as doo:
        token = await doo.log_in("right")
        assert (await doo.token("wrong")).status == 401
        answer = await doo.deliver("/event_created", {"data": {"id": 1}}, token)
        assert (answer.status, answer.content_type) == (200, "application/json")
        assert set(await answer.json()) == {"message", "description"}
        assert (await doo.deliver("/event_created", {"id": 1}, "other")).status == 401
        assert (await doo.deliver("/event_created", "x" * 1000, token)).status == 413
        assert (await doo.deliver("/nothing", {}, token)).status == 404
        refused = await doo.http.get(f"{doo.url}/event_created")
        assert (refused.status, refused.headers["Allow"]) == (405, "POST")
        with anyio.fail_after(60):
            while not seen:  # noqa: ASYNC110  # worked off in the background
                await anyio.sleep(0.01)
    assert seen == [{"id": 1}]


@pytest.mark.parametrize(
    ("root", "path"),
    [
        ("", "/event_created"),
        ("/doo", "/event_created"),
        ("/doo", "/doo/event_created"),
        ("/api/v1/doo", "/doo/event_created"),
        ("/api/v1/doo", "/api/v1/doo/event_created"),
        ("/api/v1/doo/", "/doo/event_created/"),
        ("/event_created", "/event_created"),
    ],
)
async def test_a_path_is_understood_with_and_without_those_of_mounts_and_proxies(
    root: str, path: str
) -> None:
    """A framework says where the receiver is mounted, but not whether the path still has it, or a proxy's prefix."""
    seen: list[Any] = []
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "root_path": root, "headers": []}
    await receiver(seen, client_secrets=None).asgi()(scope, receive, send)
    assert (sent[0]["status"], seen) == (200, [{}])


@pytest.mark.parametrize("name", ["aiohttp", "uvicorn"])
async def test_a_body_that_is_too_large_is_not_read_to_its_end(name: str) -> None:
    """Its length is not believed: a body that comes in chunks is cut at the limit."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield b"x" * 100_000

    async with by_framework(name, receiver([], max_body=1000)) as doo:
        token = await doo.log_in("right")
        headers = {"Authorization": f"Bearer {token}"}
        try:
            answer = await doo.http.post(f"{doo.url}/event_created", data=endless(), headers=headers)
            assert answer.status == 413
        except aiohttp.ClientConnectionError:
            pass  # The server has closed the connection while the client still wrote.
        assert (await doo.deliver("/event_created", {}, token)).status == 200


@pytest.mark.parametrize("name", ["aiohttp", "uvicorn"])
async def test_two_hundred_slow_clients_keep_nobody_waiting(name: str) -> None:
    """Clients that send half a body and stop are answered with 408; meanwhile others are served."""
    seen: list[Any] = []
    async with by_framework(name, receiver(seen, read_timeout=0.5)) as doo:
        token = await doo.log_in("right")
        host, port = doo.url.split("/")[2].split(":")
        path = "/" + doo.url.split("/", 3)[3] if doo.url.count("/") > 2 else ""
        head = (
            f"POST {path}/event_created HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            "Content-Length: 100\r\n\r\nhalf"
        ).encode()
        answers: list[bytes] = []

        async def slow() -> None:
            async with await anyio.connect_tcp(host, int(port)) as stream:
                await stream.send(head)
                answers.append((await stream.receive())[:12])

        async with anyio.create_task_group() as group:
            for _ in range(200):
                group.start_soon(slow)
            assert (await doo.deliver("/event_created", {"id": 1}, token)).status == 200
    assert seen == [{"id": 1}]
    assert answers == [b"HTTP/1.1 408"] * 200
