"""The sandbox in place of the network, for simulated time: no socket, production code otherwise unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from multidict import CIMultiDict

from aiodoo.client.transport import Exchange
from aiodoo.clock import Clock
from aiodoo.errors import ProtocolError, TransportError
from aiodoo.protocol.wire import Answer, Request
from aiodoo.sandbox import Answer as WireAnswer
from aiodoo.sandbox import Box
from aiodoo.sandbox import Request as WireRequest

REFUSED = "doo cannot be reached: the connection was refused"


class BoxTransport:
    """A `Transport` whose requests reach the box after half a round trip and return after the other half.

    Parameters:
        box: its clock is the simulation's.
        clock: the simulation's.
        timeout: seconds for one wire request.
        there: the time at the box, if that is not the clock's.
    """

    def __init__(
        self, box: Box, clock: Clock, *, timeout: float = 60.0, there: Callable[[], float] | None = None
    ) -> None:
        self.box = box
        self.clock = clock
        self.timeout = timeout
        self.there = there or clock.monotonic
        self.under_way = 0
        self._on_the_way: dict[asyncio.TimerHandle, Callable[[float], None]] = {}
        self.closed = False

    async def send(self, request: Request, headers: Mapping[str, str], trip: Exchange) -> Answer:
        """Carry one request to the box and its answer back."""
        if self.box.refuses_connections(self.there()):
            raise TransportError(REFUSED, sent=False)
        trip.leave(self.clock.monotonic())
        self.under_way += 1
        try:
            async with asyncio.timeout(self.timeout):
                return await self._carry(request, headers, trip)
        except TimeoutError:
            raise TransportError("no usable answer: the time for one request ran out", sent=True) from None
        finally:
            self.under_way -= 1

    async def close(self) -> None:
        """Note it."""
        self.closed = True

    async def _carry(self, request: Request, headers: Mapping[str, str], trip: Exchange) -> Answer:
        answer = await self._arrive(request, headers, trip)
        if answer.drop == "no_answer":
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(answer.delay - answer.drip)
        if answer.drop in {"before_answer", "in_headers"}:
            if answer.wire is not None:
                raise ProtocolError("the answer is not valid HTTP")
            raise TransportError("no usable answer: the connection broke", sent=True)
        trip.first_byte = self.clock.monotonic()
        if request.kind.needs_no_body and answer.status in range(200, 300):
            return Answer(status=answer.status, headers=CIMultiDict(answer.headers), body=b"")
        await asyncio.sleep(answer.drip)
        if answer.drop is not None:
            raise TransportError("no usable answer: the answer broke off", sent=True)
        return Answer(status=answer.status, headers=CIMultiDict(answer.headers), body=answer.body)

    def _arrive(
        self, request: Request, headers: Mapping[str, str], trip: Exchange
    ) -> asyncio.Future[WireAnswer]:
        """Let the request arrive half a round trip from now, whether or not somebody still waits for it."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[WireAnswer] = loop.create_future()
        round_trip = self.box.round_trip()
        query = {} if request.page is None else {"page": str(request.page)}
        arriving = WireRequest(request.method, f"/v1{request.path}", query, dict(headers), request.body)

        def arrive(now: float) -> None:
            del self._on_the_way[timer]
            try:
                answer = self.box.handle(arriving, now, round_trip=round_trip)
            except ConnectionRefusedError:
                if not answered.done():
                    trip.sent = None
                    answered.set_exception(TransportError(REFUSED, sent=False))
                return
            if not answered.done():
                answered.set_result(answer)

        timer = loop.call_later(round_trip / 2, lambda: arrive(self.there()))
        self._on_the_way[timer] = arrive
        return answered

    def arrive_while_asleep(self) -> None:
        """Let all that is on the way to the box arrive in its time, as the network does not sleep."""
        late = self.there() - asyncio.get_running_loop().time()
        for timer, arrive in sorted(self._on_the_way.items(), key=lambda each: each[0].when()):
            timer.cancel()
            arrive(timer.when() + late)
