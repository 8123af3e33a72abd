"""What `webhooks.list()` returns: one async iterator over many teams and all their pages."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self

import attrs

from aiodoo.client import Client, Deadline
from aiodoo.errors import ConfigError
from aiodoo.meaning import for_run
from aiodoo.models import Page, WebhookConfiguration
from aiodoo.quota import Lane
from aiodoo.walk.collected import Collected, TeamRead
from aiodoo.walk.cursor import Cursor
from aiodoo.walk.scan import Listing
from aiodoo.walk.sources import Ended, Found, OneByOne, Reading, SideBySide, TeamError
from aiodoo.walk.teams import TeamIds, WalkedTeams

_log = logging.getLogger("aiodoo.walk")


class Walk(AsyncIterator[WebhookConfiguration]):
    """Webhook configurations of many teams, each shown once.

    Iterate over it and each page is asked for when it is needed: breaking off leaves nothing behind, and
    iterating again goes on. Inside `async with`, which a walk enters once, several teams are read at a time, and
    any task may leave it: a task that still waits for a webhook then gets a ConfigError.
    After an error, iterating again asks for the same page once more. Several tasks may iterate over one walk; each
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
        lane: Lane,
        deadline: Deadline,
    ) -> None:
        if type(prefetch) is not int or prefetch < 1:
            raise ConfigError("prefetch is how many teams are read at a time: 1 or more; nothing was sent")
        self.errors: list[TeamError] = []
        self._cursor = Cursor.parse(cursor)
        self._teams = WalkedTeams(teams, skip=self._cursor.done)
        self._reading = Reading(client, lane, deadline, stable, self._cursor.at)
        self._prefetch = prefetch
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
        """Walk page by page instead; of a page that was begun webhook by webhook, what is left of it comes first."""
        return _PageByPage(self._next_whole_page)

    async def collect(self, *, on_page: Callable[[Page], object] | None = None) -> Collected:
        """Read everything that has not been shown, several teams at a time, and return it in one list.

        With `stable=True` the list remembers when and how each team was read, so that it can be the `baseline=` of a run.

        Args:
            on_page: called with each page.
        """
        if isinstance(self._source, SideBySide):
            return await self._collected(on_page)
        async with self:
            return await self._collected(on_page)

    async def _collected(self, on_page: Callable[[Page], object] | None) -> Collected:
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
            if (listing := found.listing) is not None and any(found.page is page for page in listing.read):
                listings[listing.team_id] = listing
                pages[listing.team_id] += 1
        for team_id, listing in listings.items():
            if pages[team_id] == listing.pages:
                collected.reads[team_id] = TeamRead.of(listing, self._reading.client, stable=True)
        return collected

    async def __aenter__(self) -> Self:
        self._check_not_entered()
        async with self._turn:  # another task may be asking for a page
            begun = self._check_not_entered().begun
            source = SideBySide(
                self._teams, self._reading, self._prefetch, ordered=self._ordered, begun=begun
            )
            source.open()
            self._source = source
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
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
            if self._items and self._shown is not None:
                left, self._items = self._items, deque()
                return Found(attrs.evolve(self._shown.page, items=tuple(left)), self._shown.last)
            page = await self._next_page()
            listing = None if self._shown is None else self._shown.listing
            return Found(page, last=self._shown is not None and self._shown.last, listing=listing)

    async def _next_page(self) -> Page:
        source = self._source
        if source is None:
            raise ConfigError(
                "this walk was closed; begin another one, with cursor=walk.cursor to go on from here"
            )
        self._use_up()
        while True:
            found = await source.next()
            if isinstance(found, Found):
                self._shown = found
                return found.page
            if isinstance(found, Ended):
                self._cursor.finish_team(found.team_id)
                continue
            self._fail(found)
            source.give_up_team()

    def _use_up(self) -> None:
        """Count the page that was shown last as finished; what it held and could not be read comes up now."""
        shown, self._shown = self._shown, None
        if shown is not None:
            page = shown.page
            self._cursor.finish(page, last=shown.last)
            self._faults.extend(TeamError(page.team_id, fault, page.number) for fault in page.faults)
        while self._faults:
            self._fail(self._faults.popleft())

    def _fail(self, failed: TeamError) -> None:
        if not self._collect_errors or for_run(failed.error).ends_all:
            raise failed.error
        self.errors.append(failed)


@attrs.frozen
class _PageByPage(AsyncIterator[Page]):
    _next: Callable[[], Awaitable[Page]]

    async def __anext__(self) -> Page:
        return await self._next()
