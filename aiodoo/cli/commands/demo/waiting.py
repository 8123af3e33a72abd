"""What a Session waited for, as its events tell."""

from __future__ import annotations

import attrs

from aiodoo import Clock
from aiodoo.events import Event, RateLimitHit, Waited


@attrs.define
class Waiting:
    """How long calls waited for their turn in the quota, and whether they do now."""

    _clock: Clock = attrs.field(factory=Clock)
    _waits: list[tuple[float, float]] = attrs.field(factory=list)
    now: str | None = None

    def hear(self, event: Event) -> None:
        """Take notice of an event; for `Session(on_event=...)`."""
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
        """Seconds during which at least one call waited for its turn in the quota."""
        covered, until = 0.0, 0.0
        for begun, ended in sorted(self._waits):
            covered += max(0.0, ended - max(begun, until))
            until = max(until, ended)
        return covered
