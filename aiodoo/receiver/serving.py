"""Serves a receiver alone on this machine, and forwards deliveries: for `aiodoo listen` and for experiments."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import aiohttp
from aiohttp import web

from aiodoo.receiver.delivery import Delivery
from aiodoo.receiver.receiver import Receiver

HOST = "127.0.0.1"

_TIMEOUT = aiohttp.ClientTimeout(total=15.0)


@asynccontextmanager
async def serve(receiver: Receiver, *, port: int = 0) -> AsyncIterator[str]:
    """Serve a receiver on 127.0.0.1 while the context is open; yield its base URL.

    Args:
        receiver: the receiver.
        port: the port; 0 selects a free one.

    Raises:
        OSError: the port cannot be used.
    """
    runner = web.AppRunner(receiver.application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        yield f"http://{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class NotForwarded(Exception):
    """The other endpoint did not answer with 200."""


class Forward:
    """Sends deliveries on to another endpoint, while its context is open.

    Args:
        url: the endpoint; it gets the body as doo has sent it, without doo's token.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=_TIMEOUT)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._http is not None:
            await self._http.close()

    async def send(self, delivery: Delivery) -> None:
        """Send one delivery on.

        Raises:
            NotForwarded: the endpoint did not answer with 200; doo is then told the same, and sends it again.
        """
        assert self._http is not None  # noqa: S101  # it is open
        headers = {"Content-Type": "application/json", "X-Doo-Hook-Type": delivery.type}
        try:
            async with self._http.post(
                self._url, data=delivery.body, headers=headers, allow_redirects=False
            ) as answer:
                status = answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotForwarded(f"no answer ({type(error).__name__})") from None
        if status != 200:
            raise NotForwarded(f"answered {status}")
