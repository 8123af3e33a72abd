"""Recognizes deliveries that are equal to one that was handled, or that is being handled."""

from __future__ import annotations

import hashlib

import attrs
import msgspec

from aiodoo.clock import Clock
from aiodoo.receiver.delivery import Delivery
from aiodoo.receiver.storage import State, Storage

_LOOK_AGAIN = 0.05
"""Seconds between two looks at an equal delivery that is being handled."""

_LEASE = 5.0
"""Seconds beyond the handler's own after which an equal delivery is handed over, as the first one's process may be dead."""


def content_key(delivery: Delivery) -> str:
    """Return a key that is equal for deliveries of one type and equal content, in whatever order its keys stand."""
    content = msgspec.json.encode(delivery.data, order="deterministic")
    return hashlib.sha256(delivery.type.encode() + b"\0" + content).hexdigest()


@attrs.frozen(kw_only=True)
class Duplicates:
    """Keeps the keys of deliveries, in all processes that share the storage.

    Attributes:
        storage: keeps the keys.
        clock: tells the time.
        remembered: seconds for which the key of a handled delivery is kept.
        patience: seconds that an equal delivery waits for the first one.
    """

    storage: Storage
    clock: Clock
    remembered: float
    patience: float

    async def begin(self, key: str) -> State:
        """Mark a key as being handled, and return its state before; wait while an equal delivery is being handled."""
        end = self.clock.monotonic() + self.patience
        while True:
            now = self.clock.now().timestamp()
            state = await self.storage.begin(key, now=now, until=now + self.patience + _LEASE)
            if state != "running" or self.clock.monotonic() >= end:
                return state
            await self.clock.sleep(_LOOK_AGAIN)

    async def end(self, key: str, *, handled: bool) -> None:
        """Remember a key whose delivery was handled, and forget that of another one, so that it is handled when it comes again."""
        if not handled:
            await self.storage.forget(key)
            return
        now = self.clock.now().timestamp()
        await self.storage.finish(key, now=now, until=now + self.remembered)
