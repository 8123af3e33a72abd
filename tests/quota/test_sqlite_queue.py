"""Whose turn it is among processes, as plain arithmetic."""

from __future__ import annotations

import copy
from collections import deque

import pytest

from aiodoo.quota import Lane, Limits
from aiodoo.quota.account_state import FORGOTTEN, AccountState
from aiodoo.quota.slots import PATIENCE, RoundTrips
from aiodoo.quota.turns import GRACE, LATE, SPREAD, ask, in_use
from aiodoo.quota.updates import Answered, DaySpent, GaveBack, Left, Lost, Paused, Sent

FRONT, BULK = Lane.FRONT, Lane.BULK
DAY = 86_400


def books_of(per_second: float | None = 1, **limits: float | None) -> AccountState:
    """Return books in which nothing has happened."""
    return AccountState(limits=Limits(**{"per_second": per_second, "per_day": None, **limits}), asked_at=0)


def take(books: AccountState, now: float, lane: Lane = BULK, holder: str = "taker") -> int:
    """Ask for a slot that must be free."""
    number = ask(books, holder, lane, now)
    assert number is not None
    return number


def answer(books: AccountState, number: int, now: float, **how: float | None) -> None:
    """Answer a request."""
    sent_at = books.away[number].sent_at
    books.apply(Answered(number, now, **{"sent_at": sent_at, "round_trip": None, "refused": False, **how}))


def pause(books: AccountState, now: float, seconds: float | None, *, sent_at: float | None) -> None:
    """Pause the key after a 429."""
    books.apply(Paused(now, seconds, unreadable=False, refused=True, sent_at=sent_at))


def forgotten(books: AccountState, now: float) -> AccountState:
    """Return the books without what processes that are gone have left."""
    books.forget(now)
    return books


def back_at(books: AccountState, now: float, lane: Lane = BULK, holder: str = "a") -> float:
    """Ask for a slot that must not be free; return when to come back."""
    assert ask(books, holder, lane, now) is None
    return books.turns[holder, lane].back_at


def test_who_finds_a_slot_free_has_it_at_once():
    """A process alone does not queue."""
    books = books_of()
    take(books, 10)
    assert not books.turns


def test_the_first_in_the_queue_comes_back_when_the_slot_is_free():
    """After an answer the instant is known exactly."""
    books = books_of()
    answer(books, take(books, 10), 10.2)
    assert back_at(books, 10.3) == pytest.approx(11.2)
    assert ask(books, "a", BULK, 11.2) is not None


def test_while_no_answer_came_the_first_comes_back_when_one_could_have_freed_the_slot():
    """Nobody is woken by another process's answer; looking then is early enough."""
    books = books_of()
    books.slots.trips = RoundTrips(deque([0.15 / 0.9] * 20))
    take(books, 10)
    assert back_at(books, 10.1) == pytest.approx(11)
    assert back_at(books, 10.5) == pytest.approx(11.35)
    assert back_at(books, 15.5) == pytest.approx(10 + PATIENCE + 1)


def test_those_behind_come_back_a_slot_later_each():
    """Ten processes do not ask ten times for every slot."""
    books = books_of(20)
    for _ in range(20):
        answer(books, take(books, max(0, books.slots.last) + 0.0501), 0)
    asked = books.slots.last + 0.0001
    assert [back_at(books, asked, holder=name) - books.slots.last for name in "abc"] == pytest.approx(
        [0.05, 0.1, 0.15]
    )


def test_nobody_sleeps_for_longer_than_a_slot_behind_others_who_may_be_gone():
    """At one a second each comes back for the slot after the next, at the latest."""
    books = books_of()
    answer(books, take(books, 10), 10)
    assert [back_at(books, 10, holder=name) for name in "abcd"] == pytest.approx(
        [11, 12, 12 + 2 * SPREAD, 12 + 3 * SPREAD]
    )


def test_a_slot_that_is_free_waits_for_whose_turn_it_is():
    """Who comes by meanwhile is sent away for a moment, and the first has it."""
    books = books_of()
    answer(books, take(books, 10), 10)
    back_at(books, 10, holder="a")
    assert back_at(books, 11.001, holder="b") <= 11 + GRACE
    assert ask(books, "a", BULK, 11.01) is not None


def test_who_does_not_come_for_its_turn_is_passed_over_and_keeps_its_place():
    """A process that was killed costs the others a tenth of a second once; one that is late is first again."""
    books = books_of()
    answer(books, take(books, 10), 10)
    for name in "abc":
        back_at(books, 10, holder=name)
    again = back_at(books, 11.001, holder="b")
    assert again == pytest.approx(11 + GRACE)
    answer(books, take(books, again, holder="b"), again)
    assert back_at(books, again, holder="a") == pytest.approx(again + 1)
    assert back_at(books, again, holder="c") == pytest.approx(again + 2)


