"""Reading one team's list: page by page, once, or until readings in a row agree."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import attrs

from aiodoo.call import Watch
from aiodoo.client import Client, Deadline
from aiodoo.errors import NotFound, UnstableListing
from aiodoo.models import Page, WebhookConfiguration
from aiodoo.protocol import answers, requests
from aiodoo.protocol.paging import Pager
from aiodoo.quota import Lane

SCANS = 6
"""Readings after which a list that never agrees with itself is given up."""


@attrs.frozen(kw_only=True)
class Listing:
    """One team's whole list.

    Attributes:
        pages: how many pages its last reading took.
        page_size: webhook configurations a page, as the list says.
        began: when the first request for it was made (monotonic seconds).
    """

    team_id: str
    webhooks: tuple[WebhookConfiguration, ...]
    read: tuple[Page, ...] = attrs.field(repr=False)
    page_size: int | None
    began: float

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
        deadline: of each page.
        give_up_at: the end of all of them instead (monotonic seconds).
        lengths: how long the list is, as each page says.
    """

    client: Client
    team_id: str
    lane: Lane
    deadline: Deadline
    pager: Pager
    give_up_at: float | None = None
    watch: Watch | None = None
    lengths: set[tuple[str, int | None]] = attrs.field(factory=set, init=False)

    async def __anext__(self) -> Page:
        number = self.pager.next
        if number is None:
            raise StopAsyncIteration
        request = requests.list_webhooks(self.team_id, number)
        read = partial(answers.read_page, team_id=self.team_id, number=number)
        try:
            page = await self.client.call(
                request, read, lane=self.lane, deadline=self._deadline, watch=self.watch
            )
        except NotFound:
            if self.pager.absent():
                raise StopAsyncIteration from None
            raise
        self.lengths |= {("pages", page.page_count), ("items", page.total_items)}
        if _became_shorter(page):
            self.pager.next = None
        elif self.pager.read(page):
            return page
        raise StopAsyncIteration

    @property
    def changed(self) -> bool:
        """Whether the pages name different lengths: the list changed while it was read, or one page is an old one."""
        named = [what for what, number in self.lengths if number is not None]
        return len(named) > len(set(named))

    @property
    def _deadline(self) -> Deadline:
        if self.give_up_at is None:
            return self.deadline
        return max(0.0, self.give_up_at - self.client.clock.monotonic())


def _became_shorter(page: Page) -> bool:
    """Tell whether doo sent the last page, and says so, where one beyond it was asked for."""
    last = page.page_count
    return last is not None and 0 < last < page.number and page.answered_number == last


async def read_team(
    client: Client,
    team_id: str,
    *,
    stable: bool,
    lane: Lane,
    deadline: Deadline,
    give_up_at: float | None = None,
    watch: Watch | None = None,
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
        lane: who asks.
        deadline: seconds for each page with all its waits and retries.
        give_up_at: when all of it must be done (monotonic seconds); then `deadline` does not count.
        watch: is told when a wire request leaves.

    Raises:
        SchemaMismatch: a webhook configuration in the list cannot be read.
        PaginationError: its pages repeat or do not end.
        UnstableListing: the list kept changing through six readings.
    """
    before: frozenset[str] | None = None
    agreed = 0
    broke_off = False
    for _ in range(SCANS if stable else 1):
        pages = TeamPages(
            client=client,
            team_id=team_id,
            pager=Pager(team_id),
            lane=lane,
            deadline=deadline,
            give_up_at=give_up_at,
            watch=watch,
        )
        try:
            listing = await _read_once(pages)
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
        if not stable or (clean and agreed >= needed):
            return listing
        before = ids if clean else None
    raise UnstableListing(
        f"the list of team {team_id} changed through {SCANS} readings; nothing was concluded from it. "
        "Try again when nobody else changes this team's webhooks"
    )


async def _read_once(pages: TeamPages) -> Listing:
    began = pages.client.clock.monotonic()
    read = []
    async for page in pages:
        for fault in page.faults:
            raise fault
        read.append(page)
    webhooks = {webhook.id: webhook for page in read for webhook in page.items}
    return Listing(
        team_id=pages.team_id,
        webhooks=tuple(webhooks.values()),
        read=tuple(read),
        page_size=read[0].page_size if read else None,
        began=began,
    )
