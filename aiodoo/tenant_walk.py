"""The result of `tenants.webhooks()`: an async iterator over the webhook configurations of many tenants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Self

import attrs

from aiodoo.errors import ConfigError, DooError
from aiodoo.event_loop import running_loop
from aiodoo.models import WebhookConfiguration
from aiodoo.walk import TeamError, Walk

ForEach = Callable[[Callable[[str], Awaitable[None]]], Awaitable[dict[str, DooError | None]]]
"""Calls an async function for every tenant's name, and returns the errors by name."""


_TENANTS_CLOSED = "the tenants were closed while they were walked"


@attrs.frozen
class TenantError:
    """A tenant, or one of its teams, that could not be read.

    Attributes:
        tenant: the name of the tenant.
        error: the cause.
        team_id: the team that could not be read; None if no team of the tenant could.
    """

    tenant: str
    error: DooError
    team_id: str | None = None


class TenantWalk(AsyncIterator[tuple[str, WebhookConfiguration]]):
    """Iterates over the webhook configurations of many tenants, those of each tenant in the order of its walk.

    Several tasks may iterate over one walk; each webhook goes to one of them. If the walk is closed before its end, tasks
    that wait for a webhook and later iterations get a ConfigError, as the walk is incomplete.

    Attributes:
        errors: a `TenantError` for each tenant or team that could not be read, with `on_error="collect"`.
    """

    def __init__(
        self,
        for_each: ForEach,
        walk: Callable[[str], Walk],
        walking: set[asyncio.Task[None]],
        *,
        collect_errors: bool,
    ) -> None:
        self.errors: list[TenantError] = []
        self._for_each = for_each
        self._walk = walk
        self._walking = walking
        self._collect_errors = collect_errors
        self._found: asyncio.Queue[tuple[str, WebhookConfiguration] | TenantError | None] = asyncio.Queue(1)
        self._reader: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._closed = False
        self._complete = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[str, WebhookConfiguration]:
        while True:
            # One task at a time, so that only one processes the end.
            async with self._lock:
                self._check_open()
                found = await self._next()
                if found is None:
                    self._check_end()
            match found:
                case TenantError() as failed if self._collect_errors:
                    self.errors.append(failed)
                case TenantError(tenant, error):
                    await self.aclose()
                    error.add_note(f"tenant {tenant}")
                    raise error
                case None:
                    raise StopAsyncIteration
                case _:
                    return found

    async def aclose(self) -> None:
        """Stop reading; requests in progress are cancelled."""
        self._closed = True
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])

    async def _next(self) -> tuple[str, WebhookConfiguration] | TenantError | None:
        """Return the next webhook or error; None at the end."""
        if self._reader is None:
            self._reader = running_loop().create_task(self._read_all())
            # The tenants cancel it when they are closed.
            self._walking.add(self._reader)
            self._reader.add_done_callback(self._walking.discard)
            self._reader.add_done_callback(self._ended)
        return None if self._reader.done() and self._found.empty() else await self._found.get()

    def _ended(self, _: asyncio.Task[None]) -> None:
        """Wake the task that waits for the next item, whether the reading succeeded, failed or was cancelled."""
        if self._found.empty():
            self._found.put_nowait(None)

    def _check_open(self) -> None:
        if self._complete:
            raise StopAsyncIteration
        if self._closed:
            raise ConfigError(
                "this walk was closed before it came to its end, so what it has shown is not all; begin another one"
            )

    def _check_end(self) -> None:
        """End the walk; raise an exception if the reading failed or was cancelled."""
        reader, closed, self._closed = self._reader, self._closed, True
        assert reader is not None  # noqa: S101  # it has ended
        if reader.cancelled():
            whose = "this walk was closed while a webhook was waited for" if closed else _TENANTS_CLOSED
            raise ConfigError(f"{whose}; the walk is not complete")
        if (error := reader.exception()) is not None:
            raise error
        self._complete = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _read_all(self) -> None:
        results = await self._for_each(self._read)
        for name, result in results.items():
            if result is not None:
                await self._found.put(TenantError(name, result))

    async def _read(self, name: str) -> None:
        """Read one tenant, waiting until each webhook is consumed."""
        failed: list[TeamError] = []
        try:
            walk = self._walk(name)
            failed = walk.errors
            await walk.check_day()
            async with walk:
                async for webhook in walk:
                    await self._found.put((name, webhook))
        except DooError as error:
            # Reported at once, not after the last tenant was read.
            await self._found.put(TenantError(name, error))
        for each in failed:
            await self._found.put(TenantError(name, each.error, each.team_id))
