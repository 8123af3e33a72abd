"""Carrying out the actions that a team's steps ask for: requests sent by a client, and the steps told what came of them."""

from __future__ import annotations

from aiodoo.call import Watch
from aiodoo.client import Client
from aiodoo.errors import ConfigError, DooError, OutcomeUnknown
from aiodoo.meaning import ForRun, for_run
from aiodoo.protocol import answers, requests
from aiodoo.protocol.wire import Request
from aiodoo.quota import Lane
from aiodoo.steps import Change, Scan, SendCreate, SendDelete, TeamSteps
from aiodoo.walk import read_team


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
    except DooError as error:
        if for_run(error) is not ForRun.GO_ON:
            steps.not_listed(None, client.clock.monotonic())
            raise
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
    except DooError as error:
        if for_run(error) is not ForRun.GO_ON:
            steps.not_sent(change)
            raise
        steps.refused(change, error, client.clock.monotonic())
    else:
        steps.applied(change, new_id, client.clock.monotonic())
