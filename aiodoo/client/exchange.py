"""What carries a request to doo, whatever it is made of, and what one request saw of the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import attrs

from aiodoo.protocol.wire import Answer, Request

SOON = 0.001
"""Seconds of connecting that the quota need not hear of."""


@attrs.define(eq=False)
class Exchange:
    """What one wire request saw of the way, in seconds of the clock; its transport fills it in.

    Attributes:
        started: when it was free to leave.
        leaving: called when the request goes out later than that, because connecting took its time.
        sent: when it went out; None as long as it is proven that doo has not seen it.
        first_byte: when the answer began.
    """

    started: float
    leaving: Callable[[], None]
    sent: float | None = None
    first_byte: float | None = None

    def leave(self, now: float) -> None:
        """Note that the connection is there and the request goes out on it."""
        self.sent = now
        if now - self.started > SOON:
            self.leaving()

    @property
    def round_trip(self) -> float | None:
        """Seconds from sending to the first byte of the answer, without those for connecting."""
        if self.sent is None or self.first_byte is None:
            return None
        return self.first_byte - self.sent


class Transport(Protocol):
    """What carries a request to doo: once, whatever comes of it."""

    async def send(self, request: Request, headers: Mapping[str, str], trip: Exchange) -> Answer:
        """Send one wire request and return the whole answer.

        Raises:
            TransportError: no usable answer came.
            ProtocolError: the answer is not HTTP, or its body is too large.
            ConfigError: the transport is closed or belongs to another event loop.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
