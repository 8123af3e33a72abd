"""A listening port on 127.0.0.1 that can refuse connections and accept them again."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

HOST = "127.0.0.1"
_BACKLOG = 128


class Listener:
    """Listens on one port; not thread-safe.

    A port that refuses connections stays bound to a socket that does not listen, so that no other process gets it.
    """

    def __init__(self, protocol: Callable[[], asyncio.Protocol]) -> None:
        self._protocol = protocol
        self._server: asyncio.Server | None = None
        self._holding: socket.socket | None = None
        self._opening: asyncio.Task[None] | None = None
        self._refusing = False
        self.port = 0

    async def open(self, port: int) -> None:
        """Start to listen; port 0 selects a free one."""
        self._server = await asyncio.get_running_loop().create_server(self._protocol, HOST, port)
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Refuse new connections; open ones stay open."""
        self._refusing = True
        if self._server is None:
            # It refuses already, or `_serve` closes the server that it is about to create.
            return
        self._server.close()
        self._server = None
        self._holding = holding = socket.socket()
        holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holding.bind((HOST, self.port))

    def accept(self) -> None:
        """Accept connections again; they are served from the event loop's next iteration on."""
        self._refusing = False
        if self._holding is None:
            return
        self._holding.listen(_BACKLOG)
        self._holding.setblocking(False)  # required by create_server
        self._opening = asyncio.get_running_loop().create_task(self._serve(self._holding))
        self._holding = None

    async def _serve(self, listening: socket.socket) -> None:
        self._server = await asyncio.get_running_loop().create_server(self._protocol, sock=listening)
        if self._refusing:
            self.refuse()

    async def close(self) -> None:
        """Release the port."""
        if self._opening is not None:
            await self._opening
        if self._server is not None:
            self._server.close()
        if self._holding is not None:
            self._holding.close()
        self._server = self._holding = None
