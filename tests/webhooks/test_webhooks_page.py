"""One request, one page: what a web page needs that is asked for by number."""

from __future__ import annotations

import json
from typing import Any

import pytest
from unlimited_session import asked, ids, kinds, listed, practice

from aiodoo import ConfigError, NotFound, PaginationError
from aiodoo.sandbox import Fault


@pytest.mark.parametrize("next_link", ["present", "missing"])
@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
async def test_it_costs_one_request_whatever_its_number(next_link: str, order: str) -> None:
    """Each page is had by itself, says which one comes next, and together they are the list."""
    options = {"next_link": next_link, "order": order, "page_size": 7, "webhooks_per_team": 20}
    async with practice(organizations=1, **options) as (doo, box):
        found, number = [], 1
        while number is not None:
            page = await doo.webhooks.page("111", number)
            assert (page.team_id, page.number, page.page_count) == ("111", number, 3)
            found += ids(page.items)
            number = page.next_number
        assert asked(box) == [("111", 1), ("111", 2), ("111", 3)]
        truth = listed(box, "111")
        assert found == (truth if order == "newest_first" else truth[::-1])


async def test_the_pages_of_a_walk_say_it_too() -> None:
    """Whoever walks knows as well which page comes next."""
    async with practice(organizations=1, webhooks_per_team=9, page_size=7) as (doo, _):
        pages = [page async for page in doo.webhooks.list("111").pages()]
        assert [page.next_number for page in pages] == [2, None]


async def test_without_counters_a_link_tells() -> None:
    """Where doo says nothing of how many pages there are, its link says that there is a next one."""
    unsaid: dict[str, Any] = {"page_count": lambda _: None, "total_items": lambda _: None}
    async with practice(organizations=1, webhooks_per_team=9, page_size=7, **unsaid) as (doo, _):
        assert (await doo.webhooks.page("111")).next_number == 2
        page = await doo.webhooks.page("111", 2)
        assert page.page_count is None
        assert len(page.items) == 2


async def test_an_empty_team_has_one_empty_page() -> None:
    """Nothing is not an error."""
    async with practice(organizations=1) as (doo, box):
        page = await doo.webhooks.page("111")
        assert (page.items, page.next_number) == ((), None)
        assert kinds(box) == ["list"]


@pytest.mark.parametrize("beyond_last", ["empty", "clamped"])
async def test_a_page_beyond_the_last_is_empty(beyond_last: str) -> None:
    """A number out of an old bookmark shows nothing, also where doo answers with the last page."""
    async with practice(organizations=1, webhooks_per_team=9, page_size=7, beyond_last=beyond_last) as (
        doo,
        box,
    ):
        page = await doo.webhooks.page("111", 5)
        assert (page.number, page.items, page.next_number) == (5, (), None)
        assert asked(box) == [("111", 5)]


async def test_a_page_beyond_the_last_may_be_not_found() -> None:
    """Where doo answers 404 it is NotFound, with doo's status."""
    async with practice(organizations=1, webhooks_per_team=9, page_size=7, beyond_last="not_found") as (
        doo,
        _,
    ):
        with pytest.raises(NotFound) as caught:
            await doo.webhooks.page("111", 5)
        assert caught.value.status == 404


async def test_another_page_than_asked_for_is_refused() -> None:
    """What calls itself another page is not taken for this one."""
    lie = {"_embedded": {"webhooks": []}, "page": 1, "page_count": 3}
    async with practice(organizations=1, webhooks_per_team=20, page_size=7) as (doo, box):
        box.script(Fault("replaced", on="list", body=json.dumps(lie).encode()))
        with pytest.raises(PaginationError, match="sent page 1 where page 2 was asked for"):
            await doo.webhooks.page("111", 2)


async def test_what_cannot_be_read_is_among_its_faults() -> None:
    """One item that is no webhook does not hide the others."""
    async with practice(organizations=1, webhooks_per_team=3) as (doo, box):
        body = {"_embedded": {"webhooks": [*box.live("111"), 1]}, "page": 1, "page_count": 1}
        box.script(Fault("replaced", on="list", body=json.dumps(body).encode()))
        page = await doo.webhooks.page("111")
        assert (len(page.items), len(page.faults)) == (3, 1)


@pytest.mark.parametrize(
    ("team", "number"), [("a/b", 1), ("", 1), ("111", 0), ("111", -1), ("111", "2"), ("111", True)]
)
async def test_what_can_be_no_page_is_refused(team: str, number: Any) -> None:
    """Before anything is sent."""
    async with practice(organizations=1) as (doo, box):
        with pytest.raises(ConfigError):
            await doo.webhooks.page(team, number)
        assert box.log.total == 0
