"""Carrying out the steps of a team's changes over a client: one step, and one single change from end to end."""

from __future__ import annotations

from datetime import datetime

from aiodoo.call import CONCLUSIVE, Watch
from aiodoo.client import Client, Deadline
from aiodoo.errors import (
    AuthenticationError,
    ConfigError,
    DeadlineExceeded,
    DooError,
    OutcomeUnknown,
    QuotaExhausted,
)
from aiodoo.operations import Delete, Operation
from aiodoo.protocol import answers, requests
from aiodoo.protocol.wire import Request
from aiodoo.quota import Lane
from aiodoo.steps import Change, Scan, SendCreate, SendDelete, Stage, TeamSteps
from aiodoo.walk import read_team

STOPPING = (AuthenticationError, QuotaExhausted, DeadlineExceeded, ConfigError)
"""Errors that say nothing of a change, which was not sent, and much of whether to go on at all."""


async def carry_out(
    action: Scan | SendCreate | SendDelete,
    steps: TeamSteps,
    client: Client,
    *,
    lane: Lane,
    deadline: float | None,
    watch: Watch | None = None,
) -> None:
    """Send what one step asks for and tell the steps what came of it.

    Args:
        action: what to do.
        steps: who asks for it.
        client: what sends it.
        lane: who asks.
        deadline: seconds for all of it, each page of a list included.
        watch: is told when a wire request leaves.

    Raises:
        DooError: nothing of this kind can be sent now; the steps know that it was not.
    """
    match action:
        case Scan(stable=stable):
            await _scan(steps, client, stable=stable, lane=lane, deadline=deadline, watch=watch)
        case SendCreate(change=change, config=config):
            try:
                request = requests.create(steps.team_id, config)
            except ConfigError as error:
                steps.refused(change, error, client.clock.monotonic())
                return
            await _send(change, request, steps, client, lane=lane, deadline=deadline, watch=watch)
        case SendDelete(change=change, webhook_id=webhook_id):
            request = requests.delete(webhook_id, client.facts, team_id=steps.team_id)
            await _send(change, request, steps, client, lane=lane, deadline=deadline, watch=watch)


def take_back(action: Scan | SendCreate | SendDelete, steps: TeamSteps, now: float) -> None:
    """Tell the steps that what they asked for was not sent after all."""
    if isinstance(action, Scan):
        steps.not_listed(None, now)
    else:
        steps.not_sent(action.change)


async def _scan(
    steps: TeamSteps, client: Client, *, stable: bool, lane: Lane, deadline: float | None, watch: Watch | None
) -> None:
    give_up_at = None if deadline is None else client.clock.monotonic() + deadline
    try:
        listing = await read_team(
            client,
            steps.team_id,
            stable=stable,
            lane=lane,
            deadline=None,
            give_up_at=give_up_at,
            watch=watch,
        )
    except STOPPING:
        steps.not_listed(None, client.clock.monotonic())
        raise
    except DooError as error:
        steps.not_listed(error, client.clock.monotonic())
    else:
        steps.listed(
            listing.webhooks,
            pages=listing.pages,
            page_size=listing.page_size,
            began=listing.began,
            now=client.clock.monotonic(),
        )


async def _send(
    change: Change,
    request: Request,
    steps: TeamSteps,
    client: Client,
    *,
    lane: Lane,
    deadline: float | None,
    watch: Watch | None,
) -> None:
    read = answers.read_created if request.kind is request.kind.CREATE else answers.read_deleted
    try:
        new_id = await client.call(request, read, lane=lane, deadline=deadline, watch=watch)
    except OutcomeUnknown as error:
        steps.in_doubt(change, error, client.clock.monotonic())
    except STOPPING:
        steps.not_sent(change)
        raise
    except DooError as error:
        steps.refused(change, error, client.clock.monotonic())
    else:
        steps.applied(change, new_id, client.clock.monotonic())


async def change_one(client: Client, operation: Operation, *, lane: Lane, deadline: Deadline) -> Change:
    """Carry out one operation without waiting for what is in doubt.

    Raises:
        OutcomeUnknown: something may or may not have happened; nothing was deleted on that ground.
        DooError: nothing was changed.
    """
    change = Change(number=0, operation=operation)
    steps = TeamSteps(
        team_id=operation.team_id,
        changes=(change,),
        facts=client.facts,
        settle=None,
        look_first=not isinstance(operation, Delete),
    )
    seconds = client.seconds(deadline)
    give_up_at = None if seconds is None else client.clock.monotonic() + seconds
    try:
        while not steps.done:
            left = None if give_up_at is None else give_up_at - client.clock.monotonic()
            if left is not None and left <= 0:
                raise DeadlineExceeded(f"the {operation.word} did not end within {seconds:g} s")
            action = steps.next(client.clock.monotonic())
            assert isinstance(action, Scan | SendCreate | SendDelete)  # noqa: S101  # one change waits for nothing
            await carry_out(action, steps, client, lane=lane, deadline=left)
    except STOPPING as error:
        if change.creates_sent == change.deletes_sent == 0:
            raise
        raise _half_done(change, f"it could not be finished: {error}", error) from None
    _raise_for(change)
    return change


def _raise_for(change: Change) -> None:
    if change.ending.fine:
        return
    if change.stage is Stage.PLANNED and change.error is not None:
        raise change.error
    raise _half_done(change, change.reason or "", change.error)


def _half_done(change: Change, reason: str, cause: DooError | None) -> OutcomeUnknown:
    word, team_id = change.operation.word, change.operation.team_id
    sent_at = cause.sent_at if isinstance(cause, OutcomeUnknown) else None
    return OutcomeUnknown(
        f"{word} of webhook configuration {change.names} in team {team_id} is in doubt: {reason.rstrip('.')}. "
        f"{_way_out(change, sent_at)}",
        operation=word,
        sent_at=sent_at,
        cause=cause.cause if isinstance(cause, OutcomeUnknown) else cause,
        team_id=team_id,
        old_id=change.old_id,
        new_id=change.new_id,
    )


def _way_out(change: Change, sent_at: datetime | None) -> str:
    if not change.swaps:
        return "Deleting again is safe; a list of its team without it is the proof"
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
