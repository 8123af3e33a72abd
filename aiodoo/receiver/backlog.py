"""Handles stored deliveries, at least once each, in the order in which they are due."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import anyio
import attrs

from aiodoo.clock import Clock
from aiodoo.receiver.delivery import Delivery, parse
from aiodoo.receiver.handling import Handling, Result
from aiodoo.receiver.routes import Route
from aiodoo.receiver.storage import NEVER, MemoryStorage, Storage, StoredDelivery, reason

logger = logging.getLogger("aiodoo.receiver")

_LOOK_AGAIN = 1.0
"""Seconds after which the storage is asked again, as another process may have stored a delivery."""

_LONGEST_PAUSE = 300.0

_LEASE = 10.0
"""Seconds beyond the handler's own after which a delivery that a process has taken is due again."""


@attrs.define(eq=False)
class _Bell:
    """Wakes the workers of one event loop; others may have ended without closing what they had opened."""

    _loop: asyncio.AbstractEventLoop
    arrived: anyio.Event = attrs.field(factory=anyio.Event)

    def ring(self) -> None:
        if self._loop is asyncio.get_running_loop():
            self._set()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._set)

    def _set(self) -> None:
        self.arrived.set()


@attrs.define(eq=False, kw_only=True)
class Backlog:
    """Stores deliveries, and takes them from the storage to handle them.

    Attributes:
        storage: where they are.
        handling: calls the handlers.
        routes: the endpoints by path.
        clock: tells the time.
        attempts: how often a delivery is tried before it counts as failed.
        counts: counts the results.
    """

    storage: Storage
    handling: Handling
    routes: Mapping[str, Route]
    clock: Clock
    attempts: int
    counts: Counter[str]
    _bells: list[_Bell] = attrs.field(factory=list, init=False)
    """One for each `working()` that is open."""

    @asynccontextmanager
    async def working(self, workers: int) -> AsyncIterator[None]:
        """Handle deliveries with that many tasks while the context is open; the last end closes the storage."""
        bell = _Bell(asyncio.get_running_loop())
        self._bells.append(bell)
        try:
            async with anyio.create_task_group() as group:
                for _ in range(workers):
                    group.start_soon(self._work, bell)
                try:
                    yield
                finally:
                    group.cancel_scope.cancel()
        finally:
            self._bells.remove(bell)
            if not self._bells:
                with anyio.CancelScope(shield=True):
                    await self.storage.close()

    def notice(self) -> None:
        """Wake the workers: a delivery was stored."""
        for bell in tuple(self._bells):
            bell.ring()

    async def store(self, delivery: StoredDelivery) -> Result:
        """Store a delivery, and return when it is safe."""
        if not self._bells and isinstance(self.storage, MemoryStorage):
            logger.error(
                "a delivery of %s was refused, as this process would not handle it: open receiver.working() in the lifespan "
                "of the application",
                delivery.type,
            )
            return "stopping"
        try:
            await self.storage.put(delivery)
        except Exception as error:  # noqa: BLE001  # a full disk or memory: doo sends it again
            logger.error("a delivery of %s cannot be stored (%s)", delivery.type, reason(error))  # noqa: TRY400
            return "failed"
        self.notice()
        return "stored"

    async def _work(self, bell: _Bell) -> None:
        while True:
            arrived = bell.arrived
            if not await self._work_once():
                with anyio.move_on_after(_LOOK_AGAIN):
                    await arrived.wait()
                if arrived.is_set() and bell.arrived is arrived:
                    bell.arrived = anyio.Event()

    async def _work_once(self) -> bool:
        """Handle one delivery; return False if there is none, or none to be had."""
        now = self.clock.now().timestamp()
        delivery: StoredDelivery | None = None
        try:
            # Twice the time of a handler: a delivery that waits for an equal one takes longer.
            # Not cancelled in the middle: what was taken and is not given back is due again only after that time.
            with anyio.CancelScope(shield=True):
                delivery = await self.storage.take(now=now, until=now + 2 * self.handling.timeout + _LEASE)
            if delivery is None:
                return False
            await self._try(delivery)
        except Exception as error:  # noqa: BLE001  # the storage: what was taken is due again later
            logger.error("the storage failed (%s); what was taken is due again", reason(error))  # noqa: TRY400  # no foreign text
            return False
        return True

    async def _try(self, delivery: StoredDelivery) -> None:
        result: Result | None = None
        try:
            result = await self._handle(delivery)
        finally:
            with anyio.CancelScope(shield=True):
                await self._settle(delivery, result)

    async def _settle(self, delivery: StoredDelivery, result: Result | None) -> None:
        """Remove a delivery that was handled, and make another one due again: at once if its handler was cancelled."""
        if result is not None:
            self.counts[result] += 1
        if result in {"handled", "ignored", "duplicate"}:
            await self.storage.remove(delivery)
        elif result is not None and delivery.attempt >= self.attempts:
            logger.error(
                "a delivery of %s has failed %d times and is kept as failed", delivery.type, delivery.attempt
            )
            await self.storage.postpone(delivery, due=NEVER)
        else:
            pause = 0.0 if result is None else min(_LONGEST_PAUSE, 2.0 ** (delivery.attempt - 1))
            await self.storage.postpone(delivery, due=self.clock.now().timestamp() + pause)

    async def _handle(self, stored: StoredDelivery) -> Result:
        route = next((each for each in self.routes.values() if each.type == stored.type), None)
        fits, data = parse(stored.body)
        if route is None or not fits:
            logger.error("a stored delivery of %s has no handler any more", stored.type)
            return "failed"
        received = datetime.fromtimestamp(stored.received, UTC)
        return await self.handling.handle(
            route,
            Delivery(
                type=stored.type, data=data, received_at=received, attempt=stored.attempt, body=stored.body
            ),
        )
