"""The slots of a second, as plain arithmetic."""

from __future__ import annotations

import math

import pytest

from aiodoo.quota import Limits
from aiodoo.quota.slots import PATIENCE, Grant, Slots


def slots_of(per_second: float | None) -> Slots:
    """Return slots for that limit."""
    return Slots(Limits(per_second=per_second))


def take(slots: Slots, now: float) -> Grant:
    """Take a slot that must be free."""
    assert slots.earliest(now) <= now
    return slots.take(now, now)


def answer(
    slots: Slots, grant: Grant, now: float, round_trip: float | None = None, *, refused: bool = False
) -> None:
    """Answer a request."""
    slots.answered(grant, now, round_trip, refused=refused)


def test_a_slot_is_free_one_window_after_the_answer():
    """Without credit the window begins when the answer is complete."""
    slots = slots_of(1)
    answer(slots, take(slots, 10), 10.3, 0.2)
    assert slots.earliest(10.3) == pytest.approx(11.3)


def test_a_slot_without_an_answer_is_freed_by_patience():
    """A request that is never answered holds its slot for 5 s and a window."""
    slots = slots_of(1)
    take(slots, 10)
    assert slots.earliest(10) == 10 + PATIENCE + 1


def test_a_late_answer_frees_nothing_later_than_patience():
    """An answer after more than 5 s does not hold the slot any longer."""
    slots = slots_of(1)
    grant = take(slots, 10)
    answer(slots, grant, 15.9, 5.9)
    assert slots.earliest(15.9) == 16


def test_an_answer_after_the_slot_was_used_again_changes_nothing():
    """What patience has freed belongs to the next request."""
    slots = slots_of(1)
    old = take(slots, 10)
    take(slots, 16)
    answer(slots, old, 16.5, 6.5)
    assert slots.earliest(16.5) == 16 + PATIENCE + 1


def test_credit_brings_the_next_grant_forward():
    """After 20 steady round trips 0.9 of one is taken off."""
    slots, now = slots_of(1), 0.0
    for _ in range(20):
        grant = take(slots, now)
        answer(slots, grant, now + 0.1, 0.1)
        now = slots.earliest(now + 0.1)
    grant = take(slots, now)
    answer(slots, grant, now + 0.1, 0.1)
    assert slots.earliest(now + 0.1) - now == pytest.approx(1.01)


def test_an_unmeasured_round_trip_earns_no_credit():
    """Credit is for requests whose way was measured."""
    slots = slots_of(1)
    for _ in range(30):
        slots.trips.add(0.1)
    answer(slots, take(slots, 0), 0.5, None)
    assert slots.earliest(0.5) == pytest.approx(1.5)


def test_a_refused_request_earns_no_credit_nor_do_those_after_it():
    """A 429 takes the credit away at once, and for a hundred requests."""
    slots = slots_of(1)
    for _ in range(30):
        slots.trips.add(0.1)
    answer(slots, take(slots, 0), 0.1, 0.1, refused=True)
    assert slots.earliest(0.1) == pytest.approx(1.1)
    answer(slots, take(slots, 2), 2.1, 0.1)
    assert slots.earliest(2.1) == pytest.approx(3.1)


def test_credit_never_frees_a_slot_before_a_window_after_sending():
    """An answer that came sooner than its measured round trip is not credited beyond the sending."""
    slots = slots_of(1)
    for _ in range(200):
        slots.trips.add(0.5)
    grant = take(slots, 0)
    slots.sent(grant, 2)
    answer(slots, grant, 2.1, 0.5)
    assert slots.earliest(2.1) == pytest.approx(3.0)


def test_grants_are_a_share_of_the_window_apart():
    """Twenty a second leave 50 ms apart, even if all slots are free."""
    slots = slots_of(20)
    take(slots, 10)
    assert slots.earliest(10) == pytest.approx(10.05)


def test_the_first_slot_to_be_free_is_used_first():
    """With several slots the earliest decides, answered or not."""
    slots = slots_of(2)
    first, second = take(slots, 0), take(slots, 0.5)
    answer(slots, second, 0.6)
    assert slots.earliest(0.6) == pytest.approx(1.6)
    answer(slots, first, 3.0)
    assert slots.earliest(1.6) <= 1.6


def test_a_slot_given_back_was_never_taken():
    """Neither its slot nor its distance to the next grant is kept."""
    slots = slots_of(1)
    slots.give_back(take(slots, 10))
    assert slots.earliest(10) <= 10
    slots = slots_of(2)
    take(slots, 10)
    slots.give_back(take(slots, 10.5))
    assert slots.earliest(10.5) == pytest.approx(10.5)


def test_giving_back_out_of_order_frees_both():
    """Two slots given back in the order of their grants leave no distance to keep that is still ahead."""
    slots = slots_of(2)
    first, second = take(slots, 10), take(slots, 10.5)
    slots.give_back(first)
    slots.give_back(second)
    assert slots.earliest(10.5) <= 10.5


def test_sending_starts_the_patience():
    """A request that connected for 2 s holds its slot 2 s longer."""
    slots = slots_of(1)
    grant = take(slots, 10)
    slots.sent(grant, 12)
    assert slots.earliest(12) == 12 + PATIENCE + 1
    answer(slots, grant, 12.1)
    assert slots.earliest(12.1) == pytest.approx(13.1)


def test_a_request_that_leaves_after_its_slot_was_used_again_still_keeps_its_distance():
    """If connecting outlasts the patience, nothing leaves until both requests are a window ago."""
    slots = slots_of(1)
    slow = take(slots, 0)
    fast = take(slots, 6)
    answer(slots, fast, 6.1)
    slots.sent(slow, 7)
    assert slots.earliest(7) == 7 + PATIENCE + 1
    answer(slots, slow, 7.2)
    assert slots.earliest(7.2) == pytest.approx(8.2)


def test_without_a_limit_a_second_everything_leaves_at_once():
    """A lifted limit has neither slots nor spacing."""
    slots = slots_of(None)
    grants = [take(slots, 5) for _ in range(100)]
    slots.sent(grants[0], 6)
    answer(slots, grants[0], 7, 1)
    slots.give_back(grants[1])
    assert slots.earliest(5) <= 5
    assert slots.nth(1000, now=5, start=5) == 5


def test_memory_is_one_entry_for_each_slot():
    """However many requests leave, no more is written down than there are slots."""
    slots, now = slots_of(5), 0.0
    for turn in range(1000):
        grant = take(slots, now)
        if turn % 3:
            answer(slots, grant, now + 0.01, 0.01)
        now = max(now, slots.earliest(now))
        assert len(slots._settled) + len(slots._away) <= 5
    assert math.isfinite(now)
