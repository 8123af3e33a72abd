"""Stable reading: a team is read until two readings agree, so that nothing is lost to whoever changes it meanwhile."""

from __future__ import annotations

import gc
import json
import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unlimited_session import asked, listed, practice, session, shown

from aiodoo import ConfigError, NotFound, SchemaMismatch, UnstableListing, WebhookConfiguration, events
from aiodoo.sandbox import Fault, Sandbox, classic

PAGE = 7
ways = pytest.mark.parametrize("way", ["one by one", "side by side"])


def between_pages(act: Callable[[], None]) -> Callable[[events.Event], None]:
    """A listener that lets somebody act whenever a page was read."""

    def listen(event: events.Event) -> None:
        if isinstance(event, events.Answered) and event.kind == "list":
            act()

    return listen


def swap(box: Sandbox, team: str, victim: int = 0) -> None:
    """Somebody puts a new webhook in the place of one that is there."""
    webhook_id = box.live(team)[victim]["id"]
    box.foreign_create(team, classic("swapped"))
    box.foreign_delete(webhook_id)


@ways
@pytest.mark.parametrize(("size", "requests"), [(0, 1), (1, 1), (7, 1), (8, 4), (20, 6), (50, 16)])
async def test_what_it_costs(size: int, requests: int, way: str) -> None:
    """A quiet team of one page is read once, one of more pages twice; everything is shown once."""
    async with practice(organizations=2, webhooks_per_team=size, page_size=PAGE) as (doo, box):
        walk = doo.webhooks.list(box.teams, stable=True)
        found = await shown(walk) if way == "one by one" else [each.id for each in await walk.collect()]
        assert found == listed(box)
        assert len(asked(box)) == 2 * requests


async def test_two_readings_are_never_in_memory_together() -> None:
    """Of an earlier reading only the ids are kept."""
    most = 0

    def look(_: events.Event) -> None:
        nonlocal most
        most = max(most, sum(isinstance(each, WebhookConfiguration) for each in gc.get_objects()))

    async with practice(organizations=1, webhooks_per_team=70, page_size=PAGE) as (_, box):
        gc.collect()
        before = sum(isinstance(each, WebhookConfiguration) for each in gc.get_objects())
        async with session(box, on_event=look) as doo:
            found = await doo.webhooks.list("111", stable=True).collect()
        assert len(found) == 70
        assert most - before <= 70 + PAGE


async def test_pages_of_a_stable_walk() -> None:
    """Its pages are those of the reading that agreed, and nothing of a team is shown before."""
    async with practice(organizations=1, webhooks_per_team=20, page_size=PAGE) as (doo, box):
        pages = doo.webhooks.list(box.teams, stable=True).pages()
        first = await anext(pages)
        assert (first.number, len(first.items)) == (1, 7)
        assert asked(box) == [("111", 1), ("111", 2), ("111", 3)] * 2
        assert [(page.number, len(page.items)) async for page in pages] == [(2, 7), (3, 6)]


@pytest.mark.parametrize("after", range(1, 6))
async def test_a_change_is_waited_out(after: int) -> None:
    """A swap after any page costs one reading more, or two; what is shown is what was there in the end."""
    async with practice(organizations=1, webhooks_per_team=20, page_size=PAGE) as (_, box):
        answered = 0

        def act() -> None:
            nonlocal answered
            answered += 1
            if answered == after:
                swap(box, "111", victim=3)

        async with session(box, on_event=between_pages(act)) as doo:
            found = await shown(doo.webhooks.list(box.teams, stable=True))
        assert found == listed(box)
        assert len(asked(box)) in {9, 12}


@ways
async def test_it_gives_up_after_six_readings(way: str) -> None:
    """A team that changes all the time is an UnstableListing, and nothing of it is shown."""
    async with practice(organizations=2, webhooks_per_team=20, page_size=PAGE) as (_, box):
        async with session(box, on_event=between_pages(lambda: swap(box, "111"))) as doo:
            walk = doo.webhooks.list("111", stable=True)
            with pytest.raises(UnstableListing, match="team 111 changed through 6 readings"):
                await (anext(walk) if way == "one by one" else walk.collect())
        assert len(asked(box)) == 6 * 3


async def test_a_delete_and_an_old_page_do_not_hide_a_webhook() -> None:
    """Of three pages a delete shifts one reading and doo shows an old page in the next: both lack the same webhook."""
    async with practice(organizations=1, webhooks_per_team=15, page_size=PAGE) as (_, box):
        box.script(Fault("stale", on="list", nth=5, seconds=60))
        victim = listed(box)[PAGE]
        answered = 0

        def act() -> None:
            nonlocal answered
            answered += 1
            if answered == 2:
                box.foreign_delete(victim)

        async with session(box, on_event=between_pages(act)) as doo:
            found = await shown(doo.webhooks.list("111", stable=True))
        assert found == listed(box)


