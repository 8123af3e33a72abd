"""More teams than the day has requests: what is of use only as a whole is refused before any of it is read."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from aiodoo import ConfigError, DooError, Limits, QuotaExhausted, Session, Tenants
from aiodoo.operations import Update
from aiodoo.sandbox import Sandbox

WHOLE: dict[str, Callable[[Session, Sandbox, Path], Awaitable[Any]]] = {
    "forecast": lambda doo, box, _: doo.bulk.forecast(
        [Update(team, box.live(team)[0]["id"], description="moved") for team in box.teams]
    ),
    "plan": lambda doo, _, file: doo.desired.plan(file),
    "export": lambda doo, _, __: doo.export(),
    "audit": lambda doo, _, __: doo.audit(),
    "collect": lambda doo, _, __: doo.webhooks.list_all().collect(),
    "named": lambda doo, box, _: doo.webhooks.list(box.teams).collect(),
}


@asynccontextmanager
async def doo(*, teams: int, used: int = 0) -> AsyncIterator[tuple[Session, Sandbox]]:
    """Serve teams of one webhook each, to a session with 40 requests a day, of which some are used."""
    limits = Limits(per_second=None, per_day=40, reserve=0.0)
    async with (
        Sandbox(organizations=teams, webhooks_per_team=1, plan=None) as box,
        box.session(limits=limits) as session,
    ):
        await session.webhooks.page(box.teams[0], 1)
        while ((await session.quota.usage()).used or 0) < used:
            await session.webhooks.page(box.teams[0], 1)
        yield session, box


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write a file of desired state for all teams."""
    path = tmp_path / "doo.yaml"
    path.write_text(json.dumps({"aiodoo": 1, "manage": {"all": True}, "teams": "all", "webhooks": []}))
    return path


@pytest.mark.parametrize("what", WHOLE)
async def test_what_no_day_suffices_for_is_refused(what: str, file: Path) -> None:
    """Costs at most the request for the organizations, and says how many there are and what would help."""
    async with doo(teams=50) as (session, box):
        before = box.count("list")
        with pytest.raises(
            ConfigError, match=r"50 teams take at least 50 requests, and 40 a day .*raise the"
        ):
            await WHOLE[what](session, box, file)
        assert box.count("list") == before
        assert box.count("organizations") <= 1


@pytest.mark.parametrize("what", WHOLE)
async def test_what_is_left_today_does_not_suffice_for_is_refused(what: str, file: Path) -> None:
    """It says when there is room; with fewer teams there is now."""
    async with doo(teams=30, used=15) as (session, box):
        before = box.count("list")
        with pytest.raises(QuotaExhausted, match=r"30 teams .* 2[45] of today's are left for this") as caught:
            await WHOLE[what](session, box, file)
        assert caught.value.resume_at is not None
        assert box.count("list") == before
        assert len(await session.webhooks.list(box.teams[:20]).collect()) == 20


async def test_what_can_go_on_tomorrow_is_not_refused() -> None:
    """A walk shows what the day suffices for; its cursor is where the next day begins."""
    async with doo(teams=50) as (session, _):
        walk, shown = session.webhooks.list_all(), list[str]()

        async def read_on() -> None:
            async for webhook in walk:
                shown.append(webhook.team_id)

        with pytest.raises(QuotaExhausted):
            await read_on()
        assert len(shown) == 37
        assert str(walk.cursor)


async def test_tenants_are_refused_one_by_one() -> None:
    """The teams of one tenant are too many; those of the other are read."""
    async with doo(teams=50) as (many, _), doo(teams=3) as (few, _):
        tenants = Tenants({"many": many, "few": few})
        async with tenants:
            walk = tenants.webhooks(on_error="collect")
            assert [name async for name, _ in walk] == ["few"] * 3
            (failed,) = walk.errors
            assert (failed.tenant, type(failed.error)) == ("many", ConfigError)
            assert isinstance(failed.error, DooError)
