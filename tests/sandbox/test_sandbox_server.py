"""The box on real HTTP: what a plain aiohttp client sees of each fault, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from aiodoo.sandbox import Box, Fault, FaultRates, Sandbox, Settings, classic, serve, serve_forever

BROKEN = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)


async def until(condition: Callable[[], Any]) -> None:
    """Wait for something that nobody announces."""
    while not condition():  # noqa: ASYNC110  # nobody does
        await asyncio.sleep(0.001)


class Client:
    """Asks a sandbox over HTTP, each time on a connection of its own, so that aiohttp never repeats a request."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session
        self.headers = {"x-api-key": sandbox.api_key}

    async def ask(
        self, method: str, path: str, content: Any = None, **options: Any
    ) -> tuple[int, Any, bytes]:
        """Return status, headers and body."""
        url = self.sandbox.url + path
        async with self.session.request(method, url, json=content, headers=self.headers, **options) as answer:
            return answer.status, answer.headers, await answer.read()

    async def log_in(self) -> None:
        """Fetch a token."""
        own = {"client_id": self.sandbox.client_id, "client_secret": self.sandbox.client_secret}
        _, _, body = await self.ask("POST", "/oauth", own | {"grant_type": "client_credentials"})
        self.headers["Authorization"] = f"Bearer {json.loads(body)['data']['access_token']}"

    async def create(self, **options: Any) -> tuple[int, Any, bytes]:
        """Create a webhook in team 111."""
        return await self.ask("POST", "/team/111/webhooks", classic(), **options)

    async def list(self) -> list[Any]:
        """Return the webhooks of team 111."""
        _, _, body = await self.ask("GET", "/team/111/webhooks")
        webhooks: list[Any] = json.loads(body)["_embedded"]["webhooks"]
        return webhooks


@contextlib.asynccontextmanager
async def connected(box: Box | None = None, **options: Any) -> AsyncIterator[Client]:
    """Serve a box without limits and log in to it."""
    if box is None:
        options = {"plan": None} | options
    connector = aiohttp.TCPConnector(force_close=True)
    async with Sandbox(box, **options) as sandbox, aiohttp.ClientSession(connector=connector) as session:
        client = Client(sandbox, session)
        await client.log_in()
        yield client


async def test_a_life() -> None:
    """Over HTTP a webhook is created, listed and deleted, and the log has every request of it."""
    async with connected() as client:
        status, _, body = await client.create()
        webhook_id = json.loads(body)["data"]
        assert status == 200
        assert [webhook["id"] for webhook in await client.list()] == [webhook_id]
        assert [webhook["id"] for webhook in client.sandbox.live("111")] == [webhook_id]
        status, headers, body = await client.ask("DELETE", f"/webhooks/{webhook_id}")
        assert (status, body) == (204, b"")
        assert "Content-Type" not in headers
        assert await client.list() == []
        kinds = [entry.kind for entry in client.sandbox.log.requests]
        assert kinds == ["token", "create", "list", "delete", "list"]
        assert client.sandbox.count("list", 200) == 2


async def test_pages_are_asked_for_in_the_query() -> None:
    """The page is read from the query string, the path from what stands before it."""
    async with connected(webhooks_per_team=3, page_size=2) as client:
        _, _, body = await client.ask("GET", "/team/111/webhooks?page=2")
        assert json.loads(body)["page"] == 2
        assert (client.sandbox.log.requests[-1].path, client.sandbox.log.requests[-1].page) == (
            "/v1/team/111/webhooks",
            "2",
        )


@pytest.mark.parametrize("what", ["lost_before", "lost_after", "late", "reset"])
@pytest.mark.parametrize("stage", ["before_answer", "in_headers"])
async def test_broken_before_the_body(what: Any, stage: Any) -> None:
    """A connection that breaks before the body is an error of the connection."""
    async with connected() as client:
        client.sandbox.script(Fault(what, stage=stage, after=3600.0))
        with pytest.raises(BROKEN):
            await client.create()
        assert len(client.sandbox.live("111")) == (what in {"lost_after", "reset"})


