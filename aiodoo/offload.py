"""Runs blocking file operations in a thread, or inline in simulated time."""

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
    """Runs functions that would block the event loop, one after the other."""

    def do(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Schedule a function and return a future of its result; once started it is finished, despite cancellation."""
        ...

    async def close(self) -> None:
        """Accept no more work, and return when the last function is done. May be called several times."""
        ...


class ThreadWorker:
    """Runs functions in one thread, which is started by the first one and cannot be used after a fork."""

    __slots__ = ("_closed", "_last", "_pool", "_process")

    def __init__(self, name: str) -> None:
        self._closed = False
        self._process: int | None = None
        self._last: asyncio.Future[None] | None = None
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    def do(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Run a function in the thread.

        Raises:
            ConfigError: it was closed, the thread belongs to another process or cannot be started, or no event loop is
                running.
        """
        loop = running_loop()
        if self._closed:
            raise ConfigError(SESSION_CLOSED)
        if self._process is None:
            # A pool keeps work for which it cannot start a thread and would run it later, so the first one does nothing.
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
        """Stop the thread without blocking the event loop; a cancelled caller still waits."""
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
    """Run a function in a thread of the event loop's default executor.

    Raises:
        ConfigError: no thread can be started.
    """
    try:
        doing = running_loop().run_in_executor(None, work)
    except RuntimeError as error:
        raise no_thread(error) from None
    return await doing


class InlineWorker:
    """Runs functions at once, in the event loop: for simulated time, which does not wait for a thread."""

    __slots__ = ()

    def do(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Run a function before returning."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001  # raised by the future, as with a thread
            future.set_exception(error)
        return future

    async def close(self) -> None:
        """Return at once: there is no thread."""


def _nothing() -> None:
    """Do nothing: the first and the last work of a thread."""


def no_thread(error: RuntimeError) -> ConfigError:
    """Return the error for work that was not started, as no thread could be."""
    return ConfigError(
        f"this process has no thread for work on files ({error}), so it was not begun, and nothing was sent for it. Raise "
        "the limit of threads and processes (ulimit -u, or pids.max of a container), or end some, and try again"
    )


async def wait_uncancelled(future: asyncio.Future[T]) -> None:
    """Wait until a future is done, deferring cancellation: the last CancelledError is raised afterwards.

    A shielded cancel scope alone blocks neither `task.cancel()` nor `asyncio.timeout`.
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
