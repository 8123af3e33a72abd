"""What one call has come to, and the words for its end."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from datetime import datetime
from typing import Generic, Protocol, TypeVar

import attrs

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
    """Return what tells a call from all others, those of other processes too."""
    return f"{_origin}-{os.getpid():x}-{next(_number)}"


class Watch(Protocol):
    """Who has to know whether a request of a call may have changed something."""

    @property
    def hold(self) -> Hold | None:
        """Return that of the run whose request it is; None for no run's."""

    @property
    def admitted(self) -> bool:
        """Return whether the call is part of something that was let in, so that it waits for its turn however long that is."""
        ...

    @property
    def call_id(self) -> str:
        """Return what the events of the call have in common with those of others that belong to it; empty if nothing."""
        ...

    def leaves(self, request: Request) -> None:
        """Take note that a wire request leaves."""

    def never_left(self, request: Request) -> None:
        """Take note that a wire request of which it was said that it leaves is proven not to have left."""

    def comes_back(self) -> None:
        """Take note that none that left has changed anything, and that the next one waits for its turn."""

    def takes_back(self, error: DooError) -> bool:
        """Return whether a request that could not be sent is asked for again later, so that it is not tried again now."""
        ...


@attrs.define(eq=False)
class Together:
    """Watches over the calls of one method, which are one call for who listens.

    Attributes:
        call_id: what their events have in common.
        hold: None, as it is no run's.
        admitted: whether one of them has left.
    """

    call_id: str = attrs.field(factory=new_call_id)
    hold: Hold | None = attrs.field(default=None, init=False)
    admitted: bool = attrs.field(default=False, init=False)

    def leaves(self, request: Request) -> None:  # noqa: ARG002  # whichever it is
        """Take note that one leaves."""
        self.admitted = True

    def never_left(self, request: Request) -> None:
        """Take no note."""

    def comes_back(self) -> None:
        """Take no note."""

    def takes_back(self, error: DooError) -> bool:  # noqa: ARG002  # a single call waits for nothing to pass
        """Return False: what could not be sent is tried again now, or not at all."""
        return False


@attrs.define(eq=False)
class Call(Generic[T]):
    """One call: what is asked, by when, and what its wire requests have come to so far."""

    request: Request
    read: Callable[[Answer], T]
    lane: Lane
    until: Deadline
    watch: Watch | None = None
    """Who wants to know when a wire request leaves."""
    max_waiting: int | None = None
    """How many calls may wait for their turn when this one comes to it."""
    call_id: str = attrs.field(factory=new_call_id)
    joined: bool = False
    """Whether it goes on with an earlier call, whose id it has."""
    waits_for: str = "a token"
    sends: int = 0
    tries: int = 0
    rate_limits: int = 0
    renewals: int = 0
    """How often a refused token was renewed for this call."""
    error: DooError | None = None
    """Why it is tried again."""
    sent_at: datetime | None = None
    """When a change last left."""
    doubt: datetime | None = None
    """When the change left of which nobody knows whether it happened; only a success clears that."""

    @property
    def was_admitted(self) -> bool:
        """Whether it has had its turn before, or is part of something that has."""
        return self.sends > 0 or self.joined or (self.watch is not None and self.watch.admitted)

    def is_taken_back(self, error: DooError) -> bool:
        """Return whether who asked waits until doo can be reached, and asks again then."""
        return self.watch is not None and for_run(error) is ForRun.WAIT and self.watch.takes_back(error)

    def ends(self, error: DooError) -> DooError:
        """Return what the call raises in place of `error`."""
        return error if self.doubt is None else in_doubt(self.request, self.doubt, error)

    def cut_off(self, error: BaseException) -> CutOff | None:
        """Note on a cancellation what it leaves in doubt, and return the event of that; None if it leaves nothing.

        Who watches over the call knows more, and says so itself.
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
        """Return what the call raises when its deadline strikes."""
        last = f" The last try ended so: {self.error}" if self.error is not None else ""
        return self.ends(
            DeadlineExceeded(
                f"{describe(self.request)} did not end within {self.until.seconds:g} s; "
                f"it was waiting for {self.waits_for}.{last}"
            )
        )


def in_doubt(request: Request, sent_at: datetime, cause: DooError) -> OutcomeUnknown:
    """Say that a change may or may not have happened, and the way out."""
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
