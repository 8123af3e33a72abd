"""Errors of a walk: raised where they are met, or noted beside the rest; and what every team would meet."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from unlimited_session import asked, kinds, listed, practice, session, shown

from aiodoo import (
    AuthenticationError,
    ConfigError,
    DeadlineExceeded,
    DooError,
    Limits,
    NotFound,
    NotJson,
    PermissionDenied,
    QuotaExhausted,
    SchemaMismatch,
    ServerError,
    Session,
)
from aiodoo.sandbox import Fault, Sandbox
from aiodoo.walk import Walk

WAYS = ("one by one", "in order", "out of order")
every_way = pytest.mark.parametrize("way", WAYS)

UNREADABLE = {"name": 5, "hooks": []}


@asynccontextmanager
async def begun(walk: Walk, way: str) -> AsyncIterator[Walk]:
    """A walk, entered unless it goes one by one."""
    if way == "one by one":
        yield walk
        return
    async with walk:
        yield walk


def over(doo: Session, teams: Any, way: str, **options: Any) -> Walk:
    """A walk that goes this way."""
    return doo.webhooks.list(teams, prefetch=2, ordered=way != "out of order", **options)


async def failure(walk: Walk) -> tuple[list[str], Exception | None]:
    """What a walk shows until it fails or ends, and how it failed."""
    found = []
    try:
        while True:
            found.append((await anext(walk)).id)
    except StopAsyncIteration:
        return found, None
    except DooError as error:
        return found, error


@every_way
@pytest.mark.parametrize(("status", "error"), [(404, NotFound), (403, PermissionDenied)])
async def test_a_team_that_is_not_there(status: int, error: type[DooError], way: str) -> None:
    """The others are shown; errors name the team that is unknown, or somebody else's."""
    async with practice(organizations=3, webhooks_per_team=9, page_size=7, unknown_team_status=status) as (
        doo,
        box,
    ):
        async with begun(over(doo, ["999", *box.teams, "888"], way, on_error="collect"), way) as walk:
            found = await shown(walk)
        assert sorted(found) == sorted(listed(box))
        assert sorted((each.team_id, each.number, type(each.error)) for each in walk.errors) == [
            ("888", None, error),
            ("999", None, error),
        ]


@every_way
async def test_a_team_of_somebody_else(way: str) -> None:
    """A key that does not see an organization meets 404 for its team, and goes on."""
    async with practice(organizations=3, webhooks_per_team=2) as (_, box):
        key = box.add_key(None, organizations=[box.organizations[0].id, box.organizations[2].id])
        own = {"api_key": key.api_key, "client_id": key.client_id, "client_secret": key.client_secret}
        async with (
            session(box, **own) as doo,
            begun(over(doo, box.teams, way, on_error="collect"), way) as walk,
        ):
            assert sorted(await shown(walk)) == sorted(listed(box, box.teams[0], box.teams[2]))
        assert [each.team_id for each in walk.errors] == [box.teams[1]]


@every_way
async def test_an_unreadable_webhook(way: str) -> None:
    """It fails alone: the others of its page are shown, and the error names team, page and place."""
    async with practice(organizations=3, webhooks_per_team=9, page_size=7) as (doo, box):
        odd = box.add_webhook("112", UNREADABLE)
        async with begun(over(doo, box.teams, way, on_error="collect"), way) as walk:
            found = await shown(walk)
        assert sorted([*found, odd]) == sorted(listed(box))
        [failed] = walk.errors
        assert isinstance(failed.error, SchemaMismatch)
        assert (failed.team_id, failed.number, failed.error.path) == (
            "112",
            1,
            "$._embedded.webhooks[0].name",
        )


@every_way
async def test_every_unreadable_webhook_comes_up(way: str) -> None:
    """Several in one page are raised one after the other; then the walk goes on, and nothing is shown twice."""
    async with practice(organizations=2, webhooks_per_team=4) as (doo, box):
        odd = [box.add_webhook("111", UNREADABLE) for _ in range(3)]
        errors, found = [], []
        async with begun(over(doo, box.teams, way), way) as walk:
            while True:
                more, error = await failure(walk)
                found += more
                if error is None:
                    break
                errors.append(error)
        assert [type(error) for error in errors] == [SchemaMismatch] * 3
        assert len({error.path for error in errors}) == 3
        assert sorted(found + odd) == sorted(listed(box))
        assert len(asked(box)) == 2


