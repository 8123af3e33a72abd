"""Hands a delivery to its handler: not if it is about another event, and once if it is a duplicate."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Literal

import anyio
import attrs

from aiodoo.receiver import exchange
from aiodoo.receiver.delivery import Delivery
from aiodoo.receiver.duplicates import Duplicates
from aiodoo.receiver.exchange import ReceiverAnswer
from aiodoo.receiver.routes import Route
from aiodoo.receiver.storage import reason

logger = logging.getLogger("aiodoo.receiver")

Result = Literal["handled", "stored", "duplicate", "ignored", "busy", "failed", "stopping"]

ANSWERS: Mapping[Result, ReceiverAnswer] = {
    "handled": exchange.DONE,
    "stored": exchange.STORED,
    "duplicate": exchange.DUPLICATE,
    "ignored": exchange.IGNORED,
    "busy": exchange.BUSY,
    "failed": exchange.FAILED,
    "stopping": exchange.STOPPING,
}


class Ignore(Exception):
    """Raised by a handler that does not need a delivery: doo is told that it was received."""


@attrs.frozen(kw_only=True)
class Handling:
    """Calls handlers.

    Attributes:
        duplicates: recognizes duplicates; None calls the handler of every delivery.
        timeout: seconds after which a handler is cancelled.
        events: ids of the events whose deliveries are wanted; None for all.
    """

    duplicates: Duplicates | None
    timeout: float
    events: frozenset[str] | None

    async def handle(self, route: Route, delivery: Delivery) -> Result:
        """Handle one delivery; never raises but on cancellation."""
        try:
            if self.events is not None and delivery.event_id not in {None, *self.events}:
                return "ignored"
            delivery = attrs.evolve(delivery, payload=route.read(delivery.data))
        except Ignore:
            return "ignored"
        except Exception as error:  # noqa: BLE001  # the class of the payload: as if the handler had raised it
            return _failed(delivery, error)
        try:
            key = None if self.duplicates is None else route.key(delivery)
            if self.duplicates is None or key is None:
                return await self._call(route, delivery)
            return await self._call_once(route, delivery, self.duplicates, f"{route.type} {key}")
        except Exception as error:  # noqa: BLE001  # the storage, or a key function: doo sends it again
            logger.error(  # noqa: TRY400  # no foreign text
                "a delivery of %s was not handled, as its key or the storage failed (%s)",
                route.type,
                reason(error),
            )
            return "failed"

    async def _call_once(self, route: Route, delivery: Delivery, duplicates: Duplicates, key: str) -> Result:
        state = await duplicates.begin(key)
        if state == "running":
            return "busy"
        if state == "done":
            return "duplicate"
        result: Result = "failed"
        try:
            result = await self._call(route, delivery)
        finally:
            with anyio.CancelScope(shield=True):
                await duplicates.end(key, handled=result != "failed")
        return result

    async def _call(self, route: Route, delivery: Delivery) -> Result:
        try:
            with anyio.fail_after(self.timeout):
                await route.handler(delivery)
        except Ignore:
            return "ignored"
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return _failed(delivery, error)  # It has waited for something of its own that was cancelled.
        except Exception as error:  # noqa: BLE001  # whatever a handler raises, doo is told the same
            return _failed(delivery, error)
        return "handled"


def _failed(delivery: Delivery, error: BaseException) -> Result:
    # The text of a foreign error may hold what was delivered, or a secret, so only the debug level has it.
    logger.error("the handler of %s failed (%s)", delivery.type, type(error).__name__)
    logger.debug("the handler of %s failed", delivery.type, exc_info=error)
    return "failed"
