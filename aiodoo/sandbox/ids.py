"""Webhook ids as doo's pages print them: version-1 UUIDs, or short counters."""

from __future__ import annotations

import hashlib
from typing import Protocol

_TICKS = 10_000_000  # a second of a version-1 UUID
_UUID_EPOCH = 12_219_292_800  # its year 1582, in seconds before Unix time


class Ids(Protocol):
    """Generates ids; those of the initial webhooks are computed from their number."""

    def first(self, number: int) -> str:
        """Return the id of the initial webhook with this number, counted from 0."""
        ...

    def number(self, webhook_id: str) -> int | None:
        """Return the number of the initial webhook that may have this id, or None."""
        ...

    def new(self, now: float) -> str:
        """Return an id that was never used."""
        ...


class CounterIds:
    """Ids 1, 2, 3 and so on."""

    def __init__(self, existing: int) -> None:
        self._existing = existing
        self._last = existing

    def first(self, number: int) -> str:
        """Return the id of the initial webhook with this number, counted from 0."""
        return str(number + 1)

    def number(self, webhook_id: str) -> int | None:
        """Return the number of the initial webhook that may have this id, or None."""
        if not (webhook_id.isascii() and webhook_id.isdecimal() and len(webhook_id) < 20):
            return None
        number = int(webhook_id) - 1
        return number if 0 <= number < self._existing else None

    def new(self, now: float) -> str:  # noqa: ARG002  # a counter needs no clock
        """Return an id that was never used."""
        self._last += 1
        return str(self._last)


class UuidIds:
    """Version-1 UUIDs; the timestamps of the initial webhooks are a second apart and end before `epoch`."""

    def __init__(self, existing: int, *, seed: int, epoch: float) -> None:
        self._existing = existing
        self._start = int((epoch + _UUID_EPOCH) * _TICKS)
        self._oldest = self._start - existing * _TICKS
        self._last = self._start
        node = hashlib.blake2b(str(seed).encode(), digest_size=8).hexdigest()
        self._tail = f"{0x8000 | int(node[:4], 16) & 0x3FFF:04x}-{node[4:]}"

    def first(self, number: int) -> str:
        """Return the id of the initial webhook with this number, counted from 0."""
        return self._write(self._oldest + number * _TICKS)

    def number(self, webhook_id: str) -> int | None:
        """Return the number of the initial webhook that may have this id, or None."""
        try:
            low, middle, high = int(webhook_id[:8], 16), int(webhook_id[9:13], 16), int(webhook_id[15:18], 16)
        except ValueError:
            return None
        number = ((high << 48 | middle << 32 | low) - self._oldest) // _TICKS
        return number if 0 <= number < self._existing else None

    def new(self, now: float) -> str:
        """Return an id that was never used."""
        self._last = max(self._last + 1, self._start + int(now * _TICKS))
        return self._write(self._last)

    def _write(self, ticks: int) -> str:
        return f"{ticks & 0xFFFFFFFF:08x}-{ticks >> 32 & 0xFFFF:04x}-1{ticks >> 48 & 0xFFF:03x}-{self._tail}"
