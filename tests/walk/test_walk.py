"""The walk over teams and their pages: every webhook once, and no request that nobody needs."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unlimited_session import asked, ids, kinds, listed, practice, shown

import aiodoo
from aiodoo import Page
from aiodoo.sandbox import Fault

SIZES = (0, 1, 6, 7, 8, 14, 24, 25, 26, 51)


@pytest.mark.parametrize("page_size", [7, 25])
@pytest.mark.parametrize("next_link", ["present", "missing"])
async def test_many_teams_and_pages(page_size: int, next_link: str) -> None:
    """Every webhook of every team is shown once, in the order of the teams and of their lists."""
    async with practice(
        organizations=len(SIZES),
        webhooks_per_team=lambda place: SIZES[place],
        page_size=page_size,
        next_link=next_link,
    ) as (doo, box):
        assert await shown(doo.webhooks.list(box.teams)) == listed(box)
        assert len(asked(box)) == sum(max(1, -(-size // page_size)) for size in SIZES)


@pytest.mark.parametrize(
    "lie",
    [
        {"page_count": lambda _: None},
        {"page_count": lambda _: None, "total_items": lambda _: None},
        {"page_count": lambda _: None, "total_items": lambda _: None, "list_links": "other_host"},
        {"total_items": lambda _: 5},
        {"total_items": lambda _: 0},
        {"total_items": lambda total: total * 3},
        {"page_count": lambda _: 1},
        {"page_count": lambda _: 0},
        {"page_count": str, "total_items": str},
        {"next_link": "missing", "page_count": lambda _: None},
        {"next_link": "missing", "total_items": lambda _: 5},
    ],
)
async def test_counters_that_lie_or_are_not_there(lie: dict[str, Any]) -> None:
    """One truthful sign that there is more, a counter or a link, is enough to see everything."""
    async with practice(organizations=2, webhooks_per_team=20, page_size=7, **lie) as (doo, box):
        assert await shown(doo.webhooks.list(box.teams)) == listed(box)
        assert len(asked(box)) == 6


@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "arbitrary"])
async def test_whatever_the_order_of_the_list(order: str) -> None:
    """The walk depends on no order of the list."""
    async with practice(organizations=2, webhooks_per_team=20, page_size=7, order=order) as (doo, box):
        assert sorted(await shown(doo.webhooks.list(box.teams))) == sorted(listed(box))


@pytest.mark.parametrize("beyond_last", ["empty", "clamped", "not_found"])
async def test_a_link_to_a_page_that_is_not_there(beyond_last: str) -> None:
    """A next link on the last page costs one request more and ends the team, whatever doo makes of that page."""
    async with practice(organizations=2, webhooks_per_team=8, page_size=7, beyond_last=beyond_last) as (
        doo,
        box,
    ):
        lie = {
            "_links": {"next": {"href": "https://rest.doo.net/team/111/webhooks?page=3"}},
            "_embedded": {"webhooks": box.live("111")[:1]},
            "page": 2,
            "page_count": 2,
        }
        box.script(Fault("replaced", on="list", team="111", nth=2, body=json.dumps(lie).encode()))
        assert await shown(doo.webhooks.list(box.teams)) == listed(box)
        assert asked(box) == [("111", 1), ("111", 2), ("111", 3), ("112", 1), ("112", 2)]


@pytest.mark.parametrize("beyond_last", ["empty", "clamped"])
async def test_a_list_that_becomes_shorter(beyond_last: str) -> None:
    """A last page that is gone before it is asked for is the end; nothing of the page before it is shown twice."""
    async with practice(organizations=2, webhooks_per_team=15, page_size=7, beyond_last=beyond_last) as (
        doo,
        box,
    ):
        walk = doo.webhooks.list(box.teams)
        found = [(await anext(walk)).id for _ in range(14)]
        for webhook_id in found[:3]:
            box.foreign_delete(webhook_id)
        assert await shown(walk) == listed(box, "112")
        assert asked(box) == [("111", 1), ("111", 2), ("111", 3), ("112", 1), ("112", 2), ("112", 3)]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    sizes=st.lists(st.integers(0, 30), min_size=1, max_size=6),
    page_size=st.integers(1, 30),
    next_link=st.sampled_from(["present", "missing"]),
    total=st.sampled_from([lambda n: n, lambda _: None, lambda _: 5, lambda n: n * 2]),
    beyond_last=st.sampled_from(["empty", "clamped", "not_found"]),
    order=st.sampled_from(["newest_first", "oldest_first", "arbitrary"]),
    fan_out=st.sampled_from([None, (1, True), (3, True), (3, False), (9, True), (9, False)]),
)
async def test_each_exactly_once(
    sizes: list[int],
    page_size: int,
    next_link: str,
    total: Any,
    beyond_last: str,
    order: str,
    fan_out: tuple[int, bool] | None,
) -> None:
    """Whatever the teams, the pages and the way of walking: every webhook once, and one request a page."""
    async with practice(
        organizations=len(sizes),
        webhooks_per_team=lambda place: sizes[place],
        page_size=page_size,
        next_link=next_link,
        total_items=total,
        beyond_last=beyond_last,
        order=order,
    ) as (doo, box):
        if fan_out is None:
            found = [webhook async for webhook in doo.webhooks.list(box.teams)]
        else:
            prefetch, ordered = fan_out
            async with doo.webhooks.list(box.teams, prefetch=prefetch, ordered=ordered) as walk:
                found = [webhook async for webhook in walk]
        truth = listed(box)
        assert sorted(ids(found)) == sorted(truth)
        if fan_out is None or fan_out[1]:
            assert list(dict.fromkeys(webhook.team_id for webhook in found)) == [
                team for team, size in zip(box.teams, sizes, strict=True) if size
            ]
        assert len(asked(box)) == sum(max(1, -(-size // page_size)) for size in sizes)


async def test_nothing_is_asked_before_it_is_needed() -> None:
    """Calling list() asks nothing; the first item costs the token and one page; the page's others cost nothing."""
    async with practice(organizations=2, webhooks_per_team=20, page_size=7) as (doo, box):
        walk = doo.webhooks.list(box.teams)
        assert box.log.total == 0
        first = await anext(walk)
        assert [each.kind for each in box.log.requests] == ["token", "list"]
        rest = [await anext(walk) for _ in range(6)]
        assert asked(box) == [("111", 1)]
        eighth = await anext(walk)
        assert asked(box) == [("111", 1), ("111", 2)]
        assert ids([first, *rest, eighth]) == listed(box)[:8]


