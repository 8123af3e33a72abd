"""Where file work is done: in a thread of its own, or, in simulated time, at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import anyio

from aiodoo.errors import SESSION_CLOSED, ConfigError

T = TypeVar("T")


class Worker(Protocol):
    """Does work that would block the event loop, one piece after the other."""

    def do(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Do it and return a future of what it returns; once begun it is finished, whoever is cancelled meanwhile."""
        ...

    async def close(self) -> None:
        """Do nothing more after the last piece, and return when that is done; so does every further call."""
        ...


class ThreadWorker:
    """Does its work in a thread of its own, which is started with the first piece and does not come along in a fork."""

    __slots__ = ("_closed", "_last", "_pool", "_process")

    def __init__(self, name: str) -> None:
        self._closed = False
        self._process: int | None = None
        self._last: asyncio.Future[None] | None = None
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    def do(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Do it in the thread.

        Raises:
            ConfigError: it was closed, or the thread is another process's.
        """
        if self._closed:
            raise ConfigError(SESSION_CLOSED)
        if self._process is None:
            self._process = os.getpid()
        if self._process != os.getpid():
            raise ConfigError(
                "this Session or quota ledger was in use when this process was forked, and nothing was sent; "
                "fork before the first call, or start processes by spawning, and open both in each"
            )
        return asyncio.wrap_future(self._pool.submit(work))

    async def close(self) -> None:
        """End the thread, without holding up the event loop; whoever cancels waits for it."""
        self._closed = True
        runs_here = self._process == os.getpid()
        try:
            if runs_here:
                if self._last is None:
                    self._last = asyncio.wrap_future(self._pool.submit(_nothing))
                await to_the_end(self._last)
        finally:
            self._pool.shutdown(wait=runs_here)


class InlineWorker:
    """Does its work at once, in the event loop: for simulated time, which would not wait for a thread."""

    __slots__ = ()

    def do(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Do it before returning."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001  # it is the future's, as a thread's would be
            future.set_exception(error)
        return future

    async def close(self) -> None:
        """Do nothing: there is no thread."""


def _nothing() -> None:
    """Be the last piece of work."""


async def to_the_end(future: asyncio.Future[T]) -> None:
    """Wait until it has ended, well or not; a cancellation meanwhile, or several, is raised then.

    A cancel scope's shield alone holds off other scopes, but neither `task.cancel()` nor `asyncio.timeout`.
    """
    cancelled = None
    with anyio.CancelScope(shield=True):
        while not future.done():
            try:
                await asyncio.wait({future})
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        raise cancelled
