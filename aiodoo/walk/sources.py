"""Where a walk takes its pages from: the teams one by one, or several side by side."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Protocol, TypeAlias

import anyio
import attrs
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from aiodoo.client import Client, Deadline
from aiodoo.errors import ConfigError, DooError
from aiodoo.models import Page, check_id
from aiodoo.protocol.paging import Pager
from aiodoo.quota import Lane
from aiodoo.walk.scan import TeamPages, read_team

TeamIds: TypeAlias = str | int | Iterable[str | int] | AsyncIterable[str]
"""A team id, or an iterable or async iterable of team ids."""


@attrs.frozen
class TeamError:
    """One team, page or webhook configuration that could not be read.

    Attributes:
        number: the page that holds what could not be read; None if the page itself was not to be had.
    """

    team_id: str
    error: DooError
    number: int | None = None


@attrs.frozen
class Found:
    """One page, and whether it is its team's last."""

    page: Page
    last: bool


class Source(Protocol):
    """What a walk asks for its next page."""

    async def next(self) -> Found | TeamError:
        """Return the next page or the team that failed; raise StopAsyncIteration at the end."""


@attrs.frozen
class Reading:
    """How each team is read, and at which page its reading starts."""

    client: Client
    lane: Lane
    deadline: Deadline
    stable: bool
    start: dict[str, int]

    def pages(self, team_id: str) -> AsyncIterator[Found]:
        """Return an iterator over one team's pages that holds nothing open."""
        if self.stable:
            return _StablePages(self, team_id)
        pager = Pager(team_id, start=self.start.get(team_id, 1))
        pages = TeamPages(
            client=self.client, team_id=team_id, lane=self.lane, deadline=self.deadline, pager=pager
        )
        return _PlainPages(pages)


@attrs.define
class _PlainPages(AsyncIterator[Found]):
    _pages: TeamPages
    _seen: set[str] = attrs.field(factory=set)

    async def __anext__(self) -> Found:
        page = await anext(self._pages)
        fresh = tuple(webhook for webhook in page.items if webhook.id not in self._seen)
        self._seen.update(webhook.id for webhook in fresh)
        if len(fresh) < len(page.items):
            page = attrs.evolve(page, items=fresh)
        return Found(page, last=self._pages.pager.next is None)


@attrs.define
class _StablePages(AsyncIterator[Found]):
    _reading: Reading
    _team_id: str
    _pages: Iterator[Found] | None = None

    async def __anext__(self) -> Found:
        if self._pages is None:
            reading = self._reading
            listing = await read_team(
                reading.client, self._team_id, stable=True, lane=reading.lane, deadline=reading.deadline
            )
            start = reading.start.get(self._team_id, 1)
            read = [page for page in listing.read if page.number >= start]
            self._pages = iter([Found(page, last=page is read[-1]) for page in read])
        found = next(self._pages, None)
        if found is None:
            raise StopAsyncIteration
        return found


class WalkedTeams:
    """The ids of the teams to walk, checked, without repetitions, taken one at a time."""

    def __init__(self, teams: Sequence[TeamIds], *, skip: Iterable[str]) -> None:
        if not teams:
            raise ConfigError(_NO_TEAM)
        self._seen = set(skip)
        self._any = bool(self._seen)
        self._parts = iter([_checked(part) for part in teams])
        self._part: Iterator[str | int] | AsyncIterator[str] = iter(())

    async def next(self) -> str | None:
        """Return the next team's id, or None at the end."""
        while True:
            try:
                found = next(self._part) if isinstance(self._part, Iterator) else await anext(self._part)
            except (StopIteration, StopAsyncIteration):
                part = next(self._parts, None)
                if part is not None:
                    self._part = part
                    continue
                if not self._any:
                    raise ConfigError(_NO_TEAM) from None
                return None
            team_id = check_id(found, "team id")
            self._any = True
            if team_id not in self._seen:
                self._seen.add(team_id)
                return team_id


_NO_TEAM = (
    "no team was named; nothing was sent. Pass team ids, or use list_all() for every team that doo names"
)


