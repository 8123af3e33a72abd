"""Sources of a walk's pages: one team after the other, or several teams concurrently."""

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


@attrs.define(repr=False)
class OneByOne:
    """Reads one team after the other, each page on demand; there is nothing to close."""

    _teams: WalkedTeams
    _reading: Reading
    begun: TeamReading | None = attrs.field(default=None, init=False)

    async def next(self) -> Found | Ended | TeamError:
        """Return the next page, end of a team, or error; an error is followed by a retry unless the team is skipped.

        Raises:
            StopAsyncIteration: all teams are read.
        """
        begun = self.begun
        if begun is None:
            team_id = await self._teams.next()
            if team_id is None:
                raise StopAsyncIteration
            begun = self.begun = self._reading.of(team_id)
        try:
            found = await begun.__anext__()
        except StopAsyncIteration:
            self.begun = None
            return Ended(begun.team_id)
        except DooError as error:
            return TeamError(begun.team_id, error)
        if found.last:
            self.begun = None
        return found

    def skip_team(self) -> None:
        """Continue with the next team."""
        self.begun = None


@attrs.define(eq=False, repr=False)
class _Failure:
    """An error of a reader, which waits for the decision whether to retry."""

    error: BaseException
    team_id: str | None
    _decided: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _again: bool = attrs.field(default=False, init=False)

    def decide(self, *, again: bool) -> None:
        self._again = again
        self._decided.set()

    async def again(self) -> bool:
        await self._decided.wait()
        return self._again


_Queue: TypeAlias = "asyncio.Queue[Found | Ended | _Failure | None]"
"""A queue of one item between readers and the walk; None ends it."""

_running: set[asyncio.Task[None]] = set()
"""Strong references to running readers, as the event loop has only weak ones."""


