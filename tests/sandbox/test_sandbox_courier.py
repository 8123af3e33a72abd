"""What the sandbox makes of what endpoints answer to it, over real HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from aiodoo.sandbox import Sandbox, Settings


async def delivered_after(tokens: list[bytes], count: int = 2) -> tuple[list[int | str], str]:
    """Return what came of a delivery whose token request is answered in these pieces, and the state of the next one."""

    async def token(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for piece in tokens:
            await answer.write(piece)
            await asyncio.sleep(0.02)
        return answer

    async def receive(request: web.Request) -> web.Response:
        assert request.headers.get("Authorization", "Bearer it") == "Bearer it"
        return web.Response()

    app = web.Application()
    app.router.add_post("/token", token)
    app.router.add_post("/receive", receive)
    settings = Settings(delivery_pause=0.0, delivery_attempts=count)
    async with (
        TestServer(app) as server,
        Sandbox(organizations=1, webhooks_per_team=0, plan=None, settings=settings) as box,
    ):
        login = {
            "endpoint": str(server.make_url("/token")),
            "grant_type": "client_credentials",
            "credentials": {"client_id": "doo", "client_secret": "x"},
            "header_format": "Authorization",
            "header_value_format": "Bearer %ACCESS_TOKEN%",
        }
        for name, more in (("event_created", {"authentication": login}), ("event_updated", {})):
            hook: Any = {"type": name, "method": "POST", "endpoint": str(server.make_url("/receive"))}
            box.add_webhook("111", {"name": name, "hooks": [hook], **more})
        with anyio.fail_after(60):
            [first] = box.deliveries.fire("event_created", {"id": 1})
            await box.deliveries.settled()
            [second] = box.deliveries.fire("event_updated", {"id": 1})
            await box.deliveries.settled()
        return first.attempts, second.state


async def test_a_token_may_arrive_in_pieces() -> None:
    """The answer is read to its end."""
    assert await delivered_after([b'{"access_', b'token": "it"}']) == ([200], "delivered")


@pytest.mark.parametrize(
    "answer",
    [
        b"{}",
        b"[]",
        b"",
        b"{",
        b'{"access_token": 1}',
        b'{"access_token": ' + b"[" * 50_000,
        b'{"a": "\\ud800"}',
    ],
)
async def test_an_answer_without_a_token_is_a_failure(answer: bytes) -> None:
    """It counts as one of the attempts, and the deliveries after it are sent."""
    assert await delivered_after([answer]) == (["token without access_token"] * 2, "delivered")


@pytest.mark.parametrize("token", [b"a\\nb", b"\\u0000"])
async def test_a_token_that_no_header_can_carry_is_a_failure(token: bytes) -> None:
    """Nothing is sent with half a header, and the deliveries after it are sent."""
    assert await delivered_after([b'{"access_token": "' + token + b'"}']) == (["no answer"] * 2, "delivered")


async def test_a_reset_ends_the_loss_of_answers_and_every_wait() -> None:
    """What is waited for then will never be sent, and the next delivery arrives at once."""

    async def receive(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_post("/receive", receive)
    async with TestServer(app) as server, Sandbox(organizations=1, plan=None, delivery_pause=1000.0) as box:
        hook = {"type": "event_created", "method": "POST", "endpoint": str(server.make_url("/receive"))}
        box.add_webhook("111", {"name": "app", "hooks": [hook]})
        box.deliveries.lose_answers(every=1)
        with anyio.fail_after(60):
            [first] = box.deliveries.fire("event_created", {"id": 1})
            waiting = asyncio.create_task(asyncio.to_thread(box.deliveries.wait, 30))
            while not first.attempts:  # noqa: ASYNC110  # over real HTTP
                await anyio.sleep(0.01)
            box.reset()
            await waiting
            box.add_webhook("111", {"name": "app", "hooks": [hook]})
            [second] = box.deliveries.fire("event_created", {"id": 2})
            while not second.attempts:  # noqa: ASYNC110  # over real HTTP
                await anyio.sleep(0.01)
        assert (first.attempts, second.attempts) == (["no answer"], [200])
