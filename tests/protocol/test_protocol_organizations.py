from __future__ import annotations

from typing import Any

import pytest
from models.doo_lists import answer

from aiodoo import Organization, SchemaMismatch, Team
from aiodoo.protocol.answers import OrganizationsPage, read_organizations

ACTIVE = {"id": 111, "organization_id": 7}


def read(body: Any) -> OrganizationsPage:
    """Read an answer to the request for the organizations."""
    return read_organizations(answer(body))


def test_the_attested_part_is_enough() -> None:
    """Doo's own client reads nothing but the active team; alone it makes one organization."""
    page = read({"active_team": ACTIVE})
    assert page.active_team == Team(id="111", organization_id="7")
    assert page.organizations == (Organization(id="7", team_ids=("111",)),)
    assert page.raw == {"active_team": ACTIVE}
    assert not page.more_after(1)


SEVEN = Organization(id="7", name="Acme", team_ids=("111", "112"))
EIGHT = Organization(id="8", name="Beta", team_ids=("222",))
WITH_TEAMS = [
    {"id": 7, "name": "Acme", "teams": [{"id": 111}, {"id": "112"}]},
    {"id": "8", "name": "Beta", "teams": [{"id": 222}]},
]


@pytest.mark.parametrize(
    "body",
    [
        {"_embedded": {"organizations": WITH_TEAMS}},
        {"_embedded": {"organisations": WITH_TEAMS}},
        {"_embedded": {"whatever_doo_calls_them": WITH_TEAMS, "page": [1]}},
        {"organizations": WITH_TEAMS},
        {"organizers": WITH_TEAMS},
        {"data": WITH_TEAMS},
        {"data": {"organizations": WITH_TEAMS}},
        {"data": {"_embedded": {"organizations": WITH_TEAMS}}},
        WITH_TEAMS,
        {"organizations": [
            {"id": 7, "name": "Acme", "team_ids": [111, 112]},
            {"id": 8, "name": "Beta", "team_id": 222},
        ]},
        {"organizations": [
            {"id": 7, "name": "Acme", "team": {"id": 111}, "active_team": {"id": 112}},
            {"id": 8, "title": "Beta", "team": 222},
        ]},
        {"organizations": [
            {"id": 7, "name": "Acme", "_embedded": {"teams": [{"id": 111}, {"id": 112}]}},
            {"organization_id": 8, "name": "Beta", "teams": [222]},
        ]},
        {"organizations": [
            {"id": 7, "name": "Acme", "team_id": 111},
            {"id": 7, "name": "Acme", "team_id": 112},
            {"id": 8, "name": "Beta", "team_id": 222},
        ]},
    ],
)  # fmt: skip
def test_organizations_are_found_in_any_shape(body: Any) -> None:
    """Embedded, plain, under `data`, with teams in any of the usual ways, ids as numbers or texts."""
    assert read(body).organizations == (SEVEN, EIGHT)


def test_teams_that_name_their_organization_are_enough() -> None:
    """A list of teams alone tells the organizations, too."""
    teams = [
        {"id": 111, "organization_id": 7},
        {"id": 112, "organization": {"id": 7}},
        {"id": 222, "organization": "8"},
        {"id": 5},
    ]
    page = read({"teams": teams})
    assert [(each.id, each.team_ids) for each in page.organizations] == [
        ("7", ("111", "112")),
        ("8", ("222",)),
    ]


@pytest.mark.parametrize("wrap", [lambda body: body, lambda body: {"data": body}])
def test_the_active_team_is_known_to_its_organization(wrap: Any) -> None:
    """Where the list shows no teams, at least the active one is there."""
    page = read(
        wrap({"active_team": ACTIVE, "organizations": [{"id": 7, "name": "Acme"}, {"id": 8, "name": "Beta"}]})
    )
    assert page.active_team == Team(id="111", organization_id="7")
    assert [each.team_ids for each in page.organizations] == [("111",), ()]


def test_each_object_is_kept_as_it_was() -> None:
    """Nobody knows the shape, so everybody gets the data."""
    assert [each.raw for each in read(WITH_TEAMS).organizations] == WITH_TEAMS
    assert "Acme" not in repr(read(WITH_TEAMS).organizations[0]).replace("name='Acme'", "")


def test_pages_are_counted_as_in_other_lists() -> None:
    """A counter or a next link speaks of more."""
    page = read({"organizations": WITH_TEAMS, "page_count": "2", "_links": {"next": None}})
    assert (page.page_count, page.has_next_link) == (2, False)
    assert page.more_after(1)
    assert not page.more_after(2)
    assert read({"organizations": [], "_links": {"next": {"href": "x"}}}).more_after(5)
    assert read({"organizations": [], "page_count": "many"}).page_count is None


@pytest.mark.parametrize(
    "body", [{"organizations": []}, {"data": []}, {"_embedded": {"organizations": []}}, []]
)
def test_no_organizations_are_none(body: Any) -> None:
    """An empty list is believed."""
    page = read(body)
    assert (page.active_team, page.organizations) == (None, ())


@pytest.mark.parametrize(
    "body",
    [
        {},
        None,
        "x",
        5,
        {"data": None},
        {"organizations": None},
        {"users": [{"id": 1}]},
        {"active_team": {}},
        {"active_team": {"id": "a/b"}},
        {"active_team": {"id": True}},
        {"active_team": 5},
        {"teams": [{"id": 5}]},
        {"_embedded": {"x": [1]}},
    ],
)
def test_an_answer_without_either_is_refused(body: Any) -> None:
    """Neither an active team nor a list: better an error than "no organizations"."""
    with pytest.raises(SchemaMismatch):
        read(body)


@pytest.mark.parametrize("bad", [None, 5, {}, {"id": None}, {"id": 1.5}, {"id": "../x"}, {"id": True}])
def test_an_organization_without_an_id_is_refused(bad: Any) -> None:
    """Leaving one out in silence would leave its teams out of every change."""
    with pytest.raises(SchemaMismatch, match=r"organizations\[1\]"):
        read({"organizations": [{"id": 7}, bad]})
