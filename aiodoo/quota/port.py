"""Where file work runs: in a thread of its own, or, in simulated time, at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

T = TypeVar("T")


class Port(Protocol):
    """Runs jobs one after the other, in the order in which they came."""

    def run(self, job: Callable[[], T]) -> asyncio.Future[T]:
        """Run a job outside of the event loop; its future belongs to the running one."""
        raise NotImplementedError

    def stop(self, *, wait: bool) -> None:
        """Leave no thread behind, after the last job; `wait` until it is gone."""


class OneThread:
    """A thread for all jobs; it begins with the first."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="aiodoo-quota")

    def run(self, job: Callable[[], T]) -> asyncio.Future[T]:
        """Run a job in the thread."""
        return asyncio.wrap_future(self._thread.submit(job))

    def stop(self, *, wait: bool) -> None:
        """End the thread."""
        self._thread.shutdown(wait=wait)


class Inline:
    """No thread: a job is done when `run` returns. For simulated time, which would not wait for a thread."""

    def run(self, job: Callable[[], T]) -> asyncio.Future[T]:
        """Run a job now."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            future.set_result(job())
        except Exception as error:  # noqa: BLE001  # it is the future's, as a thread's would be
            future.set_exception(error)
        return future

    def stop(self, *, wait: bool) -> None:
        """Do nothing: there is no thread."""
