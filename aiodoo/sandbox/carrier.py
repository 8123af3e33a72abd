"""Sends an answer over a socket: whole, cut off, slowly, or as raw bytes."""

from __future__ import annotations

import asyncio
import socket
import struct

from aiohttp import web

from aiodoo.sandbox.wire import Answer, write_head

_PIECES = 20
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


async def carry(answer: Answer, request: web.BaseRequest) -> web.Response:
    """Send an answer, or return it as a response for aiohttp to send.

    Answers that aiohttp cannot produce are written to the transport, which is closed then; the returned response is not
    sent. The task is cancelled when the client disconnects or the sandbox closes.
    """
    if answer.delay > answer.drip:
        await asyncio.sleep(answer.delay - answer.drip)
    if answer.drop is None and answer.wire is None and not answer.drip:
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body or None)
    if answer.drop == "no_answer":
        await asyncio.get_running_loop().create_future()
    transport = request.transport
    if transport is not None:
        await _write(answer, transport)
        _end(transport, reset=answer.reset)
    return web.Response()


async def _write(answer: Answer, transport: asyncio.Transport) -> None:
    head = write_head(answer.status, answer.headers, len(answer.body))
    if answer.wire is not None:
        transport.write(answer.wire)
    elif answer.drop == "in_headers":
        transport.write(head[: len(head) // 2])
    elif answer.drop == "in_body":
        transport.write(head + answer.body[: len(answer.body) // 2])
    elif answer.drop is None:
        transport.write(head)
        size = max(1, -(-len(answer.body) // _PIECES))
        for start in range(0, len(answer.body), size):
            await asyncio.sleep(answer.drip / _PIECES)
            transport.write(answer.body[start : start + size])


def _end(transport: asyncio.Transport, *, reset: bool) -> None:
    if not reset:
        transport.close()
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()
