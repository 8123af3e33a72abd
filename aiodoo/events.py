"""Events for `on_event=` and counters for `session.stats`."""

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
    """Base of all events. No event holds a secret, a header or a body.

    Attributes:
        kind: the kind of request.
        team_id: the team of the request; None if it has none.
        attempt: the number of wire requests that the call has made, this one included.
        call_id: the same for all events of one call, including all requests of an `update`, `replace`, `get` or
            `ensure`, and unique across sessions and processes. Empty for the `LeftLive` of a run.
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
        seconds: the duration of the wait.
    """

    what: str
    seconds: float


@attrs.frozen(kw_only=True)
class RequestSent(Event):
    """A wire request is passed to the transport."""


@attrs.frozen(kw_only=True)
class Answered(Event):
    """A complete answer was received, whatever its status.

    Attributes:
        status: the HTTP status.
        seconds: the time since `RequestSent`, connecting included.
        request_id: the gateway's id of the request, for doo's support; None if the answer has none.
    """

    status: int
    seconds: float
    request_id: str | None


@attrs.frozen(kw_only=True)
class RequestFailed(Event):
    """A wire request ended without a usable answer, or its call was cancelled or reached its deadline.

    Attributes:
        reason: the name of the exception's class; "CancelledError" for a cancellation and for a deadline.
        sent: False if it is certain that doo has not seen the request.
        seconds: the time since `RequestSent`.
    """

    reason: str
    sent: bool
    seconds: float


@attrs.frozen(kw_only=True)
class RateLimitHit(Event):
    """doo answered 429, so that every call on this API key pauses.

    Attributes:
        retry_after: the seconds of the Retry-After header; None without one.
        day_spent: whether the answer says that the daily quota is spent.
    """

    retry_after: float | None
    day_spent: bool


@attrs.frozen(kw_only=True)
class Retrying(Event):
    """The call will be retried.

    Attributes:
        reason: the name of the exception's class.
        seconds: the wait before the retry; the quota may make it longer.
    """

    reason: str
    seconds: float


@attrs.frozen(kw_only=True)
class LeftLive(Event):
    """An update or a replacement ended half done: both webhook configurations may be live.

    Attributes:
        old_id: the webhook configuration that was to be deleted.
        new_id: its replacement; None if the create is in doubt.
        message: what is known, and what to do next; empty for a run, whose report says it.
    """

    old_id: str
    new_id: str | None
    message: str = ""


@attrs.frozen(kw_only=True)
class CutOff(Event):
    """A create, a delete or an initialization was cancelled while its request was in flight, so that it is in doubt.

    Attributes:
        webhook_id: the id of what was to be deleted; None for a create or an initialization.
        message: what is known, and what to do next; the CancelledError has it as a note.
    """

    webhook_id: str | None
    message: str


@attrs.define
class Stats:
    """Counters of one Session, as `session.stats`. They only increase.

    Attributes:
        requests: wire requests passed to the transport, by kind.
        answers: answers by status class, such as "2xx".
        failures: wire requests without a usable answer, including those of cancelled calls.
        rate_limited: answers with status 429.
        retries: attempts after the first one of their call.
        quota_wait: the total seconds that calls have waited for their turn in the quota.
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
    """Sends events to the log and to the user's `on_event`, whose exceptions are logged and ignored."""

    __slots__ = ("_broken", "_on_event")

    def __init__(self, on_event: Callable[[Event], object] | None = None) -> None:
        self._on_event = on_event
        self._broken = False

    def listening(self) -> bool:
        """Return whether events of routine requests are logged or listened to; if not, none is created."""
        return self._on_event is not None or _log.isEnabledFor(logging.DEBUG)

    def tell(self, event: Event) -> None:
        """Log one event and pass it to `on_event`."""
        log(event)
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # a listener may raise anything
            if not self._broken:
                self._broken = True
                _log.warning(
                    "on_event raised %s; calls continue, and it is not logged again",
                    type(error).__name__,
                    exc_info=True,
                )


def log(event: Event) -> None:
    """Log an event to `aiodoo.client`: a 429 as INFO, a spent day or something half done as WARNING, all else as DEBUG.

    A `LeftLive` without a message belongs to a run, which logs one warning for all of a team.
    """
    level = logging.DEBUG
    if isinstance(event, RateLimitHit):
        level = logging.WARNING if event.day_spent else logging.INFO
    elif isinstance(event, LeftLive | CutOff) and event.message:
        _log.warning("%s", event.message)
        return
    if _log.isEnabledFor(level):
        fields = attrs.asdict(event)
        fields["call_id"] = fields.pop("call_id")  # last, as it is the least interesting one
        text = " ".join(f"{name}={value}" for name, value in fields.items())
        _log.log(level, "%s %s", type(event).__name__, text)