@every_way
async def test_every_unreadable_webhook_is_noted(way: str) -> None:
    """Several in the last page of all are noted, each by its place."""
    async with practice(organizations=2, webhooks_per_team=4) as (doo, box):
        odd = [box.add_webhook("112", UNREADABLE) for _ in range(3)]
        async with begun(over(doo, box.teams, way, on_error="collect"), way) as walk:
            found = await shown(walk)
        assert sorted(found + odd) == sorted(listed(box))
        assert [each.team_id for each in walk.errors] == ["112"] * 3
        assert len({str(each.error) for each in walk.errors}) == 3


async def test_pages_show_their_faults() -> None:
    """Page by page, a page holds its faults beside its items, and nothing is hidden that could be read."""
    async with practice(organizations=1, webhooks_per_team=4) as (doo, box):
        box.add_webhook("111", UNREADABLE)
        walk = doo.webhooks.list(box.teams, on_error="collect")
        [page] = [page async for page in walk.pages()]
        assert (len(page.items), len(page.faults)) == (4, 1)
        assert [each.error for each in walk.errors] == list(page.faults)


@every_way
async def test_an_answer_that_is_no_list(way: str) -> None:
    """A page that cannot be read after three tries fails its team; the pages before it were shown."""
    async with practice(organizations=3, webhooks_per_team=20, page_size=7) as (doo, box):
        box.script(Fault("replaced", on="list", team="112", nth=2, times=3, body=b"<html>"))
        async with begun(over(doo, box.teams, way, on_error="collect"), way) as walk:
            found = await shown(walk)
        assert sorted(found) == sorted(listed(box, "111") + listed(box, "112")[:7] + listed(box, "113"))
        [failed] = walk.errors
        assert (failed.team_id, type(failed.error)) == ("112", NotJson)
        assert asked(box).count(("112", 2)) == 3


@every_way
async def test_after_an_error_the_same_page_is_asked_again(way: str) -> None:
    """A walk that failed goes on with the page it could not get; in the end everything was shown once."""
    async with practice(organizations=3, webhooks_per_team=20, page_size=7) as (doo, box):
        box.script(Fault("error_not_acted", on="list", team="112", nth=2, times=6, status=503))
        found, errors = [], []
        async with begun(over(doo, box.teams, way), way) as walk:
            while True:
                more, error = await failure(walk)
                found += more
                if error is None:
                    break
                errors.append(error)
        assert [type(error) for error in errors] == [ServerError, ServerError]
        assert sorted(found) == sorted(listed(box))
        assert asked(box).count(("112", 2)) == 3 + 3 + 1
        assert len(asked(box)) == 9 + 6
        assert walk.errors == []


@every_way
async def test_nothing_is_asked_again_unasked(way: str) -> None:
    """A walk that failed waits: the page is asked for again only if somebody goes on."""
    async with practice(organizations=1, webhooks_per_team=20, page_size=7) as (doo, box):
        box.script(Fault("error_not_acted", on="list", nth=2, times=None, status=503))
        async with begun(over(doo, box.teams, way), way) as walk:
            found, error = await failure(walk)
            assert (found, type(error)) == (listed(box)[:7], ServerError)
            await asyncio.sleep(0.05)
            assert len(asked(box)) == 4


async def test_the_others_go_on_beside_a_failure() -> None:
    """Out of order, a team that failed and is not asked again does not hold up what the others have ready."""
    async with practice(organizations=3, webhooks_per_team=2) as (doo, box):
        box.script(Fault("error_not_acted", on="list", team="111", times=3, status=503))
        async with doo.webhooks.list(box.teams, prefetch=3, ordered=False) as walk:
            found, error = await failure(walk)
            assert isinstance(error, ServerError)
            more, error = await failure(walk)
            assert error is None
        assert sorted(found + more) == sorted(listed(box))


