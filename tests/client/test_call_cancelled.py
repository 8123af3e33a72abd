"""Cancelled calls over real HTTP: no task, no socket and no slot stays behind."""

from __future__ import annotations

import asyncio
import gc
import random
import warnings
from pathlib import Path

import anyio
import pytest
from raw_server import hangs, raw_server, well
from wired import TEAM, client_of, create, delete, list_page, until, wired

from aiodoo.client.transport import HttpTransport
from aiodoo.errors import ConfigError, DooError, OutcomeUnknown
from aiodoo.quota import Limits
from aiodoo.sandbox import Sandbox

BUSY = Limits(per_second=500, per_day=None, concurrency=4)


def test_at_two_hundred_random_instants() -> None:
    """Whatever the instant, nothing stays and others are served: judged by tasks, descriptors, permits and warnings."""

    async def main() -> None:
        chance = random.Random(7)
        async with Sandbox(plan=None, latency=0.003) as box:
            async with wired(box, limits=BUSY) as client:
                for _ in range(200):
                    client._tokens.current = None
                    calls = [
                        asyncio.create_task(operation(client))  # type: ignore[arg-type]
                        for operation in (list_page, create, delete)
                        for _ in range(3)
                    ]
                    other = asyncio.create_task(list_page(client))
                    await asyncio.sleep(chance.uniform(0, 0.015))
                    for call in calls:
                        call.cancel()
                    ended = await asyncio.gather(*calls, return_exceptions=True)
                    assert not [each for each in ended if isinstance(each, DooError)]
                    await other
                    assert client._permits.held == 0
                await list_page(client)
                assert client._permits.held == 0
            assert not [task for task in asyncio.all_tasks() if "aiodoo" in task.get_name()]

    before = len(list(Path("/proc/self/fd").iterdir()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(main())
        gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("scope", ["task", "anyio scope", "asyncio timeout"])
async def test_it_is_never_swallowed(scope: str) -> None:
    """Cancelling the task, an anyio scope or a timeout of the caller ends the call at once and as usual."""
    async with raw_server(hangs) as server, Sandbox(plan=None) as box, wired(box) as client:
        await list_page(client)
        client._transport._base_url = server.url
        if scope == "task":
            task = asyncio.create_task(create(client))
            await server.arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        elif scope == "anyio scope":
            with anyio.move_on_after(0.1) as cancelled:
                await create(client)
            assert cancelled.cancelled_caught
        else:
            with pytest.raises(TimeoutError) as caught:
                async with asyncio.timeout(0.1):
                    await create(client)
            assert not isinstance(caught.value, DooError)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        assert server.requests == 1
        assert client._permits.held == 0


async def test_closing_while_calls_are_under_way() -> None:
    """Closing ends calls on the wire and calls that wait for a token, each with one of our errors."""
    async with raw_server(hangs) as server, Sandbox(plan=None) as box, wired(box) as client:
        client._transport._base_url = server.url
        calls = [asyncio.create_task(list_page(client)) for _ in range(5)]
        await server.arrived.wait()
        await client.close()
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(each) for each in ended} == {ConfigError}
        with pytest.raises(ConfigError, match="closed"):
            await create(client)
        assert server.requests == 1


async def half(writer: asyncio.StreamWriter) -> None:
    """Reply with the half of an answer; the rest never comes."""
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{"data":')
    await hangs(writer)


@pytest.mark.parametrize("stage", ["connecting", "before the answer", "within the answer"])
async def test_closing_ends_a_call_at_once_wherever_it_is(stage: str) -> None:
    """It does not wait for its time to run out; a change that doo may have seen is in doubt, and nothing else is."""
    async with raw_server(half if "within" in stage else hangs) as server, Sandbox(plan=None) as box:
        client = client_of(box, HttpTransport(box.url, connect=40.0))
        await list_page(client)
        # Who is asked for TLS and knows nothing of it lets the client wait for the connection.
        scheme = "https" if stage == "connecting" else "http"
        client._transport._base_url = server.url.replace("http", scheme, 1)
        calls = [asyncio.create_task(call(client, deadline=None)) for call in (list_page, create)]
        await until(lambda: server.connections == 2 and server.requests == (0 if scheme == "https" else 2))
        await asyncio.sleep(0.05)
        await client.close()
        _, going = await asyncio.wait(calls, timeout=20)
        assert not going
        read, created = (call.exception() for call in calls)
        assert isinstance(read, ConfigError)
        if stage == "connecting":
            assert isinstance(created, ConfigError)
        else:
            assert isinstance(created, OutcomeUnknown)
            assert "the session was closed" in str(created.cause)


async def test_closing_in_the_very_moment_in_which_a_calls_time_runs_out() -> None:
    """The connections are closed all the same, and the other calls end at once."""
    async with raw_server(hangs) as server, Sandbox(plan=None) as box, wired(box) as client:
        await list_page(client)
        transport = client._transport
        transport._base_url = server.url
        calls = [asyncio.create_task(create(client)) for _ in range(2)]
        await until(lambda: server.requests == 2)
        next(iter(transport._under_way)).reschedule(asyncio.get_running_loop().time())
        await asyncio.sleep(0)  # it has expired now, and its call has not heard of it
        await transport.close()
        assert transport._session.closed
        _, going = await asyncio.wait(calls, timeout=20)
        assert not going
        assert {type(call.exception()) for call in calls} == {OutcomeUnknown}


async def test_a_cancelled_create_was_perhaps_done() -> None:
    """Cancelling does not undo: the sandbox acts on what has arrived."""
    async with Sandbox(plan=None, latency=0.3) as box, wired(box) as client:
        await list_page(client)
        task = asyncio.create_task(create(client))
        await until(lambda: box.count("create"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(box.live(TEAM)) == 1


async def test_connections_are_used_again() -> None:
    """Ten calls in a row are one connection."""
    async with raw_server(well) as server, Sandbox(plan=None) as box, wired(box) as client:
        await list_page(client)
        client._transport._base_url = server.url
        for _ in range(10):
            await delete(client)
        assert (server.connections, server.requests) == (1, 10)
