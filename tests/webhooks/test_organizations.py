"""Organizations and teams: the one part that doo attests, and every other shape that its answer may have."""

from __future__ import annotations

import json
from typing import Any

import pytest
from unlimited_session import kinds, listed, practice, session, shown

from aiodoo import ConfigError, Organization, SchemaMismatch, ServerError, Team
from aiodoo.sandbox import Fault

SHAPES = ("active_only", "embedded", "list", "data")
every_shape = pytest.mark.parametrize("shape", SHAPES)
both_ids = pytest.mark.parametrize("ids", ["number", "string"])


def answers(*bodies: Any) -> list[Fault]:
    """Faults that let the sandbox answer with these bodies, one after the other."""
    return [Fault("replaced", on="organizations", body=json.dumps(body).encode()) for body in bodies]


@every_shape
@both_ids
async def test_the_active_team(shape: str, ids: str) -> None:
    """Its ids are text, however doo sends them; it costs one request."""
    async with practice(organizations=3, organizations_shape=shape, ids=ids) as (doo, box):
        assert await doo.organizations.active_team() == Team(id="111", organization_id="70001")
        assert kinds(box) == ["organizations"]


@every_shape
@both_ids
async def test_all_that_doo_names(shape: str, ids: str) -> None:
    """Every organization with its name and its teams, or the active one alone if doo names no other."""
    async with practice(organizations=3, teams_per_organization=2, organizations_shape=shape, ids=ids) as (
        doo,
        box,
    ):
        found = [organization async for organization in doo.organizations.list()]
        assert kinds(box) == ["organizations"]
        ids_alone = [team_id async for team_id in doo.organizations.team_ids()]
        assert ids_alone == [team_id for organization in found for team_id in organization.team_ids]
        if shape == "active_only":
            assert found == [Organization(id="70001", team_ids=("111",))]
        else:
            assert [(each.id, each.name, each.team_ids) for each in found] == [
                (each.id, each.name, each.teams) for each in box.organizations
            ]


@pytest.mark.parametrize("shape", ["embedded", "list", "data"])
async def test_the_raw_object_is_kept(shape: str) -> None:
    """What doo sent stands beside what was understood of it."""
    async with practice(organizations=2, organizations_shape=shape) as (doo, _):
        found = [organization async for organization in doo.organizations.list()]
        assert [each.raw["name"] for each in found] == ["Organization 1", "Organization 2"]
        assert [each.raw["id"] for each in found] == [70_001, 70_002]


@pytest.mark.parametrize("next_link", ["present", "missing"])
async def test_pages(next_link: str) -> None:
    """If doo should page its answer, all pages are read, one request each, when they are needed."""
    async with practice(organizations=7, organizations_page_size=3, next_link=next_link) as (doo, box):
        organizations = doo.organizations.list()
        await anext(organizations)
        assert kinds(box) == ["organizations"]
        assert [each.id async for each in organizations] == [each.id for each in box.organizations][1:]
        assert [each.page for each in box.log.requests if each.kind == "organizations"] == [None, "2", "3"]


async def test_breaking_off_and_going_on() -> None:
    """A walk over organizations asks only when it has to, and goes on where it stopped."""
    async with practice(organizations=7, organizations_page_size=3) as (doo, box):
        organizations, found = doo.organizations.list(), []
        for stop in (2, 5, 99):
            async for organization in organizations:
                found.append(organization.id)
                if len(found) == stop:
                    break
        assert found == [each.id for each in box.organizations]
        assert kinds(box) == ["organizations"] * 3


async def test_an_error_asks_the_same_page_again() -> None:
    """After an error the walk goes on with the page that could not be had."""
    async with practice(organizations=7, organizations_page_size=3) as (doo, box):
        box.script(Fault("error_not_acted", on="organizations", nth=2, times=3, status=503))
        organizations = doo.organizations.list()
        found = [(await anext(organizations)).id for _ in range(3)]
        with pytest.raises(ServerError):
            await anext(organizations)
        found += [each.id async for each in organizations]
        assert found == [each.id for each in box.organizations]


async def test_pages_that_never_end() -> None:
    """A page that shows nothing new is the end, whatever its links say."""
    body = {
        "_links": {"next": {"href": "https://rest.doo.net/v1/x"}},
        "_embedded": {"organizations": [{"id": 1, "teams": [{"id": 2}]}]},
    }
    async with practice() as (doo, box):
        box.script(*answers(*[body] * 9))
        assert [each.id async for each in doo.organizations.list()] == ["1"]
        assert kinds(box) == ["organizations"] * 2


async def test_an_organization_on_two_pages() -> None:
    """Teams of an organization that was shown before come with it once more; no team is missed."""
    pages = [
        {
            "page_count": 3,
            "organizations": [{"id": 1, "team_id": 111}, {"id": 2, "team_id": 112}],
        },
        {"page_count": 3, "organizations": [{"id": 2, "team_id": 113}]},
        {"page_count": 3, "organizations": [{"id": 2, "team_id": 113}, {"id": 3, "team_id": 114}]},
    ]
    async with practice(organizations=4, webhooks_per_team=2) as (doo, box):
        box.script(*answers(*pages, *pages))
        found = [(each.id, each.team_ids) async for each in doo.organizations.list()]
        assert found == [("1", ("111",)), ("2", ("112",)), ("2", ("113",)), ("3", ("114",))]
        assert await shown(doo.webhooks.list_all()) == listed(box)


async def test_no_active_team() -> None:
    """An answer without one is said to be so; the organizations may be there all the same."""
    async with practice() as (doo, box):
        box.script(*answers({"organizations": [{"id": 1, "team_id": 111}]}, {"organizations": [{"id": 1}]}))
        with pytest.raises(SchemaMismatch) as caught:
            await doo.organizations.active_team()
        assert caught.value.path == "$.active_team"
        [organization] = [each async for each in doo.organizations.list()]
        assert (organization.id, organization.team_ids) == ("1", ())


@pytest.mark.parametrize("shape", ["embedded", "list", "data"])
async def test_an_account_without_organizations(shape: str) -> None:
    """Nothing to list is an empty list; there is no active team, and no team to walk."""
    async with practice(organizations_shape=shape) as (_, box):
        key = box.add_key(None, organizations=[])
        own = {"api_key": key.api_key, "client_id": key.client_id, "client_secret": key.client_secret}
        async with session(box, **own) as doo:
            assert [each async for each in doo.organizations.list()] == []
            with pytest.raises(SchemaMismatch):
                await doo.organizations.active_team()
            with pytest.raises(ConfigError, match="no team"):
                await doo.webhooks.list_all().collect()


@pytest.mark.parametrize("body", [{}, [], {"data": None}, {"active_team": None}, {"active_team": {"id": ""}}])
async def test_an_answer_that_says_nothing(body: Any) -> None:
    """What holds neither a team nor organizations is refused for what it lacks, not taken for an empty account."""
    async with practice() as (doo, box):
        box.script(*answers(body, body))
        with pytest.raises(SchemaMismatch):
            await doo.organizations.active_team()
        if body != []:
            with pytest.raises(SchemaMismatch):
                await anext(doo.organizations.list())
