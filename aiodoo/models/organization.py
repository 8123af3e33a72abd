"""Organizations and their teams."""

from __future__ import annotations

from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class Team:
    """A team, by whose id webhook configurations are addressed.

    Attributes:
        id: doo's id for it.
        organization_id: the organization it belongs to, if doo says so.
    """

    id: str
    organization_id: str | None = None


@attrs.frozen(kw_only=True)
class Organization:
    """An organization of the account.

    Attributes:
        id: doo's id for it.
        name: None if doo shows none.
        team_ids: the teams that doo shows with it.
        raw: the object as doo sent it; its shape is not documented.
    """

    id: str
    name: str | None = None
    team_ids: tuple[str, ...] = ()
    raw: dict[str, Any] = attrs.field(factory=dict, eq=False, repr=False)


@attrs.frozen(kw_only=True)
class OrganizationsPage:
    """What "Get all organizations and teams" answered.

    Attributes:
        active_team: the team that the client credentials are bound to, if doo says so.
        organizations: as many as could be found.
        raw: the whole answer; its shape is not documented.
        page_count: as doo says, if it does.
        has_next_link: whether `_links.next` is there.
    """

    active_team: Team | None
    organizations: tuple[Organization, ...]
    raw: dict[str, Any] = attrs.field(factory=dict, eq=False, repr=False)
    page_count: int | None = None
    has_next_link: bool = False

    def more_after(self, number: int) -> bool:
        """Whether doo's counters or links speak of a page after this one."""
        return self.has_next_link or (self.page_count is not None and number < self.page_count)
