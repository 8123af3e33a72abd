"""One operation and its stages, from planned to done."""

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
        """Whether it is as wanted now."""
        return self in {Status.APPLIED, Status.UNCHANGED}


class Stage(StrEnum):
    """How far an operation has come."""

    PLANNED = "planned"
    CREATE_INTENT = "create_intent"
    MAYBE = "maybe"
    CREATED = "created"
    VERIFIED = "verified"
    DELETE_INTENT = "delete_intent"
    DELETED = "deleted"
    CONFIRMED = "confirmed"


GONE = frozenset({Stage.DELETED, Stage.CONFIRMED})
"""Stages from which on the old webhook configuration is taken to be gone."""


_HALF_DONE = frozenset({Stage.CREATE_INTENT, Stage.MAYBE, Stage.CREATED, Stage.VERIFIED, Stage.DELETE_INTENT})
"""Stages at which the old webhook configuration is there, and a new one is or may be."""


class Phase(StrEnum):
    """What an operation does; a team's creates are sent first, then its swaps, then its deletes."""

    CREATE = "create"
    SWAP = "swap"
    DELETE = "delete"


class HearsMoves(Protocol):
    """What is told whenever an operation moves from one stage to another."""

    def leave(self, change: TrackedOperation) -> None:
        """Forget where it stands, as it is about to move."""

    def arrive(self, change: TrackedOperation) -> None:
        """Take in where it has moved to."""


@attrs.define(kw_only=True, eq=False)
class TrackedOperation:
    """One operation, how far it has come and what is known of it.

    Attributes:
        number: the operation's place in the input, from 0.
        ready: whether `wanted` and `old_id` have been found out, so that it may be sent.
        wanted: the content that is created, for all but a delete.
        old_id: the webhook configuration that is to go.
        new_id: the webhook configuration that is to stay.
        looked_at: when `new_id` or the absence of `old_id` was first to be seen in a list (monotonic seconds).
        doubtful_since: when the answer to its create was given up on (monotonic seconds).
        scope_unknown: whether the copy may reach further than the original, because doo's list may not show scope.
        marker: what tells what it creates from everybody else's; None if nothing does.
        adopted: whether `new_id` was found by its content after a lost answer, so that it may be somebody else's.
        stray: the id of what has appeared while its create was in doubt and was not as sent: what that create has made, if
            somebody has edited it since, or somebody else's.
        copied: the webhook configuration that is to go, as the list showed it when it was made ready.
        old_print: the keyed fingerprint of its content then, which a journal keeps; None if nothing keeps it.
        begun_elsewhere: whether another process began it, which saw what this one did not.
        changed_at: when a request for it was last answered: what was read before is older than that (monotonic seconds).
        index: where it and the team's other changes stand; it hears of every move.
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
    copied: WebhookConfiguration | None = attrs.field(default=None, repr=False)
    old_print: str | None = None
    begun_elsewhere: bool = False
    changed_at: float = -math.inf
    index: HearsMoves | None = attrs.field(default=None, repr=False)

    @property
    def phase(self) -> Phase:
        """What its operation does."""
        if isinstance(self.operation, Update | Replace):
            return Phase.SWAP
        return Phase.DELETE if isinstance(self.operation, Delete) else Phase.CREATE

    @property
    def target_id(self) -> str | None:
        """The id of the webhook configuration that the operation names, if it names one."""
        return self.operation.webhook_id if isinstance(self.operation, Update | Replace | Delete) else None

    @property
    def is_replacement(self) -> bool:
        """Whether it puts a new webhook configuration in the place of an old one."""
        return self.phase is Phase.SWAP

    @property
    def ended(self) -> bool:
        """Whether its status is its end; if not, whoever goes on with the run carries it further."""
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

    def so_far(self, *, going: bool) -> Status:
        """Return the same of a run that may be going on: what is at work is neither unknown nor unfinished then."""
        at_work = self.status is None and self.stage not in {Stage.PLANNED, Stage.MAYBE}
        return Status.IN_PROGRESS if going and at_work else self.ending

    @property
    def both_live(self) -> bool:
        """Whether the webhook configuration that is to go and its replacement may both be live, with nothing to end that."""
        if not self.is_replacement or self.old_id is None:
            return False
        if self.status in {None, Status.UNFINISHED, Status.UNKNOWN}:
            return self.stage in _HALF_DONE
        return not self.ending.fine and self.stage is not Stage.PLANNED

    def opened_again(self) -> None:
        """Leave what was not begun or left half done, as the team's list could not be read, to be gone on with."""
        if not self.ended or (self.status is Status.UNKNOWN and self.stage is Stage.MAYBE):
            self.status = self.reason = self.error = None

    def taken_up(self, now: float) -> None:
        """Go on with it in another process: a request that was on its way may still land from now on.

        What was only seen, or only asked for, is looked at again before anything is built on it.
        """
        if self.status is not None:
            return
        self.begun_elsewhere = self.stage is not Stage.PLANNED or self.deletes_sent > 0
        if self.stage in {Stage.CREATE_INTENT, Stage.MAYBE}:
            self.stage = Stage.MAYBE
            self.doubtful_since = now
        elif self.stage in {Stage.PLANNED, Stage.VERIFIED} and self.deletes_sent:
            # A list still showed the old one after its delete; it may have been an old list.
            self.stage = Stage.DELETED
        elif self.stage is Stage.VERIFIED:
            self.stage = Stage.CREATED
        elif self.stage is Stage.DELETE_INTENT:
            self.stage = Stage.DELETED
            self.deletes_sent -= 1
        if self.stage in {Stage.CREATED, Stage.DELETED}:
            self.looked_at = now
        # What was written down as sent may never have left, so it must not use up the tries.
        self.creates_sent = min(self.creates_sent, 1)
        self.deletes_sent = min(self.deletes_sent, 1)

    def move(self, stage: Stage, *, new_id: str | None = None) -> None:
        """Come to another stage; `new_id` is the webhook configuration that stands for it from now on."""
        self._set(stage=stage, new_id=new_id or self.new_id)

    def make_ready(self, wanted: AddWebhook | None = None) -> None:
        """Be fit to be sent, with the content that is to be created if there is any."""
        self._set(ready=True, wanted=wanted)

    def unready(self) -> None:
        """Wait to be made ready anew."""
        self._set(ready=False)

    def end(
        self,
        status: Status,
        reason: str | None = None,
        error: DooError | None = None,
        *,
        new_id: str | None = None,
    ) -> None:
        """Say how it ended; an error given earlier stays unless there is a newer one."""
        if self.stray is not None:
            reason = f"{reason}; {self._of_stray}" if reason else self._of_stray
        self._set(status=status, reason=reason, error=error or self.error, new_id=new_id or self.new_id)

    @property
    def _of_stray(self) -> str:
        return (
            f"{self.stray} has appeared while it was not known whether doo had carried out the create: it may be what that "
            "has made, edited by somebody else since. Look at it, and delete it if it is one too many"
        )

    def _set(self, **values: Any) -> None:
        if self.index is not None:
            self.index.leave(self)
        for name, value in values.items():
            setattr(self, name, value)
        if self.index is not None:
            self.index.arrive(self)
