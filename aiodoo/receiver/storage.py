"""What a receiver keeps between requests: issued tokens, keys of handled deliveries, and stored deliveries."""

from __future__ import annotations

import heapq
import sqlite3
from collections import OrderedDict
from typing import Final, Literal, Protocol

import attrs

from aiodoo.errors import ConfigError

State = Literal["new", "running", "done"]
"""What is known of a key: nothing, that it is being handled, or that it was handled."""

NEVER = float("inf")


@attrs.frozen(kw_only=True)
class StoredDelivery:
    """A delivery that was acknowledged and is still to be handled.

    Attributes:
        id: given by the storage.
        type: the hook type.
        body: the body as it was received.
        received: when it was received, in seconds since 1970.
        attempt: how many attempts there were, this one included.
    """

    id: int = 0
    type: str
    body: bytes = attrs.field(repr=False)
    received: float
    attempt: int = 1


class Storage(Protocol):
    """What a receiver asks of its storage. All times are seconds since 1970.

    Several processes that serve the same endpoints share one storage, as doo may fetch a token from one and deliver to
    another.
    """

    async def add_token(self, digest: bytes, *, now: float, until: float) -> None:
        """Store the SHA-256 digest of an issued token; the token itself is stored nowhere."""
        ...

    async def has_token(self, digest: bytes, *, now: float) -> bool:
        """Return whether a token with that digest was issued and is not expired."""
        ...

    async def begin(self, key: str, *, now: float, until: float) -> State:
        """Mark a key as being handled until that time, unless it is marked already; return the state before."""
        ...

    async def finish(self, key: str, *, now: float, until: float) -> None:
        """Mark a key as handled until that time."""
        ...

    async def forget(self, key: str) -> None:
        """Remove the mark of a key."""
        ...

    async def put(self, delivery: StoredDelivery) -> None:
        """Store a delivery, whose id is ignored; return when it is safe."""
        ...

    async def take(self, *, now: float, until: float) -> StoredDelivery | None:
        """Return the oldest delivery that is due, and lend it until that time; None if there is none."""
        ...

    async def remove(self, delivery: StoredDelivery) -> None:
        """Remove a delivery that was handled."""
        ...

    async def postpone(self, delivery: StoredDelivery, *, due: float) -> None:
        """Make a delivery due again at that time; infinity keeps it as failed."""
        ...

    async def failed(self) -> list[StoredDelivery]:
        """Return the deliveries that were tried often enough in vain, the oldest first."""
        ...

    async def retry_failed(self, *, now: float) -> int:
        """Make the failed deliveries due again, and return their number."""
        ...

    async def close(self) -> None:
        """Release files and threads."""
        ...


STORAGE_METHODS: Final = tuple(name for name in vars(Storage) if not name.startswith("_"))


def reason(error: Exception) -> str:
    """Return why a storage failed, for a log: the text of an error only if it cannot hold what was delivered."""
    return str(error) if isinstance(error, ConfigError | sqlite3.Error) else type(error).__name__


class MemoryStorage:
    """Keeps everything in memory: for one process, and until it ends.

    Args:
        limit: how many tokens, keys and deliveries are kept of each; above it the oldest token or key is dropped, and a
            delivery is refused, so that doo sends it again.
    """

    __slots__ = ("_deliveries", "_due", "_keys", "_last", "_limit", "_tokens")

    def __init__(self, *, limit: int = 100_000) -> None:
        self._limit = limit
        self._tokens: OrderedDict[bytes, float] = OrderedDict()
        self._keys: OrderedDict[str, tuple[bool, float]] = OrderedDict()
        self._deliveries: dict[int, tuple[StoredDelivery, float]] = {}
        self._due: list[tuple[float, int]] = []
        """Heap of times and ids; what `_deliveries` has another time for is passed over."""
        self._last = 0

    async def add_token(self, digest: bytes, *, now: float, until: float) -> None:
        """Store the digest of an issued token."""
        while self._tokens and (len(self._tokens) >= self._limit or next(iter(self._tokens.values())) <= now):
            self._tokens.popitem(last=False)
        self._tokens[digest] = until

    async def has_token(self, digest: bytes, *, now: float) -> bool:
        """Return whether a token with that digest is valid."""
        return self._tokens.get(digest, 0.0) > now

    async def begin(self, key: str, *, now: float, until: float) -> State:
        """Mark a key as being handled, and return its state before."""
        done, end = self._keys.get(key, (False, 0.0))
        if end > now:
            return "done" if done else "running"
        self._mark(key, False, now, until)
        return "new"

    async def finish(self, key: str, *, now: float, until: float) -> None:
        """Mark a key as handled."""
        self._mark(key, True, now, until)

    def _mark(self, key: str, done: bool, now: float, until: float) -> None:  # noqa: FBT001  # the value stored
        self._keys.pop(key, None)
        while self._keys and (len(self._keys) >= self._limit or next(iter(self._keys.values()))[1] <= now):
            self._keys.popitem(last=False)
        self._keys[key] = done, until

    async def forget(self, key: str) -> None:
        """Remove the mark of a key."""
        self._keys.pop(key, None)

    async def put(self, delivery: StoredDelivery) -> None:
        """Store a delivery.

        Raises:
            OverflowError: `limit` deliveries are stored.
        """
        if len(self._deliveries) >= self._limit:
            raise OverflowError(f"{self._limit} deliveries wait already")
        self._last += 1
        self._keep(attrs.evolve(delivery, id=self._last, attempt=0), delivery.received)

    def _keep(self, delivery: StoredDelivery, due: float) -> None:
        self._deliveries[delivery.id] = delivery, due
        if due != NEVER:
            heapq.heappush(self._due, (due, delivery.id))

    async def take(self, *, now: float, until: float) -> StoredDelivery | None:
        """Return the oldest delivery that is due, and lend it until that time."""
        while self._due and self._due[0][0] <= now:
            due, number = heapq.heappop(self._due)
            delivery, current = self._deliveries.get(number, (None, NEVER))
            if delivery is not None and current == due:
                taken = attrs.evolve(delivery, attempt=delivery.attempt + 1)
                self._keep(taken, until)
                return taken
        return None

    async def remove(self, delivery: StoredDelivery) -> None:
        """Remove a delivery that was handled."""
        self._deliveries.pop(delivery.id, None)

    async def postpone(self, delivery: StoredDelivery, *, due: float) -> None:
        """Make a delivery due again at that time."""
        if delivery.id in self._deliveries:
            self._keep(delivery, due)

    async def failed(self) -> list[StoredDelivery]:
        """Return the deliveries that were tried often enough in vain."""
        return [delivery for delivery, due in self._deliveries.values() if due == NEVER]

    async def retry_failed(self, *, now: float) -> int:
        """Make the failed deliveries due again."""
        failed = await self.failed()
        for each in failed:
            self._keep(attrs.evolve(each, attempt=0), now)
        return len(failed)

    async def close(self) -> None:
        """Return at once: there are no files."""
