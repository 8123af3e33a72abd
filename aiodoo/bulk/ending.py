"""How a run ends before everything is done: asked to stop, cancelled, or of itself."""

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

LAST = 1.0
"""Seconds at the end of the time, at most, in which nothing more is sent, so that answers can still come."""

FAILING = 3
"""Teams that may fail one after the other before a run stops."""


class Ending:
    """Whether a run still begins something, or finishes what is live twice, or sends nothing more.

    Attributes:
        begun: set once nothing more is begun.
        stopped: set once nothing more is sent.

    Args:
        clock: the time.
        on_change: called when it has come so far.
    """

    def __init__(self, clock: Clock, on_change: Callable[[], None]) -> None:
        self.begun = anyio.Event()
        self.stopped = anyio.Event()
        self._clock = clock
        self._on_change = on_change
        self._stop_at: float | None = None
        self._over_at = 0.0

    @property
    def finishing(self) -> bool:
        """Whether nothing more is begun, and what is live twice is finished as far as the time allows."""
        return self._stop_at is not None

    @property
    def roused(self) -> anyio.Event:
        """What wakes up who rests."""
        return self.stopped if self.finishing else self.begun

    def holds(self, departure: PendingRequest) -> bool:
        """Tell whether a request must not leave."""
        return self.stopped.is_set() or (self.finishing and not departure.finishes)

    def stop(self) -> None:
        """Send nothing more; requests that are on their way go on."""
        self.stopped.set()
        self.begun.set()
        self._on_change()

    def finish(self, within: float) -> bool:
        """Begin nothing more, and finish what is live twice within so many seconds.

        Returns:
            Whether that is new, and anything may be sent.
        """
        now = self._clock.monotonic()
        stop_at, over_at = now + within - min(LAST, within / 10), now + within
        if self._stop_at is not None:
            self._stop_at, self._over_at = min(self._stop_at, stop_at), min(self._over_at, over_at)
            return False
        self._stop_at, self._over_at = stop_at, over_at
        self.begun.set()
        self._on_change()
        return not self.stopped.is_set()

    async def watch(self, engine: Task) -> None:
        """Wait until a run is asked to finish, and end it in time."""
        await self.begun.wait()
        if self.finishing:
            await self.end(engine)

    async def end(self, engine: Task) -> None:
        """Wait until a run has finished; when its time is over, end it."""
        if self._stop_at is None:
            return
        await asyncio.wait({engine}, timeout=max(0.0, self._stop_at - self._clock.monotonic()))
        self.stop()
        await asyncio.wait({engine}, timeout=max(0.0, self._over_at - self._clock.monotonic()))
        engine.cancel()


@attrs.define
class FailingTeams:
    """How many teams have failed one after the other."""

    _in_a_row: int = 0

    def count(self, steps: TeamSteps) -> str | None:
        """Count a team that is done; return why to stop, once so many failed that the reason is unlikely to be theirs."""
        failed = all(change.status in {Status.FAILED, Status.NOT_STARTED} for change in steps.changes)
        self._in_a_row = self._in_a_row + 1 if failed else 0
        if self._in_a_row < FAILING:
            return None
        return f"{FAILING} teams in a row failed, the last of them {steps.team_id}"
