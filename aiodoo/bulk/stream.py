"""A run that goes on while its outcomes are read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import anyio
import attrs

from aiodoo.bulk.order import Order
from aiodoo.bulk.report import Outcome, Report
from aiodoo.bulk.runner import Run
from aiodoo.errors import ConfigError
from aiodoo.worker import to_the_end


class Stream(AsyncIterator[Outcome]):
    """A run that goes on while its outcomes are read; what `bulk.stream` returns.

    Enter it with `async with`, which checks the operations and opens the journal, and iterate over what that
    gives.
    """

    def __init__(self, order: Order) -> None:
        self._outcomes = asyncio.Queue[Outcome | None]()
        settings = attrs.evolve(order.settings, on_outcome=self._outcomes.put_nowait)
        self._opening = attrs.evolve(order, settings=settings).opened()
        self._entered = False
        self._run: Run | None = None
        self._going: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._entered:
            raise ConfigError("a stream is entered once; make another one. Nothing was sent")
        self._entered = True
        self._run = await self._opening.__aenter__()
        self._going = asyncio.create_task(self._run.go())
        self._going.add_done_callback(lambda _: self._outcomes.put_nowait(None))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._going is not None  # noqa: S101  # __aenter__ began it
        going = self._going
        try:
            # Its grace included, unless somebody cancels once more.
            going.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait({going})
        finally:
            going.cancel()
            try:
                await to_the_end(going)
            finally:
                await self._opening.__aexit__(None, None, None)
        if not going.cancelled() and (failure := going.exception()) is not None and error is None:
            raise failure

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        if self._run is None:
            raise ConfigError(
                "a stream gives outcomes once it was entered with `async with`; nothing was sent"
            )
        outcome = await self._outcomes.get()
        if outcome is None:
            self._outcomes.put_nowait(None)
            raise StopAsyncIteration
        return outcome

    def report(self) -> Report:
        """Return what is known at this moment; also after the end, and after a cancellation.

        Raises:
            ConfigError: it was not entered with `async with`.
        """
        if self._run is None:
            raise ConfigError("a stream has a report once it was entered with `async with`")
        return self._run.report()