class SideBySide:
    """Reads several teams concurrently in tasks of its own, each at most two pages ahead of the consumer.

    With a limit a page is requested only when the consumer waits for it. With `ordered=True` each team has a
    queue of its own; otherwise all share one. An error suspends only its reader, until it is decided whether to retry.
    Cancelling `next` loses no item.

    The tasks belong to no task group, so that any task may close the object: in any order with other context
    managers, and also the task in which Python finalizes an abandoned async generator.
    """

    def __init__(
        self,
        teams: WalkedTeams,
        reading: Reading,
        *,
        begun: TeamReading | None,
    ) -> None:
        self._teams = teams
        self._reading = reading
        self._begun = begun
        self._team_lock = asyncio.Lock()
        self._ahead = reading.options.limit is None
        self._demand = asyncio.Event()
        self._readers: set[asyncio.Task[None]] = set()
        self._active_readers = reading.options.at_once
        self._loop = running_loop()
        self._shared: _Queue | None = None if reading.options.ordered else asyncio.Queue(1)
        self._queues: asyncio.Queue[_Queue | None] = asyncio.Queue()
        self._queue: _Queue | None = self._shared
        self._failure: _Failure | None = None
        self._ended = False
        self._stopped = False

    def open(self) -> None:
        """Start the readers."""
        for number in range(self._active_readers):
            task = self._loop.create_task(self._read_teams(), name=f"aiodoo.walk reader {number}")
            self._readers.add(task)
            _running.add(task)
            task.add_done_callback(_running.discard)
            task.add_done_callback(self._reader_ended)

    async def close(self) -> None:
        """Stop the readers and wait until they have ended, even if cancelled.

        In another event loop than that of the readers, do not wait.
        """
        if asyncio.get_running_loop() is not self._loop:
            self.abandon()
            return
        self._stopped = True
        readers = tuple(self._readers)
        _cancel(readers)
        await wait_uncancelled(asyncio.gather(*readers, return_exceptions=True))

    def abandon(self) -> None:
        """Stop the readers without waiting; may be called from any thread, and after the event loop was closed."""
        self._stopped = True
        with suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(_cancel, tuple(self._readers))

    async def next(self) -> Found | Ended | TeamError:
        """Return the next page, end of a team, or error; an error is followed by a retry unless the team is skipped.

        Raises:
            StopAsyncIteration: all teams are read.
            ConfigError: the readers were stopped before that.
        """
        self._decide(again=True)
        while not self._ended:
            if self._queue is None:
                self._queue = await self._take(self._queues)
                self._ended = self._queue is None
                continue
            found = await self._take(self._queue)
            if isinstance(found, _Failure):
                self._failure = found
                if found.team_id is None or not isinstance(found.error, DooError):
                    raise found.error
                return TeamError(found.team_id, found.error)
            if found is not None:
                return found
            self._queue = None
        raise StopAsyncIteration

    def skip_team(self) -> None:
        """Continue without the team that failed."""
        self._decide(again=False)

    def _decide(self, *, again: bool) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            failure.decide(again=again)

    async def _take(self, queue: asyncio.Queue[T]) -> T:
        """Return the next item of a queue; raise ConfigError if the readers were stopped and the queue is empty."""
        if not self._stopped or not queue.empty():
            if queue.empty():
                self._demand.set()
            found = await queue.get()
            if found is not None or not self._stopped:
                return found
        raise ConfigError(
            "this walk was closed, or its readers were cancelled, before it came to its end; begin another one, with "
            "cursor=walk.cursor to continue from here"
        )

    def _reader_ended(self, task: asyncio.Task[None]) -> None:
        """Wake the consumer if a reader was cancelled or failed."""
        self._readers.discard(task)
        self._stopped = self._stopped or task.cancelled() or task.exception() is not None
        if self._stopped:
            for queue in (self._queues, self._queue):
                if queue is not None and queue.empty():
                    queue.put_nowait(None)

    async def _read_teams(self) -> None:
        while True:
            async with self._team_lock:
                await self._wait_for_demand()
                team, queue = await self._take_team()
            if self._stopped:
                return  # the caller's iterable suppressed the cancellation
            if team is not None:
                await self._read(team, queue)
            if queue is not self._shared:
                await queue.put(None)
            if team is None:
                break
        self._active_readers -= 1
        if not self._active_readers:
            if self._shared is not None:
                await self._shared.put(None)
            self._queues.put_nowait(None)

    async def _take_team(self) -> tuple[TeamReading | None, _Queue]:
        """Return the next team, or None at the end, and the queue for it."""
        begun, self._begun = self._begun, None
        if begun is not None:
            return begun, self._open_queue()
        queue = None
        while True:
            try:
                team_id = await self._teams.next()
            except BaseException as error:  # noqa: BLE001  # the caller's iterable may raise anything
                _raise_own(error)
                queue = queue or self._open_queue()
                await self._report(queue, error)
            else:
                return (None if team_id is None else self._reading.of(team_id)), queue or self._open_queue()

    def _open_queue(self) -> _Queue:
        if self._shared is not None:
            return self._shared
        queue: _Queue = asyncio.Queue(1)
        self._queues.put_nowait(queue)
        return queue

    async def _read(self, team: TeamReading, queue: _Queue) -> None:
        again = True
        while again:
            try:
                while (found := await self._next_of(team)) is not None:
                    await self._put(queue, found)
            except BaseException as error:  # noqa: BLE001  # raised where the walk is iterated
                _raise_own(error)
                again = await self._report(queue, error, team.team_id)
            else:
                await self._put(queue, Ended(team.team_id))
                again = False

    async def _next_of(self, team: TeamReading) -> Found | None:
        await self._wait_for_demand()
        return await anext(team, None)

    async def _wait_for_demand(self) -> None:
        if not self._ahead:
            await self._demand.wait()

    async def _put(self, queue: _Queue, found: Found | Ended | _Failure) -> None:
        self._demand.clear()
        await queue.put(found)

    async def _report(self, queue: _Queue, error: BaseException, team_id: str | None = None) -> bool:
        """Pass an error to the consumer and return the decision whether to retry."""
        failure = _Failure(error, team_id)
        await self._put(queue, failure)
        return await failure.again()


def _raise_own(error: BaseException) -> None:
    """Re-raise an error that ends the current task: its own cancellation, or the exit of the program."""
    task = asyncio.current_task()
    if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)) or (task and task.cancelling()):
        raise error


def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
