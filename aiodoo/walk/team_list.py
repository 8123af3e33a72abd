"""Reads one team's list: page by page, once, or until consecutive readings agree."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from itertools import chain

import attrs

from aiodoo.client.call import Watch
from aiodoo.client.client import Client
from aiodoo.clock import Clock
from aiodoo.deadline import Deadline, DeadlineOption
from aiodoo.errors import DooError, NotFound, SchemaMismatch, UnstableListing
from aiodoo.models import Page, WebhookConfiguration
from aiodoo.protocol import answers, requests
from aiodoo.protocol.paging import OnePage, Pager
from aiodoo.protocol.wire import Request
from aiodoo.quota import Lane
from aiodoo.quota.hold import Hold

SCANS = 6
"""The limit for readings of a list that is not stable."""


@attrs.frozen(kw_only=True)
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


@attrs.define(kw_only=True)
class TeamPages(AsyncIterator[Page]):
    """Iterates over the pages of one team, each requested on demand.

    It is an async iterator and not a generator, so it may be abandoned at any point, and after an error the same page
    is requested again.

    Attributes:
        client: sends the requests.
        team_id: the team.
        lane: the lane of the requests.
        deadline: an option applies to each page; a started `Deadline` to all pages together.
        pager: decides which page is next.
        watch: the callbacks of the surrounding call, and the time when the latest page was asked for; None if nobody
            needs them.
        shows: called with the webhook configurations of each page, and how many pages it says there are.
        most: requests that a whole list may take, read until readings agree; None without a limit.
        lengths: the lengths of the list according to the pages.
    """

    client: Client
    team_id: str
    lane: Lane
    deadline: Deadline | DeadlineOption
    pager: Pager
    watch: PageWatch | None = None
    shows: Callable[[Sequence[WebhookConfiguration], int | None], None] | None = None
    most: int | None = None
    lengths: set[tuple[str, int | None]] = attrs.field(factory=set, init=False)

    async def __anext__(self) -> Page:
        number = self.pager.next
        if number is None:
            raise StopAsyncIteration
        request = requests.list_webhooks(self.team_id, number)
        read = partial(answers.read_page, team_id=self.team_id, number=number, facts=self.client.facts)
        try:
            page = await self.client.call(
                request, read, lane=self.lane, deadline=self.deadline, watch=self.watch
            )
        except NotFound:
            if self.pager.absent():
                raise StopAsyncIteration from None
            raise
        if self.most is not None and 2 * (page.page_count or 0) > self.most:
            raise UnstableListing(_too_long(self.team_id, page.page_count or 0, self.most))
        self.lengths.add(("pages", page.page_count))
        self.lengths.add(("items", page.total_items))
        if became_shorter(page):
            self.pager.next = None
        elif self.pager.read(page):
            if self.shows is not None:
                self.shows(page.items, page.page_count)
            if self.pager.next is not None:
                # Nobody else has the page yet, and copying it takes as long as reading it.
                object.__setattr__(page, "next_number", self.pager.next)
            return page
        raise StopAsyncIteration

    @property
    def changed(self) -> bool:
        """Whether the pages name different lengths, as the list changed meanwhile or a page is outdated."""
        named = [what for what, number in self.lengths if number is not None]
        return len(named) > len(set(named))


@attrs.define(eq=False)
class PageWatch:
    """A `Watch` that records when each page is asked for, and passes everything on to the one of the surrounding call.

    Attributes:
        clock: the time.
        watch: the callbacks of the surrounding call.
        asked_at: when the request for the latest page was sent (monotonic seconds).
    """

    clock: Clock
    watch: Watch | None
    asked_at: float = attrs.field(default=0.0, init=False)

    @property
    def hold(self) -> Hold | None:
        """The claim of the run that reads the list, if any."""
        return None if self.watch is None else self.watch.hold

    @property
    def call_id(self) -> str:
        """The call id that the events of all pages share; empty if each page is a call of its own."""
        return "" if self.watch is None else self.watch.call_id

    @property
    def admitted(self) -> bool:
        """Whether the pages belong to a call that was admitted already."""
        return self.watch is not None and self.watch.admitted

    def leaves(self, request: Request) -> None:
        """Record when the request for a page is sent."""
        self.asked_at = self.clock.monotonic()
        if self.watch is not None:
            self.watch.leaves(request)

    def never_left(self, request: Request) -> None:
        """Pass on that a request was certainly not sent."""
        if self.watch is not None:
            self.watch.never_left(request)

    def comes_back(self) -> None:
        """Pass on that a page is requested again."""
        if self.watch is not None:
            self.watch.comes_back()

    def takes_back(self, error: DooError) -> bool:
        """Return whether the surrounding call retries later, after the cause of an error has passed."""
        return self.watch is not None and self.watch.takes_back(error)


def _too_long(team_id: str, pages: int, most: int) -> str:
    return (
        f"the list of team {team_id} has {pages} pages; it proves something only if it is read twice in a row, which takes "
        f"{2 * pages} requests within one day, and runs may use {most} a day. Nothing was changed. It can be done with a larger "
        "daily quota (Limits(per_day=...), or a smaller reserve), or with fewer webhook configurations in the team"
    )


def became_shorter(page: Page) -> bool:
    """Tell whether doo sent the last page in the place of one beyond it, and numbered it as the last."""
    last = page.page_count
    return last is not None and 0 < last < page.number and page.answered_number == last


async def read_team(
    client: Client,
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
        client: sends the requests.
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
    watching = PageWatch(client.clock, watch)
    pages_from = partial(
        TeamPages,
        client=client,
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
