"""The state of one call, and the exceptions that it ends with."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from datetime import datetime
from typing import Generic, Protocol, TypeVar

import attrs

from aiodoo.client.retry_limits import TryAgain
from aiodoo.deadline import Deadline
from aiodoo.error_meaning import ForRun, for_run
from aiodoo.errors import DeadlineExceeded, DooError, OutcomeUnknown
from aiodoo.events import CutOff
from aiodoo.protocol.answers import describe
from aiodoo.protocol.wire import Answer, Kind, Request
from aiodoo.quota import Lane
from aiodoo.quota.hold import Hold
from aiodoo.settling import CONCLUSIVE

T = TypeVar("T")

_number = itertools.count(1)
_origin = os.urandom(4).hex()


def new_call_id() -> str:
    """Return an id that is unique across processes."""
    return f"{_origin}-{os.getpid():x}-{next(_number)}"


class Watch(Protocol):
    """Callbacks telling whether a request may have taken effect."""

    @property
    def hold(self) -> Hold | None:
        """The hold of the run that the request belongs to; None if it belongs to none."""

    @property
    def admitted(self) -> bool:
        """Whether the call belongs to something that has sent a request before, so that it is never refused with QueueFull."""
        ...

    @property
    def call_id(self) -> str:
        """The `call_id` of the call's events; empty for a new one."""
        ...

    def leaves(self, request: Request) -> None:
        """Handle that a wire request is about to be sent; an exception raised here stops it."""

    def never_left(self, request: Request) -> None:
        """Handle that a request announced by `leaves` was certainly not sent."""

    def comes_back(self) -> None:
        """Handle that no request sent so far has changed anything, and that the call will be retried."""

    def takes_back(self, error: DooError) -> bool:
        """Return whether the watcher will repeat an unsent request itself, so that the call ends instead of retrying."""
        ...


@attrs.define(eq=False, repr=False)
class CallGroup:
    """A `Watch` that gives all calls of one method the same `call_id`.

    Attributes:
        call_id: the id in their events.
        hold: None, as they belong to no run.
        admitted: whether a request was sent.
    """

    call_id: str = attrs.field(factory=new_call_id)
    hold: Hold | None = attrs.field(default=None, init=False)
    admitted: bool = attrs.field(default=False, init=False)

    def leaves(self, request: Request) -> None:  # noqa: ARG002  # all are alike
        """Set `admitted`."""
        self.admitted = True

    def never_left(self, request: Request) -> None:
        """Do nothing."""

    def comes_back(self) -> None:
        """Do nothing."""

    def takes_back(self, error: DooError) -> bool:  # noqa: ARG002  # none is repeated
        """Return False."""
        return False


@attrs.define(eq=False, repr=False)
class Call(Generic[T]):
    """One call: its request, its deadline, and the state of its attempts."""

    request: Request
    read: Callable[[Answer], T]
    lane: Lane
    until: Deadline
    watch: Watch | None = None
    """Called when a wire request is sent."""
    max_waiting: int | None = None
    """How many calls may wait for a slot for this one to wait as well."""
    joins: str = ""
    """The id of an earlier call that it continues; empty for a call of its own."""
    waits_for: str = "a token"
    sends: int = 0
    tries: int = 0
    rate_limits: int = 0
    renewals: int = 0
    """How often a refused token was replaced for this call."""
    heard: bool = False
    """Whether somebody listened to events when a request was sent last."""
    held: bool = False
    """Whether it was admitted for a run that claims its team."""
    again: TryAgain | None = None
    """The failure of its first attempt, until backoff is told."""
    error: DooError | None = None
    """The error of the last attempt."""
    sent_at: datetime | None = None
    """When a changing request was last sent (UTC)."""
    doubt: datetime | None = None
    """When the changing request that is in doubt was sent (UTC); None if none is."""
    _own_id: str = attrs.field(default="", init=False)

    @property
    def call_id(self) -> str:
        """The id in its events: that of the call that it continues, that of its watch, or one of its own."""
        if not self._own_id:
            self._own_id = self.joins or (self.watch is not None and self.watch.call_id) or new_call_id()
        return self._own_id

    @property
    def was_admitted(self) -> bool:
        """Whether it, or something that it belongs to, has sent a request before."""
        return self.sends > 0 or bool(self.joins) or (self.watch is not None and self.watch.admitted)

    def is_taken_back(self, error: DooError) -> bool:
        """Return whether the watcher repeats the request when doo can be reached again."""
        return self.watch is not None and for_run(error) is ForRun.WAIT and self.watch.takes_back(error)

    def ends(self, error: DooError) -> DooError:
        """Return what the call raises for `error`: OutcomeUnknown if a change is in doubt."""
        return error if self.doubt is None else in_doubt(self.request, self.doubt, error)

    def cut_off(self, error: BaseException) -> CutOff | None:
        """Add a note about a request in doubt to a CancelledError, and return its event; None if nothing is in doubt.

        With a watch it does nothing, as the watcher reports more.
        """
        if self.doubt is None or self.watch is not None:
            return None
        request = self.request
        message = str(in_doubt(request, self.doubt, DooError("the call was cancelled meanwhile")))
        error.add_note(message)
        return CutOff(
            kind=request.kind,
            team_id=request.team_id,
            attempt=self.sends,
            webhook_id=request.webhook_id,
            message=message,
            call_id=self.call_id,
        )

    def too_late(self) -> DooError:
        """Return what the call raises at its deadline."""
        last = f" The last try ended so: {self.error}" if self.error is not None else ""
        return self.ends(
            DeadlineExceeded(
                f"{describe(self.request)} did not end within {self.until.seconds:g} s; "
                f"it was waiting for {self.waits_for}.{last}"
            )
        )


def in_doubt(request: Request, sent_at: datetime, cause: DooError) -> OutcomeUnknown:
    """Return the OutcomeUnknown for a change that may or may not have been carried out, with what to do next."""
    settled = f"{sent_at + CONCLUSIVE:%Y-%m-%d %H:%M:%S} UTC"
    match request.kind:
        case Kind.CREATE:
            advice = (
                "It was not sent again. Call webhooks.ensure(...), or run bulk.run([Ensure(...)]): it finds what was "
                f"created, or creates it if it is missing. Before {settled} doo may still act on the lost request."
            )
        case Kind.DELETE:
            advice = f"Deleting again is safe. It is gone when a list of its team, read after {settled}, is without it."
        case Kind.WRITE:
            advice = "It was not sent again. Look at doo whether it has happened before you send it again."
        case _:
            advice = (
                "It was not sent again, and doo shows nothing that tells whether it happened; sending it again may "
                "deliver everything twice."
            )
    return OutcomeUnknown(
        f"it is unknown whether {describe(request)} happened: {str(cause).rstrip('.')}. {advice}",
        operation=request.kind.value,
        sent_at=sent_at,
        cause=cause,
        team_id=request.team_id,
    )
