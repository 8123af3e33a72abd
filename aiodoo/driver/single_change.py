"""Updates, replaces or deletes one webhook configuration without a journal."""

from __future__ import annotations

import asyncio
import logging
import re
from datetime import datetime

import anyio

from aiodoo.checks import check_seconds
from aiodoo.client.call import CallGroup
from aiodoo.deadline import Deadline, DeadlineOption
from aiodoo.driver.driver import Driver
from aiodoo.errors import DeadlineExceeded, DooError, OutcomeUnknown
from aiodoo.event_loop import running_loop
from aiodoo.events import CutOff, LeftLive
from aiodoo.offload import wait_uncancelled
from aiodoo.operations import Delete, Operation
from aiodoo.operations.actions import Scan, SendCreate, SendDelete
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.operations.tracked import Stage, Status, TrackedOperation
from aiodoo.protocol.wire import Kind, Request
from aiodoo.quota import Lane
from aiodoo.settling import CONCLUSIVE

_log = logging.getLogger("aiodoo.webhooks")

_NOTHING_SENT = re.compile(r"\b([Nn])othing was sent\b")

_running: set[asyncio.Task[None]] = set()
"""References to unfinished changes, as the event loop keeps only weak ones to its tasks."""


async def change_one(
    driver: Driver, operation: Operation, *, lane: Lane, deadline: DeadlineOption, grace: float = 0.0
) -> TrackedOperation:
    """Carry out one operation, without waiting for requests in doubt to settle.

    The last part of the deadline, as long as the grace but at most half of the deadline, is kept for finishing: a
    create is not sent in it. If the change is cancelled after its create was sent, it continues for the grace; a second
    cancellation ends it. What is left half done is reported as a note of the CancelledError, a warning and an event.

    Args:
        driver: sends the requests.
        operation: the operation.
        lane: the queue to wait in for slots.
        deadline: the seconds for all of it.
        grace: the seconds that it may take to finish when it is cancelled.

    Raises:
        OutcomeUnknown: a request is in doubt, or the change is half done; no webhook was deleted without its
            replacement confirmed.
        DooError: nothing was changed.
    """
    check_seconds(grace, "grace")
    change = _SingleChange(driver, operation, lane, driver.client.until(deadline), grace)
    task = running_loop().create_task(change.carry_out(), name=f"aiodoo {operation.word}")
    _running.add(task)
    task.add_done_callback(_running.discard)
    try:
        cancelled = await _ended(task, change)
    except GeneratorExit:  # the awaiting coroutine was closed
        task.add_done_callback(lambda task: change.add_note(asyncio.CancelledError(), task))
        task.cancel()
        raise
    if cancelled is None and not task.cancelled():
        change.warn_if_late(task.exception())
        task.result()
        return change.tracked
    # The task itself may have been cancelled, as asyncio.run() does at exit.
    cancelled = cancelled or asyncio.CancelledError()
    change.add_note(cancelled, task)
    raise cancelled


async def _ended(task: asyncio.Task[None], change: _SingleChange) -> asyncio.CancelledError | None:
    """Wait until the task has ended, after a cancellation for its grace; return the last CancelledError, if any."""
    cancelled = None
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError as error:
        cancelled = error
    if cancelled is None:
        return None
    change.stopping = True
    try:
        if change.begun:
            with anyio.CancelScope(shield=True):
                await asyncio.wait({task}, timeout=change.grace)
    except asyncio.CancelledError as error:
        cancelled = error
    task.cancel()
    try:
        await wait_uncancelled(task)
    except asyncio.CancelledError as error:
        cancelled = error
    return cancelled


class _TooLate(Exception):
    """Stops a create that could not be finished in time."""