def _checked(part: TeamIds) -> Iterator[str | int] | AsyncIterator[str]:
    if isinstance(part, str | int):
        return iter([check_id(part, "team id")])
    if isinstance(part, AsyncIterable):
        return aiter(part)
    if isinstance(part, Sequence | frozenset | set):
        if not part:
            raise ConfigError(_NO_TEAM)
        return iter([check_id(team_id, "team id") for team_id in part])
    return iter(part)


@attrs.define
class OneByOne:
    """Asks for a page when it is needed; holds nothing open between two pages."""

    _teams: WalkedTeams
    _reading: Reading
    _team_id: str | None = None
    _pages: AsyncIterator[Found] | None = None

    async def next(self) -> Found | TeamError:
        """Return the next page or the team that failed; an error leaves the page to be asked for again."""
        while True:
            if self._pages is None:
                self._team_id = await self._teams.next()
                if self._team_id is None:
                    raise StopAsyncIteration
                self._pages = self._reading.pages(self._team_id)
            try:
                return await anext(self._pages)
            except StopAsyncIteration:
                self._pages = None
            except DooError as error:
                assert self._team_id is not None  # noqa: S101  # its pages were being read
                return TeamError(self._team_id, error)

    def give_up_team(self) -> None:
        """Go on with the next team."""
        self._pages = None


_Pages: TypeAlias = MemoryObjectReceiveStream[Found | TeamError]


class SideBySide:
    """Reads several teams at a time in tasks of its own, a page or so ahead of what is used."""

    def __init__(self, teams: WalkedTeams, reading: Reading, prefetch: int, *, ordered: bool) -> None:
        self._teams = teams
        self._reading = reading
        self._prefetch = prefetch
        self._ordered = ordered
        self._lock = anyio.Lock()
        self._group: TaskGroup = anyio.create_task_group()
        self._opened_send, self._opened = anyio.create_memory_object_stream[_Pages](prefetch)
        self._current: _Pages | None = None

    async def open(self) -> None:
        """Start reading."""
        await self._group.__aenter__()
        if self._ordered:
            for _ in range(self._prefetch):
                self._group.start_soon(self._read_in_order, self._opened_send.clone())
        else:
            send, self._current = anyio.create_memory_object_stream[Found | TeamError](self._prefetch)
            for _ in range(self._prefetch):
                self._group.start_soon(self._read_as_it_comes, send.clone())
            send.close()
        self._opened_send.close()

    async def close(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """Stop reading and wait until every task has ended."""
        self._group.cancel_scope.cancel()
        try:
            if isinstance(error, Exception):
                # The group would wrap what went wrong in the caller's own block.
                return await self._group.__aexit__(None, None, None)
            return await self._group.__aexit__(kind, error, traceback)
        finally:
            self._close_streams()

    async def next(self) -> Found | TeamError:
        """Return the next page or the team that failed."""
        while True:
            if self._current is None:
                try:
                    self._current = await self._opened.receive()
                except anyio.EndOfStream:
                    raise StopAsyncIteration from None
            try:
                return await self._current.receive()
            except anyio.EndOfStream:
                self._current.close()
                self._current = None

    def _close_streams(self) -> None:
        if self._current is not None:
            self._current.close()
        with self._opened:
            for _ in range(self._opened.statistics().current_buffer_used):
                self._opened.receive_nowait().close()

    async def _read_in_order(self, opened: MemoryObjectSendStream[_Pages]) -> None:
        with opened:
            while True:
                async with self._lock:
                    team_id = await self._teams.next()
                    if team_id is None:
                        return
                    send, receive = anyio.create_memory_object_stream[Found | TeamError](1)
                    try:
                        await opened.send(receive)
                    except BaseException:
                        send.close()
                        receive.close()
                        raise
                with send:
                    await self._read(team_id, send)

    async def _read_as_it_comes(self, send: MemoryObjectSendStream[Found | TeamError]) -> None:
        with send:
            while True:
                async with self._lock:
                    team_id = await self._teams.next()
                if team_id is None:
                    return
                await self._read(team_id, send)

    async def _read(self, team_id: str, send: MemoryObjectSendStream[Found | TeamError]) -> None:
        try:
            async for found in self._reading.pages(team_id):
                await send.send(found)
        except DooError as error:
            await send.send(TeamError(team_id, error))