@pytest.mark.parametrize("what", ["lost_before", "lost_after", "late", "reset"])
async def test_broken_in_the_body(what: Any) -> None:
    """A connection that breaks in the body has shown a status, and then an incomplete body."""
    async with connected() as client:
        client.sandbox.script(Fault(what, stage="in_body", after=3600.0))
        with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientOSError)):
            await client.create()
        assert len(client.sandbox.live("111")) == (what in {"lost_after", "reset"})


async def test_reset_is_a_reset() -> None:
    """A reset is a TCP reset and not an orderly end."""
    async with connected() as client:
        for what, error in (
            ("lost_before", aiohttp.ServerDisconnectedError),
            ("reset", aiohttp.ClientOSError),
        ):
            client.sandbox.script(Fault(what))
            with pytest.raises(error):
                await client.create()


async def test_no_answer() -> None:
    """A connection may stay open without a word until the client leaves; the server forgets it then."""
    async with connected() as client:
        client.sandbox.script(Fault("lost_after", stage="no_answer"))
        before = asyncio.all_tasks()
        asking = asyncio.create_task(client.create())
        await until(lambda: client.sandbox.count("create"))
        assert len(client.sandbox.live("111")) == 1
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await until(lambda: not asyncio.all_tasks() - before)


async def test_late() -> None:
    """What is late happens on the box's clock, whoever looks."""
    now = 0.0
    async with connected(clock=lambda: now) as client:
        client.sandbox.script(Fault("late", status=504, after=30.0))
        status, _, body = await client.create()
        assert (status, json.loads(body)["message"]) == (504, "Endpoint request timed out")
        assert await client.list() == []
        now = 30.0
        assert len(client.sandbox.live("111")) == 1


