"""A `collect()` that fails has given its caller nothing, so its walk's cursor counts nothing of it as taken."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from unlimited_session import asked, ids, listed, practice, shown, until

from aiodoo import ConfigError, Page, ServerError
from aiodoo.sandbox import Fault

OPTIONS: list[dict[str, Any]] = [{}, {"prefetch": 1}, {"ordered": False}, {"stable": True}, {"limit": 11}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
async def test_the_cursor_of_a_collect_that_failed_is_where_it_was(options: Any) -> None:
    """Going on from it shows everything that the caller does not have, also what had been read before the failure."""
    async with practice(organizations=4, webhooks_per_team=3) as (doo, box):
        box.script(Fault("error_not_acted", on="list", team=box.teams[2], times=3))
        walk = doo.webhooks.list(box.teams, **options)
        with pytest.raises(ServerError):
            await walk.collect()
        rest = await doo.webhooks.list(box.teams, cursor=walk.cursor).collect()
        assert sorted(ids(rest)) == sorted(listed(box))


async def test_a_cancelled_collect_is_no_other() -> None:
    """Whatever ends it, what was read and not returned is read again."""
    async with practice(organizations=3, webhooks_per_team=3) as (doo, box):
        box.script(Fault("slow", on="list", team=box.teams[2], seconds=30.0))
        walk = doo.webhooks.list(box.teams, prefetch=1)
        collecting = asyncio.create_task(walk.collect())
        await until(lambda: len(asked(box)) == 3)
        collecting.cancel()
        await asyncio.wait([collecting])
        assert collecting.cancelled()
        rest = await doo.webhooks.list(box.teams, cursor=walk.cursor).collect()
        assert ids(rest) == listed(box)


async def test_what_was_taken_before_it_stays_taken() -> None:
    """Pages that the caller had from `pages()` are not among what is read again."""
    async with practice(organizations=3, webhooks_per_team=3) as (doo, box):
        box.script(Fault("error_not_acted", on="list", team=box.teams[2], times=3))
        walk = doo.webhooks.list(box.teams)
        page = await anext(walk.pages())
        with pytest.raises(ServerError):
            await walk.collect()
        rest = await doo.webhooks.list(box.teams, cursor=walk.cursor).collect()
        assert ids([*page.items, *rest]) == listed(box)


async def test_pages_that_somebody_was_told_of_were_taken() -> None:
    """With `on_page=` the caller has had every page, so the cursor goes on after them."""
    async with practice(organizations=4, webhooks_per_team=3) as (doo, box):
        box.script(Fault("error_not_acted", on="list", team=box.teams[2], times=3))
        walk, had = doo.webhooks.list(box.teams), list[Page]()
        with pytest.raises(ServerError):
            await walk.collect(on_page=had.append)
        rest = await shown(doo.webhooks.list(box.teams, cursor=walk.cursor))
        assert ids([webhook for page in had for webhook in page.items]) + rest == listed(box)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
async def test_the_walk_of_a_collect_that_failed_is_closed(options: Any) -> None:
    """It does not give the rest alone, as if that were all."""
    async with practice(organizations=4, webhooks_per_team=3) as (doo, box):
        box.script(Fault("error_not_acted", on="list", team=box.teams[2], times=3))
        walk = doo.webhooks.list(box.teams, **options)
        with pytest.raises(ServerError):
            await walk.collect()
        before = len(asked(box))
        with pytest.raises(ConfigError, match="begin another one"):
            await walk.collect()
        with pytest.raises(ConfigError, match="begin another one"):
            await anext(walk)
        assert len(asked(box)) == before


@pytest.mark.parametrize("slip", [5, "page"])
async def test_what_is_called_with_each_page_can_be_called(slip: Any) -> None:
    """What is no function is refused before anything is sent."""
    async with practice(organizations=1, webhooks_per_team=3) as (doo, box):
        with pytest.raises(ConfigError, match="on_page must be a function"):
            await doo.webhooks.list(box.teams).collect(on_page=slip)
        assert asked(box) == []
