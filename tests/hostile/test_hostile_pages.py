"""Lists whose pages lie: a walk ends, asks for nothing but its own pages, and never takes a part for the whole."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from client.raw_server import raw_server
from hostile_sockets import TEAM_ANSWER
from hostile_world import TEAM, boxed, item, page

from aiodoo import DooError, PaginationError, SchemaMismatch, Session, UnstableListing
from aiodoo.sandbox import Fault, Sandbox, classic

LIST = f"/v1/team/{TEAM}/webhooks"


def some(*ids: Any, **fields: Any) -> list[dict[str, Any]]:
    """Items with these ids."""
    return [item(each, **fields) for each in ids]


def linked(items: list[Any], href: Any = "/v1/next", **fields: Any) -> bytes:
    """A page that says what comes next."""
    return page(items, _links={"self": {"href": "/x"}, "next": {"href": href}}, **fields)


def shows(box: Sandbox, *pages: bytes, for_ever: bool = False) -> None:
    """Let the box answer list requests with these pages, one after the other, the last one for ever."""
    for body in pages[:-1] if for_ever else pages:
        box.script(Fault("replaced", on="list", body=body))
    if for_ever:
        box.script(Fault("replaced", on="list", body=pages[-1], times=None))


async def walk(doo: Session, **options: Any) -> list[str] | DooError:
    """Return the ids of a whole team, or what the walk ends with."""
    try:
        return [webhook.id async for webhook in doo.webhooks.list(TEAM, **options)]
    except DooError as error:
        return error


def asked(box: Sandbox) -> list[str]:
    """Return which pages were asked for, and that nothing else was."""
    assert {each.path for each in box.log.requests} <= {"/v1/oauth", LIST}
    return [each.page or "1" for each in box.log.requests if each.kind == "list"]


HREFS: dict[str, Any] = {
    "another host": "http://127.0.0.2:{port}/v1/team/111/webhooks?page=2",
    "another port": "http://127.0.0.1:{port}/v1/team/111/webhooks?page=2",
    "another scheme": "https://127.0.0.1:{port}/v1/team/111/webhooks?page=2",
    "no scheme": "//127.0.0.1:{port}/v1/team/111/webhooks?page=2",
    "a user name": "http://rest.doo.net@127.0.0.1:{port}/?page=2",
    "a password": "http://a:b@127.0.0.1:{port}/?page=2",
    "backslashes": "http:\\\\127.0.0.1:{port}\\",
    "a homograph": "http://rest.d\u043e\u043e.net.invalid:{port}/?page=2",
    "a script": "javascript:alert(1)",
    "another team": "/v1/team/999/webhooks?page=2",
    "another page": f"{LIST}?page=77",
    "no /v1": "/team/111/webhooks?page=2",
    "a file": "file:///etc/passwd",
    "a number": 2,
    "true": True,
    "a list": ["x"],
    "an object": {"x": "y"},
}


@pytest.mark.parametrize("href", HREFS.values(), ids=HREFS)
@pytest.mark.parametrize("stable", [False, True], ids=["plain", "stable"])
async def test_where_a_link_points_does_not_matter(href: Any, stable: bool) -> None:  # noqa: FBT001
    """P1, P2: a next link says that there is a next page; the request for it is our own."""
    async with raw_server(TEAM_ANSWER) as stranger, boxed() as (box, doo):
        if isinstance(href, str):
            href = href.format(port=stranger.port)
        two = [
            linked(some("1"), href, page_count=2, total_items=2),
            page(some("2"), page=2, page_count=2, total_items=2),
        ]
        shows(box, *two * (2 if stable else 1))
        assert await walk(doo, stable=stable) == ["1", "2"]
        assert asked(box) == ["1", "2"] * (2 if stable else 1)
    assert stranger.connections == 0


@pytest.mark.parametrize(
    "links", [None, {}, [], "x", {"next": None}, {"next": {}}, {"next": {"href": ""}}], ids=str
)
async def test_no_link(links: Any) -> None:
    """P5: without a next link and with one page, one page is all."""
    async with boxed() as (box, doo):
        shows(box, page(some("1"), _links=links))
        assert await walk(doo) == ["1"]
        assert asked(box) == ["1"]


LOOPS: dict[str, tuple[list[bytes], list[str]]] = {
    "P3 the same page": ([linked(some("1", "2"), page_count=5, page=None)], ["1", "2"]),
    "P3 the same page, said to be another": (
        [
            linked(some("1"), page_count=5),
            linked(some("1"), page_count=5, page=2),
        ],
        ["1", "2"],
    ),
    "P3 round and round": (
        [
            linked(some("1"), page_count=9, page=None),
            linked(some("2"), page_count=9, page=None),
            linked(some("1"), page_count=9, page=None),
        ],
        ["1", "2", "3"],
    ),
    "P9 always page 1": ([linked(some("1"), page_count=3, page=1)], ["1", "2"]),
    "P9 a page ahead": ([page(some("1"), page=2)], ["1"]),
    "P9 page 0": ([page(some("1"), page=0)], ["1"]),
    "P9 a page far ahead": ([linked(some("1"), page_count=3), linked(some("2"), page=7)], ["1", "2"]),
    "P6 a thousand million pages": ([page(some("1"), page_count=10**9)], ["1"]),
    "P6 so many as a text": ([page(some("1"), page_count="1000000000")], ["1"]),
}


@pytest.mark.parametrize(("pages", "sent"), LOOPS.values(), ids=LOOPS)
@pytest.mark.parametrize("stable", [False, True], ids=["plain", "stable"])
async def test_pages_that_lead_nowhere(pages: list[bytes], sent: list[str], stable: bool) -> None:  # noqa: FBT001
    """P3, P6, P9: a walk ends with an error at the first repetition, or where the counters are beyond belief."""
    async with boxed() as (box, doo):
        shows(box, *pages, for_ever=True)
        error = await walk(doo, stable=stable)
        assert type(error) is PaginationError
        assert "Nothing is concluded from it" in str(error)
        assert asked(box) == sent


@pytest.mark.parametrize(("count", "most"), [(1, 12), (3, 16), (0, 10)])
async def test_pages_without_end(count: int, most: int) -> None:
    """P4, P6: pages that go on for ever, with ever new items, are given up at twice what was said, and ten."""
    async with boxed() as (box, doo):
        for number in range(1, 50):
            box.script(Fault("replaced", on="list", body=linked(some(number), page=number, page_count=count)))
        assert type(await walk(doo)) is PaginationError
        assert len(asked(box)) == most


async def test_pages_that_grow_while_they_are_read() -> None:
    """P6: a count that runs ahead of the reader is given up as well."""
    async with boxed() as (box, doo):
        for number in range(1, 50):
            box.script(
                Fault("replaced", on="list", body=page(some(number), page=number, page_count=number + 1))
            )
        assert type(await walk(doo)) is PaginationError
        assert len(asked(box)) == 14


WALKS: dict[str, tuple[list[bytes], list[str], list[str]]] = {
    "P5 no link on a middle page": (
        [
            page(some("1"), page_count=3),
            page(some("2"), page_count=3, page=2),
            page(some("3"), page_count=3, page=3),
        ],
        ["1", "2", "3"],
        ["1", "2", "3"],
    ),
    "P5 a link on the last page, and then nothing": (
        [linked(some("1")), page([], page=2)],
        ["1"],
        ["1", "2"],
    ),
    "P5 a link on the last page, and then the same": (
        [linked(some("1")), linked(some("1"))],
        ["1"],
        ["1", "2"],
    ),
    "P5 a link on the last page, and then more": (
        [linked(some("1")), page(some("2"), page=2)],
        ["1", "2"],
        ["1", "2"],
    ),
    "P5 links and no counters": (
        [
            linked(some("1"), page=None, page_count=None, page_size=None, total_items=None),
            page(some("2"), page=None, page_count=None, page_size=None, total_items=None),
        ],
        ["1", "2"],
        ["1", "2"],
    ),
    "P6 no page at all, and one item": ([page(some("1"), page_count=0)], ["1"], ["1"]),
    "P6 shrinking": (
        [page(some("1"), page_count=3), page(some("2"), page_count=2, page=2)],
        ["1", "2"],
        ["1", "2"],
    ),
    "P6 growing": (
        [page(some("1")), page(some("2"), page=2)],
        ["1"],
        ["1"],
    ),
    "P7 a page size of 0": ([page(some("1", "2"), page_size=0)], ["1", "2"], ["1"]),
    "P7 more items than the page size": ([page(some("1", "2", "3"), page_size=2)], ["1", "2", "3"], ["1"]),
    "P8 five of one": ([page(some("1"), total_items=5)], ["1"], ["1"]),
    "P8 none of one": ([page(some("1"), total_items=0)], ["1"], ["1"]),
    "P8 10^18 of one": ([page(some("1"), total_items=10**18)], ["1"], ["1"]),
    "P10 an id twice on a page": ([page(some("1", "2", "1"))], ["1", "2"], ["1"]),
    "P10 an id on two pages": (
        [page(some("1", "2"), page_count=2), page(some("2", "3"), page_count=2, page=2)],
        ["1", "2", "3"],
        ["1", "2"],
    ),
    "P10 an id twice with two contents": (
        [page([*some("1"), *some("1", name="other")])],
        ["1"],
        ["1"],
    ),
    "P12 an empty middle page": (
        [
            page(some("1"), page_count=3),
            page([], page_count=3, page=2),
            page(some("3"), page_count=3, page=3),
        ],
        ["1", "3"],
        ["1", "2", "3"],
    ),
    "P12 an empty first page": (
        [page([], page_count=2), page(some("2"), page_count=2, page=2)],
        ["2"],
        ["1", "2"],
    ),
    "T9 cut to fewer items that are valid JSON": ([page(some("1"), total_items=2)], ["1"], ["1"]),
}


@pytest.mark.parametrize(("pages", "ids", "sent"), WALKS.values(), ids=WALKS)
async def test_pages_that_do_not_add_up(pages: list[bytes], ids: list[str], sent: list[str]) -> None:
    """P5-P8, P10, P12: a plain walk shows every webhook of its pages: it is a look at a list that may be moving.

    Links and counters are hints, each of which is enough to go on; what is missing is told by a stable walk only.
    """
    async with boxed() as (box, doo):
        shows(box, *pages)
        shown = await walk(doo)
        assert isinstance(shown, list)
        assert list(dict.fromkeys(shown)) == ids
        assert asked(box) == sent


@pytest.mark.parametrize(
    "pages",
    [
        [page(some("1", "1"))],
        [page([*some("1"), *some("1", name="other")])],
        [page(some("1", "2"), page_count=2), page(some("2", "3"), page_count=2, page=2)],
    ],
    ids=["on a page", "with two contents", "on two pages"],
)
async def test_an_id_twice_proves_nothing(pages: list[bytes]) -> None:
    """P10: a stable walk is not content with an id that comes twice, whatever stands beside it."""
    async with boxed() as (box, doo):
        shows(box, *pages * 6)
        assert type(await walk(doo, stable=True)) is UnstableListing
        assert len(asked(box)) == 6 * len(pages)


async def test_a_list_that_never_stands_still() -> None:
    """P11: six readings that disagree are an error; nothing is concluded from them."""
    async with boxed() as (box, doo):
        for number in range(6):
            shows(
                box,
                page(some(f"a{number}"), page_count=2),
                page(some(f"b{number}"), page_count=2, page=2),
            )
        assert type(await walk(doo, stable=True)) is UnstableListing
        assert len(asked(box)) == 12


async def test_a_list_that_comes_to_rest() -> None:
    """P11: two equal readings in a row are enough, in whatever order the webhooks come."""
    two = [page(some("1"), page_count=2), page(some("2"), page_count=2, page=2)]
    swapped = [page(some("2"), page_count=2), page(some("1"), page_count=2, page=2)]
    other = [page(some("1"), page_count=2), page(some("3"), page_count=2, page=2)]
    async with boxed() as (box, doo):
        shows(box, *other, *two, *swapped)
        assert await walk(doo, stable=True) == ["2", "1"]
        assert asked(box) == ["1", "2"] * 3


@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "arbitrary"])
async def test_somebody_else_works_on_the_team(order: Any) -> None:
    """P11: webhooks that live all the while are all in a stable walk, whatever somebody else does meanwhile."""
    async with boxed(page_size=3, order=order, webhooks_per_team=10) as (box, doo):
        lasting = {each["id"] for each in box.live(TEAM)}

        async def meddle() -> None:
            for _ in range(3):
                mine = box.foreign_create(TEAM, classic())
                await asyncio.sleep(0.003)
                box.foreign_delete(mine)
                await asyncio.sleep(0.003)

        meddling = asyncio.create_task(meddle())
        ids = await walk(doo, stable=True)
        await meddling
        assert isinstance(ids, UnstableListing) or lasting <= set(ids)


async def test_webhooks_of_another_team() -> None:
    """P16: an item that says it is another team's fails alone, and is shown to nobody."""
    async with boxed() as (box, doo):
        shows(box, page([*some("1"), *some("2", team_id="999")]), for_ever=True)
        error = await walk(doo)
        assert type(error) is SchemaMismatch
        assert error.path == "$._embedded.webhooks[1].team_id"
        assert type(await walk(doo, stable=True)) is SchemaMismatch


@pytest.mark.parametrize("status", [200, 404])
async def test_a_page_after_the_last(status: int) -> None:
    """P5: what doo says of a page that does not exist, if it is asked for on a hint, is only the end."""
    async with boxed() as (box, doo):
        shows(box, linked(some("1")))
        box.script(Fault("replaced", on="list", status=status, body=page([], page=2), acted=False))
        assert await walk(doo) == ["1"]
        assert asked(box) == ["1", "2"]
