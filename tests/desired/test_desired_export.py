"""`session.export` and `aiodoo.desired.export`: a file of desired state that declares what doo lists."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from aiodoo import NotFound, Session, UnstableListing, desired
from aiodoo.sandbox import Sandbox, classic, graphql


@asynccontextmanager
async def doo(**contents: dict[str, Any]) -> AsyncIterator[tuple[Session, Sandbox]]:
    """Serve three teams, of which the first one has some webhook configurations."""
    async with (
        Sandbox(organizations=3, webhooks_per_team=0, plan=None, echo_scope=True) as sandbox,
        sandbox.session() as session,
    ):
        for name, content in contents.items():
            sandbox.add_webhook("111", content | {"name": f"crm {name}"})
        yield session, sandbox


def planned(exported: desired.Export, folder: Path) -> Path:
    """Write the file, as JSON."""
    file = folder / "doo.yaml"
    file.write_text(json.dumps(exported.document))
    return file


async def test_an_export_can_be_edited_freely(tmp_path: Path) -> None:
    """Another name in it is a replacement under that name, however alike the names were."""
    async with doo(one=classic("crm 1"), two=classic("crm 2")) as (session, _):
        exported = await session.export()
        exported.document["webhooks"][0]["name"] = "Orders"
        plan = await session.desired.plan(planned(exported, tmp_path))
        assert plan.counts() | {"unchanged": 0} == {
            "create": 0,
            "replace": 1,
            "delete": 0,
            "unchanged": 0,
            "undeclared": 0,
        }


async def test_a_plan_of_an_export_finds_nothing_to_do(tmp_path: Path) -> None:
    """Whatever the texts hold, with masked secrets and twins; the file holds no secret, and equal ones of teams are one."""
    secret = secrets.token_hex()
    odd = {"name": "", "description": "${team.id} $${x}", "hooks": graphql()["hooks"], "event_id": "47"}
    none = {name: value for name, value in classic().items() if name not in {"authentication", "description"}}
    contents = {"classic": classic(client_secret=secret), "masked": classic(client_secret="***")}
    async with doo(**contents, odd=odd, none=none) as (session, sandbox):
        for team in ("111", "111", "112"):
            sandbox.add_webhook(team, classic("crm twin", client_secret=secret))
        exported = await session.export()
        assert (exported.left, secret in repr(exported)) == ((), False)
        assert exported.document["manage"] == {"all": True}
        assert exported.document["teams"] == ["111", "112"]
        assert sorted((each["name"], *each["teams"]) for each in exported.document["webhooks"]) == [
            ("crm classic", "111"),
            ("crm masked", "111"),
            ("crm none", "111"),
            ("crm odd", "111"),
            ("crm twin", "111"),
            ("crm twin", "111", "112"),
        ]
        plan = await session.desired.plan(planned(exported, tmp_path))
        assert (list(plan), plan.problems) == ([], ())
        assert plan.counts()["unchanged"] == 7


async def test_it_costs_a_request_a_page() -> None:
    """And one for the teams if none is named; a name is looked for without more."""
    async with doo(one=classic(), two=classic()) as (session, sandbox):
        exported = await session.export("111", name="*two")
        assert [each["name"] for each in exported.document["webhooks"]] == ["crm two"]
        assert sandbox.count("list") == sandbox.count() - sandbox.count("token") == 1
        pages: list[str] = []
        await session.export(on_page=lambda page: pages.append(page.team_id))
        assert (sorted(pages), sandbox.count("list")) == (sandbox.teams, 1 + 3)


@asynccontextmanager
async def paged() -> AsyncIterator[tuple[Session, Sandbox]]:
    """Serve two teams of three pages each."""
    async with (
        Sandbox(organizations=2, webhooks_per_team=0, page_size=2, plan=None, echo_scope=True) as sandbox,
        sandbox.session() as session,
    ):
        for team in sandbox.teams:
            for number in range(6):
                sandbox.add_webhook(team, classic(f"{team} {number}"))
        yield session, sandbox


def declared(exported: desired.Export) -> list[str]:
    """Return the names of all that the file declares."""
    return sorted(each["name"] for each in exported.document["webhooks"])


def live(sandbox: Sandbox, *teams: str) -> list[str]:
    """Return the names of all that is live in some teams."""
    return sorted(item["name"] for team in teams for item in sandbox.live(team))


@pytest.mark.parametrize("page", [1, 2, 3])
async def test_an_edit_between_two_pages_hides_nothing(tmp_path: Path, page: int) -> None:
    """A webhook that moves up over the page's edge when others go is declared, whatever the order of the list."""
    async with paged() as (session, sandbox):
        first, *_, last = sandbox.live("111")
        for each in (first, last):
            sandbox.after("list", partial(sandbox.foreign_delete, each["id"]), team="111", nth=page)
        exported = await session.export()
        assert declared(exported) == live(sandbox, *sandbox.teams)
        assert list(await session.desired.plan(planned(exported, tmp_path))) == []


async def test_a_team_that_never_rests_makes_no_file() -> None:
    """Somebody changes it all the time; no reading of it is whole."""
    async with paged() as (session, sandbox):

        def swap() -> None:
            sandbox.foreign_delete(sandbox.live("111")[0]["id"])
            sandbox.foreign_create("111", classic("another"))
            sandbox.after("list", swap, team="111")

        sandbox.after("list", swap, team="111")
        with pytest.raises(UnstableListing, match="team 111 changed through 6 readings"):
            await session.export()
        assert declared(await session.export("112")) == live(sandbox, "112")


async def test_a_second_without_network_is_waited_for() -> None:
    """Connections are refused in the middle of a team; everything is declared."""
    async with paged() as (session, sandbox):
        sandbox.after("list", lambda: sandbox.refuse_connections(1.0), nth=4)
        assert declared(await session.export()) == live(sandbox, *sandbox.teams)
        assert session.stats.retries > 0


async def test_what_cannot_be_sent_back_is_left_out_and_named(tmp_path: Path) -> None:
    """The rest is declared all the same; a webhook without hooks is such a one."""
    async with doo(one=classic(), bare={"hooks": []}) as (session, _):
        read = await session.webhooks.list("111").collect()
        exported = desired.export(read)
        [left] = exported.left
        assert (left.webhook.name, left.webhook in read) == ("crm bare", True)
        assert f"{left.webhook.id} of team 111 cannot be copied" in str(left.error)
        assert not await session.desired.plan(planned(exported, tmp_path))


async def test_a_team_that_cannot_be_read_is_an_error() -> None:
    """No file is made of a part."""
    async with doo(one=classic()) as (session, _):
        with pytest.raises(NotFound):
            await session.export("111", "999")


async def test_what_new_ones_may_not_have_is_declared_as_listed(tmp_path: Path) -> None:
    """A hook type that no page of doo names, and a field that aiodoo does not know, are found unchanged."""
    hook = {"type": "x", "method": "POST", "endpoint": "https://a.example"}
    async with doo(odd=classic() | {"colour": "red", "hooks": [hook]}) as (session, _):
        exported = await session.export()
        [declared] = exported.document["webhooks"]
        assert (declared["as_listed"], declared["unknown"]) == (True, {"colour": "red"})
        assert not await session.desired.plan(planned(exported, tmp_path))
