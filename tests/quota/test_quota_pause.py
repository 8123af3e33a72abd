"""The pauses that doo asks for, as plain arithmetic."""

from __future__ import annotations

import math

import pytest

from aiodoo.quota.account_state import Pause


def ask(
    pause: Pause, now: float, seconds: float | None = None, *, sent_at: float | None = None, **how: bool
) -> float:
    """Ask for a pause at `now`; return its end."""
    pause.ask(
        now,
        seconds,
        unreadable=how.get("unreadable", False),
        refused=how.get("refused", True),
        sent_at=sent_at,
    )
    return pause.until


def test_429s_that_follow_each_other_double_the_pause():
    """Without Retry-After the pauses are 1, 2, 4 ... 60 s, and stay there."""
    pause, now, lengths = Pause(), 100.0, []
    for _ in range(9):
        lengths.append(ask(pause, now, sent_at=now - 0.5) - now)
        now = pause.until + 1
    assert lengths == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_an_answer_begins_anew():
    """A request that was sent since and not refused takes the pause back to 1 s."""
    pause = Pause()
    ask(pause, 10)
    ask(pause, 12, sent_at=11.5)
    pause.answered(14.5)
    assert ask(pause, 15, sent_at=14.8) == 16


def test_an_answer_to_an_older_request_does_not_begin_anew():
    """A request that was sent before the pause says nothing about what came after."""
    pause = Pause()
    ask(pause, 10)
    pause.answered(9.9)
    assert ask(pause, 12, sent_at=11.5) == 14


def test_a_wave_of_429s_is_one_pause():
    """429s that come during a pause, or later for requests sent before it, do not multiply it."""
    pause = Pause()
    assert ask(pause, 10, sent_at=9.5) == 11
    assert ask(pause, 10.2, sent_at=9.6) == 11
    assert ask(pause, 10.3) == 11
    assert ask(pause, 11.7, sent_at=9.9) == 11
    assert ask(pause, 13, sent_at=12) == 15


def test_a_late_429_does_not_make_those_after_it_late():
    """A wave ends with the pause: a request sent after that and refused starts the next, longer one."""
    pause = Pause()
    ask(pause, 10, sent_at=9.5)
    assert ask(pause, 12.5, 0.2, sent_at=9.9) == 12.7
    assert ask(pause, 13, sent_at=12) == 15


def test_a_longer_retry_after_within_a_wave_is_obeyed():
    """What doo itself says counts, whenever the request was sent; a shorter one shortens nothing."""
    pause = Pause()
    ask(pause, 10, sent_at=9.5)
    assert ask(pause, 10.5, 30, sent_at=9.5) == 40.5
    assert ask(pause, 10.6, 5, sent_at=9.5) == 40.5
    assert ask(pause, 50, 7, sent_at=9.5) == 57


@pytest.mark.parametrize(
    ("seconds", "unreadable"), [(None, True), (-1, False), (math.nan, False), (math.inf, False)]
)
def test_an_unreadable_retry_after_is_a_minute(seconds: float | None, unreadable: bool):  # noqa: FBT001
    """What cannot be meant is taken as 60 s."""
    assert ask(Pause(), 10, seconds, unreadable=unreadable) == 70


def test_the_reason_is_that_of_the_later_end():
    """A pause is a 429's only if a 429 decides when it ends."""
    pause = Pause()
    ask(pause, 10, 30, refused=False)
    assert not pause.refused
    ask(pause, 11, 5)
    assert not pause.refused
    ask(pause, 12, 60)
    assert pause.refused
