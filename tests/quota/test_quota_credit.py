"""The credit that a slot gets for its round trip."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiodoo.quota.slots import RoundTrips


def credit_after(seconds: list[float]) -> float:
    """Return the credit after these round trips."""
    trips = RoundTrips()
    for one in seconds:
        trips.add(one)
    return trips.credit


def test_twenty_steady_round_trips_earn_credit():
    """The 20th round trip brings a credit of 0.9 of the smallest."""
    assert credit_after([0.1] * 19) == 0
    assert credit_after([0.1] * 19 + [0.11]) == pytest.approx(0.09)


def test_a_credit_is_never_more_than_its_own_round_trip():
    """A round trip shorter than all before is the smallest at once."""
    assert credit_after([0.1] * 50 + [0.06]) == pytest.approx(0.054)


def test_varying_round_trips_earn_none():
    """There is no credit while the 95th percentile is over twice the smallest."""
    assert credit_after([0.1] * 94 + [0.21] * 6) == 0
    assert credit_after([0.1] * 95 + [0.21] * 5) == pytest.approx(0.09)
    assert credit_after([0.1] * 80 + [0.2] * 20) == pytest.approx(0.09)


def test_varying_round_trips_make_a_lag():
    """While there is no credit because they vary, requests are to keep further apart by their mean."""
    trips = RoundTrips()
    for one, lag in [(0.1, 0), (0.2, 0), (0.3, 0), (0.4, 0), (0.5, 0.3), (0.6, 0.35)]:
        trips.add(one)
        assert trips.lag == pytest.approx(lag)
    for _ in range(100):
        trips.add(0.1)
    assert (trips.lag, trips.credit) == (0, pytest.approx(0.09))


def test_a_429_ends_the_credit_for_a_hundred_requests():
    """After a 429 the next 100 requests get no credit."""
    trips = RoundTrips()
    for _ in range(30):
        trips.add(0.1)
    trips.refused()
    for _ in range(100):
        assert trips.credit == 0
        trips.add(0.1)
    trips.add(0.1)
    assert trips.credit == pytest.approx(0.09)


@given(st.lists(st.sampled_from([0.0, 0.05, 0.06, 0.1, 0.11, 0.3]), max_size=250))
def test_only_the_last_hundred_count(seconds: list[float]):
    """The credit is what the last 100 round trips say, sorted anew."""
    last = sorted(seconds[-100:])
    steady = len(last) >= 20 and last[-(-95 * len(last) // 100) - 1] <= 2 * last[0]
    assert credit_after(seconds) == (0.9 * last[0] if steady else 0)
