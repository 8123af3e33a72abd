"""A box that cannot be reached for a while: without a network, and on a real port that refuses."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from typing import Any

import aiohttp
import pytest
from sandbox_asker import asker
from simulated import simulate
from simulated_doo import BoxTransport
from test_sandbox_server import Client, connected, until

import aiodoo
from aiodoo.sandbox import Box, Sandbox, serve


def port_of(sandbox: Sandbox) -> int:
    """Return where a sandbox listens."""
    return int(sandbox.url.rsplit(":", 1)[1].split("/")[0])


def connect(port: int) -> bool:
    """Return whether a connection is accepted."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_box_refuses_for_some_seconds() -> None:
    """Without a network it is an error of the operating system's kind, and nothing is counted or logged."""
    client = asker()
    requests = client.box.count()
    client.box.refuse_connections(2.5)
    client.now = 2.0
    with pytest.raises(ConnectionRefusedError):
        client.list("111")
    assert client.box.count() == requests
    client.now = 2.5
    assert client.ids("111") == []


def test_a_box_refuses_until_further_notice() -> None:
    """Without seconds it refuses until it is told to accept."""
    client = asker()
    client.box.refuse_connections()
    client.now = 1e9
    with pytest.raises(ConnectionRefusedError):
        client.list("111")
    assert client.box.refuses_connections()
    client.box.accept_connections()
    assert client.ids("111") == []


@pytest.mark.parametrize("on_its_way", [False, True])
def test_in_simulated_time_a_refused_request_was_not_sent(*, on_its_way: bool) -> None:
    """A session is told that doo has not seen it, also if the outage began while it was on its way."""

    async def main(clock: Any) -> None:
        box = Box(plan=None, latency=0.1)
        credentials = {"api_key": box.api_key, "client_id": box.client_id, "client_secret": box.client_secret}
        async with aiodoo.Session(
            **credentials,
            clock=clock,
            transport=BoxTransport(box, clock),
            limits=aiodoo.Limits(per_second=None),
        ) as doo:
            await doo.webhooks.list("111").collect()
            if on_its_way:
                asyncio.get_running_loop().call_later(0.01, box.refuse_connections)
            else:
                box.refuse_connections()
            with pytest.raises(aiodoo.TransportError) as refused:
                await doo.webhooks.delete("1")
            assert refused.value.sent is False
            assert box.count("delete") == 0

    simulate(main)


async def test_a_port_that_refuses() -> None:
    """The port refuses connections and is the same afterwards; the state is, too."""
    async with connected() as client:
        await client.create()
        port = port_of(client.sandbox)
        client.sandbox.refuse_connections()
        with pytest.raises(aiohttp.ClientConnectorError, match=r"refused|Connect call failed"):
            await client.list()
        assert not connect(port)
        client.sandbox.accept_connections()
        assert port_of(client.sandbox) == port
        assert len(await client.list()) == 1


async def test_a_port_that_refuses_for_some_seconds() -> None:
    """After the seconds it accepts by itself."""
    async with connected() as client:
        client.sandbox.refuse_connections(0.05)
        begun = time.monotonic()
        assert not connect(port_of(client.sandbox))
        await until(lambda: connect(port_of(client.sandbox)))
        assert time.monotonic() - begun >= 0.04
        assert await client.list() == []


async def test_the_port_is_kept() -> None:
    """A port that refuses is not free for others."""
    async with connected() as client:
        client.sandbox.refuse_connections()
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port_of(client.sandbox)))


async def test_refusing_and_accepting_in_quick_succession() -> None:
    """However fast it changes, what was said last holds."""
    async with connected() as client:
        for _ in range(3):
            client.sandbox.refuse_connections(60)
            client.sandbox.refuse_connections()
            client.sandbox.accept_connections()
            client.sandbox.accept_connections()
        assert await client.list() == []
        client.sandbox.refuse_connections()
        client.sandbox.accept_connections()
        client.sandbox.refuse_connections()
        await until(lambda: not connect(port_of(client.sandbox)))


async def test_idle_connections_are_closed_and_others_answered() -> None:
    """A connection that waits for nothing ends with the outage; one that waits for its answer gets it, then ends."""
    async with Sandbox(plan=None, latency=0.05) as sandbox, aiohttp.ClientSession() as session:
        client = Client(sandbox, session)
        await client.log_in()
        asking = asyncio.create_task(client.create())
        await until(lambda: sandbox.count("create"))
        sandbox.refuse_connections()
        status, _, _ = await asking
        assert status == 200
        with pytest.raises(aiohttp.ClientConnectorError):
            await client.list()


async def test_a_new_connection_is_closed_too() -> None:
    """A connection that has come to be, and has asked nothing yet, ends with the outage and does not hang."""
    async with connected() as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(client.sandbox))
        client.sandbox.refuse_connections()
        writer.write(b"GET /v1/team/111/webhooks HTTP/1.1\r\nHost: here\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


def test_from_another_thread() -> None:
    """A test that is not async refuses connections, and has them accepted, from its own thread."""
    with serve(plan=None) as sandbox:
        assert sandbox._thread != threading.get_ident()
        sandbox.refuse_connections()
        assert not connect(port_of(sandbox))
        sandbox.accept_connections()
        assert connect(port_of(sandbox))


async def test_an_outage_that_begins_with_a_request() -> None:
    """From the middle of a request on, nobody reaches the sandbox; that request is answered."""
    async with connected() as client:
        client.sandbox.before("create", client.sandbox.refuse_connections)
        assert (await client.create())[0] == 200
        with pytest.raises(aiohttp.ClientConnectorError):
            await client.list()


async def test_closing_while_it_refuses() -> None:
    """A sandbox that refuses can be closed, and gives its port back."""
    async with Sandbox(Box(plan=None)) as sandbox:
        sandbox.refuse_connections(3600)
    socket.create_server(("127.0.0.1", port_of(sandbox))).close()
    with pytest.raises(RuntimeError, match="not open"):
        sandbox.refuse_connections()


async def test_reset_on_the_same_port() -> None:
    """A reset sandbox is a fresh account on the same port with the same credentials, and reachable."""
    async with connected(webhooks_per_team=2) as client:
        await client.create()
        client.sandbox.refuse_connections()
        client.sandbox.reset()
        assert client.sandbox.count() == 0
        await client.log_in()
        assert [webhook["name"] for webhook in await client.list()] == [
            "Webhook 2 of team 111",
            "Webhook 1 of team 111",
        ]
