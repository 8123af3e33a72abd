"""Organizations of an account, and their teams."""

from __future__ import annotations

from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class Team:
    """A team; its id addresses webhook configurations.

    Attributes:
        id: doo's id of the team.
        organization_id: the organization of the team; None if the answer does not name it.
    """

    id: str
    organization_id: str | None = None


@attrs.frozen(kw_only=True)
class Organization:
    """An organization of the account.

    Attributes:
        id: doo's id of the organization.
        name: None if the answer has none.
        team_ids: the teams that the answer names for it.
        raw: the object as doo sent it; its format is not documented.
    """

    id: str
    name: str | None = None
    team_ids: tuple[str, ...] = ()
    raw: dict[str, Any] = attrs.field(factory=dict, eq=False, repr=False)


@attrs.frozen(kw_only=True)
class OrganizationsPage:
    """One answer to "Get all organizations and teams".

    Attributes:
        active_team: the team that the client credentials are bound to; None if the answer does not name it.
        organizations: all organizations found in the answer.
        raw: the whole answer; its format is not documented.
        page_count: the number of pages according to doo; None if the answer has none.
        has_next_link: whether the answer has `_links.next`.
    """

    active_team: Team | None
    organizations: tuple[Organization, ...]
    raw: dict[str, Any] = attrs.field(factory=dict, eq=False, repr=False)
    page_count: int | None = None
    has_next_link: bool = False

    def more_after(self, number: int) -> bool:
        """Return whether the page count or a link announces a page after this one."""
        return self.has_next_link or (self.page_count is not None and number < self.page_count)