class _SingleChange(CallGroup):
    """A change in progress; as a `Watch` it records which of its requests were sent.

    Attributes:
        tracked: the operation and its stage.
        grace: the seconds that it may take to finish when it is cancelled.
        begun: whether a request was sent that may have changed something.
        stopping: whether it was cancelled, so that nothing new is started.
    """

    def __init__(
        self, driver: Driver, operation: Operation, lane: Lane, until: Deadline, grace: float
    ) -> None:
        super().__init__()
        self.tracked = TrackedOperation(number=0, operation=operation)
        self.grace = grace
        self.begun = False
        self.stopping = False
        self._begun_before = False
        self._sent_at: datetime | None = None
        self._driver = driver
        self._clock = driver.clock
        self._lane = lane
        self._until = until
        self._kept = 0.0 if until.seconds is None else min(grace, until.seconds / 2)

    async def carry_out(self) -> None:
        """Execute all steps; see `change_one`."""
        change, driver = self.tracked, self._driver
        steps = TeamSteps(
            team_id=change.operation.team_id,
            changes=(change,),
            facts=driver.facts,
            settle=None,
            look_first=not isinstance(change.operation, Delete),
            rate=driver.limits.interval,
        )
        try:
            while not steps.done:
                self._check_time()
                action = steps.next(self._clock.monotonic())
                assert isinstance(action, Scan | SendCreate | SendDelete)  # noqa: S101  # without `settle` there is nothing to wait for
                await driver.carry_out(action, steps, lane=self._lane, deadline=self._until, watch=self)
        except _TooLate:
            raise DeadlineExceeded(
                f"the {change.operation.word} was not begun: {self._kept:g} s of its {self._until.seconds:g} s are kept to "
                "finish it, and its create would have left later; nothing was changed"
            ) from None
        except DooError as error:
            if change.creates_sent == change.deletes_sent == 0:
                raise
            raise _half_done(change, _unfinished(error), error) from None
        _raise_for(change)
        if change.reason is not None and change.is_replacement and change.status is Status.APPLIED:
            _log.warning("team %s: %s", change.operation.team_id, change.reason)
        _warn_of_others(change, steps)
        _warn_of_scope(change)

    def leaves(self, request: Request) -> None:
        """Record that a wire request is about to be sent; raise `_TooLate` for a create that is too late."""
        super().leaves(request)
        self._begun_before = self.begun
        if request.kind is Kind.CREATE:
            if self._until.is_over(self._clock.monotonic() + self._kept):
                raise _TooLate
            self._sent_at = self._clock.now()
        self.begun = self.begun or request.kind.is_write

    def never_left(self, request: Request) -> None:  # noqa: ARG002  # it is the last one passed to `leaves`
        """Record that the request was certainly not sent."""
        self.begun = self._begun_before

    def comes_back(self) -> None:
        """Record that nothing was changed; a change that was cancelled meanwhile and has nothing to finish ends here."""
        self.begun = self._begun_before
        task = asyncio.current_task()
        if self.stopping and not self.begun and task is not None:
            task.cancel()

    def warn_if_late(self, error: BaseException | None) -> None:
        """Log a warning and send an event if the deadline has left the change half done."""
        if isinstance(error, OutcomeUnknown) and isinstance(error.cause, DeadlineExceeded):
            self._warn(str(error))

    def add_note(self, cancelled: asyncio.CancelledError, task: asyncio.Task[None]) -> None:
        """Add a note with the outcome of a change that was begun to a CancelledError; warn if it is half done."""
        change = self.tracked
        error = None if task.cancelled() else task.exception()
        if task.cancelled():
            if not self.begun:
                return
            error = _half_done(change, "it was cancelled before it was finished", None, self._sent_at)
        elif error is None:
            message = f"it was finished after its cancellation: {_done(change)}"
            cancelled.add_note(message)
            _log.info("%s", message)
            return
        if isinstance(error, OutcomeUnknown):
            cancelled.add_note(str(error))
            self._warn(str(error))
        elif not isinstance(error, DooError):
            cancelled.__cause__ = error

    def _check_time(self) -> None:
        if self._until.is_over(self._clock.monotonic()):
            raise DeadlineExceeded(
                f"the {self.tracked.operation.word} did not end within {self._until.seconds:g} s"
            )

    def _warn(self, message: str) -> None:
        change = self.tracked
        team_id, sent = change.operation.team_id, change.creates_sent + change.deletes_sent
        if _may_both_live(change) and change.old_id is not None:
            self._driver.listeners.tell(
                LeftLive(
                    kind=Kind.CREATE,
                    team_id=team_id,
                    attempt=sent,
                    old_id=change.old_id,
                    new_id=change.new_id,
                    message=message,
                    call_id=self.call_id,
                )
            )
        else:
            self._driver.listeners.tell(
                CutOff(
                    kind=Kind.DELETE,
                    team_id=team_id,
                    attempt=sent,
                    webhook_id=change.target_id,
                    message=message,
                    call_id=self.call_id,
                )
            )


