from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from aiodoo.protocol.retry_after import LONGEST, UNREADABLE_FLOOR, parse

NOW = datetime(2026, 11, 23, 22, 0, 0, tzinfo=UTC)


def headers(*values: str, date: str | None = format_datetime(NOW, usegmt=True)) -> CIMultiDict[str]:
    """Return an answer's headers with these Retry-After values."""
    named: CIMultiDict[str] = CIMultiDict({} if date is None else {"Date": date})
    for value in values:
        named.add("Retry-After", value)
    return named


def test_no_header_is_no_wait() -> None:
    """None means that doo said nothing."""
    assert parse(headers()) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("1", 1),
        ("59", 59),
        ("3600", 3600),
        ("86400", 86400),
        ("604800", 604800),
        (" 5 ", 5),
        ("007", 7),
    ],
)
def test_seconds_are_taken_as_they_are(value: str, seconds: float) -> None:
    """A whole number of seconds, up to a week."""
    assert parse(headers(value)) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "-5",
        "+5",
        "1.5",
        "1e3",
        "604801",
        "1000000000",
        "1e400",
        "NaN",
        "inf",
        "",
        " ",
        "soon",
        "\u0663",
        "1, 2",
        "0x10",
        "1_0",
        "9" * 1_000_000,
        "5 seconds",
    ],
)
def test_what_cannot_be_read_is_a_floor(value: str) -> None:
    """A wait in words that cannot be read or believed is taken for 60 seconds."""
    assert parse(headers(value)) == UNREADABLE_FLOOR == 60.0


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Mon, 23 Nov 2026 22:00:30 GMT", 30),
        ("Mon, 23 Nov 2026 22:00:00 GMT", 0),
        ("Tue, 24 Nov 2026 22:00:00 GMT", 86400),
        ("Mon, 23 Nov 2026 23:00:30 +0100", 30),
        ("Monday, 23-Nov-26 22:01:00 GMT", 60),
        ("Mon Nov 23 22:01:40 2026", 100),
    ],
)
def test_a_date_is_held_against_the_answers_own(date: str, seconds: float) -> None:
    """Both come from the server's clock, so that ours does not matter."""
    assert parse(headers(date)) == seconds


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 23 Nov 2026 21:59:59 GMT",
        "Sun, 23 Nov 2025 22:00:00 GMT",
        "Mon, 23 Nov 2099 22:00:00 GMT",
        "Mon, 99 Nov 2026 22:00:00 GMT",
        "Mon, 23 Nov 2026",
        "Mon, 23 Nov 99999 22:00:00 GMT",
        "x" * 1_000_000,
    ],
)
def test_a_date_that_cannot_be_meant_is_a_floor(date: str) -> None:
    """The past, the far future and what is no date are waits that cannot be believed."""
    assert parse(headers(date)) == UNREADABLE_FLOOR


@pytest.mark.parametrize("own", [None, "", "yesterday"])
def test_a_date_needs_a_date_to_compare_with(own: str | None) -> None:
    """Our own clock is no judge of a server's date."""
    assert parse(headers("Mon, 23 Nov 2026 22:00:30 GMT", date=own)) == UNREADABLE_FLOOR


def test_two_headers_must_agree() -> None:
    """The same wait twice is one wait; two different ones are none that can be believed."""
    assert parse(headers("5", "5")) == 5
    assert parse(headers("5", "6")) == UNREADABLE_FLOOR
    assert parse(headers("5", "Mon, 23 Nov 2026 22:00:05 GMT")) == UNREADABLE_FLOOR


@given(st.integers(0, int(LONGEST)))
def test_any_date_within_a_week_is_exact(seconds: int) -> None:
    """Seconds and dates say the same."""
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert parse(headers(date)) == parse(headers(str(seconds))) == seconds


@given(st.text(), st.text())
def test_any_header_gives_a_wait(value: str, date: str) -> None:
    """Whatever a server writes, the answer is None or a number of seconds within a week."""
    seconds = parse(headers(value, date=date))
    assert seconds is not None
    assert 0 <= seconds <= LONGEST