@every_way
@pytest.mark.parametrize("on_error", ["raise", "collect"])
async def test_refused_credentials_are_raised_in_any_case(on_error: Any, way: str) -> None:
    """A bad key is no team's fault: it is raised at once, also if errors are collected."""
    async with Sandbox(organizations=5, plan=None) as box, session(box, api_key=secrets.token_hex()) as doo:
        async with begun(over(doo, box.teams, way, on_error=on_error), way) as walk:
            with pytest.raises(AuthenticationError):
                await anext(walk)
        assert walk.errors == []
        assert box.log.total == 1


@every_way
@pytest.mark.parametrize("on_error", ["raise", "collect"])
async def test_a_spent_day_is_raised_in_any_case(on_error: Any, way: str) -> None:
    """QuotaExhausted ends the walk; its cursor says where it stopped."""
    async with Sandbox(organizations=9, webhooks_per_team=2, plan=None) as box:
        async with (
            session(box, limits=Limits(per_second=None, per_day=5)) as doo,
            begun(over(doo, box.teams, way, on_error=on_error), way) as walk,
        ):
            found, error = await failure(walk)
        assert isinstance(error, QuotaExhausted)
        assert error.resume_at is not None
        assert walk.errors == []
        assert box.log.total == 5
        async with session(box) as another:
            rest = await shown(another.webhooks.list(box.teams, cursor=walk.cursor))
        assert set(found + rest) == set(listed(box))


@every_way
async def test_a_closed_session_is_raised_in_any_case(way: str) -> None:
    """A session that is closed can be asked by no team."""
    async with practice(organizations=3, webhooks_per_team=2) as (doo, box):
        await doo.aclose()
        async with begun(over(doo, box.teams, way, on_error="collect"), way) as walk:
            with pytest.raises(ConfigError, match="closed"):
                await anext(walk)
        assert box.log.total == 0


async def test_a_failing_list_of_teams_is_raised_in_any_case() -> None:
    """If doo does not even say which teams there are, list_all() raises that, and asks again when it goes on."""
    async with practice(organizations=3, webhooks_per_team=2) as (doo, box):
        box.script(Fault("error_not_acted", on="organizations", times=6, status=503))
        walk = doo.webhooks.list_all(on_error="collect")
        with pytest.raises(ServerError):
            await anext(walk)
        async with walk:
            with pytest.raises(ServerError):
                await anext(walk)
            await asyncio.sleep(0.02)
            assert kinds(box) == ["organizations"] * 6
            assert await shown(walk) == listed(box)
        assert kinds(box) == ["organizations"] * 7 + ["list"] * 3


@every_way
async def test_the_deadline_is_for_each_page(way: str) -> None:
    """A page that takes too long is a DeadlineExceeded of its team, and the walk goes on."""
    async with practice(organizations=3, webhooks_per_team=9, page_size=7) as (doo, box):
        await doo.organizations.active_team()
        box.script(Fault("lost_before", on="list", team="112", nth=2, stage="no_answer"))
        async with begun(over(doo, box.teams, way, on_error="collect", deadline=1.0), way) as walk:
            found = await shown(walk)
        assert sorted(found) == sorted(listed(box, "111") + listed(box, "112")[:7] + listed(box, "113"))
        [failed] = walk.errors
        assert (failed.team_id, type(failed.error)) == ("112", DeadlineExceeded)


async def test_no_error_shows_a_secret() -> None:
    """What is noted of a failure holds no credential and nothing of a webhook."""
    async with practice(organizations=1, webhooks_per_team=2) as (doo, box):
        secret = secrets.token_hex()
        box.add_webhook("111", {"name": 5, "hooks": [], "authentication": {"credentials": secret}})
        walk = doo.webhooks.list(["111", "999"], on_error="collect")
        await shown(walk)
        told = repr(walk.errors) + "".join(str(each.error) for each in walk.errors)
        for hidden in (secret, box.api_key, box.client_secret, "crm.example"):
            assert hidden not in told
