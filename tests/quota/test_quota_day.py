"""The requests of a day, as plain arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiodoo.quota import Lane, Limits
from aiodoo.quota.day_window import DAY, PROBE_EVERY, DayWindow

FRONT, BULK = Lane.FRONT, Lane.BULK


def spend(day: DayWindow, *instants: float) -> None:
    """Let a request leave and be answered at each instant."""
    for instant in instants:
        day.take()
        day.ended(instant)


def test_a_request_counts_from_its_grant_until_a_day_after_its_answer():
    """Room comes back 24 hours after the answer, not after the grant."""
    day = DayWindow(Limits(per_day=2, reserve=0))
    day.take()
    assert day.left(FRONT, 0) == 1
    day.ended(3)
    assert day.left(FRONT, DAY + 2.9) == 1
    assert day.left(FRONT, DAY + 3) == 2


def test_the_day_slides():
    """Each request makes room on its own, whatever the hour."""
    day = DayWindow(Limits(per_day=3, reserve=0))
    spend(day, 0, 40_000, 80_000)
    assert day.exhausted(FRONT, 80_000)
    assert day.resumes(FRONT, 80_000) == DAY
    assert day.left(FRONT, DAY) == 1
    assert day.left(FRONT, DAY + 40_000) == 2


def test_bulk_leaves_the_reserve_to_single_calls():
    """Bulk stops where the reserve begins, whoever spent the rest; single calls go on."""
    day = DayWindow(Limits(per_day=100, reserve=0.05))
    spend(day, *range(95))
    assert day.left(BULK, 95) == 0
    assert day.left(FRONT, 95) == 5
    spend(day, *range(95, 98))
    assert day.left(BULK, 98) == 0
    assert day.resumes(BULK, 98) == DAY + 3


def test_a_request_given_back_never_was():
    """Nothing counts that was not sent."""
    day = DayWindow(Limits(per_day=1))
    day.take()
    assert day.exhausted(FRONT, 0)
    day.give_back(probe=False)
    assert day.left(FRONT, 0) == 1


def test_room_that_depends_on_answers_comes_a_day_from_now_at_the_earliest():
    """While all of the day is under way, the earliest end is that of an answer that comes now."""
    day = DayWindow(Limits(per_day=1))
    day.take()
    assert day.resumes(FRONT, 5) == DAY + 5


def test_without_a_daily_limit_nothing_is_kept():
    """A lifted limit costs no memory and never ends."""
    day = DayWindow(Limits(per_day=None))
    spend(day, *range(1000))
    assert day.left(FRONT, 0) is None
    assert not day.exhausted(BULK, 0)
    assert not day.ends


@given(
    per_day=st.integers(1, 6),
    steps=st.lists(st.tuples(st.floats(0, DAY / 2), st.floats(0, 5)), max_size=40),
    lanes=st.lists(st.sampled_from(Lane), min_size=40, max_size=40),
)
def test_the_count_is_that_of_a_plain_list(per_day: int, steps: list[tuple[float, float]], lanes: list[Lane]):
    """Room, and when it comes back, are what counting a list of all answers says."""
    limits = Limits(per_day=per_day, reserve=0.3)
    allowed = {FRONT: per_day, BULK: limits.per_day_for_bulk}
    day, answers, now = DayWindow(limits), [], 0.0
    for (gap, trip), lane in zip(steps, lanes, strict=False):
        now += gap
        recent = [at for at in answers if at + DAY > now]
        room = max(0, allowed[lane] - len(recent))
        assert day.left(lane, now) == room
        if room == 0:
            assert day.resumes(lane, now) == recent[len(recent) - allowed[lane]] + DAY
            continue
        assert day.resumes(lane, now) == now
        day.take()
        now += trip
        day.ended(now)
        answers.append(now)
        assert len(day.ends) <= per_day


def test_a_late_end_never_hides_an_earlier_one():
    """A lost request that counts some seconds longer lets those after it count no shorter than they must."""
    day = DayWindow(Limits(per_day=2, reserve=0.5))
    spend(day, 105, 101)
    assert day.resumes(BULK, 105) == DAY + 105
    assert day.left(FRONT, DAY + 101) == 0
    assert day.left(FRONT, DAY + 105) == 2


def test_a_day_that_doo_calls_spent_is_shut_for_an_hour():
    """Nothing leaves in any lane for an hour, though the count has room."""
    day = DayWindow(Limits())
    day.spent(10)
    for lane in Lane:
        assert day.exhausted(lane, 10 + PROBE_EVERY - 0.001)
        assert day.left(lane, 10) == 0
        assert day.resumes(lane, 10) == 10 + PROBE_EVERY


def test_a_lifted_day_can_be_shut_too():
    """What doo says counts even where no daily limit was set."""
    day = DayWindow(Limits(per_day=None))
    day.spent(10)
    assert day.exhausted(FRONT, 11)
    assert day.left(FRONT, 11) == 0
    assert day.left(FRONT, 10 + PROBE_EVERY) == 1


@pytest.mark.parametrize("refused", [True, False])
def test_one_probe_an_hour_decides(refused: bool):  # noqa: FBT001
    """After the hour one request may leave; its answer opens the day or shuts it for another hour."""
    day, now = DayWindow(Limits()), PROBE_EVERY
    day.spent(0)
    assert not day.exhausted(FRONT, now)
    assert day.left(FRONT, now) == 1
    assert day.take()
    assert day.left(FRONT, now) == 0
    assert not day.exhausted(FRONT, now)
    day.ended(now + 1)
    day.probed(now + 1, refused=refused)
    assert day.exhausted(FRONT, now + 1) is refused
    assert day.resumes(FRONT, now + 1) == (now + 1 + PROBE_EVERY if refused else now + 1)


def test_a_probe_given_back_leaves_the_next_one_free():
    """A probe that was not sent has found out nothing."""
    day = DayWindow(Limits())
    day.spent(0)
    assert day.take()
    day.give_back(probe=True)
    assert day.left(FRONT, PROBE_EVERY) == 1
    assert day.take()
