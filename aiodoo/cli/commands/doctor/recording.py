"""A transport that records doo's answers with their headers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import attrs

from aiodoo.client.exchange import Exchange, Transport
from aiodoo.protocol.wire import Answer, Kind, Request


@attrs.frozen
class Recorded:
    """One request, its answer, and the time of the answer."""

    request: Request
    answer: Answer
    at: datetime


@attrs.define
class RecordingTransport:
    """Forwards requests to another transport, and records the answers."""

    _transport: Transport
    answers: list[Recorded] = attrs.field(factory=list)

    async def send(self, request: Request, headers: Mapping[str, str], trip: Exchange) -> Answer:
        """Send one request and return the answer."""
        answer = await self._transport.send(request, headers, trip)
        self.answers.append(Recorded(request, answer, datetime.now(UTC)))
        return answer

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    def of(self, kind: Kind) -> list[Recorded]:
        """Return the successful answers to requests of a kind."""
        return [
            one for one in self.answers if one.request.kind is kind and one.answer.status in range(200, 300)
        ]
