"""Filters and a limit: what is shown of a list, with the meaning that the command line's filters have."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from unlimited_session import asked, listed, practice, shown, until

from aiodoo import ConfigError, Hook, Session
from aiodoo.models import AddWebhook, Filter, WebhookConfiguration
from aiodoo.sandbox import Fault, Sandbox, classic

CRM = {"endpoint": "https://crm.example/doo"}


def one(name: str = "crm", *hooks: tuple[str, str]) -> WebhookConfiguration:
    """A listed webhook with hooks of these types to these endpoints."""
    made = [
        Hook(type=type_, endpoint=endpoint)
        for type_, endpoint in hooks or [("event_created", CRM["endpoint"])]
    ]
    return WebhookConfiguration.showing(AddWebhook(name=name, hooks=made), team_id="111", webhook_id="12")


@pytest.mark.parametrize(
    ("like", "meant"),
    [
        ({}, True),
        ({"name": "crm"}, True),
        ({"name": "c*"}, True),
        ({"name": "c?m"}, True),
        ({"name": "rm"}, False),
        ({"name": "CRM"}, False),
        ({"name": ""}, False),
        ({"name": "*"}, True),
        ({"endpoint": "https://crm.example/*"}, True),
        ({"endpoint": "https://crm.example"}, False),
        ({"endpoint": "*://old.example/*"}, False),
        ({"type": "event_created"}, True),
        ({"type": "event_*"}, True),
        ({"type": "order_*"}, False),
        ({"name": "crm", "type": "order_*"}, False),
        ({"name": "crm", "type": "event_*", "endpoint": "*doo"}, True),
    ],
)
def test_what_is_meant(like: dict[str, str], meant: bool) -> None:  # noqa: FBT001
    """All that is given has to fit; an asterisk stands for any characters, and the whole text counts."""
    assert Filter(**like).matches(one()) is meant


def test_one_hook_is_enough() -> None:
    """A webhook is meant if any of its hooks fits; type and endpoint may be those of two."""
    webhook = one("crm", ("event_created", "https://a.example/1"), ("order_created", "https://b.example/[2]"))
    for like in (
        {"type": "order_created"},
        {"endpoint": "https://a.example/*"},
        {"type": "order_created", "endpoint": "https://a.example/*"},
        {"endpoint": "https://b.example/[2]"},
    ):
        assert Filter(**like).matches(webhook)
    assert not Filter(endpoint="https://b.example/2").matches(webhook)


def test_a_bracket_is_a_bracket() -> None:
    """Nothing but an asterisk and a question mark stands for something else."""
    assert Filter(endpoint="http://[::1]:80/*").matches(one("crm", ("event_created", "http://[::1]:80/doo")))
    assert Filter(name="[old] *").matches(one("[old] crm"))
    assert not Filter(name="[old] *").matches(one("o crm"))


async def mixed(doo: Session, box: Sandbox) -> list[str]:
    """Give each team some webhooks of two kinds; return the ids of the old ones, as they are listed."""
    for team in box.teams:
        for number in range(10):
            name = f"{'old' if number % 3 == 0 else 'new'} {number}"
            box.add_webhook(team, classic(name, endpoint=f"https://{name[:3]}.example/{number}"))
    whole = await doo.webhooks.list(box.teams).collect()
    return [webhook.id for webhook in whole if webhook.name.startswith("old")]


@pytest.mark.parametrize("like", [{"name": "old*"}, {"endpoint": "https://old.example/*"}])
async def test_a_list_shows_those_that_are_meant(like: dict[str, str]) -> None:
    """By webhooks, by pages and collected, side by side or not; the requests are those of the whole list."""
    async with practice(organizations=2, page_size=4) as (doo, box):
        old = await mixed(doo, box)
        before = len(asked(box))
        assert await shown(doo.webhooks.list(box.teams, **like)) == old
        assert len(asked(box)) == 2 * before
        pages = [page async for page in doo.webhooks.list(box.teams, **like).pages()]
        assert [webhook.id for page in pages for webhook in page.items] == old
        assert len(pages) == before
        collected = await doo.webhooks.list(box.teams, stable=True, **like).collect()
        assert [webhook.id for webhook in collected] == old
        assert [len(read.webhooks) for read in collected.reads.values()] == [10, 10]
        assert [webhook.id for webhook in await doo.webhooks.list_all(**like).collect()] == old


async def test_a_type_is_looked_for_without_its_suffix() -> None:
    """Where the list appends one to the type of a hook with a query."""
    async with practice(organizations=1) as (doo, box):
        await doo.webhooks.create(
            "111",
            AddWebhook(
                name="q",
                hooks=[Hook.graphql("order_created", endpoint=CRM["endpoint"], query="{ order { id } }")],
            ),
        )
        assert await shown(doo.webhooks.list("111", type="order_created")) == listed(box, "111")


@pytest.mark.parametrize(("limit", "requests"), [(1, 1), (7, 1), (8, 2), (14, 2), (20, 3), (21, 4), (100, 6)])
async def test_a_limit_ends_the_walk_and_its_requests(limit: int, requests: int) -> None:
    """No page is asked for once there are enough; also by collect()."""
    async with practice(organizations=2, webhooks_per_team=20, page_size=7) as (doo, box):
        for collected in (False, True):
            before = len(asked(box))
            walk = doo.webhooks.list(box.teams, limit=limit)
            found = [each.id for each in await walk.collect()] if collected else await shown(walk)
            assert found == listed(box)[:limit]
            assert len(asked(box)) - before == requests


@pytest.mark.parametrize("ordered", [True, False])
async def test_inside_a_block_a_limit_saves_as_much(ordered: bool) -> None:  # noqa: FBT001
    """With a limit nothing is read ahead, so each walk asks for the pages that it shows and no other."""
    async with practice(organizations=3, webhooks_per_team=6, page_size=2) as (doo, box):
        found, cursor = [], None
        while True:
            async with doo.webhooks.list(box.teams, limit=2, cursor=cursor, ordered=ordered) as walk:
                some = await shown(walk)
            if not some:
                break
            found += some
            cursor = walk.cursor
        assert found == listed(box)
        assert len(asked(box)) == 9


async def test_a_walk_with_a_limit_is_entered_once_and_left_by_anybody() -> None:
    """As one without; who still waits for a webhook when it is left is told."""
    async with practice(organizations=1, webhooks_per_team=3) as (doo, box):
        box.script(Fault("slow", on="list", seconds=30.0))
        walk = doo.webhooks.list(box.teams, limit=2)
        async with walk:
            with pytest.raises(ConfigError, match="entered once"):
                async with walk:
                    pass
            waiting = asyncio.create_task(anext(walk))
            await until(lambda: asked(box))
        with pytest.raises(ConfigError, match="closed"):
            await asyncio.wait_for(waiting, 20)


async def test_a_limit_counts_those_that_are_meant() -> None:
    """As many as the limit says, of those that the filters let through."""
    async with practice(organizations=2, page_size=4) as (doo, box):
        old = await mixed(doo, box)
        assert await shown(doo.webhooks.list(box.teams, name="old*", limit=5)) == old[:5]
        async with doo.webhooks.list(box.teams, name="old*", limit=5, prefetch=2) as walk:
            assert await shown(walk) == old[:5]


async def test_what_a_limit_has_cut_is_no_baseline() -> None:
    """A team that was not shown whole is not among those that were read."""
    async with practice(organizations=1, webhooks_per_team=5) as (doo, _):
        assert (await doo.webhooks.list("111", stable=True, limit=3).collect()).reads == {}
        assert list((await doo.webhooks.list("111", stable=True, limit=5).collect()).reads) == ["111"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 0},
        {"limit": -1},
        {"limit": 1.5},
        {"limit": True},
        {"name": 3},
        {"endpoint": b"*"},
        {"type": ["a"]},
    ],
)
async def test_what_cannot_be_right_is_refused(wrong: dict[str, Any]) -> None:
    """Before anything is sent."""
    async with practice(organizations=1) as (doo, box):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            doo.webhooks.list("111", **wrong)
        assert box.log.total == 0
