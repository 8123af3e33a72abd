"""The walk over the webhook configurations of many tenants."""

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
"""Does something for every tenant, by name, and returns what failed."""


_TENANTS_CLOSED = "the tenants were closed while they were walked"


@attrs.frozen
class TenantError:
    """What could not be read of a tenant.

    Attributes:
        tenant: whose it is.
        error: what happened.
        team_id: the team that could not be read; None if it was all of the tenant's.
    """

    tenant: str
    error: DooError
    team_id: str | None = None


class TenantWalk(AsyncIterator[tuple[str, WebhookConfiguration]]):
    """The webhook configurations of many tenants, those of each in its own order.

    Several tasks may iterate over one; each webhook goes to one of them. Whoever waits for one when it is closed before
    its end, or asks for one later, gets a ConfigError, as what was seen is not all.

    Attributes:
        errors: what could not be read, with `on_error="collect"`.
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
        self._going: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._closed = False
        self._whole = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[str, WebhookConfiguration]:
        while True:
            # One at a time: the end is told once.
            async with self._turn:
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
        """Ask for nothing more; what is under way is given up."""
        self._closed = True
        if self._going is not None:
            self._going.cancel()
            await asyncio.wait([self._going])

    async def _next(self) -> tuple[str, WebhookConfiguration] | TenantError | None:
        """Wait for what is read next; None if that is nothing."""
        if self._going is None:
            self._going = running_loop().create_task(self._read_all())
            # The tenants end what is left of it.
            self._walking.add(self._going)
            self._going.add_done_callback(self._walking.discard)
            self._going.add_done_callback(self._ended)
        return None if self._going.done() and self._found.empty() else await self._found.get()

    def _ended(self, _: asyncio.Task[None]) -> None:
        """Wake who waits for more, however the reading came to its end."""
        if self._found.empty():
            self._found.put_nowait(None)

    def _check_open(self) -> None:
        if self._whole:
            raise StopAsyncIteration
        if self._closed:
            raise ConfigError(
                "this walk was closed before it came to its end, so what it has shown is not all; begin another one"
            )

    def _check_end(self) -> None:
        """End the walk, which is whole only if the reading was not cut off."""
        going, closed, self._closed = self._going, self._closed, True
        assert going is not None  # noqa: S101  # it has ended
        if going.cancelled():
            whose = "this walk was closed while a webhook was waited for" if closed else _TENANTS_CLOSED
            raise ConfigError(f"{whose}; the walk is not complete")
        if (error := going.exception()) is not None:
            raise error
        self._whole = True

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
        """Read one tenant; each webhook waits until somebody takes it."""
        failed: list[TeamError] = []
        try:
            walk = self._walk(name)
            failed = walk.errors
            async with walk:
                async for webhook in walk:
                    await self._found.put((name, webhook))
        except DooError as error:
            # At once, and not when the last tenant has been read.
            await self._found.put(TenantError(name, error))
        for one in failed:
            await self._found.put(TenantError(name, one.error, one.team_id))