def _raise_for(change: TrackedOperation) -> None:
    if change.ending.fine:
        return
    if change.stage is Stage.PLANNED and change.error is not None:
        raise change.error
    raise _half_done(change, change.reason or "", change.error)


def _done(change: TrackedOperation) -> str:
    word, team_id = change.operation.word, change.operation.team_id
    if change.new_id is None or change.new_id == change.target_id:
        return f"{word} of webhook configuration {change.target_id} in team {team_id}"
    return f"in team {team_id} webhook configuration {change.new_id} is in the place of {change.target_id}"


def _warn_of_others(change: TrackedOperation, steps: TeamSteps) -> None:
    """Warn of webhooks that others have created meanwhile with the same endpoint, as these may replace the old one too."""
    if not change.is_replacement or change.copied is None or change.wanted is None or steps.known is None:
        return
    endpoints = {hook.endpoint for hook in (*change.copied.hooks, *change.wanted.hooks)}
    ours = {change.old_id, change.new_id, *steps.known}
    others = [
        webhook.id
        for webhook in steps.listing.values()
        if webhook.id not in ours and any(hook.endpoint in endpoints for hook in webhook.hooks)
    ]
    if others:
        _log.warning(
            "while webhook %s of team %s was replaced by %s, somebody else has made %s with the same endpoint: look "
            "whether it replaces the same one, and delete one of them then",
            change.old_id,
            change.operation.team_id,
            change.new_id,
            " and ".join(others),
        )


def _warn_of_scope(change: TrackedOperation) -> None:
    if change.is_replacement and change.scope_unknown and change.new_id != change.target_id:
        _log.warning(
            "webhook %s of team %s was copied to %s; doo's list shows no event_id or event_guide_id, so the copy may "
            "have a wider scope than the original. Pass event_id= if it was bound to one",
            change.target_id,
            change.operation.team_id,
            change.new_id,
        )


def _unfinished(error: DooError) -> str:
    """Describe why a change was not finished; 'nothing was sent' is true only for its last request."""
    message = _NOTHING_SENT.sub(
        lambda found: f"{'T' if found[1] == 'N' else 't'}hat request was not sent", str(error)
    )
    return f"it could not be finished: {message}"


def _half_done(
    change: TrackedOperation, reason: str, cause: DooError | None, sent_at: datetime | None = None
) -> OutcomeUnknown:
    word, team_id = change.operation.word, change.operation.team_id
    if isinstance(cause, OutcomeUnknown):
        sent_at = cause.sent_at
    return OutcomeUnknown(
        f"{word} of webhook configuration {change.target_id} in team {team_id} is in doubt: {reason.rstrip('.')}. "
        f"{_way_out(change, sent_at)}",
        operation=word,
        sent_at=sent_at,
        cause=cause.cause if isinstance(cause, OutcomeUnknown) else cause,
        team_id=team_id,
        old_id=change.old_id,
        new_id=change.new_id,
    )


def _may_both_live(change: TrackedOperation) -> bool:
    """Return whether both webhooks may be live: doo has not accepted the delete of the old one."""
    return change.both_live or (change.is_replacement and change.error is not None)


def _way_out(change: TrackedOperation, sent_at: datetime | None) -> str:
    if not change.is_replacement:
        return "Deleting again is safe; a list of its team without it is the proof"
    if change.new_id is not None and not _may_both_live(change):
        return (
            f"doo has accepted the create of {change.new_id} and the delete of {change.old_id}; only the list that confirms "
            f"it is missing. List the team: {change.old_id} is to be gone"
        )
    if change.new_id is not None:
        return (
            f"List the team: if it shows {change.new_id} as wanted, delete {change.old_id}; if not, delete "
            f"{change.new_id} and begin anew"
        )
    settled = f", from {sent_at + CONCLUSIVE:%Y-%m-%d %H:%M:%S} UTC on" if sent_at is not None else ""
    return (
        f"{change.old_id} was not deleted. List the team{settled}: if it shows the new one, delete "
        f"{change.old_id}; if not, begin anew"
    )
