"""The requests of a run that have been asked for and can still be called back."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import attrs

from aiodoo.bulk.run_progress import RunProgress
from aiodoo.errors import DooError
from aiodoo.operations.actions import Scan, SendCreate, SendDelete
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.protocol.wire import Request
from aiodoo.quota.hold import Hold


class CalledBack(Exception):
    """Keeps a request from leaving that was called back at the instant at which its slot came."""


@attrs.define(eq=False)
class PendingRequest:
    """One action of a team's steps, from the moment it is asked for until its outcome is known.

    It watches the call that carries it out. It can be called back for as long as it has not left, and a reading at any
    time, as nothing is lost with it.

    Attributes:
        steps: who asked for it.
        action: what was asked for.
        scope: its cancellation.
    """

    steps: TeamSteps
    action: Scan | SendCreate | SendDelete
    _all: PendingRequests
    scope: anyio.CancelScope = attrs.field(factory=anyio.CancelScope, init=False)
    _counted: bool = attrs.field(default=False, init=False)

    @property
    def hold(self) -> Hold | None:
        """What the run has of the quota's ledger."""
        return self._all.hold

    @property
    def finishes(self) -> bool:
        """Whether it serves to end what would else stay live twice."""
        if isinstance(self.action, Scan):
            return bool(self.steps.pairs)
        return isinstance(self.action, SendDelete) and self.action.change.is_replacement

    def call_back(self) -> None:
        """Keep it from leaving, or from being read to its end."""
        self.scope.cancel()

    def leaves(self, request: Request) -> None:
        """Take note that a wire request leaves.

        Raises:
            CalledBack: it must not; a cancellation at this instant would only reach it on the wire.
        """
        if self._all.may_call_back(self) and (self.scope.cancel_called or self._all.is_held(self)):
            raise CalledBack
        self._all.tally.sent(request)
        self._counted = True
        if not isinstance(self.action, Scan):
            self._all.discard(self)

    def never_left(self, request: Request) -> None:
        """Take note that a wire request that was about to leave is proven not to have."""
        if self._counted:  # Else it was called back as it was about to leave.
            self._all.tally.unsent(request)
            self._counted = False

    def comes_back(self) -> None:
        """Take note that nothing that left has changed anything, and that the next try waits for its turn."""
        self._all.add(self)
        if self._all.is_held(self):
            self.call_back()

    @property
    def call_id(self) -> str:
        """Nothing: each request of a run is a call of its own."""
        return ""

    @property
    def admitted(self) -> bool:
        """True: a run is let in as a whole, and sees to it itself how many of its requests wait."""
        return True

    def takes_back(self, error: DooError) -> bool:
        """Return whether the run waits until the cause of an error has passed, and asks again then."""
        return self._all.waits_for(error)


class PendingRequests:
    """The requests of a run that can still be called back.

    Args:
        tally: counts the wire requests.
        hold: what the run has of the quota's ledger; None if there is nothing to do.
        is_held: tells whether one must not leave now.
        waits_for: tells whether the run itself waits until the cause of an error has passed.
    """

    def __init__(
        self,
        tally: RunProgress,
        hold: Hold | None,
        *,
        is_held: Callable[[PendingRequest], bool],
        waits_for: Callable[[DooError], bool],
    ) -> None:
        self.tally = tally
        self.hold = hold
        self.is_held = is_held
        self.waits_for = waits_for
        self._unsent: set[PendingRequest] = set()

    def __len__(self) -> int:
        return len(self._unsent)

    def replacing(self, steps: TeamSteps) -> tuple[int, int]:
        """Return how many creates and deletes of a team's updates and replacements have not left."""
        actions = [departure.action for departure in self._unsent if departure.steps is steps]
        return (
            sum(isinstance(action, SendCreate) and action.change.is_replacement for action in actions),
            sum(isinstance(action, SendDelete) and action.change.is_replacement for action in actions),
        )

    def asked(self, steps: TeamSteps, action: Scan | SendCreate | SendDelete) -> PendingRequest:
        """Return a new one, which has not left yet."""
        departure = PendingRequest(steps, action, self)
        self.add(departure)
        return departure

    def add(self, departure: PendingRequest) -> None:
        """Count it among those that have not left."""
        self._unsent.add(departure)

    def discard(self, departure: PendingRequest) -> None:
        """Count it among them no longer."""
        self._unsent.discard(departure)

    def may_call_back(self, departure: PendingRequest) -> bool:
        """Return whether it has not left, or is a reading."""
        return departure in self._unsent

    def call_back(self) -> None:
        """Call back all that must not leave now."""
        for departure in tuple(self._unsent):
            if self.is_held(departure):
                departure.call_back()
