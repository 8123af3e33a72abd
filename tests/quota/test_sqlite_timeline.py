"""The file's time: whatever clocks are set to, it never passes faster than time does."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiodoo.quota.file_time import FileTime

HOUR, DAY, YEAR = 3600.0, 86_400.0, 31_557_600.0
JUMPS = [-10 * YEAR, -DAY, -HOUR, -1.0, 1.0, HOUR, DAY, 10 * YEAR]
WALL = 1_700_000_000.0


def begun(boot: str = "one") -> FileTime:
    """Return the time of a file that was made when the machine had run for 500 s."""
    return FileTime(boot, 500.0, WALL, 500.0)


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("boot", ["one", ""])
def test_no_time_passes_by_setting_the_wall_clock(jump: float, boot: str):
    """While the machine runs ten seconds are ten seconds at most, set ahead or back."""
    time = begun(boot)
    passed = time.advance(boot, 510.0, WALL + 10 + jump) - 500.0
    assert passed == (0.0 if not boot and jump < -10 else min(10.0, 10.0 + jump) if not boot else 10.0)


def test_a_known_run_of_the_machine_needs_no_wall_clock():
    """Steps of any length add up exactly, with a wall clock that jumps about."""
    time = begun()
    for step in range(1, 1001):
        now = time.advance("one", 500.0 + step / 7, WALL + JUMPS[step % len(JUMPS)])
    assert now == pytest.approx(500 + 1000 / 7, abs=1e-9)


@pytest.mark.parametrize("uptime", [3.0, 500.0, 9000.0])
def test_after_a_restart_the_wall_clock_says_how_long_it_took(uptime: float):
    """A night without power counts as the night it was, however long the machine has been up again."""
    time = begun()
    assert time.advance("two", uptime, WALL + 8 * HOUR) == 500 + 8 * HOUR
    assert time.advance("two", uptime + 60, WALL) == 500 + 8 * HOUR + 60


@pytest.mark.parametrize("jump", [jump for jump in JUMPS if jump < 0])
def test_a_wall_clock_that_went_back_over_a_restart_counts_as_no_time(jump: float):
    """A machine that comes up in the past frees nothing; from then on time passes again."""
    time = begun()
    assert time.advance("two", 3.0, WALL + jump) == 500
    assert time.advance("two", 13.0, WALL + 10 * YEAR) == 510


def test_suspended_time_is_not_counted_twice():
    """Eight hours in which the monotonic clock stood still have not passed, as all who sleep have slept on."""
    time = begun()
    assert time.advance("one", 501.0, WALL + 8 * HOUR) == 501
    assert time.advance("two", 1.0, WALL + 8 * HOUR + 60) == 561


def test_a_restart_is_noticed_without_a_name():
    """Where runs have no name, a monotonic clock that went back tells of a restart."""
    time = begun("")
    assert time.advance("", 20.0, WALL + HOUR) == 500 + HOUR
    assert time.advance("", 30.0, WALL + HOUR + 10) == 510 + HOUR


@given(
    st.booleans(),
    st.lists(
        st.tuples(
            st.floats(0, 1e6),
            st.sampled_from(["goes on", "goes on", "is set", "suspends", "restarts"]),
            st.sampled_from(JUMPS),
        )
    ),
)
def test_the_files_time_is_never_ahead_of_time(named: bool, steps: list[tuple[float, str, float]]):  # noqa: FBT001
    """Through settings, suspensions and restarts it never goes back, and never gains on what truly passed.

    A wall clock is set while the machine runs and the file is in use; nobody can tell a clock that was set while
    it was down from time that passed.
    """
    boot, monotonic, wall, true = 0, 500.0, WALL, 500.0
    time = FileTime(f"run {boot}" if named else "", monotonic, wall, true)
    for seconds, event, jump in steps:
        before = time.now
        true += seconds
        wall += seconds
        monotonic = seconds if event == "restarts" else monotonic + (0 if event == "suspends" else seconds)
        boot += event == "restarts"
        now = time.advance(f"run {boot}" if named else "", monotonic, wall)
        if event == "is set":
            wall += jump
            now = time.advance(f"run {boot}" if named else "", monotonic, wall)
        assert before <= now <= true + 1e-3
        assert math.isclose(time.origin + monotonic, now, abs_tol=1e-3)
