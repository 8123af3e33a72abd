"""Which teams a walk takes: ids in any form, each team once, and none that cannot be one."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import pytest
from unlimited_session import asked, listed, practice, shown

from aiodoo import ConfigError, Team
from aiodoo.walk import Walk

FORMS: dict[str, Callable[[list[str]], tuple[Any, ...]]] = {
    "one by one": tuple,
    "numbers": lambda teams: tuple(int(team) for team in teams),
    "a list": lambda teams: (teams,),
    "a tuple of numbers": lambda teams: (tuple(int(team) for team in teams),),
    "a generator": lambda teams: ((team for team in teams),),
    "the keys of a dict": lambda teams: (dict.fromkeys(teams),),
    "an async generator": lambda teams: (later(teams),),
    "several of them": lambda teams: (teams[0], iter(teams[1:2]), later(teams[2:])),
    "with repetitions": lambda teams: (teams[0], int(teams[0]), teams, later(teams), teams[1]),
}


async def later(teams: Iterable[Any]) -> AsyncIterator[Any]:
    """Team ids from somewhere that takes its time."""
    for team in teams:
        yield team


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fan_out", [False, True])
async def test_ids_in_every_form(form: str, *, fan_out: bool) -> None:
    """Texts, numbers, iterables and async iterables of them, mixed: each team is walked once, in order."""
    async with practice(organizations=4, webhooks_per_team=2) as (doo, box):
        walk = doo.webhooks.list(*FORMS[form](box.teams))
        if fan_out:
            async with walk:
                assert await shown(walk) == listed(box)
        else:
            assert await shown(walk) == listed(box)
        assert sorted(asked(box)) == [(team, 1) for team in box.teams]


async def test_a_set_of_ids() -> None:
    """A set has no order; each of its teams is walked once."""
    async with practice(organizations=4, webhooks_per_team=2) as (doo, box):
        assert sorted(await shown(doo.webhooks.list(set(box.teams)))) == sorted(listed(box))


@pytest.mark.parametrize(
    "teams",
    [
        (),
        ([],),
        ((),),
        (set(),),
        ("111", []),
        ("",),
        ("1" * 65,),
        ("../oauth",),
        ("111/webhooks",),
        ("111?page=2",),
        ("111\n",),
        ("elf\u00e9",),
        (["111", "a b"],),
        (1.5,),
        (True,),
        (None,),
        (["111", None],),
        (b"111",),
        (bytearray(b"111"),),
        (object(),),
        (Team(id="111"),),
    ],
)
async def test_what_cannot_be_a_team_is_refused_at_once(teams: tuple[Any, ...]) -> None:
    """list() itself says so; nothing is sent."""
    async with practice() as (doo, box):
        with pytest.raises(ConfigError):
            doo.webhooks.list(*teams)
        assert box.log.total == 0


@pytest.mark.parametrize("fan_out", [False, True])
@pytest.mark.parametrize("source", [iter, later])
async def test_iterables_without_a_team(source: Callable[[list[str]], Any], *, fan_out: bool) -> None:
    """A generator that yields nothing is found out while walking: a ConfigError, and nothing was sent."""
    async with practice() as (doo, box):
        walk = doo.webhooks.list(source([]))
        with pytest.raises(ConfigError, match="no team was named"):
            await (walk.collect() if fan_out else anext(walk))
        assert box.log.total == 0


@pytest.mark.parametrize("fan_out", [False, True])
@pytest.mark.parametrize("source", [iter, later])
async def test_a_bad_id_in_a_generator(source: Callable[[list[str]], Any], *, fan_out: bool) -> None:
    """It is refused when its turn comes; the teams before it are shown, and those after it can be."""
    async with practice(organizations=3, webhooks_per_team=2) as (doo, box):
        first, second, third = box.teams
        walk = doo.webhooks.list(source([first, "a/b", second, "c/d", third]), prefetch=2)
        if fan_out:
            async with walk:
                found, refusals = await shown_with_patience(walk)
        else:
            found, refusals = await shown_with_patience(walk)
        assert found == listed(box)
        assert [str(error) for error in refusals] == [str(refusals[0])] * 2


async def shown_with_patience(walk: Walk) -> tuple[list[str], list[ConfigError]]:
    """What a walk shows if one goes on after every ConfigError, and these errors."""
    found, refusals = [], []
    while True:
        try:
            found.append((await anext(walk)).id)
        except ConfigError as error:
            refusals.append(error)
        except StopAsyncIteration:
            return found, refusals


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("prefetch", [1, 3])
async def test_an_iterable_that_fails(prefetch: int, *, ordered: bool) -> None:
    """What the caller's own iterable raises comes out as it is, not in a group."""
    reason = secrets.token_hex(4)

    async def breaks() -> AsyncIterator[str]:
        yield "111"
        raise LookupError(reason)

    async with practice(organizations=2, webhooks_per_team=2) as (doo, box):
        walk = doo.webhooks.list(breaks())
        assert [(await anext(walk)).id for _ in range(2)] == listed(box, "111")
        with pytest.raises(LookupError, match=reason):
            await anext(walk)
        with pytest.raises(LookupError, match=reason):
            await doo.webhooks.list(breaks(), prefetch=prefetch, ordered=ordered).collect()


async def test_a_generator_is_read_as_far_as_it_is_needed() -> None:
    """Ids are taken one team at a time, so they may come from something endless."""
    taken: list[str] = []

    async def endless() -> AsyncIterator[str]:
        while True:
            taken.append(str(111 + len(taken)))
            yield taken[-1]

    async with practice(organizations=3, webhooks_per_team=2) as (doo, _):
        walk = doo.webhooks.list(endless())
        for _ in range(3):
            await anext(walk)
        assert taken == ["111", "112"]
