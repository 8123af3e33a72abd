"""Measures from a session's events how long it waited for the quota."""

from __future__ import annotations

import attrs

from aiodoo import Clock
from aiodoo.events import Event, RateLimitHit, Waited


@attrs.define
class Waiting:
    """The time that calls waited for the quota, and what is being waited for now."""

    _clock: Clock = attrs.field(factory=Clock)
    _waits: list[tuple[float, float]] = attrs.field(factory=list)
    now: str | None = None

    def record(self, event: Event) -> None:
        """Record an event; for `Session(on_event=...)`."""
        match event:
            case Waited(what="quota", seconds=seconds):
                now = self._clock.monotonic()
                self._waits.append((now - seconds, now))
                self.now = "its turn in the quota"
            case RateLimitHit():
                self.now = "doo, which asked for a pause"
            case _:
                pass

    @property
    def seconds(self) -> float:
        """Seconds in which at least one call waited for the quota."""
        covered, until = 0.0, 0.0
        for begun, ended in sorted(self._waits):
            covered += max(0.0, ended - max(begun, until))
            until = max(until, ended)
        return covered
