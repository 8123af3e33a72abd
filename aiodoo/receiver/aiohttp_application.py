"""The receiver as an aiohttp application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from aiohttp import web

from aiodoo.receiver.exchange import ReceivedRequest

if TYPE_CHECKING:
    from aiodoo.receiver.asgi import Responder


def application(receiver: Responder) -> web.Application:
    """Return an application for `add_subapp`, which handles stored deliveries while the main application runs."""

    async def respond(request: web.Request) -> web.Response:
        async def read(limit: int) -> bytes:
            parts: list[bytes] = []
            size = 0
            while size <= limit and (part := await request.content.readany()):
                parts.append(part)
                size += len(part)
            return b"".join(parts)

        answer = await receiver.respond(
            ReceivedRequest(
                method=request.method,
                path=f"/{request.match_info['path']}",
                headers=list(request.headers.items()),
                read=read,
            )
        )
        return web.Response(
            status=answer.status, body=answer.body, headers=answer.headers, content_type="application/json"
        )

    async def working(_: web.Application) -> AsyncIterator[None]:
        async with receiver.working():
            yield

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", respond)
    app.cleanup_ctx.append(working)
    return app