async def test_a_delete_does_not_hide_a_webhook_behind_one_page() -> None:
    """A list that shrank to one page while it was read is read again, whatever its one page shows."""
    async with practice(organizations=1, webhooks_per_team=8, page_size=PAGE, beyond_last="clamped") as (
        _,
        box,
    ):
        victim = listed(box)[0]

        def act() -> None:
            if victim in listed(box):
                box.foreign_delete(victim)

        async with session(box, on_event=between_pages(act)) as doo:
            assert await shown(doo.webhooks.list("111", stable=True)) == listed(box)
        assert asked(box) == [("111", 1), ("111", 2), ("111", 1)]


async def test_pages_that_always_name_other_lengths_are_read_three_times() -> None:
    """Counters are hints: where each page counts for itself, three readings that agree are enough."""
    async with practice(organizations=1, webhooks_per_team=8, page_size=PAGE) as (doo, box):
        live = box.live("111")
        bodies = [
            json.dumps(
                {"_embedded": {"webhooks": items}, "page": page, "page_count": 2, "total_items": len(items)}
            )
            for page, items in ((1, live[:PAGE]), (2, live[PAGE:]))
        ]
        box.script(*(Fault("replaced", on="list", body=body.encode()) for body in 3 * bodies))
        assert await shown(doo.webhooks.list("111", stable=True)) == [item["id"] for item in live]
        assert asked(box) == [("111", 1), ("111", 2)] * 3


@pytest.mark.parametrize("pages", [1, 2])
async def test_a_reading_that_shows_one_twice_is_none(pages: int) -> None:
    """Lists that repeat a webhook agree with each other and are not believed: something moved while they were read."""
    async with practice(organizations=1, webhooks_per_team=8, page_size=PAGE) as (doo, box):
        first, second, *_ = box.live("111")
        items = [second, first] if pages == 2 else [second, first, second]
        lie = {"_embedded": {"webhooks": items}, "page": pages, "page_count": pages}
        body = json.dumps(lie).encode()
        step = pages - 1
        box.script(
            *(Fault("replaced", on="list", nth=1 + step + step * scan, body=body) for scan in range(6))
        )
        with pytest.raises(UnstableListing):
            await anext(doo.webhooks.list("111", stable=True))
        assert asked(box) == [("111", page) for page in range(1, pages + 1)] * 6


async def test_the_others_are_shown() -> None:
    """With collected errors a team that never holds still does not keep the others from being shown."""
    async with practice(organizations=3, webhooks_per_team=20, page_size=PAGE) as (_, box):
        async with (
            session(box, on_event=between_pages(lambda: swap(box, "112"))) as doo,
            doo.webhooks.list(box.teams, stable=True, on_error="collect") as walk,
        ):
            found = await shown(walk)
        assert found == listed(box, "111", "113")
        assert [(each.team_id, type(each.error)) for each in walk.errors] == [("112", UnstableListing)]


@pytest.mark.parametrize("beyond_last", ["empty", "clamped", "not_found"])
async def test_a_list_that_becomes_shorter(beyond_last: str) -> None:
    """A page that is gone before it is asked for is a change like any other, whatever doo says of it."""
    async with practice(organizations=1, webhooks_per_team=15, page_size=PAGE, beyond_last=beyond_last) as (
        _,
        box,
    ):
        answered = 0

        def act() -> None:
            nonlocal answered
            answered += 1
            if answered == 2:
                for item in box.live("111")[:3]:
                    box.foreign_delete(item["id"])

        async with session(box, on_event=between_pages(act)) as doo:
            assert await shown(doo.webhooks.list("111", stable=True)) == listed(box)
        assert asked(box) == [("111", page) for page in (1, 2, 3, 1, 2, 1, 2)]


async def test_a_list_that_becomes_shorter_again() -> None:
    """After a reading that came to its end, another one may break off."""
    async with practice(organizations=1, webhooks_per_team=22, page_size=PAGE, beyond_last="not_found") as (
        _,
        box,
    ):
        answered, deletes = 0, {3: 1, 9: 7}

        def act() -> None:
            nonlocal answered
            answered += 1
            for item in box.live("111")[: deletes.get(answered, 0)]:
                box.foreign_delete(item["id"])

        async with session(box, on_event=between_pages(act)) as doo:
            assert await shown(doo.webhooks.list("111", stable=True)) == listed(box)
        assert asked(box) == [("111", page) for page in (1, 2, 3, 4, 1, 2, 3, 1, 2, 3, 1, 2, 1, 2)]


async def test_a_page_that_is_never_there() -> None:
    """If two readings break off, one after the other, that is no change of the list: it is raised as it is."""
    async with practice(organizations=1, webhooks_per_team=8, page_size=PAGE) as (doo, box):
        box.script(*(Fault("replaced", on="list", nth=2 + scan, status=404, body=b"{}") for scan in range(6)))
        with pytest.raises(NotFound):
            await anext(doo.webhooks.list("111", stable=True))
        assert asked(box) == [("111", 1), ("111", 2)] * 2


