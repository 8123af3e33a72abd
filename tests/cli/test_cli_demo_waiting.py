"""How the demo counts the seconds that calls waited for the quota."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st

from aiodoo import Clock
from aiodoo.cli.commands.demo.waiting import Waiting
from aiodoo.events import RateLimitHit, RequestSent, Waited
from aiodoo.protocol.wire import Kind


@attrs.define
class At(Clock):
    """A clock that shows what it is told."""

    instant: float = 0.0

    def monotonic(self) -> float:
        """Return what it was told."""
        return self.instant


def waited(what: str, seconds: float) -> Waited:
    """Make the event that a call has waited."""
    return Waited(kind=Kind.LIST, team_id=None, attempt=1, what=what, seconds=seconds)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted)))
def test_overlapping_waits_count_once(waits):
    """Seconds in which several calls waited count once, in whatever order their waits ended."""
    waiting = Waiting(clock := At())
    for begun, ended in waits:
        clock.instant = float(ended)
        waiting.record(waited("quota", float(ended - begun)))
    seconds = {second for begun, ended in waits for second in range(begun, ended)}
    assert waiting.seconds == len(seconds)


def test_other_waits_do_not_count():
    """Waiting for the token is not waiting for the quota."""
    waiting = Waiting(At(instant=9.0))
    waiting.record(waited("token", 3.0))
    waiting.record(RequestSent(kind=Kind.LIST, team_id=None, attempt=1))
    assert waiting.seconds == 0
    assert waiting.now is None


def test_says_what_is_waited_for():
    """It names the quota, or doo's own word, as what is waited for now."""
    waiting = Waiting(At(instant=9.0))
    waiting.record(waited("quota", 3.0))
    assert waiting.now == "its turn in the quota"
    waiting.record(RateLimitHit(kind=Kind.LIST, team_id=None, attempt=1, retry_after=1.0, day_spent=False))
    assert waiting.now == "doo, which asked for a pause"
