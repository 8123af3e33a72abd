"""One thread for work that would block the event loop, as one small object, so that simulations can do without."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

T = TypeVar("T")


class Worker(Protocol):
    """Where blocking work is done, one piece after the other."""

    async def do(self, work: Callable[[], T]) -> T:
        """Do it and return what it returns; once begun it is finished, whoever is cancelled meanwhile."""
        ...

    def close(self) -> None:
        """Do nothing more."""


class ThreadWorker:
    """Does its work in a thread of its own, which is started with the first piece."""

    __slots__ = ("_pool",)

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def do(self, work: Callable[[], T]) -> T:
        """Do it in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Wait for the piece that was begun, and end the thread."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class InlineWorker:
    """Does its work at once, in the event loop: for simulated time, which threads would not keep."""

    __slots__ = ()

    async def do(self, work: Callable[[], T]) -> T:
        """Do it here and now."""
        return work()

    def close(self) -> None:
        """Nothing is open."""
