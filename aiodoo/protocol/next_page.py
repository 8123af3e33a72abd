"""Decides which page of a list is next, and when the list ends; asks for none."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from operator import attrgetter
from typing import Final

from aiodoo.errors import PaginationError
from aiodoo.models import Page

MOST_PAGES: Final = 10_000
"""The limit for pages of one team, whatever doo's counters say."""

_id = attrgetter("id")


class Pager:
    """The state of one reading of a team's list.

    Links and counters are hints, and either is enough to continue. An extra page is requested if only a link announces
    it while the counters say that the list is complete, if there was neither a link nor a counter, or if the total is
    not reached and neither the number nor the size of the pages is known. If the extra page is empty or repeats the
    last one, the list ends. No link is followed ("List webhook configurations").

    Attributes:
        next: the number of the page to request; None when the list is complete.
        extra: whether that page is an extra one, so that a 404 only means the end of the list.
        repeated: the ids of the last page that an earlier page also had.
        duplicates: whether an id occurred twice, so that the reading proves nothing.
    """

    def __init__(self, team_id: str, *, start: int = 1) -> None:
        self.next: int | None = start
        self.extra = False
        self.repeated: AbstractSet[str] = frozenset()
        self.duplicates = False
        self._team_id = team_id
        self._start = start
        self._cap = MOST_PAGES
        self._ids: set[str] = set()
        self._contents: set[tuple[str, ...]] = set()
        self._last: tuple[str, ...] = ()
        self._linked = False

    def read(self, page: Page) -> bool:
        """Process the requested page; return whether it belongs to the list.

        Raises:
            PaginationError: the pages repeat, are not those requested, or do not end.
        """
        number = page.number
        content = tuple(map(_id, page.items))
        empty = not content and not page.faults
        if self.extra and (empty or content == self._last):
            self.next = None
            return False
        if page.answered_number is not None and page.answered_number != number:
            raise self._error(f"doo sent page {page.answered_number} where page {number} was asked for")
        if content and content in self._contents:
            raise self._error(f"page {number} repeats an earlier page")
        self._record(content)
        self._advance(number, page)
        return True

    def absent(self) -> bool:
        """Process a 404 for the requested page; return whether it only means the end of the list."""
        if self.extra:
            self.next = None
        return self.extra

    def _record(self, content: tuple[str, ...]) -> None:
        ids = set(content)
        if self._ids:
            self.repeated = self._ids & ids
            self._ids |= ids
        else:
            self._ids = ids
        self.duplicates |= bool(self.repeated) or len(ids) < len(content)
        if content:
            self._contents.add(content)
            self._last = content

    def _advance(self, number: int, page: Page) -> None:
        count = _pages(page)
        if number == self._start and count is not None:
            self._cap = min(2 * count + 10, MOST_PAGES)
            if count > MOST_PAGES:
                raise self._error(f"doo speaks of {count} pages")
        counted = count is not None and number < count
        self._linked |= page.has_next_link
        if (
            not counted
            and not page.has_next_link
            and (self._linked or not _may_have_next(page, seen=len(self._ids)))
        ):
            self.next = None
            return
        if number >= self._cap:
            raise self._error(f"the list did not end after {number} pages")
        self.next = number + 1
        self.extra = not counted and (count is not None or not page.has_next_link)

    def _error(self, what: str) -> PaginationError:
        return PaginationError(
            f"the list of team {self._team_id} cannot be read to its end: {what}. Nothing is concluded from it"
        )


class OnePage(Pager):
    """The state of reading a single page."""

    def __init__(self, team_id: str, number: int) -> None:
        super().__init__(team_id, start=number)
        # The list may have become shorter than this page's number.
        self.extra = True

    def read(self, page: Page) -> bool:
        """Process the page; return whether it belongs to the list.

        Raises:
            PaginationError: it is not the page that was requested.
        """
        self.extra = False
        belongs = super().read(page)
        self.next = None
        return belongs


def _may_have_next(page: Page, *, seen: int) -> bool:
    """Tell whether a page may have a successor although neither a link nor a page count announces one."""
    shown = len(page.items) + len(page.faults)
    if not shown or page.page_count is not None:
        return False
    if page.total_items is not None:
        return page.page_size is None and seen < page.total_items
    return shown >= (page.page_size or 1)


def _pages(page: Page) -> int | None:
    """Return the number of pages according to the counters; None if they do not tell."""
    if page.page_count is not None:
        return page.page_count
    if page.total_items is not None and page.page_size:
        return -(-page.total_items // page.page_size)
    return None
