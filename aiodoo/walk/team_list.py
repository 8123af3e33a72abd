"""Reading one team's list: page by page, once, or until readings in a row agree."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from itertools import chain

import attrs

from aiodoo.client.call import Watch
from aiodoo.client.client import Client
from aiodoo.deadline import Deadline, DeadlineOption
from aiodoo.errors import DooError, NotFound, SchemaMismatch, UnstableListing
from aiodoo.models import Page, WebhookConfiguration
from aiodoo.protocol import answers, requests
from aiodoo.protocol.paging import OnePage, Pager
from aiodoo.protocol.wire import Request
from aiodoo.quota import Lane
from aiodoo.quota.hold import Hold

SCANS = 6
"""Readings after which a list that never agrees with itself is given up."""


@attrs.frozen(kw_only=True)
class Listing:
    """One team's whole list, or some of its pages.

    Attributes:
        pages: how many pages its last reading took.
        page_size: webhook configurations a page, as the list says.
        began: when the first request for it was made (monotonic seconds).
        asked: when the request for each page of the last reading left.
    """

    team_id: str
    webhooks: tuple[WebhookConfiguration, ...]
    read: tuple[Page, ...] = attrs.field(repr=False)
    page_size: int | None
    began: float
    asked: tuple[float, ...] = attrs.field(default=(), repr=False)

    @property
    def pages(self) -> int:
        """How many pages its last reading took."""
        return len(self.read)


@attrs.define(kw_only=True)
class TeamPages(AsyncIterator[Page]):
    """The pages of one team, each asked for when the one before has been used up.

    An async iterator and not a generator: it holds nothing open, so it may be dropped at any point, and
    after an error the same page is asked for again.

    Attributes:
        deadline: of each page; one that has begun is of all of them.
        shows: is told what each page shows.
        lengths: how long the list is, as each page says.
        asked_at: when the request for the latest page left (monotonic seconds).
    """

    client: Client
    team_id: str
    lane: Lane
    deadline: Deadline | DeadlineOption
    pager: Pager
    watch: Watch | None = None
    shows: Callable[[Sequence[WebhookConfiguration]], None] | None = None
    lengths: set[tuple[str, int | None]] = attrs.field(factory=set, init=False)
    asked_at: float = attrs.field(default=0.0, init=False)

    async def __anext__(self) -> Page:
        number = self.pager.next
        if number is None:
            raise StopAsyncIteration
        request = requests.list_webhooks(self.team_id, number)
        read = partial(answers.read_page, team_id=self.team_id, number=number, facts=self.client.facts)
        try:
            page = await self.client.call(request, read, lane=self.lane, deadline=self.deadline, watch=self)
        except NotFound:
            if self.pager.absent():
                raise StopAsyncIteration from None
            raise
        self.lengths |= {("pages", page.page_count), ("items", page.total_items)}
        if became_shorter(page):
            self.pager.next = None
        elif self.pager.read(page):
            if self.shows is not None:
                self.shows(page.items)
            return page if self.pager.next is None else attrs.evolve(page, next_number=self.pager.next)
        raise StopAsyncIteration

    @property
    def hold(self) -> Hold | None:
        """The claim of the run that reads, if it is one."""
        return None if self.watch is None else self.watch.hold

    @property
    def call_id(self) -> str:
        """What the events of its pages have in common; empty if each page is a call of its own."""
        return "" if self.watch is None else self.watch.call_id

    @property
    def admitted(self) -> bool:
        """Whether it is read for something that was let in."""
        return self.watch is not None and self.watch.admitted

    def leaves(self, request: Request) -> None:
        """Take note of when a request for a page leaves."""
        self.asked_at = self.client.clock.monotonic()
        if self.watch is not None:
            self.watch.leaves(request)

    def never_left(self, request: Request) -> None:
        """Take note that the request is proven not to have left."""
        if self.watch is not None:
            self.watch.never_left(request)

    def comes_back(self) -> None:
        """Take note that a page is asked for again."""
        if self.watch is not None:
            self.watch.comes_back()

    def takes_back(self, error: DooError) -> bool:
        """Return whether whoever reads waits until the cause of an error has passed."""
        return self.watch is not None and self.watch.takes_back(error)

    @property
    def changed(self) -> bool:
        """Whether the pages name different lengths: the list changed while it was read, or one page is an old one."""
        named = [what for what, number in self.lengths if number is not None]
        return len(named) > len(set(named))


def became_shorter(page: Page) -> bool:
    """Tell whether doo sent the last page, and says so, where one beyond it was asked for."""
    last = page.page_count
    return last is not None and 0 < last < page.number and page.answered_number == last


async def read_team(
    client: Client,
    team_id: str,
    *,
    stable: bool,
    only: Sequence[int] = (),
    sought: str | None = None,
    lane: Lane,
    deadline: Deadline | DeadlineOption,
    watch: Watch | None = None,
    shows: Callable[[Sequence[WebhookConfiguration]], None] | None = None,
) -> Listing:
    """Read a team's list as a whole; with `stable`, until two readings in a row show the same ids.

    A list of one page is one consistent reading already. If the pages of a reading name different lengths of the
    list, it takes three: what moved between two pages of one reading can be missing from another for a reason of its
    own, such as an old page. Costs as many requests as the team has pages, and with `stable` and more pages than one
    at least twice that.

    Args:
        client: what asks doo.
        team_id: whose list.
        stable: whether readings have to agree.
        only: the numbers of the only pages to read, once each; what is not there then may be anywhere.
        sought: the id of a webhook configuration: the reading ends with the page that shows it, whatever else cannot
            be read.
        lane: who asks.
        deadline: seconds for each page with all its waits and retries; one that has begun is of all pages together.
        watch: is told when a wire request leaves.
        shows: is told what each page shows when it has been read, whatever becomes of the others.

    Raises:
        SchemaMismatch: a webhook configuration in the list cannot be read.
        PaginationError: its pages repeat or do not end.
        UnstableListing: the list kept changing through six readings.
    """
    pages_from = partial(
        TeamPages,
        client=client,
        team_id=team_id,
        lane=lane,
        deadline=deadline,
        watch=watch,
        shows=shows,
    )
    if only:
        return await _read_only(team_id, only, pages_from)
    before: frozenset[str] | None = None
    agreed = 0
    broke_off = False
    for _ in range(SCANS if stable else 1):
        pages = pages_from(pager=Pager(team_id))
        try:
            listing = await _read_once(pages, sought)
        except NotFound:
            # A page that was there a moment ago: the list may have become shorter meanwhile.
            if not stable or broke_off or pages.pager.next == 1:
                raise
            broke_off, before = True, None
            continue
        broke_off = False
        clean = not pages.pager.duplicates
        ids = frozenset(webhook.id for webhook in listing.webhooks)
        agreed = agreed + 1 if ids == before else 1
        needed = 3 if pages.changed else min(listing.pages, 2)
        found = sought is not None and sought in ids
        if found or not stable or (clean and agreed >= needed):
            return listing
        before = ids if clean else None
    raise UnstableListing(
        f"the list of team {team_id} changed through {SCANS} readings; nothing was concluded from it. "
        "Try again when nobody else changes this team's webhooks"
    )


async def _read_once(pages: TeamPages, sought: str | None = None) -> Listing:
    began = pages.client.clock.monotonic()
    read, asked = [], []
    faults: list[SchemaMismatch] = []
    async for page in pages:
        faults += page.faults
        if faults and sought is None:
            break
        read.append(page)
        asked.append(pages.asked_at)
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


async def _read_only(team_id: str, numbers: Sequence[int], pages_from: Callable[..., TeamPages]) -> Listing:
    """Read some pages, each once; one that is there no more holds nothing."""
    listings = [await _read_once(pages_from(pager=OnePage(team_id, number))) for number in numbers]
    return Listing(
        team_id=team_id,
        webhooks=tuple(chain.from_iterable(listing.webhooks for listing in listings)),
        read=tuple(chain.from_iterable(listing.read for listing in listings)),
        page_size=next((listing.page_size for listing in listings if listing.read), None),
        began=listings[0].began,
        asked=tuple(chain.from_iterable(listing.asked for listing in listings)),
    )
