"""doo's organizations and their teams."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

import attrs

from aiodoo.client.client import Client
from aiodoo.deadline import DeadlineOption
from aiodoo.errors import SchemaMismatch
from aiodoo.models import Organization, OrganizationsPage, Team
from aiodoo.protocol import answers, requests
from aiodoo.quota import Lane


@attrs.frozen
class Organizations:
    """What the account may see of organizations and teams.

    doo documents only the active team in this answer. All else is read tolerantly, and kept as
    `Organization.raw`. Where the answer does not name your teams, take their ids from a file of your own.
    """

    _client: Client
    _lane: Lane = Lane.FRONT

    async def active_team(self, *, deadline: DeadlineOption = "session") -> Team:
        """Return the team that the credentials act for.

        Costs one request ("Get all organizations and teams").

        Args:
            deadline: seconds for the call with all its waits and retries; "session" for the session's, None for none.

        Raises:
            SchemaMismatch: the answer names no active team.
        """
        page = await self._page(1, deadline)
        if page.active_team is None:
            raise SchemaMismatch(
                "doo's answer names no active team; the credentials may belong to no organization",
                path="$.active_team",
            )
        return page.active_team

    def list(self, *, deadline: DeadlineOption = "session") -> AsyncIterator[Organization]:
        """Walk every organization that the answer names, or the active team's if it names none.

        One whose teams should stand on several pages comes once for each of them, with the teams that are new.
        Costs one request ("Get all organizations and teams"), or one a page if doo should page it. Breaking off leaves nothing behind.

        Args:
            deadline: seconds for each request with all its waits and retries; "session" for the session's, None for none.
        """
        return _OrganizationWalk(self._page, deadline)

    async def _page(self, number: int, deadline: DeadlineOption) -> OrganizationsPage:
        request = requests.organizations(number)
        return await self._client.call(
            request, answers.read_organizations, lane=self._lane, deadline=deadline
        )


@attrs.define
class _OrganizationWalk(AsyncIterator[Organization]):
    _read: Callable[[int, DeadlineOption], Awaitable[OrganizationsPage]]
    _deadline: DeadlineOption
    _next: int | None = 1
    _found: deque[Organization] = attrs.field(factory=deque)
    _seen: dict[str, set[str]] = attrs.field(factory=dict)

    async def __anext__(self) -> Organization:
        while not self._found:
            if self._next is None:
                raise StopAsyncIteration
            page = await self._read(self._next, self._deadline)
            fresh = [new for organization in page.organizations if (new := self._unseen(organization))]
            self._found.extend(fresh)
            # A page that shows nothing new is the end, whatever its counters and links say.
            self._next = self._next + 1 if fresh and page.more_after(self._next) else None
        return self._found.popleft()

    def _unseen(self, organization: Organization) -> Organization | None:
        """Return what earlier pages did not show of an organization: all of it, or some of its teams, or nothing."""
        known = self._seen.get(organization.id)
        team_ids = tuple(team_id for team_id in organization.team_ids if team_id not in (known or ()))
        self._seen.setdefault(organization.id, set()).update(team_ids)
        if known is None:
            return organization
        return attrs.evolve(organization, team_ids=team_ids) if team_ids else None
