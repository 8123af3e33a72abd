"""Asks for the pages of one team's list, each on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

import attrs

from aiodoo.client.call import Watch
from aiodoo.client.client import Client
from aiodoo.clock import Clock
from aiodoo.deadline import Deadline, DeadlineOption
from aiodoo.errors import DooError, NotFound, UnstableListing
from aiodoo.facts import Facts
from aiodoo.models import Page, WebhookConfiguration
from aiodoo.protocol import answers, requests
from aiodoo.protocol.next_page import Pager
from aiodoo.protocol.wire import Request
from aiodoo.quota import Lane
from aiodoo.quota.hold import Hold


@attrs.define(kw_only=True, repr=False)
class TeamPages(AsyncIterator[Page]):
    """Iterates over the pages of one team, each requested on demand.

    It is an async iterator and not a generator, so it may be abandoned at any point, and after an error the same page
    is requested again.

    Attributes:
        client: sends the requests.
        facts: settings for what doo does not document.
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
    facts: Facts
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
        request = requests.next_list_page(self.team_id, number)
        read = partial(answers.read_page, team_id=self.team_id, number=number, facts=self.facts)
        try:
            page = await self.client.call(
                request, read, lane=self.lane, deadline=self.deadline, watch=self.watch
            )
        except NotFound:
            if self.pager.absent():
                raise StopAsyncIteration from None
            raise
        if self.most is not None and 2 * (page.page_count or 0) > self.most:
            raise UnstableListing(_too_long(self.team_id, page.page_count or 0, self.most), too_long=True)
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


@attrs.define(eq=False, repr=False)
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
