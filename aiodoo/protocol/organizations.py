"""Parses the answer to "Get all organizations and teams", whose format is not documented.

Only the active team is certain. Everything else is searched for where APIs of this kind usually have it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from aiodoo.checks import ID
from aiodoo.models import Organization, OrganizationsPage, Team
from aiodoo.protocol.decoding import decode, has_next, mismatch, read_counter
from aiodoo.protocol.wire import Answer

_NAMES = ("organizations", "organisations", "organizers", "items")


def read_organizations(answer: Answer) -> OrganizationsPage:
    """Return the organizations and teams of the account.

    Raises:
        ProtocolError: the body is not JSON, or has neither an active team nor a list of organizations.
    """
    body = decode(answer)
    document = body if isinstance(body, dict) else {"data": body}
    active = _active_team(document)
    found = _list(document)
    if found is None and active is None:
        raise mismatch(answer, "$", "holds neither an active_team nor a list of organizations")
    organizations = _organizations(answer, found or [])
    if active is not None:
        organizations = _with_active(organizations, active)
    return OrganizationsPage(
        active_team=active,
        organizations=tuple(organizations),
        raw=document,
        page_count=_page_count(document),
        has_next_link=has_next(document.get("_links")),
    )


def _active_team(document: dict[str, Any]) -> Team | None:
    for place in _places(document):
        team = place.get("active_team")
        if isinstance(team, dict) and (team_id := _id(team.get("id"))) is not None:
            return Team(id=team_id, organization_id=_organization_id(team))
    return None


def _places(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the objects to search: the body, its `data`, and the `_embedded` of either."""
    for place in (document, document.get("data")):
        if isinstance(place, dict):
            yield place
            if isinstance(place.get("_embedded"), dict):
                yield place["_embedded"]


def _list(document: dict[str, Any]) -> list[Any] | None:
    """Return the objects of organizations: from a list of a usual name, else any embedded list, else the teams."""
    places = list(_places(document))
    for value in (document.get("data"), *(place.get(name) for name in _NAMES for place in places)):
        if isinstance(value, list):
            return value
    embedded = (place for place in places if place is not document and place is not document.get("data"))
    for value in (value for place in embedded for name, value in place.items() if name != "teams"):
        if _holds_ids(value):
            return list(value)
    teams = [team for place in places if _holds_ids(place.get("teams")) for team in place["teams"]]
    found = [_of_team(team) for team in teams if isinstance(team, dict) and _organization_id(team)]
    return found or None


def _holds_ids(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) and _id(item.get("id")) for item in value)


def _of_team(team: dict[str, Any]) -> dict[str, Any]:
    """Return an object for the organization of a team."""
    return {"id": _organization_id(team), "team_id": team.get("id")}


def _organizations(answer: Answer, objects: list[Any]) -> list[Organization]:
    found: dict[str, Organization] = {}
    for index, item in enumerate(objects):
        organization_id = _id(item.get("id", item.get("organization_id"))) if isinstance(item, dict) else None
        if organization_id is None:
            raise mismatch(answer, f"$..organizations[{index}].id", "must be an id")
        organization = Organization(
            id=organization_id, name=_name(item), team_ids=tuple(_team_ids(item)), raw=item
        )
        earlier = found.setdefault(organization_id, organization)
        if earlier is not organization:
            found[organization_id] = _with_teams(earlier, organization.team_ids)
    return list(found.values())


def _with_active(organizations: list[Organization], active: Team) -> list[Organization]:
    """Add the active team to its organization; if there are no organizations, return one for it."""
    if not organizations and active.organization_id is not None:
        return [Organization(id=active.organization_id, team_ids=(active.id,))]
    return [
        _with_teams(organization, (active.id,)) if organization.id == active.organization_id else organization
        for organization in organizations
    ]


def _with_teams(organization: Organization, team_ids: tuple[str, ...]) -> Organization:
    return attrs.evolve(organization, team_ids=tuple(dict.fromkeys(organization.team_ids + team_ids)))


def _team_ids(item: dict[str, Any]) -> Iterator[str]:
    embedded = item.get("_embedded")
    seen: set[str] = set()
    for place in (item, embedded if isinstance(embedded, dict) else {}):
        for name in ("teams", "team_ids", "team", "team_id", "active_team"):
            value = place.get(name)
            for team in value if isinstance(value, list) else [value]:
                team_id = _id(team.get("id") if isinstance(team, dict) else team)
                if team_id is not None and team_id not in seen:
                    seen.add(team_id)
                    yield team_id


def _organization_id(team: dict[str, Any]) -> str | None:
    nested = team.get("organization")
    return _id(team.get("organization_id", nested.get("id") if isinstance(nested, dict) else nested))


def _id(value: Any) -> str | None:
    text = str(value) if type(value) is int else value
    return text if isinstance(text, str) and ID.fullmatch(text) else None


def _name(item: dict[str, Any]) -> str | None:
    for name in ("name", "title"):
        if isinstance(item.get(name), str):
            return str(item[name])
    return None


def _page_count(document: dict[str, Any]) -> int | None:
    try:
        return read_counter(document.get("page_count"))
    except ValueError:
        return None
