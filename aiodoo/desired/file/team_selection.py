"""Resolves selections of teams."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

import attrs

from aiodoo.checks import check_id
from aiodoo.desired.file.document import Exclude, Selection
from aiodoo.desired.file.yaml_reading import Fault, Place, Source
from aiodoo.errors import ConfigError
from aiodoo.models import Organization

Known = Mapping[str, Organization | None]
"""The organizations of teams by team id, in order; None if doo names no organization."""


def known_teams(organizations: Iterable[Organization]) -> Known:
    """Return the teams of organizations."""
    return {team_id: organization for organization in organizations for team_id in organization.team_ids}


def asks_doo(selection: Selection, *, within: bool) -> bool:
    """Return whether doo's organizations are needed to resolve a selection.

    Args:
        selection: the selection.
        within: whether `all` means the teams that are known already.
    """
    exclude = selection.exclude
    return bool(
        (selection.all and not within)
        or selection.organizations
        or selection.organization_ids
        or exclude.organizations
        or exclude.organization_ids
    )


@attrs.define
class TeamSelection:
    """Resolves selections; a key that selects no team is a fault, as it is probably a typing error.

    Attributes:
        source: the file.
        known: the teams to select from.
        within: whether only `known` teams can be selected; if not, other ids are accepted, too.
        faults: the faults found so far.
    """

    source: Source
    known: Known
    within: bool
    faults: list[Fault] = attrs.field(factory=list)

    def select(self, selection: Selection, place: Place) -> Known:
        """Return the selected teams in the order of `known`, followed by other ids in the order of the file."""
        named = {name for name in ("ids", "organizations", "organization_ids") if getattr(selection, name)}
        if not selection.all and not named:
            self._fault(place, "names no team; give all: true, ids, organizations or organization_ids")
            return {}
        included = self._named(selection, place, self.known, within=self.within)
        if selection.all:
            included = dict(self.known) | included
        excluded = self._named(selection.exclude, (*place, "exclude"), included, within=True)
        found = {team_id: where for team_id, where in included.items() if team_id not in excluded}
        if included and not found:
            self._fault(place, "leaves no team; exclude fewer")
        elif selection.all and not included:
            self._fault(place, "means all teams, but doo names none; list their ids")
        return found

    def _named(
        self, named: Exclude, place: Place, among: Known, *, within: bool
    ) -> dict[str, Organization | None]:
        meant: set[str] = set()
        beyond: dict[str, None] = {}
        for number, text in enumerate(named.ids):
            where = (*place, "ids", number) if self.source.has((*place, "ids")) else (*place, number)
            try:
                team_id = check_id(text, "team id")
            except ConfigError:
                self._fault(where, "is no team id; it takes 1 to 64 of the characters A-Z a-z 0-9 _ -")
                continue
            if team_id in among:
                meant.add(team_id)
            elif within:
                self._fault(
                    where, f"is team {team_id}, which is not among those to choose from; correct or remove it"
                )
            else:
                beyond[team_id] = None
        for field in ("organizations", "organization_ids"):
            for number, pattern in enumerate(getattr(named, field)):
                found = {team_id for team_id, each in among.items() if each and _is(each, field, pattern)}
                if not found:
                    self._fault((*place, field, number), "finds no team; correct or remove it")
                meant |= found
        return {team_id: each for team_id, each in among.items() if team_id in meant} | beyond

    def _fault(self, place: Place, message: str) -> None:
        self.faults.append(self.source.fault(place, message))


def _is(organization: Organization, field: str, wanted: str) -> bool:
    if field == "organization_ids":
        return organization.id == wanted
    name = organization.name
    return name is not None and (name == wanted or fnmatchcase(name, wanted))