def test_who_has_not_come_for_long_has_no_place():
    """Places of processes that are gone are forgotten."""
    books = books_of()
    take(books, 10)
    back_at(books, 10)
    forgotten(books, 11 + PATIENCE + GRACE + FORGOTTEN)
    assert not books.turns


def test_a_persons_call_goes_before_other_processes_bulk():
    """Bulk that is due holds back while a front call is expected."""
    books = books_of()
    answer(books, take(books, 10), 10)
    back_at(books, 10, BULK, "bulk")
    assert back_at(books, 10.5, FRONT, "person") == pytest.approx(11)
    back_at(books, 11, BULK, "bulk")
    assert ask(books, "person", FRONT, 11.01) is not None


def test_a_process_keeps_its_bulk_place_while_a_person_asks():
    """Front calls do not send their own process's bulk to the end of the queue; nobody waits for it meanwhile."""
    books = books_of()
    answer(books, take(books, 10), 10)
    back_at(books, 10, BULK, "a")
    back_at(books, 10, BULK, "b")
    back_at(books, 10, FRONT, "a")
    answer(books, take(books, 11, FRONT, "a"), 11)
    assert back_at(books, 11, BULK, "a") == pytest.approx(12)
    assert back_at(books, 11, BULK, "b") == pytest.approx(13)


def test_a_process_is_waited_for_in_one_lane_only():
    """While a person asks, others do not reckon with the same process's bulk as well."""
    books = books_of(20)
    take(books, 10)
    back_at(books, 10, BULK, "a")
    back_at(books, 10, FRONT, "a")
    assert back_at(books, 10, BULK, "b") == pytest.approx(10.1)


def test_who_leaves_is_not_waited_for():
    """A place that is given up holds nobody back."""
    books = books_of()
    answer(books, take(books, 10), 10)
    back_at(books, 10, holder="a")
    books.apply(Left("a"))
    take(books, 11, holder="b")


def test_the_next_grant_makes_good_for_a_late_one():
    """A process that wakes up late does not slow the pace; more than 50 ms are not made good for."""
    books = books_of(10)
    for late in (0.03, 0.08):
        books.slots.last = 10.0
        assert back_at(books, 10.01) == pytest.approx(10.1)
        take(books, 10.1 + late, holder="a")
        assert books.slots.last == pytest.approx(10.1 + max(0.0, late - LATE))


def test_no_grant_is_reckoned_from_before_it_was_asked_for():
    """Who comes after a quiet time begins the pace anew."""
    books = books_of(10)
    take(books, 10)
    take(books, 20)
    assert books.slots.last == 20


def test_a_request_whose_process_is_gone_frees_its_slot_by_patience_and_counts_for_a_day():
    """Nobody says how it ended: 5 s and a window later others go on, and the day has room 24 hours after that."""
    books = books_of(1, per_day=1, reserve=0)
    take(books, 10)
    assert forgotten(books, 15.9).slots.earliest(15.9) == 16
    assert forgotten(books, 17).slots.earliest(17) <= 17
    assert forgotten(books, 14 + DAY).day.used(14 + DAY) == 1
    assert forgotten(books, 15 + DAY).day.used(15 + DAY) == 0
    forgotten(books, 15 + DAY)
    assert not books.away


def test_an_answer_frees_the_slot_neither_before_a_window_nor_after_patience():
    """However large the credit is, and however late the answer."""
    books = books_of(100, per_day=10)
    books.slots.trips = RoundTrips(deque([0.5] * 20))
    answer(books, take(books, 10), 10.1, round_trip=0.5)
    assert books.slots.settled == [11]
    answer(books, take(books, 20), 25.5)
    assert books.slots.settled == [26]
    assert list(books.day.ends) == [10.1 + DAY, 25 + DAY]


def test_a_lost_request_counts_from_when_it_has_arrived_at_the_latest():
    """Its slot and its day begin when patience ends."""
    books = books_of(1, per_day=10)
    books.apply(Lost(take(books, 10), 11, sent_at=10))
    assert books.slots.settled == [16]
    assert list(books.day.ends) == [15 + DAY]


