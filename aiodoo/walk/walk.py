"""What `webhooks.list()` returns: one async iterator over many teams and all their pages."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self

import attrs

from aiodoo.checks import check_callback
from aiodoo.client.client import Client
from aiodoo.deadline import DeadlineOption
from aiodoo.error_meaning import for_run
from aiodoo.errors import ConfigError
from aiodoo.models import Filter, Page, WebhookConfiguration
from aiodoo.quota import Lane
from aiodoo.walk.collected import Collected, TeamRead
from aiodoo.walk.cursor import Cursor
from aiodoo.walk.readers import OneByOne, SideBySide
from aiodoo.walk.team_ids import TeamIds, WalkedTeams
from aiodoo.walk.team_list import Listing
from aiodoo.walk.team_reading import Ended, Found, Reading, TeamError

_log = logging.getLogger("aiodoo.walk")

MOST_AT_ONCE = 1000
"""Teams that are read at a time, however many were asked for: each takes a task, whether or not there is a team for it."""


class Walk(AsyncIterator[WebhookConfiguration]):
    """Webhook configurations of many teams, each shown once.

    Iterate over it and each page is asked for when it is needed: breaking off leaves nothing behind, and
    iterating again continues. Inside `async with`, which a walk enters once, several teams are read at a time (with a
    limit, one page after the other, as reading ahead could cost more than the limit needs), and any task may leave it: a task that still waits for a webhook then gets a ConfigError.
    The cursor counts a page of `.pages()` as finished when it was taken, and one that is iterated webhook by webhook
    when something after it was asked for.
    After an error, iterating again requests the same page. Several tasks may iterate over one walk; each
    webhook goes to one of them. It keeps the ids of the teams that it has finished, and no webhook; `cursor` writes
    all of them each time, so with many thousands of teams ask for it now and then, not after every page.

    Attributes:
        errors: what could not be read, with `on_error="collect"`. What every team would meet (refused
            credentials, the day's quota spent, a closed session) is raised in any case.
    """

    def __init__(
        self,
        client: Client,
        teams: Sequence[TeamIds],
        *,
        prefetch: int,
        ordered: bool,
        collect_errors: bool,
        stable: bool,
        cursor: str | None,
        wanted: Filter,
        limit: int | None,
        lane: Lane,
        deadline: DeadlineOption,
    ) -> None:
        if type(prefetch) is not int or prefetch < 1:
            raise ConfigError("prefetch is how many teams are read at a time: 1 or more; nothing was sent")
        if limit is not None and (type(limit) is not int or limit < 1):
            raise ConfigError(
                "limit is how many webhooks are shown at most: 1 or more, or None; nothing was sent"
            )
        self.errors: list[TeamError] = []
        self._wanted = wanted
        self._left = limit
        self._cut: Page | None = None
        self._cursor = Cursor.parse(cursor)
        self._teams = WalkedTeams(teams, skip=self._cursor.done)
        self._reading = Reading(client, lane, deadline, stable, self._cursor.at)
        self._prefetch = min(prefetch, MOST_AT_ONCE)
        self._ordered = ordered
        self._collect_errors = collect_errors
        self._source: OneByOne | SideBySide | None = OneByOne(self._teams, self._reading)
        self._shown: Found | None = None
        self._items: deque[WebhookConfiguration] = deque()
        self._faults: deque[TeamError] = deque()
        self._turn = asyncio.Lock()

    @property
    def cursor(self) -> str:
        """Where the walk has come to, as text to keep; pass it to `list(..., cursor=)` with the same teams."""
        return str(self._cursor)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WebhookConfiguration:
        if not self._items:
            async with self._turn:
                while not self._items:
                    self._items.extend((await self._next_page()).items)
        return self._items.popleft()

    def pages(self) -> AsyncIterator[Page]:
        """Walk page by page instead; of a page that was started webhook by webhook, the rest comes first."""
        return _PageByPage(self._next_whole_page)

    async def collect(self, *, on_page: Callable[[Page], object] | None = None) -> Collected:
        """Read everything that has not been shown, several teams at a time, and return it in one list.

        With `stable=True` the list remembers when and how each team was read, so that it can be the `baseline=` of a run.

        If it fails, what was read is given to nobody: the walk is closed, and its cursor is where it was before, so that
        another walk reads that again. With `on_page` the cursor is after the pages that it was called with.

        Args:
            on_page: called with each page.

        Raises:
            ConfigError: `on_page` is no function that can be called without await; nothing was sent.
        """
        check_callback(on_page, "on_page")
        if isinstance(self._source, SideBySide):
            return await self._collected(on_page)
        async with self:
            return await self._collected(on_page)

    async def _collected(self, on_page: Callable[[Page], object] | None) -> Collected:
        before = self._cursor.copy()
        try:
            return await self._read_rest(on_page)
        except BaseException:  # a cancellation too: the caller has nothing of what was read
            if on_page is None:
                self._cursor = before
            await self.aclose()
            raise

    async def _read_rest(self, on_page: Callable[[Page], object] | None) -> Collected:
        collected = Collected()
        listings: dict[str, Listing] = {}
        pages: Counter[str] = Counter()
        while True:
            try:
                found = await self._next_whole()
            except StopAsyncIteration:
                break
            collected.extend(found.page.items)
            if on_page is not None:
                on_page(found.page)
            if (listing := found.listing) is not None:
                listings[listing.team_id] = listing
                pages[listing.team_id] += 1
        for team_id, listing in listings.items():
            if pages[team_id] == listing.pages:
                collected.reads[team_id] = TeamRead.of(listing, self._reading.client)
        return collected

    async def __aenter__(self) -> Self:
        self._check_not_entered()
        async with self._turn:  # another task may be asking for a page
            begun = self._check_not_entered().begun
            source = SideBySide(
                self._teams,
                self._reading,
                # Reading ahead could cost more requests than the limit needs.
                self._prefetch if self._left is None else 1,
                ordered=self._ordered,
                ahead=self._left is None,
                begun=begun,
            )
            source.open()
            self._source = source
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ask for nothing more, as leaving `async with` does, and for `contextlib.aclosing`; it may be called again."""
        source, self._source = self._source, None
        self._items.clear()
        if isinstance(source, SideBySide):
            await source.close()

    def __del__(self) -> None:
        # In whatever thread the garbage collector runs.
        source = getattr(self, "_source", None)
        if isinstance(source, SideBySide):
            source.abandon()
            _log.warning(
                "a walk that was entered with `async with` was forgotten before that was left; it reads no further"
            )

    def _check_not_entered(self) -> OneByOne:
        if not isinstance(self._source, OneByOne):
            raise ConfigError("a walk is entered once; begin another one, with cursor=walk.cursor to go on")
        return self._source

    async def _next_whole_page(self) -> Page:
        return (await self._next_whole()).page

    async def _next_whole(self) -> Found:
        async with self._turn:
            shown = self._shown
            if self._items and shown is not None:
                left, self._items = self._items, deque()
                whole = Found(attrs.evolve(shown.page, items=tuple(left)), shown.last)
            else:
                page = await self._next_page()
                shown = self._shown
                assert shown is not None  # noqa: S101  # the page is of it
                whole = attrs.evolve(shown, page=page, listing=None if self._cut else shown.listing)
            self._count()
            return whole

    async def _next_page(self) -> Page:
        source = self._source
        if source is None:
            raise ConfigError(
                "this walk was closed; begin another one, with cursor=walk.cursor to go on from here"
            )
        self._use_up()
        if self._left == 0:
            raise StopAsyncIteration
        while True:
            found = await source.next()
            if isinstance(found, Found):
                self._shown = found
                return self._chosen(found.page)
            if isinstance(found, Ended):
                self._cursor.finish_team(found.team_id)
                continue
            self._fail(found)
            source.give_up_team()

    def _chosen(self, page: Page) -> Page:
        """Return a page with those alone that are wanted, that were not shown before and that the limit allows."""
        already = self._cursor.already(page)
        if not already and self._left is None and self._wanted.is_for_all:
            return page
        items = tuple(
            [webhook for webhook in page.items if webhook.id not in already and self._wanted.matches(webhook)]
        )
        shown = attrs.evolve(page, items=items[: self._left])
        if self._left is not None:
            self._cut = shown if self._left < len(items) else None
            self._left -= len(shown.items)
        return shown

    def _use_up(self) -> None:
        """Count the page that was shown last as finished; what it held and could not be read comes up now."""
        self._count()
        while self._faults:
            self._fail(self._faults.popleft())

    def _count(self) -> None:
        """Note in the cursor that the page that was shown last has been taken, as far as the limit allows."""
        shown, self._shown = self._shown, None
        if shown is None:
            return
        page = shown.page
        if self._cut is not None:
            self._cursor.cut(self._cut)
            return
        self._cursor.finish(page, last=shown.last)
        self._faults.extend(TeamError(page.team_id, fault, page.number) for fault in page.faults)

    def _fail(self, failed: TeamError) -> None:
        if not self._collect_errors or for_run(failed.error).ends_all:
            raise failed.error
        self.errors.append(failed)


@attrs.frozen
class _PageByPage(AsyncIterator[Page]):
    _next: Callable[[], Awaitable[Page]]

    async def __anext__(self) -> Page:
        return await self._next()
