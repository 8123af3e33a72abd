"""Several teams at a time inside `async with`: they overlap, and never more of them than asked for."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter

import pytest
from unlimited_session import asked, listed, practice, shown, until

from aiodoo import ConfigError
from aiodoo.sandbox import Fault, Sandbox

both = pytest.mark.parametrize("ordered", [True, False])


def silent(box: Sandbox, *teams: str) -> None:
    """Let the sandbox never answer for these teams."""
    box.script(*(Fault("lost_before", on="list", stage="no_answer", team=team) for team in teams))


def most_at_once(box: Sandbox, latency: float) -> int:
    """How many lists were under way at once, by the sandbox's log: each at least for its latency."""
    times = [each.time for each in box.log.requests if each.kind == "list"]
    return max(sum(start <= time < start + latency for start in times) for time in times)


@both
@pytest.mark.parametrize("prefetch", [1, 2, 3, 64])
async def test_everything_once(prefetch: int, *, ordered: bool) -> None:
    """Every webhook of every team, whatever the number of teams at a time; in order unless told otherwise."""
    async with practice(organizations=9, webhooks_per_team=lambda place: 5 * place, page_size=7) as (
        doo,
        box,
    ):
        async with doo.webhooks.list(box.teams, prefetch=prefetch, ordered=ordered) as walk:
            found = await shown(walk)
            assert [webhook async for webhook in walk] == [], "it has ended, and asking again is no error"
        assert (found if ordered else sorted(found)) == (listed(box) if ordered else sorted(listed(box)))
        assert Counter(asked(box)).most_common(1)[0][1] == 1


async def test_silent_teams_do_not_hold_up_the_others() -> None:
    """With four teams at a time, three that never answer leave one at a time for all the others."""
    async with practice(organizations=7, webhooks_per_team=9, page_size=7) as (doo, box):
        silent(box, *box.teams[:3])
        others = listed(box, *box.teams[3:])
        async with doo.webhooks.list(box.teams, prefetch=4, ordered=False) as walk:
            found = [(await anext(walk)).id for _ in others]
        assert sorted(found) == sorted(others)


@both
async def test_never_more_teams_than_asked_for(*, ordered: bool) -> None:
    """While as many teams as are read at a time give no answer, no other is asked."""
    async with practice(organizations=7, webhooks_per_team=9) as (doo, box):
        silent(box, *box.teams)
        async with doo.webhooks.list(box.teams, prefetch=3, ordered=ordered) as walk:
            waiting = asyncio.create_task(anext(walk))
            await until(lambda: box.count("list") == 3)
            await asyncio.sleep(0.05)
            assert asked(box) == [(team, 1) for team in box.teams[:3]]
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting


@both
@pytest.mark.parametrize("size", [3, 20])
async def test_what_nobody_takes_is_not_read(size: int, *, ordered: bool) -> None:
    """Whoever is slow is not run away from: beside the page in hand, two of each team read at a time, and no team more."""
    async with (
        practice(organizations=20, webhooks_per_team=size, page_size=7) as (doo, box),
        doo.webhooks.list(box.teams, prefetch=3, ordered=ordered) as walk,
    ):
        await anext(walk)
        await until(lambda: box.count("list") >= 3)
        await asyncio.sleep(0.1)
        assert len({team for team, _ in asked(box)}) <= 1 + 3
        assert len(asked(box)) <= 1 + 2 * 3


@both
async def test_the_log_shows_as_many_at_once_as_asked_for(*, ordered: bool) -> None:
    """At no instant of the sandbox's clock are more lists under way than teams are read at a time."""
    latency = 0.02
    async with practice(organizations=12, webhooks_per_team=9, page_size=7, latency=latency) as (doo, box):
        async with doo.webhooks.list(box.teams, prefetch=3, ordered=ordered) as walk:
            await shown(walk)
        assert most_at_once(box, latency) <= 3


async def test_order_is_kept_though_the_first_is_last() -> None:
    """A team that answers late is shown in its place all the same, and the others are read meanwhile."""
    async with practice(organizations=4, webhooks_per_team=2) as (doo, box):
        box.script(Fault("slow", on="list", team="111", seconds=0.3))
        async with doo.webhooks.list(box.teams, prefetch=4) as walk:
            waiting = asyncio.create_task(anext(walk))
            await until(lambda: box.count("list") == 4)
            assert not waiting.done()
            first = await waiting
            assert [first.id, *await shown(walk)] == listed(box)


async def test_out_of_order_a_team_stays_in_its_own_order() -> None:
    """Without order between the teams, the pages of each are still in theirs."""
    async with practice(organizations=6, webhooks_per_team=20, page_size=7) as (doo, box):
        async with doo.webhooks.list(box.teams, prefetch=3, ordered=False) as walk:
            found = [(webhook.team_id, webhook.id) async for webhook in walk]
        for team in box.teams:
            assert [id_ for team_id, id_ in found if team_id == team] == listed(box, team)


@both
async def test_pages_side_by_side(*, ordered: bool) -> None:
    """pages() works inside the block as well."""
    async with practice(organizations=5, webhooks_per_team=9, page_size=7) as (doo, box):
        async with doo.webhooks.list(box.teams, ordered=ordered) as walk:
            pages = [(page.team_id, page.number) async for page in walk.pages()]
        every = list(itertools.product(box.teams, (1, 2)))
        assert pages == every if ordered else sorted(pages) == every


async def test_collect_inside_the_block() -> None:
    """collect() in the block returns what has not been shown yet."""
    async with practice(organizations=5, webhooks_per_team=9, page_size=7) as (doo, box):
        async with doo.webhooks.list(box.teams) as walk:
            first = await anext(walk)
            rest = await walk.collect()
        assert [first.id, *(webhook.id for webhook in rest)] == listed(box)


@both
async def test_entering_goes_on_where_iterating_stopped(*, ordered: bool) -> None:
    """A walk begun one by one goes on side by side: the rest of the page and of its team, then the others."""
    async with practice(organizations=4, webhooks_per_team=20, page_size=7) as (doo, box):
        walk = doo.webhooks.list(box.teams, ordered=ordered)
        found = [(await anext(walk)).id for _ in range(23)]
        async with walk:
            found += await shown(walk)
        assert sorted(found) == sorted(listed(box))
        assert found[:23] == listed(box)[:23]
        assert Counter(asked(box)).most_common(1)[0][1] == 1


@pytest.mark.parametrize("prefetch", [0, -1])
async def test_no_team_at_a_time_is_refused(prefetch: int) -> None:
    """Fewer than one team at a time cannot be meant."""
    async with practice() as (doo, box):
        with pytest.raises(ConfigError, match="prefetch"):
            doo.webhooks.list(box.teams, prefetch=prefetch)


@both
async def test_a_time_out_around_one_item_loses_nothing(*, ordered: bool) -> None:
    """Waiting for an item only so long, again and again, shows every webhook once."""
    async with practice(organizations=5, webhooks_per_team=9, page_size=7, latency=0.003) as (doo, box):
        found, impatient = [], 0
        async with doo.webhooks.list(box.teams, prefetch=2, ordered=ordered) as walk:
            while len(found) < 45:
                try:
                    async with asyncio.timeout(0.001 * (impatient % 4)):
                        found.append((await anext(walk)).id)
                except TimeoutError:
                    impatient += 1
        assert sorted(found) == sorted(listed(box))
        assert impatient
