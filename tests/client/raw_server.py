"""Servers that speak HTTP as badly as a test wants: each reply writes its own bytes."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]

JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def writes(data: bytes, *, close: bool = True) -> Reply:
    """A reply of exactly these bytes; the connection ends after it, or is kept for the next request."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        if close:
            writer.close()

    return reply


well = writes(JSON, close=False)
"""A reply as it should be."""


def resets(data: bytes = b"") -> Reply:
    """A reply that breaks off with a TCP reset."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        if data:
            writer.write(data)
            await asyncio.sleep(0.02)
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    return reply


def repeats(head: bytes, piece: bytes, pause: float = 0.0) -> Reply:
    """A reply that never ends."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return reply


async def hangs(_writer: asyncio.StreamWriter) -> None:
    """A reply that never comes."""
    await asyncio.get_running_loop().create_future()


@attrs.define
class RawServer:
    """What a server saw."""

    port: int
    scheme: str
    connections: int = 0
    heads: list[bytes] = attrs.Factory(list)
    bodies: list[bytes] = attrs.Factory(list)
    received: bytearray = attrs.Factory(bytearray)
    arrived: asyncio.Event = attrs.Factory(asyncio.Event)

    @property
    def url(self) -> str:
        """The base URL to give to a client."""
        return f"{self.scheme}://127.0.0.1:{self.port}/v1"

    @property
    def requests(self) -> int:
        """How many requests have arrived."""
        return len(self.heads)


@asynccontextmanager
async def raw_server(
    *replies: Reply, context: ssl.SSLContext | None = None, greeting: bytes = b""
) -> AsyncIterator[RawServer]:
    """Listen on 127.0.0.1; the n-th request gets the n-th reply, later ones the last.

    A greeting is all that a connection gets, before anything is read.
    """
    seen = RawServer(0, "http" if context is None else "https")
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        seen.connections += 1
        try:
            if greeting:
                writer.write(greeting)
                writer.close()
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                seen.heads.append(head)
                length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1])) if length else b""
                seen.bodies.append(body)
                seen.received += head + body
                seen.arrived.set()
                await replies[min(len(seen.heads), len(replies)) - 1](writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def certificate(directory: Path, *extensions: str, days: int = 1) -> ssl.SSLContext:
    """Make a self-signed certificate with its key and return a server's context with it."""
    key, cert = directory / "key.pem", directory / "cert.pem"
    subprocess.run(  # noqa: S603  # our own words
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        + ["-keyout", str(key), "-out", str(cert), "-days", str(days), "-subj", "/CN=localhost"]
        + [word for extension in extensions for word in ("-addext", extension)],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