async def test_breaking_off_asks_nothing_more() -> None:
    """After a break nothing is asked, nothing is open, and iterating again goes on where it stopped."""
    generators: list[AsyncGenerator[Any, Any]] = []
    hooks = sys.get_asyncgen_hooks()
    async with practice(organizations=3, webhooks_per_team=20, page_size=7) as (doo, box):
        sys.set_asyncgen_hooks(firstiter=generators.append)
        try:
            walk, found = doo.webhooks.list(box.teams), []
            async for webhook in walk:
                found.append(webhook)
                if len(found) == 3:
                    break
            assert asked(box) == [("111", 1)]
            async for webhook in walk:
                found.append(webhook)
                if len(found) == 30:
                    break
            assert asked(box) == [("111", 1), ("111", 2), ("111", 3), ("112", 1), ("112", 2)]
            found += [webhook async for webhook in walk]
        finally:
            sys.set_asyncgen_hooks(*hooks)
        assert ids(found) == listed(box)
        assert len(asked(box)) == 9
    assert [each for each in generators if "/aiodoo/" in each.ag_code.co_filename] == []


async def test_a_walk_that_is_dropped_leaves_nothing() -> None:
    """A walk that nobody finishes needs no closing."""
    async with practice(organizations=2, webhooks_per_team=20) as (doo, box):
        walk = doo.webhooks.list(box.teams)
        await anext(walk)
        del walk
        gc.collect()
        assert asked(box) == [("111", 1)]


