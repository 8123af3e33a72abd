"""One change from end to end: the update, replacement or delete of one webhook configuration by a single call."""

from __future__ import annotations

from datetime import datetime

from aiodoo.acting import carry_out
from aiodoo.call import CONCLUSIVE
from aiodoo.client import Client, Deadline
from aiodoo.errors import DeadlineExceeded, DooError, OutcomeUnknown
from aiodoo.operations import Delete, Operation
from aiodoo.quota import Lane
from aiodoo.steps import Change, Scan, SendCreate, SendDelete, Stage, TeamSteps


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
        rate=client.limits.interval,
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
    except DooError as error:
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
