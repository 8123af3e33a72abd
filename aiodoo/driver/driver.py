"""Executes the actions that `TeamSteps` returns and reports each result back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Unpack

import attrs

from aiodoo.client.call import Watch
from aiodoo.client.client import Client
from aiodoo.client.recent_changes import RecentChanges
from aiodoo.clock import Clock
from aiodoo.deadline import Deadline, DeadlineOption
from aiodoo.error_meaning import ForRun, for_run
from aiodoo.errors import ConfigError, DooError, OutcomeUnknown
from aiodoo.events import Listeners
from aiodoo.facts import Facts
from aiodoo.models import WebhookConfiguration
from aiodoo.operations.actions import Scan, SendCreate, SendDelete
from aiodoo.operations.sightings import Sighting
from aiodoo.operations.team_steps import Reading, TeamSteps
from aiodoo.operations.tracked import TrackedOperation
from aiodoo.protocol import answers, requests
from aiodoo.protocol.wire import Kind, Request
from aiodoo.quota import Lane, Limits
from aiodoo.quota.hold import Hold
from aiodoo.walk import Listing, ListReader


@attrs.frozen(eq=False, kw_only=True)
class Driver:
    """Executes actions: reads lists, and sends creates and deletes.

    Attributes:
        client: sends the requests.
        lists: reads the lists.
        clock: the time.
        facts: settings for what doo does not document.
        limits: the limits of the account.
        changes: what the session has changed.
        listeners: receive events.
    """

    client: Client
    lists: ListReader
    clock: Clock
    facts: Facts
    limits: Limits
    changes: RecentChanges
    listeners: Listeners

    async def carry_out(
        self,
        action: Scan | SendCreate | SendDelete,
        steps: TeamSteps,
        *,
        lane: Lane,
        deadline: Deadline | DeadlineOption,
        watch: Watch | None = None,
    ) -> None:
        """Execute one action and report its result to the steps.

        A create or a delete costs one request, a list one for each page and reading, each plus retries.

        Args:
            action: the action.
            steps: the steps that returned it.
            lane: the queue to wait in for slots.
            deadline: the seconds for all of it, including all pages of a list.
            watch: called when a wire request is sent.

        Raises:
            DooError: the error concerns more than this team, and nothing was changed; the steps know that the action was
                not executed.
        """
        match action:
            case Scan():
                await self._scan(action, steps, lane=lane, deadline=deadline, watch=watch)
            case SendCreate(change=change, config=config):
                try:
                    request = requests.create(steps.team_id, config, self.facts, is_checked=change.is_checked)
                except ConfigError as error:
                    steps.refused(change, error, self.clock.monotonic())
                    return
                await self._send(change, request, steps, lane=lane, deadline=deadline, watch=watch)
            case SendDelete(change=change, webhook_id=webhook_id):
                request = requests.delete(webhook_id, self.facts, team_id=steps.team_id)
                await self._send(change, request, steps, lane=lane, deadline=deadline, watch=watch)

    async def _scan(
        self,
        scan: Scan,
        steps: TeamSteps,
        *,
        lane: Lane,
        deadline: Deadline | DeadlineOption,
        watch: Watch | None,
    ) -> None:
        try:
            listing = await self.lists.read(
                steps.team_id,
                stable=scan.stable,
                only=scan.pages,
                lane=lane,
                deadline=self.client.until(deadline),
                watch=watch,
                shows=steps.shown,
                most=self.limits.per_day_for_bulk if lane is Lane.BULK else None,
            )
        except DooError as error:
            if for_run(error) is not ForRun.GO_ON:
                steps.not_listed(None, self.clock.monotonic())
                raise
            steps.not_listed(error, self.clock.monotonic())
        else:
            await record_list(
                steps,
                listing.webhooks,
                pages=listing.pages,
                page_size=listing.page_size,
                began=listing.began,
                now=self.clock.monotonic(),
                seen=_seen(listing),
            )

    async def _send(
        self,
        change: TrackedOperation,
        request: Request,
        steps: TeamSteps,
        *,
        lane: Lane,
        deadline: Deadline | DeadlineOption,
        watch: Watch | None,
    ) -> None:
        read = answers.read_created if request.kind is Kind.CREATE else answers.read_deleted
        guard = _FreshnessGuard(change, steps, self.clock, watch)
        try:
            new_id = await self.client.call(request, read, lane=lane, deadline=deadline, watch=guard)
        except _TooOld:
            if guard.left:
                steps.in_doubt(change, _not_repeated(request), self.clock.monotonic())
            else:
                steps.too_old(change, self.clock.monotonic())
        except OutcomeUnknown as error:
            steps.in_doubt(change, error, self.clock.monotonic())
        except DooError as error:
            if for_run(error) is not ForRun.GO_ON:
                steps.not_sent(change)
                raise
            steps.refused(change, error, self.clock.monotonic())
        else:
            steps.applied(change, new_id, self.clock.monotonic())


def take_back(action: Scan | SendCreate | SendDelete, steps: TeamSteps, now: float) -> None:
    """Report to the steps that an action was not executed."""
    if isinstance(action, Scan):
        steps.not_listed(None, now)
    else:
        steps.not_sent(action.change)


async def record_list(
    steps: TeamSteps, webhooks: Iterable[WebhookConfiguration], **reading: Unpack[Reading]
) -> None:
    """Record a list in a team's steps in portions, between which other tasks run; also if it is cancelled."""
    portions = steps.listed_in_portions(webhooks, **reading)
    try:
        for _ in portions:
            await asyncio.sleep(0)
    finally:
        for _ in portions:
            pass


def _seen(listing: Listing) -> dict[str, Sighting]:
    """Return on which page and when a list showed each webhook configuration."""
    seen: dict[str, Sighting] = {}
    for page, at in zip(listing.read, listing.asked, strict=True):
        seen |= dict.fromkeys([webhook.id for webhook in page.items], Sighting(page.number, at))
    return seen


class _TooOld(Exception):
    """Stops a request before it is sent, as the list that it is based on has become too old while it waited."""


@attrs.define(eq=False)
class _FreshnessGuard:
    """A `Watch` that stops a request if the list that it is based on is too old when it is to be sent.

    Attributes:
        left: whether a request was sent that may have changed something.
    """

    _change: TrackedOperation
    _steps: TeamSteps
    _clock: Clock
    _watch: Watch | None
    left: bool = attrs.field(default=False, init=False)
    _left_before: bool = attrs.field(default=False, init=False)

    @property
    def hold(self) -> Hold | None:
        return None if self._watch is None else self._watch.hold

    @property
    def call_id(self) -> str:
        return "" if self._watch is None else self._watch.call_id

    @property
    def admitted(self) -> bool:
        return self._watch is not None and self._watch.admitted

    def leaves(self, request: Request) -> None:
        self._left_before = self.left
        if not self._steps.may_leave(self._change, self._clock.monotonic()):
            raise _TooOld
        if self._watch is not None:
            self._watch.leaves(request)
        self.left = True

    def never_left(self, request: Request) -> None:
        self.left = self._left_before
        if self._watch is not None:
            self._watch.never_left(request)

    def comes_back(self) -> None:
        self.left = False
        if self._watch is not None:
            self._watch.comes_back()

    def takes_back(self, error: DooError) -> bool:
        return self._watch is not None and self._watch.takes_back(error)


def _not_repeated(request: Request) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"no answer to {answers.describe(request)}, which was not sent again, as what the list showed is too old by now",
        operation=request.kind.value,
        team_id=request.team_id,
    )
