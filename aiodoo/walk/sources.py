"""Where a walk takes its pages from: the teams one by one, or several side by side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TypeAlias

import anyio
import attrs
from anyio.abc import TaskGroup

from aiodoo.client import Client, Deadline
from aiodoo.errors import DooError
from aiodoo.models import Page
from aiodoo.protocol.paging import Pager
from aiodoo.quota import Lane
from aiodoo.walk.scan import TeamPages, read_team
from aiodoo.walk.teams import WalkedTeams


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


@attrs.frozen
class Ended:
    """A team was walked to its end."""

    team_id: str


@attrs.frozen(eq=False)
class TeamReading:
    """One team and what is still to be read of it."""

    team_id: str
    pages: AsyncIterator[Found]


@attrs.frozen
class Reading:
    """How each team is read, and at which page its reading starts."""

    client: Client
    lane: Lane
    deadline: Deadline
    stable: bool
    start: dict[str, int]

    def of(self, team_id: str) -> TeamReading:
        """Return the reading of one team, which holds nothing open."""
        if self.stable:
            return TeamReading(team_id, _StablePages(self, team_id))
        pager = Pager(team_id, start=self.start.get(team_id, 1))
        pages = TeamPages(
            client=self.client, team_id=team_id, lane=self.lane, deadline=self.deadline, pager=pager
        )
        return TeamReading(team_id, _PlainPages(pages))


@attrs.define
class _PlainPages(AsyncIterator[Found]):
    _pages: TeamPages

    async def __anext__(self) -> Found:
        page = await anext(self._pages)
        pager = self._pages.pager
        if pager.repeated:
            fresh = tuple([webhook for webhook in page.items if webhook.id not in pager.repeated])
            page = attrs.evolve(page, items=fresh)
        return Found(page, last=pager.next is None)


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


@attrs.define
class OneByOne:
    """Asks for a page when it is needed; holds nothing open between two pages."""

    _teams: WalkedTeams
    _reading: Reading
    begun: TeamReading | None = attrs.field(default=None, init=False)

    async def next(self) -> Found | Ended | TeamError:
        """Return what comes next; raise StopAsyncIteration at the end. After an error the same is tried again."""
        if self.begun is None:
            team_id = await self._teams.next()
            if team_id is None:
                raise StopAsyncIteration
            self.begun = self._reading.of(team_id)
        team_id = self.begun.team_id
        try:
            return await anext(self.begun.pages)
        except StopAsyncIteration:
            self.begun = None
            return Ended(team_id)
        except DooError as error:
            return TeamError(team_id, error)

    def give_up_team(self) -> None:
        """Go on with the next team."""
        self.begun = None


@attrs.define(eq=False)
class _Failure:
    """What a reader could not do; it waits to be told whether to try that again."""

    error: Exception
    team_id: str | None
    _told: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _again: bool = attrs.field(default=False, init=False)

    def tell(self, *, again: bool) -> None:
        self._again = again
        self._told.set()

    async def again(self) -> bool:
        await self._told.wait()
        return self._again


_Lane: TypeAlias = "asyncio.Queue[Found | Ended | _Failure | None]"
"""What readers have ready, one thing at a time; None is its end."""


class SideBySide:
    """Reads several teams at a time in tasks of its own, each at most two pages ahead of what is used.

    In order every team has a lane of its own; otherwise all share one. A failure stops its reader alone, until it
    is known whether to try again. Waiting for a lane can be cancelled without losing what it holds.
    """

    def __init__(
        self,
        teams: WalkedTeams,
        reading: Reading,
        prefetch: int,
        *,
        ordered: bool,
        begun: TeamReading | None,
    ) -> None:
        self._teams = teams
        self._reading = reading
        self._prefetch = prefetch
        self._begun = begun
        self._taking = asyncio.Lock()
        self._group: TaskGroup = anyio.create_task_group()
        self._shared: _Lane | None = None if ordered else asyncio.Queue(1)
        self._lanes: asyncio.Queue[_Lane | None] = asyncio.Queue()
        self._lane: _Lane | None = self._shared
        self._failure: _Failure | None = None
        self._ended = False

    async def open(self) -> None:
        """Start reading."""
        await self._group.__aenter__()
        self._group.start_soon(self._read_all)

    async def close(self, error: BaseException | None) -> None:
        """Stop reading and wait until every task has ended; an error of the caller's block stays the caller's."""
        self._group.cancel_scope.cancel()
        # Of anything but a cancellation the group would make an ExceptionGroup, or nothing at all.
        cancelled = error if isinstance(error, asyncio.CancelledError) else None
        await self._group.__aexit__(None if cancelled is None else type(cancelled), cancelled, None)

    async def next(self) -> Found | Ended | TeamError:
        """Return what comes next; raise StopAsyncIteration at the end. After an error the same is tried again."""
        self._tell(again=True)
        while not self._ended:
            if self._lane is None:
                self._lane = await self._lanes.get()
                self._ended = self._lane is None
                continue
            found = await self._lane.get()
            if isinstance(found, _Failure):
                self._failure = found
                if found.team_id is None or not isinstance(found.error, DooError):
                    raise found.error
                return TeamError(found.team_id, found.error)
            if found is not None:
                return found
            self._lane = None
        raise StopAsyncIteration

    def give_up_team(self) -> None:
        """Go on without the team that failed."""
        self._tell(again=False)

    def _tell(self, *, again: bool) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            failure.tell(again=again)

    async def _read_all(self) -> None:
        async with anyio.create_task_group() as readers:
            for _ in range(self._prefetch):
                readers.start_soon(self._read_teams)
        if self._shared is not None:
            await self._shared.put(None)
        self._lanes.put_nowait(None)

    async def _read_teams(self) -> None:
        while True:
            async with self._taking:
                team, lane = await self._take_team()
            if team is not None:
                await self._read(team, lane)
            if lane is not self._shared:
                await lane.put(None)
            if team is None:
                return

    async def _take_team(self) -> tuple[TeamReading | None, _Lane]:
        """Take the next team, or None at the end, and the lane for it."""
        begun, self._begun = self._begun, None
        if begun is not None:
            return begun, self._open_lane()
        lane = None
        while True:
            try:
                team_id = await self._teams.next()
            except Exception as error:  # noqa: BLE001  # whatever the caller's iterable raises is the caller's to see
                lane = lane or self._open_lane()
                await self._fails(lane, error)
            else:
                return (None if team_id is None else self._reading.of(team_id)), lane or self._open_lane()

    def _open_lane(self) -> _Lane:
        if self._shared is not None:
            return self._shared
        lane: _Lane = asyncio.Queue(1)
        self._lanes.put_nowait(lane)
        return lane

    async def _read(self, team: TeamReading, lane: _Lane) -> None:
        again = True
        while again:
            try:
                async for found in team.pages:
                    await lane.put(found)
            except Exception as error:  # noqa: BLE001  # raised where the walk is iterated
                again = await self._fails(lane, error, team.team_id)
            else:
                await lane.put(Ended(team.team_id))
                again = False

    async def _fails(self, lane: _Lane, error: Exception, team_id: str | None = None) -> bool:
        """Say what went wrong and wait; return whether to try it again."""
        failure = _Failure(error, team_id)
        await lane.put(failure)
        return await failure.again()
