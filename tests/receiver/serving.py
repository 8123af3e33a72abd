"""Serves a receiver over real HTTP, and asks it as doo does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import attrs
from aiohttp import web

from aiodoo.receiver import ReceivedRequest, Receiver, ReceiverAnswer


@attrs.frozen
class Doo:
    """Sends token requests and deliveries to a URL, as doo does."""

    http: aiohttp.ClientSession
    url: str

    async def token(self, client_secret: str, **fields: str) -> aiohttp.ClientResponse:
        """Ask for a token."""
        form = {
            "client_id": "doo",
            "client_secret": client_secret,
            "grant_type": "client_credentials",
            **fields,
        }
        answer = await self.http.post(f"{self.url}/token", data=form)
        await answer.read()
        return answer

    async def deliver(self, path: str, document: Any, token: str | None = None) -> aiohttp.ClientResponse:
        """Send a delivery with a token."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        answer = await self.http.post(self.url + path, json=document, headers=headers)
        await answer.read()
        return answer

    async def log_in(self, client_secret: str) -> str:
        """Return a token."""
        answer = await self.token(client_secret)
        assert answer.status == 200, answer
        return str((await answer.json())["access_token"])


@asynccontextmanager
async def served(receiver: Receiver, *, below: str = "/doo") -> AsyncIterator[Doo]:
    """Serve a receiver in an aiohttp application on a free port."""
    main = web.Application()
    main.add_subapp(below, receiver.application())
    runner = web.AppRunner(main)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        async with aiohttp.ClientSession() as http:
            yield Doo(http, f"http://{host}:{port}{below}")
    finally:
        await runner.cleanup()


async def asked(
    receiver: Receiver,
    path: str,
    body: bytes = b"{}",
    *,
    method: str = "POST",
    headers: list[tuple[str, str]] | None = None,
) -> ReceiverAnswer:
    """Return what a receiver answers to a request, without HTTP."""

    async def read(_: int) -> bytes:
        return body

    return await receiver.respond(ReceivedRequest(method=method, path=path, headers=headers or [], read=read))
