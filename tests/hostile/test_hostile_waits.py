"""Answers that ask to wait: obeyed by the whole key, and never believed beyond reason.

The calls here may take half a second, so a longer wait ends them at once; none of these tests waits for it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import attrs
import pytest
from hostile_world import (
    OPERATIONS,
    Ends,
    Operation,
    boxed,
    check_end,
    check_truth,
    head,
    lost,
    outcome,
    written,
)

from aiodoo import (
    DeadlineExceeded,
    Limits,
    OutcomeUnknown,
    ProtocolError,
    QuotaExhausted,
    RateLimited,
    ServerError,
)
from aiodoo.sandbox import Fault

every_operation = pytest.mark.parametrize("operation", OPERATIONS)

NOW = datetime(2031, 5, 4, 3, 2, 1, tzinfo=UTC)  # doo's clock, years away from this machine's
FLOOR = 60.0


def date(seconds: float, now: datetime = NOW) -> str:
    """Write an HTTP date so many seconds from now."""
    return format_datetime(now + timedelta(seconds=seconds), usegmt=True)


WAITS: dict[str, tuple[str, float]] = {
    "S12 1": ("1", 1.0),
    "S12 59": ("59", 59.0),
    "S12 3600": ("3600", 3600.0),
    "S12 86400": ("86400", 86_400.0),
    "S12 a week": ("604800", 604_800.0),
    "S12 leading zeros": ("0000000007", 7.0),
    "S12 spaces around it": ("  30  ", 30.0),
    "S13 a date ahead": (date(120), 120.0),
    "S13 a date in the past": (date(-3600), FLOOR),
    "S13 a date a year ahead": (date(365 * 86_400), FLOOR),
    "S13 a date in another zone": (
        (NOW + timedelta(seconds=90))
        .astimezone(timezone(timedelta(hours=2)))
        .strftime("%a, %d %b %Y %H:%M:%S %z"),
        90.0,
    ),
    "S13 a date of 1850": (f"{NOW + timedelta(seconds=45):%A, %d-%b-%y %H:%M:%S} GMT", 45.0),
    "S13 half a date": ("Sun, 04 May", FLOOR),
    "S13 a date that is none": ("Sun, 99 May 2031 99:99:99 GMT", FLOOR),
    "S14 -5": ("-5", FLOOR),
    "S14 10^9": ("1000000000", FLOOR),
    "S14 10^20": ("100000000000000000000", FLOOR),
    "S14 1e400": ("1e400", FLOOR),
    "S14 NaN": ("NaN", FLOOR),
    "S14 inf": ("inf", FLOOR),
    "S14 nothing": ("", FLOOR),
    "S14 soon": ("soon", FLOOR),
    "S14 an Arabic digit": ("٣", FLOOR),
    "S14 1, 2": ("1, 2", FLOOR),
    "S14 1.5": ("1.5", FLOOR),
    "S14 +5": ("+5", FLOOR),
    "S14 5s": ("5s", FLOOR),
    "S14 0x10": ("0x10", FLOOR),
    "S14 1_0": ("1_0", FLOOR),
    "S14 8000 digits": ("9" * 8000, FLOOR),
    "S14 a script": ("<script>", FLOOR),
}


def limited(*headers: str, body: bytes = b"", status: int = 429) -> Fault:
    """A refusal with these headers, and doo's own date."""
    lines = [line.encode() for line in (*headers, f"Date: {date(0)}")]
    return Fault(
        "replaced", wire=head(*lines, b"Content-Length: %d" % len(body), status=status) + body, acted=False
    )


@every_operation
@pytest.mark.parametrize(("value", "seconds"), WAITS.values(), ids=WAITS)
async def test_what_retry_after_says(value: str, seconds: float, operation: Operation) -> None:
    """S12-S14: the wait is read against doo's own clock, and one that cannot be believed is a minute.

    The call ends at once and without doubt, as it could not wait so long; and so does every other call on the key.
    """
    async with boxed(deadline=min(seconds / 2, 20)) as (box, doo):
        fault = limited(f"Retry-After: {value}", body=written(message="Too Many Requests"))
        box.script(attrs.evolve(fault, on=operation, times=None))
        result = await outcome(doo, operation)
        check_end(result, operation, Ends(RateLimited, 1))
        assert result.retry_after == seconds
        assert box.count(operation) == 1
        check_truth(box, operation, result)
        sent = len(box.log.requests)
        for other in OPERATIONS:
            refused = await outcome(doo, other)
            check_end(refused, other, Ends(RateLimited, 0))
            assert 0 < refused.retry_after <= seconds
        assert len(box.log.requests) == sent


