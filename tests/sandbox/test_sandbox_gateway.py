"""The usage plan, held against counts made the long way round."""

from __future__ import annotations

import math
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox_asker import Asker, asker, read

from aiodoo.sandbox import Box, Plan
from aiodoo.sandbox.gateway import DAY, Meter

TICK = 1 / 64  # times are multiples of it, so that sums of them are exact

gaps = st.lists(st.integers(0, 200), min_size=1, max_size=60)


def _times(gaps: list[int]) -> list[float]:
    times, now = [], 0
    for gap in gaps:
        now += gap
        times.append(now * TICK)
    return times


def _passed(plan: Plan, times: list[float]) -> list[bool]:
    meter = Meter(plan)
    return [meter.admit(time) is None for time in times]


@settings(deadline=None)
@given(gaps=gaps, limit=st.integers(1, 5), counts_refused=st.booleans())
def test_fixed_window(gaps: list[int], limit: int, *, counts_refused: bool) -> None:
    """In each second of the clock the first N requests pass, whether refused ones count or not."""
    times = _times(gaps)
    expected = [
        sum(math.floor(other) == math.floor(time) for other in times[:position]) < limit
        for position, time in enumerate(times)
    ]
    plan = Plan(per_second=limit, per_day=None, counting="fixed_window", counts_refused=counts_refused)
    assert _passed(plan, times) == expected


@settings(deadline=None)
@given(gaps=gaps, limit=st.integers(1, 5), counts_refused=st.booleans())
def test_sliding_log(gaps: list[int], limit: int, *, counts_refused: bool) -> None:
    """A request passes if fewer than N that count arrived less than a second before it."""
    times = _times(gaps)
    expected: list[bool] = []
    for time in times:
        counted = [
            other
            for other, passed in zip(times, expected, strict=False)
            if (passed or counts_refused) and time - other < 1
        ]
        expected.append(len(counted) < limit)
    plan = Plan(per_second=limit, per_day=None, counting="sliding_log", counts_refused=counts_refused)
    assert _passed(plan, times) == expected


@settings(deadline=None)
@given(
    gaps=gaps,
    rate=st.sampled_from([1, 2, 4]),
    burst=st.none() | st.integers(1, 6),
    counts_refused=st.booleans(),
)
def test_token_bucket(gaps: list[int], rate: int, burst: int | None, *, counts_refused: bool) -> None:
    """A bucket of `burst` tokens (a second's worth) fills tick by tick and a request passes if it finds a whole one."""
    capacity = burst or rate
    parts, full = capacity * 64, capacity * 64  # a token has 64 parts, a tick adds `rate` of them
    expected = []
    for gap in gaps:
        for _ in range(gap):
            parts = min(full, parts + rate)
        expected.append(parts >= 64)
        parts -= 64 if expected[-1] else 0
    plan = Plan(
        per_second=rate, per_day=None, counting="token_bucket", burst=burst, counts_refused=counts_refused
    )
    assert _passed(plan, _times(gaps)) == expected