async def test_a_team_that_is_not_there_is_asked_once() -> None:
    """What fails on its first page is not read again."""
    async with practice() as (doo, box):
        with pytest.raises(NotFound):
            await anext(doo.webhooks.list("999", stable=True))
        assert asked(box) == [("999", 1)]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32),
    size=st.integers(1, 30),
    rate=st.sampled_from([0.02, 0.1, 0.3, 0.6]),
    order=st.sampled_from(["newest_first", "oldest_first", "arbitrary"]),
    stale=st.booleans(),
)
async def test_nothing_is_lost_in_silence(
    seed: int, size: int, rate: float, order: str, *, stale: bool
) -> None:
    """Whatever others do between two pages, a webhook that was there all the time is shown, or the walk refuses."""
    chance = random.Random(seed)
    options = {"organizations": 1, "webhooks_per_team": size, "page_size": PAGE, "order": order}
    async with practice(**options) as (_, box):
        there_all_the_time = set(listed(box))

        def act() -> None:
            if chance.random() >= rate:
                return
            what = chance.choice(["create", "delete", "swap"])
            live = box.live("111")
            if what != "create" and live:
                gone = chance.choice(live)["id"]
                there_all_the_time.discard(gone)
                box.foreign_delete(gone)
            if what != "delete":
                box.foreign_create("111", classic("new"))

        if stale:
            box.script(Fault("error_not_acted", on="list", nth=2, status=503))
        async with session(box, on_event=between_pages(act)) as doo:
            try:
                found = await shown(doo.webhooks.list("111", stable=True))
            except UnstableListing:
                return
        assert len(found) == len(set(found))
        assert set(found) >= there_all_the_time


@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "arbitrary"])
async def test_without_stable_nothing_is_shown_twice(order: str) -> None:
    """A plain walk whose team grows meanwhile shows a webhook that moved to a later page only once."""
    async with practice(organizations=1, webhooks_per_team=20, page_size=PAGE, order=order) as (_, box):
        before = listed(box)
        act = between_pages(lambda: box.foreign_create("111", classic("new")))
        async with session(box, on_event=act) as doo:
            found = await shown(doo.webhooks.list("111"))
        assert len(found) == len(set(found))
        if order != "arbitrary":
            assert set(found) >= set(before)


@pytest.mark.parametrize("side_by_side", [False, True])
async def test_an_unreadable_webhook_fails_alone(side_by_side: bool) -> None:  # noqa: FBT001
    """The others of its team are shown; the error says where it is, and its list cannot be the baseline of a run."""
    async with practice(organizations=2, webhooks_per_team=9, page_size=PAGE) as (doo, box):
        readable = listed(box)
        box.add_webhook("111", {"name": 5, "hooks": []})
        walk = doo.webhooks.list(box.teams, stable=True, on_error="collect")
        if side_by_side:
            async with walk:
                found = await walk.collect()
        else:
            found = await walk.collect()
        assert [webhook.id for webhook in found] == readable
        assert [(each.team_id, type(each.error)) for each in walk.errors] == [("111", SchemaMismatch)]
        assert ".name" in str(walk.errors[0].error)
        assert list(found.reads) == ["112"]
        with pytest.raises(SchemaMismatch):
            await doo.webhooks.list(box.teams, stable=True).collect()


async def test_readings_agree_on_what_cannot_be_read_as_well() -> None:
    """One that appears between two readings makes the list another one, though all that can be read is the same."""
    async with practice(organizations=1, webhooks_per_team=9, page_size=PAGE) as (doo, box):
        bad = {"name": 5, "hooks": []}
        box.after("list", lambda: box.foreign_create("111", bad), nth=2)
        walk = doo.webhooks.list("111", stable=True, on_error="collect")
        assert len(await walk.collect()) == 9
        assert len(walk.errors) == 1
        assert box.count("list") == 6


async def test_an_error_while_reading_asks_the_team_anew() -> None:
    """A reading that failed is no reading: going on reads the team from its beginning."""
    async with practice(organizations=1, webhooks_per_team=20, page_size=PAGE) as (doo, box):
        box.script(Fault("error_not_acted", on="list", nth=2, times=3, status=400))
        walk = doo.webhooks.list(box.teams, stable=True)
        with pytest.raises(Exception, match="HTTP 400"):
            await anext(walk)
        box.box._faults._entries.clear()
        assert await shown(walk) == listed(box)


async def test_closed_meanwhile() -> None:
    """A stable walk of a closed session is refused like any other."""
    async with practice(organizations=1, webhooks_per_team=20, page_size=PAGE) as (doo, box):
        await doo.aclose()
        with pytest.raises(ConfigError, match="closed"):
            await anext(doo.webhooks.list(box.teams, stable=True))
