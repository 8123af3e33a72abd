"""`bulk.stream`: a run whose outcomes are read while it is carried out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType
from typing import Self

import anyio
import attrs

from aiodoo.bulk.opening import PreparedRun
from aiodoo.bulk.report import Outcome, Report
from aiodoo.bulk.runner import Run
from aiodoo.errors import ConfigError
from aiodoo.event_loop import running_loop
from aiodoo.offload import wait_uncancelled

_log = logging.getLogger("aiodoo.bulk")

_running: set[asyncio.Task[None]] = set()
"""The tasks of streams that have not ended; the event loop keeps only weak references to its tasks."""


@attrs.define(eq=False)
class _BackgroundRun:
    """A run in its own task, from opening its journal to closing it."""

    prepared: PreparedRun
    outcomes: asyncio.Queue[Outcome | None] = attrs.field(factory=asyncio.Queue[Outcome | None])
    opened: asyncio.Event = attrs.field(factory=asyncio.Event)
    run: Run | None = None

    def start(self) -> asyncio.Task[None]:
        settings = attrs.evolve(self.prepared.settings, on_outcome=self.outcomes.put_nowait)
        task = running_loop().create_task(self._go(attrs.evolve(self.prepared, settings=settings)))
        _running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def _go(self, prepared: PreparedRun) -> None:
        async with prepared.opened() as self.run:
            self.opened.set()
            await self.run.execute()

    def _ended(self, task: asyncio.Task[None]) -> None:
        _running.discard(task)
        self.opened.set()
        self.outcomes.put_nowait(None)


class Stream(AsyncIterator[Outcome]):
    """A run whose outcomes are read while it is carried out; what `bulk.stream` returns.

    Entering it with `async with` checks the operations and opens the journal; iterating over it yields each `Outcome`.
    Any task may leave it.

        async with doo.bulk.stream(operations) as stream:
            async for outcome in stream:
                print(outcome.status)
    """

    def __init__(self, prepared: PreparedRun) -> None:
        self._background = _BackgroundRun(prepared)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._task is not None:
            raise ConfigError("a stream is entered once; make another one. Nothing was sent")
        self._task = self._background.start()
        try:
            await self._background.opened.wait()
        except asyncio.CancelledError:
            await self._stop(self._task)
            raise
        if self._background.run is None:
            self._task.result()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        task = self._task
        assert task is not None  # noqa: S101  # __aenter__ started it
        await self._stop(task)
        if not task.cancelled() and (failure := task.exception()) is not None and error is None:
            raise failure

    def __del__(self) -> None:
        # The garbage collector may run in any thread.
        task = getattr(self, "_task", None)
        if task is not None and not task.done():
            with suppress(RuntimeError):  # the event loop is closed
                task.get_loop().call_soon_threadsafe(task.cancel)
            _log.warning(
                "a stream that was entered with `async with` was never left; its run stops as "
                "if it had been cancelled, and its journal, if it has one, says how far it came"
            )

    @staticmethod
    async def _stop(task: asyncio.Task[None]) -> None:
        """Cancel the run and wait for its grace, which a second cancellation ends."""
        task.cancel()
        try:
            with anyio.CancelScope(shield=True):
                await asyncio.wait({task})
        finally:
            task.cancel()
            await wait_uncancelled(task)
            if not task.cancelled():
                task.exception()  # else asyncio logs that it was never retrieved

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        if self._background.run is None:
            raise ConfigError(
                "a stream gives outcomes once it was entered with `async with`; nothing was sent"
            )
        outcome = await self._background.outcomes.get()
        if outcome is None:
            self._background.outcomes.put_nowait(None)
            raise StopAsyncIteration
        return outcome

    def report(self) -> Report:
        """Return the report as of now; also after the end and after a cancellation.

        Raises:
            ConfigError: the stream was not entered with `async with`.
        """
        if self._background.run is None:
            raise ConfigError("a stream has a report once it was entered with `async with`")
        return self._background.run.report()
