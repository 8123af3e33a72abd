"""The limits of an API key."""

from __future__ import annotations

import math

import pytest

from aiodoo.errors import ConfigError
from aiodoo.quota import Limits


def test_the_defaults_are_doos():
    """Without a word, the limits are one request a second and a thousand a day."""
    limits = Limits()
    assert (limits.per_second, limits.per_day, limits.concurrency, limits.reserve) == (1, 1000, 8, 0.05)


@pytest.mark.parametrize(
    ("per_second", "slots", "window"),
    [(1, 1, 1.0), (20, 20, 1.0), (0.5, 1, 2.0), (2.5, 2, 0.8), (0.1, 1, 10.0)],
)
def test_requests_a_second_are_slots_in_a_window(per_second: float, slots: int, window: float):
    """The slots are the whole requests of a second, at least one, and the window is what they take."""
    limits = Limits(per_second=per_second)
    assert limits.slots == slots
    assert limits.window == pytest.approx(window)


def test_a_lifted_limit_has_no_slots():
    """None lifts the limit a second, and the one of the day."""
    limits = Limits(per_second=None, per_day=None)
    assert limits.slots is None
    assert limits.per_day_for_bulk is None


@pytest.mark.parametrize(
    ("per_day", "reserve", "bulk"),
    [
        (1000, 0.05, 950),
        (1000, 0.07, 930),
        (1000, 0.9, 100),
        (19, 0.05, 18),
        (10, 0, 10),
        (1, 0.05, 1),
        (3, 0.99, 1),
    ],
)
def test_bulk_leaves_the_reserve(per_day: int, reserve: float, bulk: int):
    """Bulk's part is what the reserve leaves, rounded down, but at least one request."""
    assert Limits(per_day=per_day, reserve=reserve).per_day_for_bulk == bulk


@pytest.mark.parametrize(
    "wrong",
    [
        {"per_second": 0},
        {"per_second": -1},
        {"per_second": math.nan},
        {"per_second": math.inf},
        {"per_second": True},
        {"per_second": "1"},
        {"per_day": 0},
        {"per_day": 1000.0},
        {"per_day": True},
        {"concurrency": 0},
        {"concurrency": None},
        {"concurrency": 1.5},
        {"reserve": -0.1},
        {"reserve": 1},
        {"reserve": math.nan},
        {"reserve": None},
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(wrong: dict[str, object]):
    """A number that cannot be meant is a ConfigError that names the setting."""
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Limits(**wrong)