@settings(deadline=None)
@given(
    gaps=gaps,
    rate=st.sampled_from([1, 2, 4, 16]),
    burst=st.none() | st.integers(1, 6),
    counts_refused=st.booleans(),
)
def test_gcra(gaps: list[int], rate: int, burst: int | None, *, counts_refused: bool) -> None:
    """It is a leaky bucket: it drains tick by tick, and a request passes if its drop still fits among `burst`."""
    size = (burst or max(2, rate // 5)) * 64
    level, expected = 0, []
    for gap in gaps:
        for _ in range(gap):
            level = max(0, level - rate)
        expected.append(level + 64 <= size)
        level += 64 if expected[-1] else 0
    plan = Plan(per_second=rate, per_day=None, counting="gcra", burst=burst, counts_refused=counts_refused)
    assert _passed(plan, _times(gaps)) == expected


@settings(deadline=None)
@given(
    gaps=st.lists(st.integers(0, 3000), min_size=1, max_size=60),
    rate=st.sampled_from([1, 2, 20, 50]),
    burst=st.none() | st.integers(0, 6),
    counts_refused=st.booleans(),
)
def test_leaky_bucket(gaps: list[int], rate: int, burst: int | None, *, counts_refused: bool) -> None:
    """As nginx counts: in whole milliseconds since the last request that passed, of which `burst` may be too early."""
    excess, last, times, expected = 0.0, 0, [], []
    for number, tenths in enumerate(gaps):
        times.append((times[-1] if times else 0) + tenths)
        millisecond = times[-1] // 10
        now = max(0.0, excess - rate * (millisecond - last) / 1000 + 1) if number else 0.0
        expected.append(now <= (burst or 0) + 1e-9)
        if expected[-1]:
            excess, last = now, millisecond
    plan = Plan(
        per_second=rate, per_day=None, counting="leaky_bucket", burst=burst, counts_refused=counts_refused
    )
    assert _passed(plan, [time / 10_000 for time in times]) == expected


hours = st.lists(st.integers(0, 20), min_size=1, max_size=60)


@settings(deadline=None)
@given(
    gaps=hours,
    limit=st.integers(1, 6),
    counting=st.sampled_from(["calendar", "sliding"]),
    offset=st.integers(0, 23),
    counts_refused=st.booleans(),
)
def test_day(gaps: list[int], limit: int, counting: str, offset: int, *, counts_refused: bool) -> None:
    """A day's N requests are counted from midnight to midnight, or over the last 24 hours."""
    times, now = [], 0
    for gap in gaps:
        now += gap
        times.append(now)
    expected: list[bool] = []
    for time in times:
        counted = [
            other
            for other, passed in zip(times, expected, strict=False)
            if (passed or counts_refused)
            and (
                time - other < 24
                if counting == "sliding"
                else (time + offset) // 24 == (other + offset) // 24
            )
        ]
        expected.append(len(counted) < limit)
    plan = Plan(
        per_second=None,
        per_day=limit,
        per_day_counting=counting,
        day_offset=offset * 3600,
        counts_refused=counts_refused,
    )
    assert _passed(plan, [time * 3600.0 for time in times]) == expected


@settings(deadline=None)
@given(
    gaps,
    st.sampled_from(["fixed_window", "sliding_log", "token_bucket", "gcra", "leaky_bucket"]),
    st.sampled_from([0.5, 1, 3]),
)
def test_refusal_says_when(gaps: list[int], counting: str, rate: float) -> None:
    """A request repeated once the wait of its refusal is over passes, and a little earlier does not."""
    plan = Plan(per_second=rate, per_day=None, counting=counting, counts_refused=False)
    for early in (0.0, 0.01):
        meter = Meter(plan)
        for time in _times(gaps):
            refusal = meter.admit(time)
            if refusal is not None:
                assert (meter.admit(time + refusal.wait - early) is None) == (early == 0)
                break


def test_less_than_one_a_second() -> None:
    """Half a request a second is one in two seconds."""
    meter = Meter(Plan(per_second=0.5, per_day=None, counting="sliding_log", counts_refused=False))
    assert [meter.admit(time) is None for time in (0.0, 1.0, 2.0, 3.5, 4.0)] == [
        True,
        False,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("counting", ["fixed_window", "sliding_log", "token_bucket"])
def test_one_second_apart_is_in_time(counting: str) -> None:
    """Requests sent one second apart all pass, whatever their sum makes of the last digit."""
    meter = Meter(Plan(per_day=None, counting=counting))
    now = 0.1
    for _ in range(2000):
        assert meter.admit(now) is None
        now += 1.0


def test_day_before_second() -> None:
    """Who has spent the day hears of the day, even when asking too fast."""
    meter = Meter(Plan(per_second=1, per_day=1))
    assert meter.admit(0.0) is None
    refusal = meter.admit(0.0)
    assert refusal is not None
    assert (refusal.message, refusal.wait) == ("Limit Exceeded", DAY)


def test_refused_requests_spend_the_day() -> None:
    """Requests that came too fast count against the day, unless the plan says that refused ones do not."""
    for counts, third in ((True, "Limit Exceeded"), (False, None)):
        meter = Meter(Plan(per_second=1, per_day=2, counts_refused=counts))
        assert meter.admit(0.0) is None
        assert meter.admit(0.0) is not None
        refusal = meter.admit(1.0)
        assert (refusal and refusal.message) == third


def test_what_a_refusal_looks_like() -> None:
    """Over the second or the day, the gateway answers 429 with a message of its own and no Retry-After."""
    client = asker(Plan(per_second=1, per_day=2))
    client.log_in()
    answer = client.ask("GET", "/organizers/current/organizations")
    assert (answer.status, read(answer)) == (429, {"message": "Too Many Requests"})
    assert answer.headers["x-amzn-ErrorType"] == "TooManyRequestsException"
    assert "Retry-After" not in answer.headers
    client.now = 5.0
    answer = client.ask("GET", "/organizers/current/organizations")
    assert (answer.status, read(answer)) == (429, {"message": "Limit Exceeded"})
    assert client.box.log.requests[-1].acted is False


def test_retry_after() -> None:
    """A refusal may say when to come back: in seconds rounded up, as a date of the box's clock, or in its own words."""
    for retry_after, expected in (("seconds", "1"), (lambda wait: f"about {wait:.2f}", "about 0.75")):
        client = asker(Plan(retry_after=retry_after))
        client.now = 3.25
        client.log_in()
        assert client.ask("GET", "/anything").headers.get("Retry-After") is None
        assert client.ask("GET", "/team/111/webhooks").headers["Retry-After"] == expected
    client = asker(Plan(retry_after="date"))
    client.log_in()
    client.now = 0.25
    headers = client.ask("GET", "/team/111/webhooks").headers
    apart = parsedate_to_datetime(headers["Retry-After"]) - parsedate_to_datetime(headers["Date"])
    assert apart.total_seconds() == 1


def test_token_requests_count() -> None:
    """Fetching a token spends a slot like everything else."""
    client = asker(Plan(per_second=None, per_day=1))
    client.log_in()
    assert client.ask("GET", "/team/111/webhooks").status == 429


def test_each_key_has_its_own_plan() -> None:
    """Keys share the box and not the limits."""
    box = Box(plan=Plan(per_second=None, per_day=1))
    first, second = Asker(box), Asker(box, box.add_key(None))
    first.log_in()
    second.log_in()
    assert first.ask("GET", "/team/111/webhooks").status == 429
    assert [second.ask("GET", "/team/111/webhooks").status for _ in range(5)] == [200] * 5
    assert {entry.key_id for entry in box.log.requests} == {"key-1", "key-2"}


def test_strangers_cost_nothing() -> None:
    """Unknown paths and unknown keys are turned away before anything is counted."""
    client = asker(Plan(per_second=None, per_day=1))
    for _ in range(3):
        assert client.ask("GET", "/nothing").status == 403
        assert client.ask("GET", "/team/111/webhooks", headers={"X-Api-Key": "nobody"}).status == 403
    assert client.log_in().status == 200
