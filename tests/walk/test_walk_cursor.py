"""Where a walk has come to, kept as text: a later walk goes on from there, and nothing is missed."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unlimited_session import asked, listed, practice, session, shown

from aiodoo import ConfigError, DooError, NotFound, SchemaMismatch
from aiodoo.sandbox import Fault, Sandbox, classic
from aiodoo.walk import Cursor, Walk

SIZES = (15, 0, 7, 8, 3)
both = pytest.mark.parametrize("ordered", [True, False])


async def take(walk: Walk, many: int) -> list[tuple[str, str]]:
    """Up to so many webhooks of a walk, each with its team."""
    found: list[tuple[str, str]] = []
    while len(found) < many:
        try:
            webhook = await anext(walk)
        except StopAsyncIteration:
            break
        found.append((webhook.team_id, webhook.id))
    return found


async def go_on(box: Sandbox, cursor: str, **options: Any) -> list[tuple[str, str]]:
    """Everything that a walk of a new session shows from a cursor on."""
    async with session(box) as doo:
        webhooks = await doo.webhooks.list(box.teams, cursor=cursor, **options).collect()
    return [(webhook.team_id, webhook.id) for webhook in webhooks]


def judge(box: Sandbox, before: list[tuple[str, str]], after: list[tuple[str, str]], page_size: int) -> None:
    """See that two halves of a walk hold everything, and at most the last page before the cut twice."""
    truth = [(team, id_) for team in box.teams for id_ in listed(box, team)]
    assert set(before) | set(after) == set(truth)
    assert len(set(after)) == len(after)
    repeated = set(before) & set(after)
    assert len(repeated) <= page_size
    assert repeated <= set(before[-page_size:])


def strict(cursor: str) -> str:
    """A cursor as it comes back from a file or a database."""
    assert cursor.isprintable()
    return json.loads(json.dumps(cursor))


@pytest.mark.parametrize("next_link", ["present", "missing"])
async def test_from_every_point_of_a_walk(next_link: str) -> None:
    """Stopped after any number of webhooks, a walk can be gone on with in another session."""
    options = {"page_size": 7, "next_link": next_link}
    async with practice(
        organizations=len(SIZES), webhooks_per_team=lambda place: SIZES[place], **options
    ) as (doo, box):
        for many in range(sum(SIZES) + 2):
            walk = doo.webhooks.list(box.teams)
            before = await take(walk, many)
            judge(box, before, await go_on(box, strict(walk.cursor)), 7)


@both
async def test_from_every_point_of_a_walk_side_by_side(*, ordered: bool) -> None:
    """The same if several teams are read at a time: what was read ahead and not shown does not count."""
    async with practice(
        organizations=len(SIZES), webhooks_per_team=lambda place: SIZES[place], page_size=7
    ) as (doo, box):
        for many in range(sum(SIZES) + 2):
            async with doo.webhooks.list(box.teams, prefetch=3, ordered=ordered) as walk:
                before = await take(walk, many)
            judge(box, before, await go_on(box, strict(walk.cursor)), 7)


@pytest.mark.parametrize("beyond_last", ["empty", "clamped", "not_found"])
@pytest.mark.parametrize("stable", [False, True])
async def test_the_page_of_a_cursor_that_is_there_no_more(beyond_last: str, *, stable: bool) -> None:
    """A list that has become shorter ends there, however doo says so, and the next teams follow; a team that is gone is an error."""
    async with practice(organizations=2, webhooks_per_team=8, page_size=7, beyond_last=beyond_last) as (
        doo,
        box,
    ):
        walk = doo.webhooks.list(box.teams, limit=7)
        await walk.collect()
        for webhook in box.live("111")[:3]:
            box.foreign_delete(webhook["id"])
        again = doo.webhooks.list(box.teams, cursor=walk.cursor, stable=stable)
        assert await shown(again) == listed(box, "112")
        assert await go_on(box, again.cursor) == []
        gone = json.dumps({"done": [], "at": {"999": 2}})
        with pytest.raises(NotFound):
            await doo.webhooks.list("999", cursor=gone, stable=stable).collect()


@pytest.mark.parametrize("stable", [False, True])
async def test_from_cut_to_cut(*, stable: bool) -> None:
    """A walk that is cut again and again comes to its end, and each time goes on where it was."""
    async with practice(
        organizations=len(SIZES), webhooks_per_team=lambda place: SIZES[place], page_size=7
    ) as (doo, box):
        cursor, found = None, []
        for _ in range(100):
            walk = doo.webhooks.list(box.teams, cursor=cursor, stable=stable)
            some = await take(walk, 10)
            found += some
            cursor = strict(walk.cursor)
            if len(some) < 10:
                break
        truth = {(team, id_) for team in box.teams for id_ in listed(box, team)}
        assert set(found) == truth
        assert max(Counter(found).values()) <= 2


async def test_page_by_page() -> None:
    """Stopped after any number of pages, a walk goes on behind them: a page that was taken is finished."""
    async with practice(organizations=2, webhooks_per_team=9, page_size=7) as (doo, box):
        for many in range(6):
            pages, before = doo.webhooks.list(box.teams), []
            stream = pages.pages()
            for _ in range(many):
                page = await anext(stream, None)
                before += [(webhook.team_id, webhook.id) for webhook in page.items] if page else []
            judge(box, before, await go_on(box, pages.cursor), 0)


@pytest.mark.parametrize("stable", [False, True])
async def test_one_page_a_request_of_somebody_else(*, stable: bool) -> None:
    """A service that shows a page at a time and keeps the cursor alone comes to the end, at one request a page."""
    async with practice(organizations=2, webhooks_per_team=9, page_size=7) as (doo, box):
        cursor, found = None, []
        for _ in range(4):
            walk = doo.webhooks.list(box.teams, cursor=cursor, stable=stable)
            found += [webhook.id for webhook in (await anext(walk.pages())).items]
            cursor = strict(walk.cursor)
        assert found == listed(box)
        if not stable:
            assert asked(box) == [("111", 1), ("111", 2), ("112", 1), ("112", 2)]
        assert await anext(doo.webhooks.list(box.teams, cursor=cursor).pages(), None) is None


async def test_what_a_taken_page_held_and_could_not_be_read_still_comes_up() -> None:
    """The page is finished when it was taken; its fault is raised when the walk is asked for the next one."""
    async with practice(organizations=1, webhooks_per_team=9, page_size=7) as (doo, box):
        body = {"_embedded": {"webhooks": [1, *box.live("111")[2:8]]}, "page": 1, "page_count": 2}
        box.script(Fault("replaced", on="list", body=json.dumps(body).encode()))
        pages = (walk := doo.webhooks.list("111")).pages()
        page = await anext(pages)
        assert (len(page.items), len(page.faults)) == (6, 1)
        assert walk.cursor == str(Cursor(at={"111": 2}))
        with pytest.raises(SchemaMismatch):
            await anext(pages)
        assert (await anext(pages)).number == 2


@pytest.mark.parametrize("limit", [1, 3, 7, 10, 16, 100])
@pytest.mark.parametrize("way", ["webhooks", "pages", "collect"])
async def test_so_many_a_request_of_somebody_else(limit: int, way: str) -> None:
    """With a limit, too: each walk goes on right behind the last one, in the middle of a page as well."""
    async with practice(
        organizations=len(SIZES), webhooks_per_team=lambda place: SIZES[place], page_size=7
    ) as (doo, box):
        cursor, found = None, []
        for _ in range(sum(SIZES) // limit + 1):
            walk = doo.webhooks.list(box.teams, cursor=cursor, limit=limit)
            some = {"webhooks": shown, "collect": lambda walk: walk.collect(), "pages": by_page}[way]
            ids = [each if isinstance(each, str) else each.id for each in await some(walk)]
            assert len(ids) <= limit
            found += ids
            cursor = strict(walk.cursor)
        assert found == listed(box)
        assert await shown(doo.webhooks.list(box.teams, cursor=cursor)) == []


async def by_page(walk: Walk) -> list[str]:
    """The ids that the pages of a walk show."""
    return [webhook.id async for page in walk.pages() for webhook in page.items]


async def test_what_is_new_on_a_page_that_a_limit_has_cut_is_shown() -> None:
    """Going on, those of the page that were shown are left out by their ids, wherever they stand by then."""
    async with practice(organizations=1, webhooks_per_team=5) as (doo, box):
        walk = doo.webhooks.list("111", limit=2)
        before = await shown(walk)
        new = box.foreign_create("111", classic())
        after = await shown(doo.webhooks.list("111", cursor=walk.cursor))
        assert after[0] == new
        assert sorted(before + after) == sorted(listed(box, "111"))


async def test_a_limit_that_was_not_used_up_leaves_the_page_to_be_shown_again() -> None:
    """What was not taken is not counted as shown."""
    async with practice(organizations=1, webhooks_per_team=5) as (doo, box):
        walk = doo.webhooks.list("111", limit=3)
        await take(walk, 2)
        assert await shown(doo.webhooks.list("111", cursor=walk.cursor)) == listed(box, "111")


async def test_a_finished_walk_has_nothing_left() -> None:
    """The cursor of a walk that came to its end costs no request and shows nothing."""
    async with practice(
        organizations=len(SIZES), webhooks_per_team=lambda place: SIZES[place], page_size=7
    ) as (doo, box):
        walk = doo.webhooks.list(box.teams)
        await shown(walk)
        before = len(asked(box))
        assert await shown(doo.webhooks.list(box.teams, cursor=walk.cursor)) == []
        assert await doo.webhooks.list(iter(box.teams), cursor=walk.cursor).collect() == []
        assert len(asked(box)) == before


async def test_a_cursor_asks_only_for_what_is_left() -> None:
    """Finished teams and finished pages cost nothing again."""
    async with practice(organizations=3, webhooks_per_team=20, page_size=7) as (doo, box):
        walk = doo.webhooks.list(box.teams)
        await take(walk, 20 + 8)
        before = len(asked(box))
        await shown(doo.webhooks.list(box.teams, cursor=walk.cursor))
        assert asked(box)[before:] == [("112", 2), ("112", 3), ("113", 1), ("113", 2), ("113", 3)]


async def test_the_cursor_of_nothing_yet() -> None:
    """Before anything was asked for, a cursor is the beginning."""
    async with practice(organizations=2, webhooks_per_team=2) as (doo, box):
        walk = doo.webhooks.list(box.teams)
        assert await shown(doo.webhooks.list(box.teams, cursor=walk.cursor)) == listed(box)


async def test_new_teams_are_walked_too() -> None:
    """A team that the first walk did not know is walked from its beginning."""
    async with practice(organizations=3, webhooks_per_team=2) as (doo, box):
        walk = doo.webhooks.list(box.teams[:2])
        await shown(walk)
        assert await shown(doo.webhooks.list(box.teams, cursor=walk.cursor)) == listed(box, box.teams[2])


@both
async def test_teams_that_failed_are_still_to_be_done(*, ordered: bool) -> None:
    """With collected errors, the cursor of a finished walk is that of the teams that could not be read."""
    async with practice(organizations=4, webhooks_per_team=20, page_size=7) as (doo, box):
        box.script(
            Fault("error_not_acted", on="list", team="112", nth=2, times=3, status=503),
            Fault("error_not_acted", on="list", team="114", times=3, status=503),
        )
        async with doo.webhooks.list(box.teams, ordered=ordered, on_error="collect") as walk:
            found = await shown(walk)
        assert {each.team_id for each in walk.errors} == {"112", "114"}
        again = doo.webhooks.list(box.teams, cursor=walk.cursor)
        rest = await shown(again)
        assert sorted(found + rest) == sorted(listed(box))
        assert rest == listed(box, "112")[7:] + listed(box, "114")


async def test_an_error_leaves_the_cursor_before_it() -> None:
    """After an error that was raised, the cursor goes on with the page that could not be had."""
    async with practice(organizations=2, webhooks_per_team=20, page_size=7) as (doo, box):
        box.script(Fault("error_not_acted", on="list", team="111", nth=3, times=3, status=503))
        walk = doo.webhooks.list(box.teams)
        found = await take(walk, 14)
        with pytest.raises(DooError):
            await anext(walk)
        judge(box, found, await go_on(box, walk.cursor), 0)


async def test_a_team_with_a_page_too_many_is_finished() -> None:
    """A team that ended with a page that is not there is not asked again."""
    async with practice(organizations=1, webhooks_per_team=8, page_size=7, beyond_last="not_found") as (
        doo,
        box,
    ):
        lie = {
            "_links": {"next": {"href": "https://rest.doo.net/team/111/webhooks?page=3"}},
            "_embedded": {"webhooks": box.live("111")[:1]},
            "page": 2,
            "page_count": 2,
        }
        box.script(Fault("replaced", on="list", nth=2, body=json.dumps(lie).encode()))
        walk = doo.webhooks.list(box.teams)
        await shown(walk)
        assert asked(box) == [("111", 1), ("111", 2), ("111", 3)]
        assert await shown(doo.webhooks.list(box.teams, cursor=walk.cursor)) == []
        assert len(asked(box)) == 3


@both
async def test_a_team_whose_last_page_is_used_up_is_finished(*, ordered: bool) -> None:
    """Also if the wait for what comes after it is cancelled."""
    async with practice(organizations=2, webhooks_per_team=9, page_size=7) as (doo, box):
        async with doo.webhooks.list(box.teams, prefetch=1, ordered=ordered) as walk:
            await take(walk, 9)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await anext(walk)
        before = len(asked(box))
        assert await shown(doo.webhooks.list(box.teams, cursor=walk.cursor)) == listed(box, "112")
        assert asked(box)[before:] == [("112", 1), ("112", 2)]


GARBAGE = [
    "",
    " ",
    "null",
    "[]",
    "{}",
    "3",
    '"111"',
    "{",
    "[" * 100_000,
    '{"x": ' + "[" * 100_000,
    '{"done": []}',
    '{"at": {}}',
    '{"done": null, "at": {}}',
    '{"done": {}, "at": []}',
    '{"done": ["a/b"], "at": {}}',
    '{"done": [111], "at": {}}',
    '{"done": [], "at": {"../oauth": 2}}',
    '{"done": [], "at": {"111": 0}}',
    '{"done": [], "at": {"111": -1}}',
    '{"done": [], "at": {"111": 1.5}}',
    '{"done": [], "at": {"111": "2"}}',
    '{"done": [], "at": {"111": null}}',
    '{"done": [], "at": {"111": 1}, "shown": ["12"]}',
    '{"done": [], "at": {"111": 1}, "shown": {"111": [12]}}',
    '{"done": [], "at": {"111": 1}, "shown": {"a/b": ["12"]}}',
    "\ud800",
    5,
    b'{"done": [], "at": {}}x',
    ["111"],
    object(),
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda garbage: repr(garbage)[:20])
async def test_what_is_no_cursor_is_refused(garbage: Any) -> None:
    """A text that no walk wrote is a ConfigError before anything is sent."""
    async with practice() as (doo, box):
        with pytest.raises(ConfigError, match="not the cursor"):
            doo.webhooks.list(box.teams, cursor=garbage)
        assert box.log.total == 0


@given(
    st.text() | st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps)
)
def test_no_text_breaks_it(text: str | bytes) -> None:
    """Whatever the text, it is a cursor or a ConfigError."""
    try:
        cursor = Cursor.parse(text)  # type: ignore[arg-type]
    except ConfigError:
        return
    assert str(Cursor.parse(str(cursor))) == str(cursor)


@given(
    st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)),
    st.dictionaries(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True), st.integers(1, 10_000)),
    st.dictionaries(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True), st.frozensets(st.text())),
)
def test_a_cursor_comes_back_as_it_was(
    done: list[str], at: dict[str, int], shown: dict[str, frozenset[str]]
) -> None:
    """Writing and reading a cursor changes nothing."""
    cursor = Cursor(dict.fromkeys(done), at, shown)
    assert Cursor.parse(str(cursor)) == cursor
