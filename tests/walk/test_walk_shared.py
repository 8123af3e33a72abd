"""One walk in the hands of several tasks, and as webhooks and pages in turn."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from unlimited_session import ids, practice

from aiodoo import ConfigError, WebhookConfiguration
from aiodoo.walk import Walk


async def take(walk: Walk) -> list[WebhookConfiguration]:
    """Take what comes until there is nothing left."""
    return [webhook async for webhook in walk]


@pytest.mark.parametrize("workers", [2, 7])
@pytest.mark.parametrize("ahead", [True, False])
async def test_several_tasks_share_a_walk(workers: int, ahead: bool) -> None:  # noqa: FBT001
    """Each webhook goes to one of them, each page is asked for once, and all of them come to the end."""
    async with practice(organizations=5, webhooks_per_team=20, page_size=7) as (doo, box):
        walk = doo.webhooks.list(box.teams)
        if ahead:
            async with walk:
                parts = await asyncio.gather(*(take(walk) for _ in range(workers)))
        else:
            parts = await asyncio.gather(*(take(walk) for _ in range(workers)))
        assert sorted(webhook.id for part in parts for webhook in part) == sorted(
            item["id"] for team in box.teams for item in box.live(team)
        )
        assert box.count("list") == 15


async def test_pages_after_webhooks() -> None:
    """What is left of the page that was begun comes first, so that nothing is lost."""
    async with practice(organizations=2, webhooks_per_team=3) as (doo, box):
        walk = doo.webhooks.list(box.teams)
        first = await anext(walk)
        pages = [page async for page in walk.pages()]
        assert [len(page.items) for page in pages] == [2, 3]
        assert len({first.id, *ids(webhook for page in pages for webhook in page.items)}) == 6
        assert box.count("list") == 2


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"prefetch": "4"}, "prefetch"),
        ({"prefetch": 0}, "prefetch"),
        ({"on_error": "colect"}, 'on_error must be "raise" or "collect"'),
    ],
)
async def test_an_option_that_cannot_be_right_is_refused(options: dict[str, Any], match: str) -> None:
    """By its name, with nothing sent."""
    async with practice(organizations=1) as (doo, box):
        with pytest.raises(ConfigError, match=match):
            await doo.webhooks.list(box.teams, **options).collect()
        assert box.count() == 0
