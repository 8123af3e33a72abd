"""One operation with its stage, from planned to confirmed, and its status. Pure."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any, Protocol

import attrs

from aiodoo.errors import DooError
from aiodoo.models import AddWebhook, WebhookConfiguration
from aiodoo.operations.operations import Delete, Operation, Replace, Update


class Status(StrEnum):
    """How an operation ended; every operation of a run has exactly one."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNKNOWN = "unknown"
    UNFINISHED = "unfinished"
    NOT_STARTED = "not_started"
    IN_PROGRESS = "in_progress"

    @property
    def fine(self) -> bool:
        """Whether the operation's webhook is as wanted."""
        return self in {Status.APPLIED, Status.UNCHANGED}


class Stage(StrEnum):
    """How far an operation has come; the table in docs/runs.md says what a resumed run does at each stage."""

    PLANNED = "planned"
    CREATE_INTENT = "create_intent"
    MAYBE = "maybe"
    CREATED = "created"
    VERIFIED = "verified"
    DELETE_INTENT = "delete_intent"
    DELETED = "deleted"
    CONFIRMED = "confirmed"


GONE = frozenset({Stage.DELETED, Stage.CONFIRMED})
"""Stages at which the old webhook configuration is assumed to be deleted."""


_HALF_DONE = frozenset({Stage.CREATE_INTENT, Stage.MAYBE, Stage.CREATED, Stage.VERIFIED, Stage.DELETE_INTENT})
"""Stages at which the old webhook configuration is live, and the new one is live or may be."""


class Phase(StrEnum):
    """What an operation does; a team's creates are sent first, then its replacements (swaps), then its deletes."""

    CREATE = "create"
    SWAP = "swap"
    DELETE = "delete"


class StageObserver(Protocol):
    """Is called before and after each change of an operation."""

    def before_move(self, change: TrackedOperation) -> None:
        """Remove an operation that is about to change."""

    def after_move(self, change: TrackedOperation) -> None:
        """Enter an operation that has changed."""


