"""Where file work is done: in a thread of its own, or, in simulated time, at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

import anyio

from aiodoo.errors import SESSION_CLOSED, ConfigError
from aiodoo.event_loop import running_loop

T = TypeVar("T")


class Offload(Protocol):
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
            ConfigError: it was closed, the thread is another process's or cannot be started, or there is no event loop.
        """
        loop = running_loop()
        if self._closed:
            raise ConfigError(SESSION_CLOSED)
        if self._process is None:
            # A pool keeps work for which it could not start a thread, and would do it later, unasked.
            self._submit(_nothing)
            self._process = os.getpid()
        if self._process != os.getpid():
            raise ConfigError(
                "this Session or quota ledger was in use when this process was forked, and nothing was sent; "
                "fork before the first call, or start processes by spawning, and open both in each"
            )
        return asyncio.wrap_future(self._submit(work), loop=loop)

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        try:
            return self._pool.submit(work)
        except RuntimeError as error:
            raise no_thread(error) from None

    async def close(self) -> None:
        """End the thread, without holding up the event loop; whoever cancels waits for it."""
        self._closed = True
        runs_here = self._process == os.getpid()
        try:
            if runs_here:
                if self._last is None:
                    self._last = asyncio.wrap_future(self._submit(_nothing))
                await wait_uncancelled(self._last)
        finally:
            self._pool.shutdown(wait=runs_here)


async def in_thread(work: Callable[[], T]) -> T:
    """Do something in a thread of the event loop's pool, beside whatever else is done there.

    Raises:
        ConfigError: no thread can be started for it.
    """
    try:
        doing = running_loop().run_in_executor(None, work)
    except RuntimeError as error:
        raise no_thread(error) from None
    return await doing


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
    """Be the first piece of work, and the last."""


def no_thread(error: RuntimeError) -> ConfigError:
    """Return what to raise for work that needs a thread and has none; it was not begun."""
    return ConfigError(
        f"this process has no thread for work on files ({error}), so it was not begun, and nothing was sent for it. Raise "
        "the limit of threads and processes (ulimit -u, or pids.max of a container), or end some, and try again"
    )


async def wait_uncancelled(future: asyncio.Future[T]) -> None:
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
