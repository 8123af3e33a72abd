"""Reads a team's list: once, until consecutive readings agree, a single page of it, or up to one webhook."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain

import attrs

from aiodoo.checks import check_id
from aiodoo.client.call import CallGroup, Watch
from aiodoo.client.client import Client
from aiodoo.client.recent_changes import RecentChanges
from aiodoo.clock import Clock
from aiodoo.credentials import Owner
from aiodoo.deadline import Deadline, DeadlineOption
from aiodoo.errors import NotFound, SchemaMismatch, UnstableListing
from aiodoo.facts import Facts
from aiodoo.models import Page, WebhookConfiguration
from aiodoo.protocol import answers, requests
from aiodoo.protocol.next_page import OnePage, Pager
from aiodoo.quota import Account, Lane, Limits
from aiodoo.quota.day_room import check_day
from aiodoo.walk.page_requests import PageWatch, TeamPages, became_shorter

SCANS = 6
"""The limit for readings of a list that is not stable."""


@attrs.frozen(kw_only=True, repr=False)
class Listing:
    """A team's whole list, or some of its pages.

    Attributes:
        team_id: the team.
        webhooks: the webhook configurations, without repetitions.
        read: the pages of the last reading.
        page_size: webhook configurations per page, according to the list.
        began: when the first request of the last reading was made (monotonic seconds).
        asked: when the request for each of the pages was sent (monotonic seconds).
    """

    team_id: str
    webhooks: tuple[WebhookConfiguration, ...]
    read: tuple[Page, ...] = attrs.field(repr=False)
    page_size: int | None
    began: float
    asked: tuple[float, ...] = attrs.field(default=(), repr=False)

    @property
    def pages(self) -> int:
        """The number of pages of the last reading."""
        return len(self.read)


@attrs.frozen(eq=False, kw_only=True, repr=False)
class ListReader:
    """Reads teams' lists of webhook configurations.

    Attributes:
        client: sends the requests.
        clock: the time.
        facts: settings for what doo does not document.
        owner: whose lists it reads.
        changes: what the session has changed itself.
        account: the account in the quota's ledger.
        limits: its limits.
        name: distinguishes the readings of this session, whose times it can compare, from those of others.
    """

    client: Client
    clock: Clock
    facts: Facts
    owner: Owner
    changes: RecentChanges
    account: Account
    limits: Limits
    name: str = attrs.field(factory=lambda: os.urandom(8).hex())

    async def check_day(self, teams: int, lane: Lane) -> None:
        """Check that so many teams can be read now, for whoever needs all of them; see `day_room.check_day`."""
        await check_day(teams, lane, account=self.account, limits=self.limits, clock=self.clock)

    async def read(
        self,
        team_id: str,
        *,
        stable: bool,
        only: Sequence[int] = (),
        sought: str | None = None,
        skip_faults: bool = False,
        lane: Lane,
        deadline: Deadline | DeadlineOption,
        watch: Watch | None = None,
        shows: Callable[[Sequence[WebhookConfiguration], int | None], None] | None = None,
        most: int | None = None,
    ) -> Listing:
        """Return a team's list; with `stable`, read it until two consecutive readings have the same ids.

        A list of one page is stable after one reading. If the pages of a reading name different lengths of the list, three
        readings have to agree, as two can miss the same webhook for different reasons, such as a move between pages and an
        outdated page. Costs one request per page, and with `stable` and more than one page at least twice that.

        Args:
            team_id: the team.
            stable: whether readings have to agree.
            only: numbers of pages; if given, only these are read, once each.
            sought: the id of a webhook configuration; if given, the reading ends with the page that contains it, and
                webhook configurations that cannot be read are ignored then.
            skip_faults: leave out webhook configurations that cannot be read; the pages of the listing have their `faults`.
            lane: the lane of the requests.
            deadline: an option applies to each page; a started `Deadline` to all pages together.
            watch: the callbacks of the surrounding call.
            shows: called with the webhook configurations of each page when it has been read, and how many pages it says there
                are.
            most: requests that the whole list may take, read until readings agree; None without a limit.

        Raises:
            SchemaMismatch: a webhook configuration in the list cannot be read, unless `skip_faults`.
            PaginationError: the pages repeat or do not end.
            UnstableListing: the list kept changing during six readings, or it would take more than `most` requests.
        """
        watching = PageWatch(self.clock, watch)
        pages_from = partial(
            TeamPages,
            client=self.client,
            facts=self.facts,
            team_id=team_id,
            lane=lane,
            deadline=deadline,
            watch=watching,
            shows=shows,
            most=None if only else most,
        )
        if only:
            return await _read_only(team_id, only, pages_from, watching)
        before: tuple[frozenset[str], int] | None = None
        agreed = 0
        broke_off = False
        for _ in range(SCANS if stable else 1):
            pages = pages_from(pager=Pager(team_id))
            try:
                listing = await _read_once(pages, watching, sought, skip_faults=skip_faults)
            except NotFound:
                # The list may have become shorter since the page before announced this one.
                if not stable or broke_off or pages.pager.next == 1:
                    raise
                broke_off, before = True, None
                continue
            broke_off = False
            clean = not pages.pager.duplicates
            ids = frozenset(webhook.id for webhook in listing.webhooks)
            shown = ids, sum(len(page.faults) for page in listing.read)
            agreed = agreed + 1 if shown == before else 1
            needed = 3 if pages.changed else min(listing.pages, 2)
            found = sought is not None and sought in ids
            if found or not stable or (clean and agreed >= needed):
                return listing
            before = shown if clean else None
            # So that two readings are never in memory together.
            del listing
        raise UnstableListing(
            f"the list of team {team_id} changed through {SCANS} readings; nothing was concluded from it. "
            "Try again when nobody else changes this team's webhooks"
        )

    async def page(self, team_id: str | int, number: int, *, lane: Lane, deadline: DeadlineOption) -> Page:
        """Return one page; costs one request.

        Raises:
            NotFound: doo answers 404, which it may do for a page beyond the last; else that page is empty.
        """
        team_id = check_id(team_id, "team id")
        request = requests.list_webhooks(team_id, number)
        read = partial(answers.read_page, team_id=team_id, number=number, facts=self.facts)
        page = await self.client.call(request, read, lane=lane, deadline=deadline)
        if became_shorter(page):
            return attrs.evolve(page, items=(), faults=())
        pager = Pager(team_id, start=number)
        pager.read(page)
        # An empty page ends the list, even if it has a next link.
        ends = number > 1 and not page.items and not page.faults
        return attrs.evolve(page, next_number=None if ends else pager.next)

    async def find(
        self, team_id: str | int, webhook_id: str | int, *, lane: Lane, deadline: DeadlineOption
    ) -> WebhookConfiguration:
        """Return a webhook configuration from a team's list, which is read up to the page that contains it.

        Raises:
            NotFound: the webhook configuration is not in the stable list.
        """
        team_id = check_id(team_id, "team id")
        webhook_id = check_id(webhook_id, "webhook configuration id")
        listing = await self.read(
            team_id,
            stable=True,
            sought=webhook_id,
            lane=lane,
            deadline=self.client.until(deadline),
            watch=CallGroup(),
        )
        for webhook in listing.webhooks:
            if webhook.id == webhook_id:
                return webhook
        late = ""
        if self.changes.has_created(team_id, webhook_id):
            late = "; it was created a moment ago, and doo's list may not show it yet"
        raise NotFound(f"team {team_id} has no webhook configuration {webhook_id}{late}")


async def _read_once(
    pages: TeamPages, watching: PageWatch, sought: str | None = None, *, skip_faults: bool = False
) -> Listing:
    began = watching.clock.monotonic()
    read, asked = [], []
    faults: list[SchemaMismatch] = []
    async for page in pages:
        faults += () if skip_faults else page.faults
        if faults and sought is None:
            break
        read.append(page)
        asked.append(watching.asked_at)
        if any(webhook.id == sought for webhook in page.items):
            faults = []
            break
    if faults:
        raise faults[0]
    webhooks = {webhook.id: webhook for page in read for webhook in page.items}
    return Listing(
        team_id=pages.team_id,
        webhooks=tuple(webhooks.values()),
        read=tuple(read),
        page_size=read[0].page_size if read else None,
        began=began,
        asked=tuple(asked),
    )


async def _read_only(
    team_id: str, numbers: Sequence[int], pages_from: Callable[..., TeamPages], watching: PageWatch
) -> Listing:
    """Return the listing of some pages, each read once; a page that does not exist any more is empty."""
    listings = [await _read_once(pages_from(pager=OnePage(team_id, number)), watching) for number in numbers]
    return Listing(
        team_id=team_id,
        webhooks=tuple(chain.from_iterable(listing.webhooks for listing in listings)),
        read=tuple(chain.from_iterable(listing.read for listing in listings)),
        page_size=next((listing.page_size for listing in listings if listing.read), None),
        began=listings[0].began,
        asked=tuple(chain.from_iterable(listing.asked for listing in listings)),
    )