@attrs.define(kw_only=True, eq=False)
class TrackedOperation:
    """One operation, its stage, and what is known of its webhook configurations.

    Attributes:
        number: the operation's place in the input, from 0.
        ready: whether `wanted` and `old_id` are known, so that it may be sent.
        wanted: the content that is created, for all but a delete.
        old_id: the id of the webhook configuration that is replaced or deleted.
        new_id: the id of the webhook configuration that stays.
        creates_sent, deletes_sent: how often each was sent.
        looked_at: from when on a list should show `new_id`, or no longer `old_id` (monotonic seconds).
        doubtful_since: when its create came into doubt (monotonic seconds).
        scope_unknown: whether the copy may widen the scope, because doo's list may not show it.
        marker: the text in the description by which its webhook is recognized; None without one.
        adopted: whether `new_id` was found by its content after a lost answer, so that it may be somebody else's.
        stray: the id of a webhook that appeared while its create was in doubt and differs from what was sent: made by
            that create and edited since, or somebody else's.
        is_checked: whether `wanted` was checked as what is to be sent.
        copied: the old webhook configuration, as the list showed it when the operation was made ready.
        old_print: the keyed fingerprint of `copied`, which a journal stores; None without a journal.
        begun_elsewhere: whether another process has started it.
        changed_at: when a request for it was last answered; earlier readings are outdated (monotonic seconds).
        index: what is called before and after each change.
        phase: the phase of its team's steps in which it is sent.
    """

    number: int
    operation: Operation
    stage: Stage = Stage.PLANNED
    status: Status | None = None
    reason: str | None = None
    error: DooError | None = None
    ready: bool = False
    wanted: AddWebhook | None = attrs.field(default=None, repr=False)
    old_id: str | None = None
    new_id: str | None = None
    creates_sent: int = 0
    deletes_sent: int = 0
    looked_at: float | None = None
    doubtful_since: float | None = None
    scope_unknown: bool = False
    marker: str | None = None
    adopted: bool = False
    stray: str | None = None
    is_checked: bool = False
    copied: WebhookConfiguration | None = attrs.field(default=None, repr=False)
    old_print: str | None = None
    begun_elsewhere: bool = False
    changed_at: float = -math.inf
    index: StageObserver | None = attrs.field(default=None, repr=False)
    phase: Phase = attrs.field(
        default=attrs.Factory(lambda self: _phase_of(self.operation), takes_self=True), init=False, repr=False
    )

    @property
    def target_id(self) -> str | None:
        """The id of the webhook configuration that the operation names, if it names one."""
        return self.operation.webhook_id if isinstance(self.operation, Update | Replace | Delete) else None

    @property
    def is_replacement(self) -> bool:
        """Whether it replaces a webhook configuration, by an update or a replace."""
        return self.phase is Phase.SWAP

    @property
    def ended(self) -> bool:
        """Whether its status is final; if not, a resumed run continues it."""
        return self.status not in {None, Status.UNFINISHED, Status.NOT_STARTED}

    @property
    def ending(self) -> Status:
        """The status that it has, or would have if the run stopped now."""
        if self.status is not None:
            return self.status
        if self.stage is Stage.PLANNED:
            return Status.NOT_STARTED
        if self.stage in {Stage.CREATE_INTENT, Stage.MAYBE}:
            return Status.UNKNOWN
        return Status.UNFINISHED

    def status_now(self, *, alive: bool) -> Status:
        """Return its `ending`, or `in_progress` for an operation that an alive run has started."""
        started = self.status is None and self.stage not in {Stage.PLANNED, Stage.MAYBE}
        return Status.IN_PROGRESS if alive and started else self.ending

    @property
    def both_live(self) -> bool:
        """Whether the old webhook configuration and its replacement may both be live, and the run does not end that."""
        if not self.is_replacement or self.old_id is None:
            return False
        if self.status in {None, Status.UNFINISHED, Status.UNKNOWN}:
            return self.stage in _HALF_DONE
        return not self.ending.fine and self.stage is not Stage.PLANNED

    def reopen(self) -> None:
        """Clear a status that is not final, so that a resumed run continues the operation."""
        if not self.ended or (self.status is Status.UNKNOWN and self.stage is Stage.MAYBE):
            self.status = self.reason = self.error = None

    def resume(self, now: float) -> None:
        """Continue the operation in another process at `now` (monotonic seconds).

        A request in flight then may still land, and what that process has seen is read again before it is relied on.
        """
        if self.status is not None:
            return
        self.begun_elsewhere = self.stage is not Stage.PLANNED or self.deletes_sent > 0
        if self.stage in {Stage.CREATE_INTENT, Stage.MAYBE}:
            self.stage = Stage.MAYBE
            self.doubtful_since = now
        elif self.stage in {Stage.PLANNED, Stage.VERIFIED} and self.deletes_sent:
            # A list still showed the old one after its delete, but that list may have lagged.
            self.stage = Stage.DELETED
        elif self.stage is Stage.VERIFIED:
            self.stage = Stage.CREATED
        elif self.stage is Stage.DELETE_INTENT:
            self.stage = Stage.DELETED
            self.deletes_sent -= 1
        if self.stage in {Stage.CREATED, Stage.DELETED}:
            self.looked_at = now
        # What a journal records as sent may not have been sent, so it does not use up the attempts.
        self.creates_sent = min(self.creates_sent, 1)
        self.deletes_sent = min(self.deletes_sent, 1)

    def move(self, stage: Stage, *, new_id: str | None = None) -> None:
        """Set the stage, and `new_id` if it is given."""
        self._set(stage=stage, new_id=new_id or self.new_id)

    def make_ready(self, wanted: AddWebhook | None = None) -> None:
        """Mark as ready to send; `wanted` is the content to create."""
        self._set(ready=True, wanted=wanted)

    def unready(self) -> None:
        """Mark as not ready to send."""
        self._set(ready=False)

    def end(
        self,
        status: Status,
        reason: str | None = None,
        error: DooError | None = None,
        *,
        new_id: str | None = None,
    ) -> None:
        """Set the status; an earlier error is kept unless a new one is given."""
        if self.stray is not None:
            reason = f"{reason}; {self._of_stray}" if reason else self._of_stray
        self._set(status=status, reason=reason, error=error or self.error, new_id=new_id or self.new_id)

    @property
    def _of_stray(self) -> str:
        return (
            f"{self.stray} has appeared while the create was in doubt: it may be what that has made, edited by somebody "
            "else since. Look at it, and delete it if it is one too many"
        )

    def _set(self, **values: Any) -> None:
        if self.index is not None:
            self.index.before_move(self)
        for name, value in values.items():
            setattr(self, name, value)
        if self.index is not None:
            self.index.after_move(self)


def _phase_of(operation: Operation) -> Phase:
    if isinstance(operation, Update | Replace):
        return Phase.SWAP
    return Phase.DELETE if isinstance(operation, Delete) else Phase.CREATE
