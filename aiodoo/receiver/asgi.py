"""The receiver as an ASGI application, mounted in a framework or served alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Protocol

import attrs

from aiodoo.receiver.exchange import ReceivedRequest, ReceiverAnswer

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Responder(Protocol):
    """What answers requests: a receiver."""

    async def respond(self, request: ReceivedRequest) -> ReceiverAnswer:
        """Answer one request."""
        ...

    def working(self) -> AbstractAsyncContextManager[None]:
        """Return the context in which stored deliveries are handled."""
        ...


@attrs.frozen
class ASGIApplication:
    """Serves a receiver by ASGI 3.

    A server that serves it alone opens and closes `receiver.working()`. A mounted application gets no such notice from most
    frameworks, so that their own lifespan has to open it.
    """

    _receiver: Responder

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or follow the server's lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._respond(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _respond(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        path, root = scope["path"], scope.get("root_path", "").rstrip("/")
        request = ReceivedRequest(
            method=scope["method"],
            path=_below(root, path),
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
            read=_reader(receive),
        )
        answer = await self._receiver.respond(request)
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(answer.body)),
            **answer.headers,
        }
        encoded = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
        await send({"type": "http.response.body", "body": answer.body})

    async def _live(self, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as stack:
            await receive()
            try:
                await stack.enter_async_context(self._receiver.working())
            except Exception as error:  # noqa: BLE001  # the server tells it
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def _below(root: str, path: str) -> str:
    """Return the path below the mount that `root` ends with.

    Frameworks differ in whether the path still has the mount's, and whether it has what a proxy has removed.
    """
    while root:
        if path.startswith(f"{root}/"):
            return path[len(root) :]
        root = root[root.find("/", 1) :] if "/" in root[1:] else ""
    return path


def _reader(receive: Receive) -> Callable[[int], Awaitable[bytes]]:
    async def read(limit: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        while size <= limit:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError("the client has gone before its body was whole")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if not message.get("more_body", False):
                break
        return b"".join(parts)

    return read
