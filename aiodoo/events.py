"""What a Session reports while it works: events for `on_event=` and counters for `session.stats`."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

import attrs

from aiodoo.protocol.wire import Kind

_log = logging.getLogger("aiodoo.client")


@attrs.frozen(kw_only=True)
class Event:
    """Something that happened to one call. No event holds a secret, a header or a body.

    Attributes:
        kind: what the call asks doo for.
        team_id: the team it is for, if it is for one.
        attempt: how many wire requests the call has made so far, this one included.
        call_id: the same for all events of one call, with all the requests of an `update`, `replace`, `get` or `ensure`;
            no other call of any session has it. Empty for what a whole run has left.
    """

    kind: Kind
    team_id: str | None
    attempt: int
    call_id: str = ""


@attrs.frozen(kw_only=True)
class Waited(Event):
    """The call waited for its turn in the quota or for the token.

    Attributes:
        what: "quota" or "token".
        seconds: how long.
    """

    what: str
    seconds: float


@attrs.frozen(kw_only=True)
class RequestSent(Event):
    """A wire request is handed to the transport."""


@attrs.frozen(kw_only=True)
class Answered(Event):
    """An answer is there, whatever its status.

    Attributes:
        status: its HTTP status.
        seconds: since `RequestSent`, connecting included.
        request_id: the gateway's name for the request, for doo's support.
    """

    status: int
    seconds: float
    request_id: str | None


@attrs.frozen(kw_only=True)
class RequestFailed(Event):
    """A wire request ended without a usable answer, or its call was cancelled or ran out of time meanwhile.

    Attributes:
        reason: the name of the exception's class; "CancelledError" for both of the latter.
        sent: False if doo never saw the request.
        seconds: since `RequestSent`.
    """

    reason: str
    sent: bool
    seconds: float


@attrs.frozen(kw_only=True)
class RateLimitHit(Event):
    """doo said that the API key asks too often, so every call on this key pauses.

    Attributes:
        retry_after: seconds that doo asked to wait, if it said so.
        day_spent: True if doo said that the day's quota is used up.
    """

    retry_after: float | None
    day_spent: bool


@attrs.frozen(kw_only=True)
class Retrying(Event):
    """The call will be tried again.

    Attributes:
        reason: the name of the exception's class.
        seconds: how long it sleeps before; the quota may make it wait longer.
    """

    reason: str
    seconds: float


@attrs.frozen(kw_only=True)
class LeftLive(Event):
    """An update or a replacement was stopped half done: both webhook configurations may be live now.

    Attributes:
        old_id: the one that was to go.
        new_id: the one that takes its place; None if its create was sent and its answer is not known.
        message: what is known, and what to do next; empty where a run's report says it.
    """

    old_id: str
    new_id: str | None
    message: str = ""


@attrs.frozen(kw_only=True)
class CutOff(Event):
    """A create, a delete or an initialization was cancelled with its request on the wire: doo may act on it or not.

    Attributes:
        webhook_id: what was to be deleted; None for what had no id yet.
        message: what is known, and what to do next; the CancelledError has it as a note.
    """

    webhook_id: str | None
    message: str


@attrs.define
class Stats:
    """Counters of one Session, for `session.stats`. Read them at any time; they only grow.

    Attributes:
        requests: wire requests handed to the transport, by kind.
        answers: answers by status class, such as "2xx".
        failures: wire requests without a usable answer, those of cancelled calls included.
        rate_limited: answers with status 429.
        retries: tries after the first of their call.
        quota_wait: seconds that calls waited for their turn in the quota, added up.
    """

    requests: Counter[Kind] = attrs.field(factory=Counter)
    answers: Counter[str] = attrs.field(factory=Counter)
    failures: int = 0
    rate_limited: int = 0
    retries: int = 0
    quota_wait: float = 0.0

    @property
    def token_requests(self) -> int:
        """Wire requests for a token."""
        return self.requests[Kind.TOKEN]


class Listeners:
    """Hands events to the log and to the user's `on_event`, whose failures harm nobody."""

    __slots__ = ("_broken", "_on_event")

    def __init__(self, on_event: Callable[[Event], object] | None = None) -> None:
        self._on_event = on_event
        self._broken = False

    def listening(self) -> bool:
        """Return whether anybody hears of everyday work; if not, no event is made of it."""
        return self._on_event is not None or _log.isEnabledFor(logging.DEBUG)

    def tell(self, event: Event) -> None:
        """Hand out one event."""
        log(event)
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # a listener may raise what it likes
            if not self._broken:
                self._broken = True
                _log.warning(
                    "on_event raised %s; calls go on, and it is not logged again",
                    type(error).__name__,
                    exc_info=True,
                )


def log(event: Event) -> None:
    """Write an event to the logger `aiodoo.client`: 429s as INFO, the day's end and what is left half done as WARNING, else DEBUG.

    Of a run's `LeftLive`, which has no message, the run itself warns, with one line for all of a team.
    """
    level = logging.DEBUG
    if isinstance(event, RateLimitHit):
        level = logging.WARNING if event.day_spent else logging.INFO
    elif isinstance(event, LeftLive | CutOff) and event.message:
        _log.warning("%s", event.message)
        return
    if _log.isEnabledFor(level):
        told = attrs.asdict(event)
        told["call_id"] = told.pop("call_id")  # last, as it is of least interest
        words = " ".join(f"{name}={value}" for name, value in told.items())
        _log.log(level, "%s %s", type(event).__name__, words)
