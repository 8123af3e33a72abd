"""Restricts a client to one event loop of one process, until it is closed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import attrs

from aiodoo.errors import SESSION_CLOSED, ConfigError
from aiodoo.event_loop import running_loop
from aiodoo.offload import wait_uncancelled


@attrs.define(eq=False, repr=False)
class Lifetime:
    """Whether a client can be used; shared by all of its views."""

    _loop: asyncio.AbstractEventLoop | None = attrs.field(default=None, init=False)
    _process: int | None = attrs.field(default=None, init=False)
    _closed: bool = attrs.field(default=False, init=False)
    _ending: asyncio.Future[None] | None = attrs.field(default=None, init=False)

    def check(self) -> None:
        """Raise ConfigError if the client was closed, or is used from another event loop or process."""
        if self._closed:
            raise ConfigError(SESSION_CLOSED)
        try:
            if asyncio.get_running_loop() is self._loop and os.getpid() == self._process:
                return
        except RuntimeError:  # no event loop is running
            pass
        self._check_loop()

    async def end(self, release: Callable[[], Awaitable[None]]) -> None:
        """Close the client by calling `release`, once; a cancelled caller still waits."""
        self._check_loop()
        self._closed = True
        if self._ending is None:
            self._ending = asyncio.ensure_future(release())
        await wait_uncancelled(self._ending)
        self._ending.result()

    def _check_loop(self) -> None:
        """Bind to the first event loop, as locks and connections work in no other one.

        A forked process is refused as well: both would write to one connection, and use a quota twice.
        """
        running, process = running_loop(), os.getpid()
        if self._loop is None:
            self._loop, self._process = running, process
        if process != self._process:
            raise ConfigError(
                "this Session was in use when this process was forked, and nothing was sent; "
                "open and close one Session in each process"
            )
        if running is not self._loop:
            raise ConfigError(
                "this Session belongs to another event loop and nothing was sent; "
                "open and close one Session in each event loop"
            )