@pytest.mark.parametrize(
    ("fault", "status", "created"),
    [
        (Fault("error_acted", status=502), 502, 1),
        (Fault("error_not_acted", status=503, headers={"Retry-After": "3"}), 503, 0),
        (Fault("too_many"), 429, 0),
        (Fault("unauthorized"), 401, 0),
        (Fault("replaced", status=599, body=b"<html>"), 599, 1),
        (Fault("replaced", status=302, headers={"Location": "https://other.example/"}, acted=False), 302, 0),
        (Fault("envelope_lie", response_status=409), 200, 1),
        (Fault("slow", seconds=0.02), 200, 1),
        (Fault("truncated", content_length="matching", keep=0), 200, 1),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
async def test_answers_that_arrive(fault: Fault, status: int, created: int) -> None:
    """Faults that leave the connection alone arrive as an answer with their status."""
    async with connected() as client:
        client.sandbox.script(fault)
        answered, headers, body = await client.create(allow_redirects=False)
        assert answered == status
        assert len(client.sandbox.live("111")) == created
        assert fault.headers is None or headers.items() >= fault.headers.items()
        assert fault.body is None or body == fault.body
        assert client.sandbox.log.requests[-1].status == status


async def test_truncated() -> None:
    """A body shorter than its Content-Length is noticed by the client."""
    async with connected() as client:
        client.sandbox.script(Fault("truncated"))
        with pytest.raises(aiohttp.ClientPayloadError):
            await client.list()


async def test_stale_and_ignored() -> None:
    """Lists of the past and deletes without effect look like any other over HTTP."""
    now = 100.0
    async with connected(clock=lambda: now) as client:
        webhook_id = json.loads((await client.create())[2])["data"]
        now = 105.0
        client.sandbox.script(Fault("stale", seconds=10.0), Fault("delete_ignored"))
        assert await client.list() == []
        assert (await client.ask("DELETE", f"/webhooks/{webhook_id}"))[0] == 204
        assert len(await client.list()) == 1


async def test_no_http_at_all() -> None:
    """The server may answer with anything."""
    async with connected() as client:
        client.sandbox.script(Fault("replaced", wire=b"SSH-2.0-OpenSSH\r\n"))
        with pytest.raises(aiohttp.ClientResponseError):
            await client.create()


async def test_latency() -> None:
    """An answer over HTTP takes at least its latency."""
    async with connected(latency=lambda _: 0.05) as client:
        start = asyncio.get_running_loop().time()
        await client.create()
        assert asyncio.get_running_loop().time() - start >= 0.05


async def test_slow_body_comes_in_pieces() -> None:
    """A slow answer's body drips, and is complete in the end."""
    async with connected(webhooks_per_team=5) as client:
        client.sandbox.script(Fault("slow", seconds=0.2))
        url = client.sandbox.url + "/team/111/webhooks"
        async with client.session.get(url, headers=client.headers) as answer:
            pieces = [piece async for piece, _ in answer.content.iter_chunks()]
        assert len(pieces) > 1
        assert len(json.loads(b"".join(pieces))["_embedded"]["webhooks"]) == 5


async def test_connections_are_kept() -> None:
    """Without a fault one connection serves many requests."""
    made = 0

    async def count(*_: Any) -> None:
        nonlocal made
        made += 1

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(count)
    async with Sandbox(plan=None) as sandbox, aiohttp.ClientSession(trace_configs=[trace]) as session:
        for _ in range(3):
            async with session.get(sandbox.url + "/x") as answer:
                await answer.read()
    assert made == 1


def _sockets() -> set[str]:
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(str(link.readlink()))
    return {each for each in found if each.startswith("socket:")}


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts sockets the way Linux lists them")
async def test_nothing_stays_behind(caplog: pytest.LogCaptureFixture) -> None:
    """Closing cancels what hangs, drips or waits; no task, no socket and no complaint is left."""
    caplog.set_level(logging.INFO)
    tasks, sockets = asyncio.all_tasks(), _sockets()
    async with aiohttp.ClientSession() as session:
        async with Sandbox(plan=None, webhooks_per_team=9) as sandbox:
            client = Client(sandbox, session)
            await client.log_in()
            sandbox.script(
                Fault("lost_after", stage="no_answer"),
                Fault("slow", seconds=3600.0),
                Fault("slow", on="delete", seconds=3600.0),
            )
            asking = [asyncio.create_task(client.list()) for _ in range(2)]
            asking.append(asyncio.create_task(client.ask("DELETE", "/webhooks/x")))
            await until(lambda: sandbox.count() == 4)
        assert asyncio.all_tasks() - tasks <= set(asking)
        await asyncio.gather(*asking, return_exceptions=True)
    assert _sockets() <= sockets
    assert caplog.records == []


async def test_clients_that_leave(caplog: pytest.LogCaptureFixture) -> None:
    """A client that leaves before it has sent its body does no harm, and nothing is carried out."""
    async with connected() as client:
        host, port = client.sandbox.url.removeprefix("http://").removesuffix("/v1").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = "\r\n".join(f"{name}: {value}" for name, value in client.headers.items())
        writer.write(f"POST /v1/team/111/webhooks HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
        writer.write(b"Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert await client.list() == []
    assert caplog.records == []


async def test_a_box_of_ones_own() -> None:
    """A box made elsewhere can be served, with its settings and its clock where they are."""
    box = Box(plan=None, settings=Settings(epoch=1_800_000_000.0))
    box.advance(50.0)
    async with connected(box, clock=lambda: 60.0) as client:
        _, headers, _ = await client.create()
        assert parsedate_to_datetime(headers["Date"]).timestamp() == 1_800_000_060.0
        assert box.log.changes[0].time == 60.0
        client.sandbox.revoke_tokens()
        assert (await client.create())[0] == 401


async def test_date() -> None:
    """A sandbox has the machine's date, and goes on from wherever its box's clock has been put."""
    async with connected() as client:
        _, headers, _ = await client.create()
        assert abs(parsedate_to_datetime(headers["Date"]) - datetime.now(UTC)) < timedelta(days=1)
        client.sandbox.box.advance(1e6)
        _, headers, _ = await client.create()
        assert parsedate_to_datetime(headers["Date"]) - datetime.now(UTC) > timedelta(days=10)


async def test_second_actor() -> None:
    """Somebody else's changes are made at the time of the box's clock."""
    now = 7.0
    async with connected(clock=lambda: now) as client:
        first = client.sandbox.add_webhook("111", classic("first"))
        second = client.sandbox.foreign_create("111", classic("second"))
        client.sandbox.foreign_edit(first, classic("edited"))
        client.sandbox.foreign_delete(second)
        assert [webhook["name"] for webhook in await client.list()] == ["edited"]
        assert {change.time for change in client.sandbox.log.changes} == {7.0}
        assert client.sandbox.log.changes[2].digest != client.sandbox.digest(classic("edited"))


async def test_keys() -> None:
    """A second key has its own credentials and its own limits."""
    async with connected(plan=None) as client:
        own = client.sandbox.add_key()
        client.headers["x-api-key"] = own.api_key
        content = {
            "client_id": own.client_id,
            "client_secret": own.client_secret,
            "grant_type": "client_credentials",
        }
        client.sandbox.box.add_key(None)
        assert (await client.ask("POST", "/oauth", content))[0] == 200
        assert client.sandbox.log.requests[-1].key_id == "key-2"


def test_in_a_thread() -> None:
    """A test of any framework can serve a sandbox without a loop of its own."""
    before = threading.active_count()
    with serve(plan=None, organizations=2) as sandbox:
        assert sandbox.teams == ["111", "112"]
        assert [each.name for each in sandbox.organizations] == ["Organization 1", "Organization 2"]
        request = urllib.request.Request(  # noqa: S310  # a local URL
            sandbox.url + "/webhooks/1", headers={"X-Api-Key": sandbox.api_key}, method="DELETE"
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310  # a local URL
            assert answer.status == 204
        assert sandbox.count("delete") == 1
        url = sandbox.url
    assert threading.active_count() == before
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url)  # noqa: S310  # a local URL


def test_in_a_thread_on_a_taken_port() -> None:
    """A port that is taken is an error where the sandbox was to start, not in its thread."""
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match="address already in use"),
        serve(port=taken.getsockname()[1]),
    ):
        pytest.fail("it must not start")


async def test_run() -> None:
    """`run` serves until cancelled and says once where."""
    announced: list[Sandbox] = []
    running = asyncio.create_task(serve_forever(announce=announced.append, plan=None))
    await until(lambda: announced)
    (sandbox,) = announced
    assert len(sandbox.teams) == 12
    async with aiohttp.ClientSession() as session, session.get(sandbox.url + "/x") as answer:
        assert answer.status == 403
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", int(sandbox.url.split(":")[2].removesuffix("/v1")))


async def test_chance_over_http() -> None:
    """Under all faults at once the server answers something or breaks off, and never stumbles."""
    rates = FaultRates(
        **dict.fromkeys(["lost_before", "lost_after", "reset", "truncated", "error_acted"], 0.15)
    )
    async with connected() as client:
        client.sandbox.box.rates = rates
        outcomes = set()
        for _ in range(150):
            try:
                outcomes.add((await client.create())[0])
            except aiohttp.ClientError as error:
                outcomes.add(type(error).__name__)
        assert {200, 500, 502, "ServerDisconnectedError", "ClientPayloadError"} <= outcomes
        acted = sum(entry.acted for entry in client.sandbox.log.requests if entry.kind == "create")
        assert len(client.sandbox.live("111")) == acted


def test_a_connection_that_comes_at_its_end() -> None:
    """Whoever connects while the sandbox closes leaves no socket open."""
    for _ in range(20):
        with serve(plan=None) as box:
            socket.create_connection(("127.0.0.1", URL(box.url).port or 0)).close()
        gc.collect()
