"""How a run ends early: stopped, cancelled, or because teams fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import anyio
import attrs

from aiodoo.bulk.pending_requests import PendingRequest
from aiodoo.clock import Clock
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.operations.tracked import Status

Task = asyncio.Task[None]

ANSWERS_ONLY = 1.0
"""Seconds at the end of the grace, at most, in which nothing is sent and answers are waited for."""

FAILING = 3
"""Teams that fail in a row before a run stops."""


class Ending:
    """The end of a run in two steps: finish what is live twice, then send nothing more.

    Attributes:
        no_new_work: set once nothing new is started.
        stopped: set once nothing more is sent.

    Args:
        clock: the time.
        on_change: called at each step.
    """

    def __init__(self, clock: Clock, on_change: Callable[[], None]) -> None:
        self.no_new_work = anyio.Event()
        self.stopped = anyio.Event()
        self._clock = clock
        self._on_change = on_change
        self._stop_at: float | None = None
        self._over_at = 0.0

    @property
    def finishing(self) -> bool:
        """Whether nothing new is started, and only what is live twice is finished."""
        return self._stop_at is not None

    @property
    def wake_up(self) -> anyio.Event:
        """The event that ends the waiting of a team."""
        return self.stopped if self.finishing else self.no_new_work

    def blocks(self, pending: PendingRequest) -> bool:
        """Return whether a request must not be sent."""
        return self.stopped.is_set() or (self.finishing and not pending.finishes)

    def stop(self) -> None:
        """Send nothing more; requests in flight continue."""
        self.stopped.set()
        self.no_new_work.set()
        self._on_change()

    def finish(self, within: float) -> bool:
        """Start nothing new, and finish what is live twice within a number of seconds.

        Returns:
            Whether this is the first call and requests may still be sent.
        """
        now = self._clock.monotonic()
        stop_at, over_at = now + within - min(ANSWERS_ONLY, within / 10), now + within
        if self._stop_at is not None:
            self._stop_at, self._over_at = min(self._stop_at, stop_at), min(self._over_at, over_at)
            return False
        self._stop_at, self._over_at = stop_at, over_at
        self.no_new_work.set()
        self._on_change()
        return not self.stopped.is_set()

    async def watch(self, engine: Task) -> None:
        """Wait until the run is to finish, and end it in time."""
        await self.no_new_work.wait()
        if self.finishing:
            await self.end(engine)

    async def end(self, engine: Task) -> None:
        """Wait until the run has finished, and cancel it when its time is over."""
        if self._stop_at is None:
            return
        await asyncio.wait({engine}, timeout=max(0.0, self._stop_at - self._clock.monotonic()))
        self.stop()
        await asyncio.wait({engine}, timeout=max(0.0, self._over_at - self._clock.monotonic()))
        engine.cancel()


@attrs.define
class FailingTeams:
    """Counts the teams that have failed in a row."""

    _in_a_row: int = 0

    def count(self, steps: TeamSteps) -> str | None:
        """Count a finished team; return the reason to stop if `FAILING` teams in a row have failed, else None."""
        failed = all(change.status in {Status.FAILED, Status.NOT_STARTED} for change in steps.changes)
        self._in_a_row = self._in_a_row + 1 if failed else 0
        if self._in_a_row < FAILING:
            return None
        return f"{FAILING} teams in a row failed, the last of them {steps.team_id}"


def first_error(failure: BaseException) -> Exception:
    """Return the first error in a group, however nested."""
    first = failure
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if not isinstance(first, Exception):
        raise first
    return first
