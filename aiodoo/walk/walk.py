"""The result of `webhooks.list()`: an async iterator over many teams and all their pages."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self

import attrs

from aiodoo.checks import check_callback
from aiodoo.error_meaning import for_run
from aiodoo.errors import ConfigError
from aiodoo.models import Page, WebhookConfiguration
from aiodoo.quota import Lane
from aiodoo.walk.collected import Collected, TeamRead
from aiodoo.walk.cursor import Cursor
from aiodoo.walk.list_options import ListOptions
from aiodoo.walk.readers import OneByOne, SideBySide
from aiodoo.walk.team_ids import TeamIds, WalkedTeams
from aiodoo.walk.team_list import Listing, ListReader
from aiodoo.walk.team_reading import Ended, Found, Reading, TeamError

_log = logging.getLogger("aiodoo.walk")


class Walk(AsyncIterator[WebhookConfiguration]):
    """Iterates over the webhook configurations of many teams; each is yielded once.

    Iterated directly, a walk requests each page on demand. You may `break` at any point and iterate again to continue;
    after an error, that requests the same page again. Inside `async with`, which can be entered once, several teams
    are read concurrently; with a limit, one page after the other, as reading ahead could cost requests that the limit
    does not need. Any task may exit the `async with`; tasks that still wait for a webhook then get a ConfigError.

    Several tasks may iterate over one walk; each webhook goes to one of them. A walk stores the ids of the finished
    teams, and no webhooks. `cursor` encodes all of these ids on each access, so with many thousands of teams do not
    access it after every page.

    Attributes:
        errors: a `TeamError` for each team, page or webhook configuration that could not be read, with
            `on_error="collect"`. Errors that concern every team (refused credentials, the daily quota spent, a closed
            session) are raised nevertheless.
    """

    def __init__(
        self,
        lists: ListReader,
        teams: Sequence[TeamIds],
        options: ListOptions,
        *,
        lane: Lane,
    ) -> None:
        self.errors: list[TeamError] = []
        self._options = options
        self._remaining = options.limit
        self._takes_all = options.limit is None and options.wanted.is_for_all
        self._cut_page: Page | None = None
        self._cursor = Cursor() if options.cursor is None else Cursor.parse(options.cursor)
        self._teams = WalkedTeams(teams, skip=self._cursor.done)
        self._reading = Reading(lists, lane, options, self._cursor.at)
        self._source: OneByOne | SideBySide | None = OneByOne(self._teams, self._reading)
        self._current: Found | None = None
        self._listing: Listing | None = None
        self._over = False
        self._items: deque[WebhookConfiguration] = deque()
        self._faults: deque[TeamError] = deque()
        self._lock = asyncio.Lock()

    @property
    def cursor(self) -> str:
        """The position as text, for `list(..., cursor=)` with the same teams.

        A page of `.pages()` is finished when it was yielded, a page yielded webhook by webhook when the next item is
        requested.
        """
        return str(self._cursor)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WebhookConfiguration:
        if not self._items:
            await self._lock.acquire()
            try:
                while not self._items:
                    self._items.extend((await self._next_page()).items)
            finally:
                self._lock.release()
        return self._items.popleft()

    def pages(self) -> AsyncIterator[Page]:
        """Return an iterator over pages; the first has the remaining items of a page that was begun item by item."""
        return _PageByPage(self._next_whole_page)

    async def collect(self, *, on_page: Callable[[Page], object] | None = None) -> Collected:
        """Read everything that was not yielded yet, several teams concurrently, and return it as one list.

        With `stable=True` the list has a record of how each team was read, so it can be the `baseline=` of a run.

        If it fails, the walk is closed and its cursor is reset to the position before the call, so that another walk
        reads the same again; with `on_page`, the cursor is after the last page that it was called with.

        Args:
            on_page: called with each page.

        Raises:
            ConfigError: `on_page` is not callable, or is an async function, or there are more teams than requests in a
                day; no team was read.
            QuotaExhausted: there are more teams than requests are left today; no team was read.
        """
        check_callback(on_page, "on_page")
        await self.check_day()
        if isinstance(self._source, SideBySide):
            return await self._collected(on_page)
        if self._source is not None and (self._teams.is_single or self._remaining is not None):
            # Nothing is to be read ahead or side by side, which takes tasks and queues.
            collected = await self._collected(on_page)
            self._source = None
            return collected
        async with self:
            return await self._collected(on_page)

    async def check_day(self) -> None:
        """Check that the daily quota has room to read all teams now; costs what it takes to name them.

        For whoever can do nothing with a part, as the teams that are read meanwhile use up each day anew.

        Raises:
            ConfigError: there are more teams than requests in a day; no team was read.
            QuotaExhausted: there are more teams than requests are left today; no team was read.
        """
        lists, begun = self._reading.lists, isinstance(self._source, SideBySide)
        if lists.limits.per_day is None or begun or self._teams.is_single or self._remaining is not None:
            return
        async with self._lock:  # another task may be about to begin a team
            teams = await self._teams.count()
        await lists.check_day(teams, self._reading.lane)

    async def _collected(self, on_page: Callable[[Page], object] | None) -> Collected:
        before = self._cursor.copy()
        try:
            return await self._read_all(on_page)
        except BaseException:  # including a cancellation
            if on_page is None:
                self._cursor = before
            await self.aclose()
            raise

    async def _read_all(self, on_page: Callable[[Page], object] | None) -> Collected:
        collected = Collected()
        listings: dict[str, Listing] = {}
        pages: Counter[str] = Counter()
        while True:
            try:
                page = await self._next_whole_page()
            except StopAsyncIteration:
                break
            collected.extend(page.items)
            if on_page is not None:
                on_page(page)
            if (listing := self._listing) is not None:
                listings[listing.team_id] = listing
                pages[listing.team_id] += 1
        for team_id, listing in listings.items():
            if pages[team_id] == listing.pages:
                collected.reads[team_id] = TeamRead.of(listing, self._reading.lists)
        return collected

    async def __aenter__(self) -> Self:
        self._check_not_entered()
        async with self._lock:  # another task may be waiting for a page
            begun = self._check_not_entered().begun
            source = SideBySide(self._teams, self._reading, begun=begun)
            source.open()
            self._source = source
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop reading, as the exit of `async with` does; a second call does nothing."""
        source, self._source = self._source, None
        self._items.clear()
        if isinstance(source, SideBySide):
            await source.close()

    def __del__(self) -> None:
        # The garbage collector may run in any thread.
        source = getattr(self, "_source", None)
        if isinstance(source, SideBySide):
            source.abandon()
            _log.warning(
                "a walk that was entered with `async with` was forgotten before that was left; it reads no further"
            )

    def _check_not_entered(self) -> OneByOne:
        if not isinstance(self._source, OneByOne):
            raise ConfigError(
                "a walk is entered once; begin another one, with cursor=walk.cursor to continue"
            )
        return self._source

    async def _next_whole_page(self) -> Page:
        """Return the next page, or what is left of one, and finish it; `_listing` is the one that it belongs to."""
        await self._lock.acquire()
        try:
            shown = self._current
            if self._items and shown is not None:
                left, self._items = self._items, deque()
                page, self._listing = attrs.evolve(shown.page, items=tuple(left)), None
            else:
                page = await self._next_page()
                shown = self._current
                assert shown is not None  # noqa: S101  # the page is of it
                self._listing = None if self._cut_page else shown.listing
            self._advance_cursor()
            return page
        finally:
            self._lock.release()

    async def _next_page(self) -> Page:
        source = self._source
        if source is None:
            raise ConfigError(
                "this walk was closed; begin another one, with cursor=walk.cursor to continue from here"
            )
        if self._current is not None or self._faults:
            self._finish_page()
        if self._remaining == 0 or self._over:
            raise StopAsyncIteration
        while True:
            found = await source.next()
            if isinstance(found, Found):
                self._current = found
                self._over = found.last and self._teams.is_single and isinstance(source, OneByOne)
                if self._takes_all and not self._cursor.shown:
                    return found.page
                return self._selected(found.page)
            if isinstance(found, Ended):
                self._cursor.finish_team(found.team_id)
                continue
            self._raise_or_collect(found)
            source.skip_team()

    def _selected(self, page: Page) -> Page:
        """Return a page with the items that the filter selects, that are new, and that the limit allows."""
        already, wanted = self._cursor.already(page), self._options.wanted
        items = tuple(
            [webhook for webhook in page.items if webhook.id not in already and wanted.matches(webhook)]
        )
        shown = attrs.evolve(page, items=items[: self._remaining])
        if self._remaining is not None:
            self._cut_page = shown if self._remaining < len(items) else None
            self._remaining -= len(shown.items)
        return shown

    def _finish_page(self) -> None:
        """Finish the page that was yielded last, and raise or collect its faults."""
        self._advance_cursor()
        while self._faults:
            self._raise_or_collect(self._faults.popleft())

    def _advance_cursor(self) -> None:
        """Record in the cursor that the page that was yielded last is finished, as far as the limit allows."""
        shown, self._current = self._current, None
        if shown is None:
            return
        page = shown.page
        if self._cut_page is not None:
            self._cursor.cut(self._cut_page)
            return
        self._cursor.finish(page, last=shown.last)
        for fault in page.faults:
            self._faults.append(TeamError(page.team_id, fault, page.number))

    def _raise_or_collect(self, failed: TeamError) -> None:
        if self._options.on_error == "raise" or for_run(failed.error).ends_all:
            raise failed.error
        self.errors.append(failed)


@attrs.frozen(repr=False)
class _PageByPage(AsyncIterator[Page]):
    _next: Callable[[], Awaitable[Page]]

    def __anext__(self) -> Awaitable[Page]:
        return self._next()