async def test_pages() -> None:
    """Page by page: the team, the number, the items, and doo's counters as they are."""
    async with practice(organizations=2, webhooks_per_team=9, page_size=7, total_items=lambda _: 5) as (
        doo,
        box,
    ):
        pages = [page async for page in doo.webhooks.list(box.teams).pages()]
    assert all(isinstance(page, Page) for page in pages)
    assert [
        (
            page.team_id,
            page.number,
            len(page.items),
            page.page_count,
            page.page_size,
            page.total_items,
            page.has_next_link,
        )
        for page in pages
    ] == [
        ("111", 1, 7, 2, 7, 5, True),
        ("111", 2, 2, 2, 7, 5, False),
        ("112", 1, 7, 2, 7, 5, True),
        ("112", 2, 2, 2, 7, 5, False),
    ]
    assert {webhook.team_id for page in pages[:2] for webhook in page.items} == {"111"}


async def test_pages_are_asked_for_one_by_one() -> None:
    """A page costs a request when it is needed, not before, and a team without webhooks has one empty page."""
    async with practice(organizations=2, webhooks_per_team=lambda place: 9 * place, page_size=7) as (
        doo,
        box,
    ):
        pages = doo.webhooks.list(box.teams).pages()
        first = await anext(pages)
        assert (first.team_id, first.number, first.items) == ("111", 1, ())
        assert asked(box) == [("111", 1)]
        assert [len(page.items) async for page in pages] == [7, 2]


async def test_collect() -> None:
    """collect() returns everything in the order of the teams, in one list."""
    async with practice(organizations=5, webhooks_per_team=9, page_size=7) as (doo, box):
        everything = await doo.webhooks.list(box.teams).collect()
        assert isinstance(everything, list)
        assert ids(everything) == listed(box)
        assert len(asked(box)) == 10


async def test_collect_goes_on_where_iterating_stopped() -> None:
    """What was shown already is not in the list; the rest of its team is."""
    async with practice(organizations=3, webhooks_per_team=20, page_size=7) as (doo, box):
        walk = doo.webhooks.list(box.teams)
        begun = [await anext(walk) for _ in range(9)]
        assert ids(begun + await walk.collect()) == listed(box)
        assert len(asked(box)) == 9


async def test_links_are_never_followed() -> None:
    """Links name other hosts and other paths; every request goes to the base URL."""
    async with practice(organizations=1, webhooks_per_team=20, page_size=7, list_links="other_host") as (
        doo,
        box,
    ):
        assert await shown(doo.webhooks.list(box.teams)) == listed(box)
        assert [(each.path, each.page) for each in box.log.requests if each.kind == "list"] == [
            ("/v1/team/111/webhooks", None),
            ("/v1/team/111/webhooks", "2"),
            ("/v1/team/111/webhooks", "3"),
        ]


async def test_list_all() -> None:
    """Every team that doo names is walked; finding out which costs one request."""
    async with practice(organizations=3, teams_per_organization=2, webhooks_per_team=4) as (doo, box):
        assert await shown(doo.webhooks.list_all()) == listed(box)
        assert kinds(box) == ["organizations"] + ["list"] * 6


@pytest.mark.parametrize("shape", ["embedded", "list", "data"])
async def test_list_all_in_every_shape(shape: str) -> None:
    """However doo should name the teams, list_all() fans out over all of them."""
    options = {"organizations": 3, "teams_per_organization": 2, "organizations_shape": shape}
    async with (
        practice(webhooks_per_team=4, **options) as (doo, box),
        doo.webhooks.list_all(prefetch=3, ordered=False) as walk,
    ):
        assert sorted(await shown(walk)) == sorted(listed(box))


async def test_list_all_knows_only_what_doo_names() -> None:
    """If doo's answer holds the active team alone, that is the one that is walked."""
    async with practice(organizations=3, webhooks_per_team=4, organizations_shape="active_only") as (
        doo,
        box,
    ):
        assert await shown(doo.webhooks.list_all()) == listed(box, "111")


async def test_a_name_is_enough_to_ask() -> None:
    """The walk is an async iterator; what it shows is typed."""
    async with practice(organizations=1, webhooks_per_team=2) as (doo, box):
        async for webhook in doo.webhooks.list(box.teams[0]):
            assert isinstance(webhook, aiodoo.WebhookConfiguration)
            assert webhook.team_id == box.teams[0]
            assert {hook.base_type for hook in webhook.hooks} >= {"event_created", "event_updated"}