@every_operation
async def test_a_wait_that_nobody_could_write(operation: Operation) -> None:
    """S14: a Retry-After of a megabyte is no header any more."""
    async with boxed() as (box, doo):
        box.script(attrs.evolve(limited("Retry-After: " + "9" * 1_000_000), on=operation, times=None))
        ends = lost(ProtocolError, reads=1)[operation]
        check_end(await outcome(doo, operation), operation, ends)
        assert box.count(operation) == ends.sends


@pytest.mark.parametrize(
    "headers", [("Retry-After: 1", "Retry-After: 2"), ("Retry-After: 1", "Retry-After: soon")]
)
async def test_two_waits(headers: tuple[str, ...]) -> None:
    """S14: two different values are none."""
    async with boxed(deadline=20) as (box, doo):
        box.script(attrs.evolve(limited(*headers), on="list", times=None))
        result = await outcome(doo, "list")
        assert result.retry_after == FLOOR


@every_operation
async def test_no_word_of_how_long(operation: Operation) -> None:
    """S11: without Retry-After the key pauses of its own accord; a call that has no second to wait ends."""
    async with boxed(deadline=0.5) as (box, doo):
        box.script(Fault("too_many", on=operation, times=None))
        result = await outcome(doo, operation)
        check_end(result, operation, Ends(RateLimited, 1))
        assert result.retry_after is None
        assert box.count(operation) == 1
        sent = len(box.log.requests)
        for other in OPERATIONS:
            check_end(await outcome(doo, other), other, Ends(RateLimited, 0))
        assert len(box.log.requests) == sent


@every_operation
async def test_the_pause_is_kept(operation: Operation) -> None:
    """S12: nothing leaves before the time that doo asked for, and then the call goes on as if nothing had been."""
    async with boxed() as (box, doo):
        box.script(attrs.evolve(limited("Retry-After: 1"), on=operation))
        if operation == "token":
            box.script(Fault("replaced", on="organizations", body=written(active_team={"id": 111})))
        begun = time.monotonic()
        check_end(await outcome(doo, operation), operation, Ends(None, 2))
        assert time.monotonic() - begun >= 1.0
        assert box.count(operation) == 2
        first, second = (each.time for each in box.log.requests if each.kind == operation)
        assert second - first >= 1.0


async def test_no_wait_at_all() -> None:
    """S12: "0" is taken at its word, ten times at most; the key's own limits hold as ever."""
    async with boxed() as (box, doo):
        box.script(attrs.evolve(limited("Retry-After: 0"), on="create", times=None))
        check_end(await outcome(doo, "create"), "create", Ends(RateLimited, 10))
        assert box.count("create") == 10


@every_operation
async def test_the_day_is_spent(operation: Operation) -> None:
    """S11: "Limit Exceeded" ends the call and every other one for an hour, whatever else the answer says."""
    fault = limited("Retry-After: 1", body=written(message="Limit Exceeded"))
    async with boxed(limits=Limits(per_second=None)) as (box, doo):
        box.script(attrs.evolve(fault, on=operation, times=None))
        begun = datetime.now(UTC)
        result = await outcome(doo, operation)
        check_end(result, operation, Ends(QuotaExhausted, 1))
        assert timedelta(minutes=59) < result.resume_at - begun < timedelta(minutes=62)
        check_truth(box, operation, result)
        sent = len(box.log.requests)
        for other in OPERATIONS:
            check_end(await outcome(doo, other), other, Ends(QuotaExhausted, 0))
        assert len(box.log.requests) == sent


@every_operation
async def test_a_failure_that_asks_to_wait(operation: Operation) -> None:
    """S16: a 503 with Retry-After leaves a change in doubt all the same, and the whole key waits."""
    fault = limited("Retry-After: 3600", status=503)
    ends = {
        "token": Ends(ServerError, 1),
        "list": Ends(ServerError, 1),
        "create": Ends(OutcomeUnknown, 1, ServerError),
        "delete": Ends(OutcomeUnknown, 1, ServerError),
    }
    async with boxed(deadline=20) as (box, doo):
        box.script(attrs.evolve(fault, on=operation, times=None))
        check_end(await outcome(doo, operation), operation, ends[operation])
        assert box.count(operation) == 1
        sent = len(box.log.requests)
        for other in OPERATIONS:
            check_end(await outcome(doo, other), other, Ends(DeadlineExceeded, 0))
        assert len(box.log.requests) == sent


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_other_failures_that_ask_to_wait(status: int) -> None:
    """S16: any 5xx may ask for it."""
    async with boxed(deadline=20) as (box, doo):
        box.script(attrs.evolve(limited("Retry-After: 59", status=status), on="list", times=None))
        check_end(await outcome(doo, "list"), "list", Ends(ServerError, 1))
        assert box.count("list") == 1
