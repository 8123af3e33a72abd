"""Writes what several tasks have to write in few commits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import attrs

from aiodoo.bulk.journal.store import Row
from aiodoo.operations.tracked import TrackedOperation

Waiting = list[asyncio.Future[None]]


@attrs.define(eq=False)
class Pending:
    """What is to be written with the next commit.

    Attributes:
        moved: operations that have changed, by number.
        rows: rows of other kinds.
    """

    moved: dict[int, TrackedOperation] = attrs.field(factory=dict)
    rows: list[Row] = attrs.field(factory=list)

    def before(self, later: Pending) -> Pending:
        """Return this with what was added later."""
        return Pending(self.moved | later.moved, self.rows + later.rows)


@attrs.define(eq=False)
class Commits:
    """Lets tasks wait until what they have to write is on the disk; one commit at a time serves all who wait for it.

    Args:
        begin: begins to write all that is pending, and returns a future that is done when it is on the disk; None if
            nothing is pending.
    """

    _begin: Callable[[], asyncio.Future[None] | None]
    _next: Waiting | None = attrs.field(default=None, init=False)
    _running: Waiting | None = attrs.field(default=None, init=False)
    _turns: int = attrs.field(default=0, init=False)

    async def wait(self, *, pending: bool, turns: int) -> None:
        """Return when all that was to be written until now is on the disk.

        Args:
            pending: whether something is pending; if not, this waits for the commit that is being written, if any.
            turns: how many turns of the event loop others may take to add something to the commit.

        Raises:
            Exception: the error with which the commit has failed.
        """
        if pending and self._next is None:
            self._next, self._turns = [], turns
            if self._running is None:
                asyncio.get_running_loop().call_soon(self._turn)
        waiting = self._running if self._next is None else self._next
        if waiting is not None:
            self._turns = min(self._turns, turns)
            done = asyncio.get_running_loop().create_future()
            waiting.append(done)
            await done

    def _turn(self) -> None:
        self._turns -= 1
        if self._turns >= 0:
            asyncio.get_running_loop().call_soon(self._turn)
            return
        self._running, self._next = self._next, None
        try:
            writing = self._begin()
        except Exception as error:  # noqa: BLE001  # raised in the tasks that wait
            self._end(error)
        else:
            if writing is None:
                self._end(None)
            else:
                writing.add_done_callback(self._written)

    def _written(self, writing: asyncio.Future[None]) -> None:
        self._end(asyncio.CancelledError() if writing.cancelled() else writing.exception())

    def _end(self, error: BaseException | None) -> None:
        waiting, self._running = self._running, None
        for done in waiting or ():
            if done.done():
                continue  # its task was cancelled
            if error is None:
                done.set_result(None)
            elif isinstance(error, asyncio.CancelledError):
                done.cancel()
            else:
                done.set_exception(error)
        if self._next is not None:
            self._turn()
