"""The requests of a run that have not been sent yet and can still be called back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import attrs

from aiodoo.bulk.run_progress import RunProgress
from aiodoo.errors import DooError
from aiodoo.operations.actions import Scan, SendCreate, SendDelete
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.protocol.wire import Request
from aiodoo.quota.hold import Hold


class CalledBack(Exception):
    """Stops a request that was called back at the instant at which it got its slot."""


@attrs.define(eq=False)
class PendingRequest:
    """One action of a team's steps, from when it is returned until its result is known.

    It is the `Watch` of the call that carries it out. It can be called back until it is sent; a reading at any time.

    Attributes:
        steps: the team's steps.
        action: the action.
    """

    steps: TeamSteps
    action: Scan | SendCreate | SendDelete
    _all: PendingRequests
    _called_back: bool = attrs.field(default=False, init=False)
    _cancelled: bool = attrs.field(default=False, init=False)
    _cancelled_before: int = attrs.field(default=0, init=False)
    _task: asyncio.Task[object] | None = attrs.field(default=None, init=False)
    _counted: bool = attrs.field(default=False, init=False)

    @property
    def hold(self) -> Hold | None:
        """The run's entry in the ledger."""
        return self._all.hold

    @property
    def finishes(self) -> bool:
        """Whether it is needed so that no webhook stays live twice."""
        if isinstance(self.action, Scan):
            return bool(self.steps.pairs)
        return isinstance(self.action, SendDelete) and self.action.change.is_replacement

    def __enter__(self) -> None:
        """Begin to carry it out, in a task that is cancelled if it is called back.

        Raises:
            CalledBack: it was called back before.
        """
        if self._called_back:
            raise CalledBack
        task = self._task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a run carries out each request in a task
        self._cancelled_before = task.cancelling()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End it.

        Raises:
            CalledBack: it was called back, and nothing else has cancelled the task.
        """
        task, self._task = self._task, None
        if task is not None and self._cancelled:
            by_others = task.uncancel() > self._cancelled_before
            if kind is asyncio.CancelledError and not by_others:
                raise CalledBack from None

    def call_back(self) -> None:
        """Cancel it in the next turn of the event loop."""
        if not self._called_back:
            self._called_back = True
            asyncio.get_running_loop().call_soon(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._cancelled = True
            self._task.cancel()

    def leaves(self, request: Request) -> None:
        """Count a request that is about to be sent.

        Raises:
            CalledBack: it must not be sent; a cancellation at this instant would come too late.
        """
        if self._all.may_call_back(self) and (
            self._called_back or self._all.is_held(self) or self._is_outdated()
        ):
            raise CalledBack
        self._all.progress.sent(request)
        self._counted = True
        if not isinstance(self.action, Scan):
            self._all.discard(self)

    def _is_outdated(self) -> bool:
        """Return whether its intent may be another process's by now, so that it has to be written down again first."""
        return self._all.may_be_taken() and not isinstance(self.action, Scan)

    def never_left(self, request: Request) -> None:
        """Record that a request was provably not sent."""
        if self._counted:  # Else it was called back before.
            self._all.progress.unsent(request)
            self._counted = False

    def comes_back(self) -> None:
        """Record that the request has changed nothing and that its next attempt waits for a slot."""
        self._all.add(self)
        if self._all.is_held(self):
            self.call_back()

    @property
    def call_id(self) -> str:
        """Empty, as each request of a run is a call of its own."""
        return ""

    @property
    def admitted(self) -> bool:
        """True, as a run limits its waiting requests itself."""
        return True

    def takes_back(self, error: DooError) -> bool:
        """Return whether the run waits until the cause of an error has passed, and then sends the request again."""
        return self._all.waits_for(error)


class PendingRequests:
    """The requests of a run that can still be called back.

    Args:
        progress: counts the requests.
        hold: the run's entry in the ledger; None if it has nothing to do.
        is_held: returns whether a request must not be sent now.
        waits_for: returns whether the run waits until the cause of an error has passed.
        may_be_taken: returns whether another process may have taken up the run's journal.
    """

    def __init__(
        self,
        progress: RunProgress,
        hold: Hold | None,
        *,
        is_held: Callable[[PendingRequest], bool],
        waits_for: Callable[[DooError], bool],
        may_be_taken: Callable[[], bool],
    ) -> None:
        self.progress = progress
        self.hold = hold
        self.is_held = is_held
        self.waits_for = waits_for
        self.may_be_taken = may_be_taken
        self._unsent: set[PendingRequest] = set()

    def __len__(self) -> int:
        return len(self._unsent)

    def replacing(self, steps: TeamSteps) -> tuple[int, int]:
        """Return how many creates and deletes of a team's updates and replacements have not been sent."""
        actions = [pending.action for pending in self._unsent if pending.steps is steps]
        return (
            sum(isinstance(action, SendCreate) and action.change.is_replacement for action in actions),
            sum(isinstance(action, SendDelete) and action.change.is_replacement for action in actions),
        )

    def new(self, steps: TeamSteps, action: Scan | SendCreate | SendDelete) -> PendingRequest:
        """Return a pending request for an action."""
        pending = PendingRequest(steps, action, self)
        self.add(pending)
        return pending

    def add(self, pending: PendingRequest) -> None:
        """Add a request that is not sent yet, or again."""
        self._unsent.add(pending)

    def discard(self, pending: PendingRequest) -> None:
        """Remove a request that is sent or done."""
        self._unsent.discard(pending)

    def may_call_back(self, pending: PendingRequest) -> bool:
        """Return whether a request is not sent yet, or is a reading."""
        return pending in self._unsent

    def call_back(self) -> None:
        """Call back all requests that must not be sent now."""
        for pending in tuple(self._unsent):
            if self.is_held(pending):
                pending.call_back()
