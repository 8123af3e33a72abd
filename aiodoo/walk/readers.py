"""Where a walk takes its pages from: the teams one by one, or several side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import TypeAlias, TypeVar

import attrs

from aiodoo.errors import ConfigError, DooError
from aiodoo.event_loop import running_loop
from aiodoo.offload import wait_uncancelled
from aiodoo.walk.team_ids import WalkedTeams
from aiodoo.walk.team_reading import Ended, Found, Reading, TeamError, TeamReading

T = TypeVar("T")


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

    error: BaseException
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

_running: set[asyncio.Task[None]] = set()
"""Readers that have not ended: the event loop alone would let the garbage collector have them."""


class SideBySide:
    """Reads several teams at a time in tasks of its own, each at most two pages ahead of what is used.

    With `ahead=False` a page is asked for when somebody waits for it, and not before.
    In order every team has a lane of its own; otherwise all share one. A failure stops its reader alone, until it
    is known whether to try again. Waiting for a lane can be cancelled without losing what it holds.

    The tasks are this object's and of no task group, so that any task may close it: also another one than that which
    opened it, before what was opened later, and the one in which Python ends a forgotten async generator.
    """

    def __init__(
        self,
        teams: WalkedTeams,
        reading: Reading,
        prefetch: int,
        *,
        ordered: bool,
        ahead: bool,
        begun: TeamReading | None,
    ) -> None:
        self._teams = teams
        self._reading = reading
        self._prefetch = prefetch
        self._begun = begun
        self._taking = asyncio.Lock()
        self._ahead = ahead
        self._asked = asyncio.Event()
        self._readers: set[asyncio.Task[None]] = set()
        self._still_reading = prefetch
        self._loop = running_loop()
        self._shared: _Lane | None = None if ordered else asyncio.Queue(1)
        self._lanes: asyncio.Queue[_Lane | None] = asyncio.Queue()
        self._lane: _Lane | None = self._shared
        self._failure: _Failure | None = None
        self._ended = False
        self._cut_off = False

    def open(self) -> None:
        """Start reading."""
        for number in range(self._prefetch):
            task = self._loop.create_task(self._read_teams(), name=f"aiodoo.walk reader {number}")
            self._readers.add(task)
            _running.add(task)
            task.add_done_callback(_running.discard)
            task.add_done_callback(self._reader_ended)

    async def close(self) -> None:
        """Stop reading and wait until every task has ended; whoever cancels that waits for it as well.

        In another event loop than its own it waits for nothing.
        """
        if asyncio.get_running_loop() is not self._loop:
            self.abandon()
            return
        self._cut_off = True
        readers = tuple(self._readers)
        _cancel(readers)
        await wait_uncancelled(asyncio.gather(*readers, return_exceptions=True))

    def abandon(self) -> None:
        """Stop reading without waiting, from any thread; nothing is left to stop once the event loop is closed."""
        self._cut_off = True
        with suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(_cancel, tuple(self._readers))

    async def next(self) -> Found | Ended | TeamError:
        """Return what comes next; raise StopAsyncIteration at the end. After an error the same is tried again.

        Raises:
            ConfigError: the readers were stopped before they came to the end.
        """
        self._tell(again=True)
        while not self._ended:
            if self._lane is None:
                self._lane = await self._take(self._lanes)
                self._ended = self._lane is None
                continue
            found = await self._take(self._lane)
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

    async def _take(self, queue: asyncio.Queue[T]) -> T:
        """Take what is ready, or wait for it; nothing will be once the readers were cut off."""
        if not self._cut_off or not queue.empty():
            if queue.empty():
                self._asked.set()
            found = await queue.get()
            if found is not None or not self._cut_off:
                return found
        raise ConfigError(
            "this walk was closed, or its readers were cancelled, before it came to its end; begin another one, with "
            "cursor=walk.cursor to go on from here"
        )

    def _reader_ended(self, task: asyncio.Task[None]) -> None:
        """Wake who waits for it if it did not come to its end."""
        self._readers.discard(task)
        self._cut_off = self._cut_off or task.cancelled() or task.exception() is not None
        if self._cut_off:
            for queue in (self._lanes, self._lane):
                if queue is not None and queue.empty():
                    queue.put_nowait(None)

    async def _read_teams(self) -> None:
        while True:
            async with self._taking:
                await self._until_asked()
                team, lane = await self._take_team()
            if self._cut_off:
                return  # the caller's iterable took no notice
            if team is not None:
                await self._read(team, lane)
            if lane is not self._shared:
                await lane.put(None)
            if team is None:
                break
        self._still_reading -= 1
        if not self._still_reading:
            if self._shared is not None:
                await self._shared.put(None)
            self._lanes.put_nowait(None)

    async def _take_team(self) -> tuple[TeamReading | None, _Lane]:
        """Take the next team, or None at the end, and the lane for it."""
        begun, self._begun = self._begun, None
        if begun is not None:
            return begun, self._open_lane()
        lane = None
        while True:
            try:
                team_id = await self._teams.next()
            except BaseException as error:  # noqa: BLE001  # whatever the caller's iterable raises is the caller's to see
                _check_own(error)
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
                while (found := await self._next_of(team)) is not None:
                    await self._hand_out(lane, found)
            except BaseException as error:  # noqa: BLE001  # raised where the walk is iterated
                _check_own(error)
                again = await self._fails(lane, error, team.team_id)
            else:
                await self._hand_out(lane, Ended(team.team_id))
                again = False

    async def _next_of(self, team: TeamReading) -> Found | None:
        await self._until_asked()
        return await anext(team.pages, None)

    async def _until_asked(self) -> None:
        if not self._ahead:
            await self._asked.wait()

    async def _hand_out(self, lane: _Lane, found: Found | Ended | _Failure) -> None:
        self._asked.clear()
        await lane.put(found)

    async def _fails(self, lane: _Lane, error: BaseException, team_id: str | None = None) -> bool:
        """Say what went wrong and wait; return whether to try it again."""
        failure = _Failure(error, team_id)
        await self._hand_out(lane, failure)
        return await failure.again()


def _check_own(error: BaseException) -> None:
    """Raise what ends this very task: its own cancellation, or the program's end."""
    task = asyncio.current_task()
    if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)) or (task and task.cancelling()):
        raise error


def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
