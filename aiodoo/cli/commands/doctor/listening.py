"""A transport that remembers what doo answered, headers too, for as long as the doctor is at work."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import attrs

from aiodoo.client.exchange import Exchange, Transport
from aiodoo.protocol.wire import Answer, Kind, Request


@attrs.frozen
class Heard:
    """One answer, and when it was there."""

    request: Request
    answer: Answer
    at: datetime


@attrs.define
class RecordingTransport:
    """Hands everything on to another transport."""

    _transport: Transport
    heard: list[Heard] = attrs.field(factory=list)

    async def send(self, request: Request, headers: Mapping[str, str], trip: Exchange) -> Answer:
        """Send one wire request and return the whole answer."""
        answer = await self._transport.send(request, headers, trip)
        self.heard.append(Heard(request, answer, datetime.now(UTC)))
        return answer

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()

    def of(self, kind: Kind) -> list[Heard]:
        """Return what was answered to requests of a kind with a 2xx."""
        return [
            one for one in self.heard if one.request.kind is kind and one.answer.status in range(200, 300)
        ]
