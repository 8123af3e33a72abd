"""Sends the deliveries of a sandbox: a token request if the webhook has an authentication, then the payload."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import aiohttp

from aiodoo.sandbox.answers import Data
from aiodoo.sandbox.box import Box
from aiodoo.sandbox.deliveries import SandboxDelivery
from aiodoo.sandbox.jsontext import dumps, loads

logger = logging.getLogger("aiodoo.sandbox")

_AT_ONCE = 8
"""Deliveries in flight at most."""

_TIMEOUT = aiohttp.ClientTimeout(total=10.0)
_LONGEST_WAIT = 1.0
"""Seconds after which a clock that a test sets is looked at again."""

_READ = 64 * 1024
"""Bytes of an answer that are read."""


class Deliveries:
    """The deliveries of a sandbox, which are sent while it is open; thread-safe.

    Only endpoints on this machine are called, and the hosts of the setting `delivers_to`.
    """

    def __init__(self, box: Box, lock: threading.RLock, now: Callable[[], float]) -> None:
        self._box, self._lock, self._now = box, lock, now
        self._loop: asyncio.AbstractEventLoop | None = None
        self._added = asyncio.Event()
        self._working: asyncio.Task[None] | None = None
        self._changed = threading.Condition(lock)
        self._lost = 0
        self._sent = 0

    def fire(self, hook_type: str, item: Data, *, team: str | None = None) -> list[SandboxDelivery]:
        """Let something happen, and deliver it to all hooks of this type.

        Parameters:
            hook_type: such as `event_created`.
            item: the event, order or attendee: an object with an `id`, and with an `event_id` unless it is an event. Hooks
                without an origin deliver it whole, those with one the fields that their query selects.
            team: only the webhooks of this team; those of all teams by default.
        """
        with self._lock:
            made = self._box.fire(hook_type, item, team=team, now=self._now())
        self.look()
        return made

    def look(self) -> None:
        """Start to send what has been added."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._start)

    def _start(self) -> None:
        self._added.set()
        if self._working is None:
            self._working = asyncio.get_running_loop().create_task(self._work())

    @property
    def all(self) -> list[SandboxDelivery]:
        """Every delivery since the start or the last reset, in order."""
        with self._lock:
            return list(self._box.outbox.deliveries)

    @property
    def dead(self) -> list[SandboxDelivery]:
        """The deliveries that failed ten times."""
        return [each for each in self.all if each.state == "dead"]

    def lose_answers(self, *, every: int) -> None:
        """Lose every n-th answer from now on: the endpoint has answered, and the delivery is sent again; 0 ends this."""
        if type(every) is not int or every < 0:
            raise ValueError(f"every is a whole number, not negative, not {every!r}")
        with self._lock:
            self._lost, self._sent = every, 0

    def reset(self) -> None:
        """Lose no more answers, and wake who waits for deliveries that were forgotten."""
        with self._changed:
            self._lost = 0
            self._changed.notify_all()

    def wait(self, seconds: float | None = None) -> None:
        """Wait in another thread until every delivery is delivered, dead or not to be sent.

        Raises:
            TimeoutError: that takes longer.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._box.outbox.is_empty, seconds):
                raise TimeoutError("deliveries are still waiting")

    async def settled(self) -> None:
        """Wait, in the sandbox's event loop or another, until no delivery waits."""
        while not self._box.outbox.is_empty:  # noqa: ASYNC110  # it may be another thread's
            await asyncio.sleep(0.01)

    def open(self) -> None:
        """Send from the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._added = asyncio.Event()
        if not self._box.outbox.is_empty:
            self._start()

    async def close(self) -> None:
        """Stop to send; what is in flight is cut off, and sent again when it is opened again."""
        self._loop = None
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
            self._working = None

    async def _work(self) -> None:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as http, asyncio.TaskGroup() as group:
            free = asyncio.Semaphore(_AT_ONCE)
            while True:
                await free.acquire()
                self._added.clear()
                with self._lock:
                    now = self._now()
                    delivery = self._box.outbox.take(now)
                    due = self._box.outbox.next_due()
                if delivery is not None:
                    group.create_task(self._send(http, delivery, free))
                    continue
                free.release()
                await self._pause(None if due is None else max(0.0, due - now))

    async def _pause(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(None if seconds is None else min(seconds, _LONGEST_WAIT)):
                await self._added.wait()
        except TimeoutError:
            pass

    async def _send(
        self, http: aiohttp.ClientSession, delivery: SandboxDelivery, free: asyncio.Semaphore
    ) -> None:
        outcome: int | str = "no answer"
        try:
            outcome = await _attempt(http, delivery)
        except Exception as error:  # noqa: BLE001  # whatever an endpoint answers, the other deliveries go on
            logger.info("delivery %d got no answer (%s)", delivery.number, type(error).__name__)
        finally:
            with self._changed:
                self._sent += 1
                if self._lost and self._sent % self._lost == 0:
                    outcome = "no answer"
                self._box.outbox.end(delivery, outcome, self._now())
                self._changed.notify_all()
            free.release()
            self._added.set()


async def _attempt(http: aiohttp.ClientSession, delivery: SandboxDelivery) -> int | str:
    headers = {"Content-Type": "application/json"}
    login: Any = delivery.authentication
    if login is not None:
        form = {"grant_type": login["grant_type"], **login["credentials"]}
        async with http.post(login["endpoint"], data=form, allow_redirects=False) as answer:
            body = await _beginning(answer)
        if answer.status != 200:
            return f"token {answer.status}"
        token = _token(body)
        if token is None:
            return "token without access_token"
        headers[login["header_format"]] = login["header_value_format"].replace("%ACCESS_TOKEN%", token)
    async with http.post(
        delivery.endpoint, data=dumps(delivery.payload), headers=headers, allow_redirects=False
    ) as answer:
        await _beginning(answer)
        return answer.status


async def _beginning(answer: aiohttp.ClientResponse) -> bytes:
    """Read an answer to its end, or as much of it as is read."""
    parts, left = [], _READ
    while left > 0 and (part := await answer.content.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _token(body: bytes) -> str | None:
    try:
        document = loads(body)
    except ValueError:
        return None
    token = document.get("access_token") if isinstance(document, dict) else None
    return token if isinstance(token, str) else None
