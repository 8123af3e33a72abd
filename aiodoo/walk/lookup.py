"""Reads a single page of a team's list, or a single webhook configuration."""

from __future__ import annotations

from functools import partial

import attrs

from aiodoo.checks import check_id
from aiodoo.client.call import CallGroup
from aiodoo.client.client import Client
from aiodoo.deadline import DeadlineOption
from aiodoo.errors import NotFound
from aiodoo.models import Page, WebhookConfiguration
from aiodoo.protocol import answers, requests
from aiodoo.protocol.paging import Pager
from aiodoo.quota import Lane
from aiodoo.walk.team_list import became_shorter, read_team


async def read_page(
    client: Client, team_id: str | int, number: int, *, lane: Lane, deadline: DeadlineOption
) -> Page:
    """Return one page; costs one request.

    Raises:
        NotFound: doo answers 404, which it may do for a page beyond the last; else that page is empty.
    """
    team_id = check_id(team_id, "team id")
    request = requests.list_webhooks(team_id, number)
    read = partial(answers.read_page, team_id=team_id, number=number, facts=client.facts)
    page = await client.call(request, read, lane=lane, deadline=deadline)
    if became_shorter(page):
        return attrs.evolve(page, items=(), faults=())
    pager = Pager(team_id, start=number)
    pager.read(page)
    # An empty page ends the list, even if it has a next link.
    ends = number > 1 and not page.items and not page.faults
    return attrs.evolve(page, next_number=None if ends else pager.next)


async def find_webhook(
    client: Client, team_id: str | int, webhook_id: str | int, *, lane: Lane, deadline: DeadlineOption
) -> WebhookConfiguration:
    """Return a webhook configuration from a team's list, which is read up to the page that contains it.

    Raises:
        NotFound: the webhook configuration is not in the stable list.
    """
    team_id = check_id(team_id, "team id")
    webhook_id = check_id(webhook_id, "webhook configuration id")
    listing = await read_team(
        client,
        team_id,
        stable=True,
        sought=webhook_id,
        lane=lane,
        deadline=client.until(deadline),
        watch=CallGroup(),
    )
    for webhook in listing.webhooks:
        if webhook.id == webhook_id:
            return webhook
    late = ""
    if client.recent.has_created(team_id, webhook_id):
        late = "; it was created a moment ago, and doo's list may not show it yet"
    raise NotFound(f"team {team_id} has no webhook configuration {webhook_id}{late}")
