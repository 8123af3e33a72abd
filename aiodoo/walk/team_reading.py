"""Reads one team for a walk, from its first page or from the page of a cursor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Protocol

import attrs

from aiodoo.errors import DooError, NotFound
from aiodoo.models import Page
from aiodoo.protocol.next_page import OnePage, Pager
from aiodoo.quota import Lane
from aiodoo.walk.list_options import ListOptions
from aiodoo.walk.page_requests import TeamPages
from aiodoo.walk.team_list import Listing, ListReader


@attrs.frozen
class TeamError:
    """A team, page or webhook configuration that could not be read.

    Attributes:
        team_id: the team.
        error: the cause.
        number: the page of a webhook configuration that could not be read; None if a whole page could not be fetched.
    """

    team_id: str
    error: DooError
    number: int | None = None


@attrs.frozen(repr=False)
class Found:
    """A page, whether it is the last of its team, and the stable and complete listing that it belongs to, if any."""

    page: Page
    last: bool
    listing: Listing | None = None


@attrs.frozen(repr=False)
class Ended:
    """The end of a team's list."""

    team_id: str


class TeamReading(Protocol):
    """An iterator over the unread pages of one team."""

    @property
    def team_id(self) -> str:
        """The team."""
        ...

    async def __anext__(self) -> Found:
        """Return the next page."""
        ...


@attrs.frozen(repr=False)
class Reading:
    """How to read each team, and at which page to start."""

    lists: ListReader
    lane: Lane
    options: ListOptions
    start: dict[str, int]

    def of(self, team_id: str) -> TeamReading:
        """Return the reading of one team; no request is made yet, and there is nothing to close."""
        if self.options.stable:
            return _StablePages(self, team_id)
        start = self.start.get(team_id, 1)
        pages = TeamPages(
            client=self.lists.client,
            facts=self.lists.facts,
            team_id=team_id,
            lane=self.lane,
            deadline=self.options.deadline,
            pager=Pager(team_id, start=start),
        )
        return _PlainPages(team_id, pages, start)


@attrs.define(repr=False)
class _PlainPages(AsyncIterator[Found]):
    team_id: str
    _pages: TeamPages
    _start: int

    async def __anext__(self) -> Found:
        pager = self._pages.pager
        try:
            page = await self._pages.__anext__()
        except NotFound:
            if not await self._became_shorter():
                raise
            pager.next = None
            raise StopAsyncIteration from None
        if pager.repeated:
            fresh = tuple([webhook for webhook in page.items if webhook.id not in pager.repeated])
            page = attrs.evolve(page, items=fresh)
        return Found(page, last=pager.next is None)

    async def _became_shorter(self) -> bool:
        """Return whether a cursor's page is missing because the list became shorter, not because the team is gone.

        Costs one request. Without it, a walk could not continue from that cursor.
        """
        pages = self._pages
        if pages.pager.next != self._start or self._start == 1:
            return False
        first = TeamPages(
            client=pages.client,
            facts=pages.facts,
            team_id=pages.team_id,
            lane=pages.lane,
            deadline=pages.deadline,
            pager=OnePage(pages.team_id, 1),
        )
        return await anext(first, None) is not None


@attrs.define(repr=False)
class _StablePages(AsyncIterator[Found]):
    _reading: Reading
    team_id: str
    _pages: Iterator[Found] | None = None

    async def __anext__(self) -> Found:
        if self._pages is None:
            reading = self._reading
            listing = await reading.lists.read(
                self.team_id,
                stable=True,
                skip_faults=True,
                lane=reading.lane,
                deadline=reading.options.deadline,
            )
            start = reading.start.get(self.team_id, 1)
            read = [page for page in listing.read if page.number >= start]
            # The walk raises the faults of a page after the page, or collects them.
            known = None if any(page.faults for page in listing.read) else listing
            self._pages = iter([Found(page, page is read[-1], known) for page in read])
        found = next(self._pages, None)
        if found is None:
            raise StopAsyncIteration
        return found
