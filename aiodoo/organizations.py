"""Reads the organizations and teams of the account."""

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
    """Reads the organizations and teams that the account can access.

    doo documents only the active team of this answer. The rest is parsed leniently, and kept as `Organization.raw`. If
    the answer does not name your teams, store their ids yourself.
    """

    _client: Client
    _lane: Lane = Lane.FRONT

    async def active_team(self, *, deadline: DeadlineOption = "session") -> Team:
        """Return the team that the client credentials act for.

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
        """Iterate over the organizations in the answer, or that of the active team if there are none.

        An organization whose teams are on several pages is yielded once per page, with the teams that are new. Costs one
        request ("Get all organizations and teams"), or one per page if doo has pages here. You may `break` at any point.

        Args:
            deadline: seconds for each request with all its waits and retries; "session" for the session's, None for none.
        """
        return _OrganizationWalk(self._page, deadline)

    def team_ids(self, *, deadline: DeadlineOption = "session") -> AsyncIterator[str]:
        """Iterate over the ids of all teams in the answer. Costs as many requests as `list`.

        Args:
            deadline: seconds for each request with all its waits and retries; "session" for the session's, None for none.
        """
        return _TeamIds(self, deadline)

    async def _page(self, number: int, deadline: DeadlineOption) -> OrganizationsPage:
        request = requests.organizations(number)
        return await self._client.call(
            request, answers.read_organizations, lane=self._lane, deadline=deadline
        )


@attrs.define(repr=False)
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
            # A page without anything new is the last one, even if counters or links announce more.
            self._next = self._next + 1 if fresh and page.more_after(self._next) else None
        return self._found.popleft()

    def _unseen(self, organization: Organization) -> Organization | None:
        """Return an organization with the teams that earlier pages did not have; None if there is nothing new."""
        known = self._seen.get(organization.id)
        team_ids = tuple(team_id for team_id in organization.team_ids if team_id not in (known or ()))
        self._seen.setdefault(organization.id, set()).update(team_ids)
        if known is None:
            return organization
        return attrs.evolve(organization, team_ids=team_ids) if team_ids else None


@attrs.define(repr=False)
class _TeamIds(AsyncIterator[str]):
    """Iterates over the ids of all teams that doo names, requested on demand."""

    _organizations: Organizations
    _deadline: DeadlineOption
    _ids: deque[str] = attrs.field(factory=deque)
    _walk: AsyncIterator[Organization] | None = None

    async def __anext__(self) -> str:
        if self._walk is None:
            self._walk = self._organizations.list(deadline=self._deadline)
        while not self._ids:
            self._ids.extend((await anext(self._walk)).team_ids)
        return self._ids.popleft()