def test_the_day_has_room_again_at_the_earliest_as_if_the_answer_came_now():
    """Nobody is told to stay away for longer than may be needed."""
    books = books_of(None, per_day=1, reserve=0)
    take(books, 10)
    assert forgotten(books, 10.5).day.resumes(FRONT, 10.5) == 10.5 + DAY


def test_only_an_answer_that_is_no_refusal_ends_a_row_of_429s():
    """The pause after the second 429 is twice as long as the first."""
    books = books_of(1)
    pause(books, 10, None, sent_at=None)
    answer(books, take(books, 12), 12.1, refused=True)
    pause(books, 12.1, None, sent_at=12)
    assert books.pause.until == pytest.approx(14.1)
    answer(books, take(books, 15), 15.1)
    pause(books, 16, None, sent_at=None)
    assert books.pause.until == pytest.approx(17)


def test_what_is_said_of_a_request_late_still_counts():
    """A request given back after its patience was not sent; the day is not charged for it."""
    books = books_of(1, per_day=10)
    number = take(books, 10)
    forgotten(books, 20)
    books.apply(GaveBack(number))
    assert forgotten(books, 20).day.used(20) == 0


def test_a_request_ends_once():
    """Whatever is said of a number that has ended, or never was, changes nothing."""
    books = books_of(1, per_day=10)
    number = take(books, 10)
    books.apply(Lost(number, 11, sent_at=10))
    before = copy.deepcopy(forgotten(books, 11))
    for other in (number, 77):
        books.apply(Sent(other, 12))
        books.apply(GaveBack(other))
        books.apply(Answered(other, 12, sent_at=12, round_trip=None, refused=True))
        books.apply(Lost(other, 12, sent_at=12))
    assert forgotten(books, 11) == before
    assert books.slots.trips.distrust == 0


def test_a_429_takes_the_credit_of_every_process_away():
    """For 100 answers after it no slot is freed early, whoever measured."""
    books = books_of(100)
    now = 10.0
    answer(books, take(books, now), now, round_trip=0.2, refused=True)
    freed = []
    for _ in range(101):
        now += 1.5
        answer(books, take(books, now), now + 0.3, round_trip=0.2)
        freed.append(round(books.slots.settled[-1] - now - 0.3, 3))
    assert freed == [1.0] * 99 + [0.82] * 2


def test_a_probe_that_nobody_answers_for_has_failed():
    """If the probe's process is killed, the key stays shut for another hour."""
    books = books_of(None, per_day=100)
    books.apply(DaySpent(10))
    take(books, 3610)
    assert back_at(books, 3611) == pytest.approx(3611.5)
    view = forgotten(books, 3615)
    assert view.day.exhausted(FRONT, 3615)
    assert view.day.resumes(FRONT, 3615) == 3615 + 3600


def test_an_answer_to_the_probe_decides():
    """If it is refused the key stays shut for another hour, else the count rules again."""
    books = books_of(None, per_day=100)
    books.apply(DaySpent(10))
    answer(books, take(books, 3610), 3611, refused=True)
    assert books.day.shut == 3611 + 3600
    answer(books, take(books, 7211), 7212)
    assert books.day.shut is None


def test_a_probe_under_way_does_not_outvote_doos_word():
    """When another process is told meanwhile that the day is spent, that is what counts."""
    books = books_of(None, per_day=100)
    books.apply(DaySpent(10))
    number = take(books, 3610)
    books.apply(DaySpent(3611))
    answer(books, number, 3612)
    assert books.day.shut == 3611 + 3600
    assert forgotten(books, 3613).day.exhausted(FRONT, 3613)


def test_nobody_queues_for_a_day_that_is_spent():
    """There is neither a number nor a place; the books say when to come again."""
    books = books_of(None, per_day=1, reserve=0)
    answer(books, take(books, 10), 10)
    assert ask(books, "a", FRONT, 11) is None
    assert not books.turns
    assert forgotten(books, 11).day.resumes(FRONT, 11) == 10 + DAY


def test_without_a_limit_a_second_nobody_waits_for_a_turn():
    """When a pause ends all leave at once."""
    books = books_of(None)
    pause(books, 10, 5.0, sent_at=None)
    assert [back_at(books, 10, holder=name) for name in "abc"] == [15, 15, 15]
    for name in "cba":
        take(books, 15, holder=name)


def test_limits_are_in_use_while_somebody_waits():
    """An account is quiet ten minutes after the last request, and not before a long pause is over."""
    books = books_of()
    take(books, 10)
    assert in_use(books, 609.9)
    assert not in_use(books, 610)
    pause(books, 10, 3600.0, sent_at=None)
    back_at(books, 10)
    assert in_use(books, 3600)
