"""The interface of transports, and the times of one wire request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import attrs

from aiodoo.protocol.wire import Answer, Request

MIN_CONNECT_SECONDS = 0.001
"""Connecting in less time is not reported to the quota."""


@attrs.define(eq=False)
class Exchange:
    """The times of one wire request (monotonic seconds), set by its transport.

    Attributes:
        started: when its slot was granted.
        leaving: called when the request is sent noticeably later than that, because connecting took time.
        ends_at: when it must have ended (monotonic seconds); None for never. A transport that sees to that itself, with a
            `TimeoutError`, says so by `ends_in_time = True`.
        sent: when it was sent; None as long as doo has certainly not seen it.
        first_byte: when the first byte of the answer arrived.
    """

    started: float
    leaving: Callable[[], None]
    ends_at: float | None = None
    sent: float | None = None
    first_byte: float | None = None

    def leave(self, now: float) -> None:
        """Record that the connection is established and the request is sent on it."""
        self.sent = now
        if now - self.started > MIN_CONNECT_SECONDS:
            self.leaving()

    @property
    def round_trip(self) -> float | None:
        """Seconds from sending to the first byte of the answer, without connecting; None as long as one is missing."""
        if self.sent is None or self.first_byte is None:
            return None
        return self.first_byte - self.sent


class Transport(Protocol):
    """Sends requests to doo, each exactly once: no retries, no redirects."""

    async def send(self, request: Request, headers: Mapping[str, str], trip: Exchange) -> Answer:
        """Send one wire request and return the whole answer.

        Raises:
            TransportError: there was no usable answer.
            ProtocolError: the answer is not valid HTTP, or its body is too large.
            ConfigError: the transport is closed or belongs to another event loop.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
