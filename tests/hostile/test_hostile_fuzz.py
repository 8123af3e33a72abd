"""Damaged bytes on the wire, headers of any kind and pages in any order: an error of ours or an answer, nothing else."""

from __future__ import annotations

import math
import random
import secrets
from typing import Any

import attrs
from hostile_world import OPERATIONS, Operation, boxed, good, head, length, outcome
from hypothesis import given, settings
from hypothesis import strategies as st
from models.doo_lists import FUZZ_EXAMPLES
from multidict import CIMultiDict

from aiodoo import DooError, PaginationError, Secret, WebhookConfiguration
from aiodoo.models import Page
from aiodoo.protocol import retry_after
from aiodoo.protocol.next_page import MOST_PAGES, Pager
from aiodoo.protocol.sanitizing import without_echoes
from aiodoo.protocol.wire import Answer, Kind, Request
from aiodoo.sandbox import Fault

fuzz = settings(max_examples=FUZZ_EXAMPLES)

PIECES = [
    b"",
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b":",
    b" ",
    b"HTTP/1.1 ",
    b"204",
    b"100",
    b"Content-Length: 3\r\n",
    b"\xff",
]
PIECES += [
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: gzip\r\n",
    b"0\r\n\r\n",
    b"ffff\r\n",
    b"9" * 30,
    b"-1",
]


def damaged(chance: random.Random, operation: Operation) -> bytes:
    """Damage the bytes of a good answer in a few places."""
    body = good(operation)
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    wire = chance.choice(
        [head(length(body)) + body, head(b"Transfer-Encoding: chunked") + chunks, head() + body]
    )
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(wire))
        end = min(len(wire), start + chance.choice([0, 0, 1, 2, 8, 40]))
        wire = wire[:start] + chance.choice([*PIECES, chance.randbytes(3), wire[start:end] * 2]) + wire[end:]
    return wire


async def test_fuzz_the_wire() -> None:
    """Whatever bytes come back, a call ends with a result or an error of ours, in as many requests as may be sent."""
    most = {"token": 3, "list": 3, "create": 1, "delete": 2}
    for number in range(max(40, FUZZ_EXAMPLES // 20)):
        chance = random.Random(number)
        operation = chance.choice(OPERATIONS)
        async with boxed(timeout=5.0) as (box, doo):
            box.script(Fault("replaced", on=operation, times=None, wire=damaged(chance, operation)))
            if operation == "token":
                box.script(
                    Fault("replaced", on="organizations", times=None, body=b'{"active_team": {"id": 1}}')
                )
            result = await outcome(doo, operation)
            refused_tokens = 2 * (box.count(status=401) > 0)
            assert 1 <= box.count(operation) <= most[operation] + refused_tokens, number
            assert not isinstance(result, DooError) or box.api_key not in f"{result} {vars(result)}", number


values = st.text(max_size=30) | st.integers().map(str) | st.floats().map(str) | st.datetimes().map(str)
dates = st.datetimes().map(lambda each: f"{each:%a, %d %b %Y %H:%M:%S} GMT")
headers = st.lists(st.tuples(st.sampled_from(["Retry-After", "Date", "X"]), values | dates), max_size=4)


@fuzz
@given(headers)
def test_fuzz_retry_after(given_headers: list[tuple[str, str]]) -> None:
    """A wait is none, or between nothing and a week, whatever stands in the headers."""
    seconds = retry_after.parse(CIMultiDict(given_headers))
    assert seconds is None or (math.isfinite(seconds) and 0 <= seconds <= retry_after.LONGEST)
    assert (seconds is None) == all(name != "Retry-After" for name, _ in given_headers)


SECRET = Secret(secrets.token_hex(16))
echoes = st.sampled_from([SECRET.reveal(), SECRET.reveal().upper(), f"a{SECRET.reveal()}b"])
named = st.lists(
    st.tuples(st.sampled_from(["x-amzn-RequestId", "Content-Type", "X"]), values | echoes), max_size=4
)


@fuzz
@given(named, st.binary(max_size=20))
def test_fuzz_echoes(given_headers: list[tuple[str, str]], body: bytes) -> None:
    """Whatever headers there are, none that is shown repeats a secret, and the others stay."""
    answer = Answer(status=200, headers=CIMultiDict(given_headers), body=b"")
    request = Request(kind=Kind.CREATE, method="POST", path="/", body=body)
    shown = without_echoes(answer, request, [SECRET])
    for name in ("x-amzn-RequestId", "Content-Type"):
        assert SECRET.reveal() not in shown.headers.get(name, "").lower()
    assert shown.headers.getall("X", []) == answer.headers.getall("X", [])


counters = st.none() | st.integers(0, 40) | st.integers(0, 10**12)
pages = st.builds(
    Page,
    team_id=st.just("1"),
    number=st.just(1),
    items=st.lists(st.integers(0, 30), max_size=3).map(
        lambda numbers: tuple(WebhookConfiguration(team_id="1", id=f"w{each}", name="x") for each in numbers)
    ),
    page_count=counters,
    page_size=counters,
    total_items=counters,
    has_next_link=st.booleans(),
    answered_number=st.none(),
)


@fuzz
@given(st.lists(pages, min_size=1, max_size=8), st.booleans())
def test_fuzz_pages(shown: list[Any], gone: bool) -> None:  # noqa: FBT001
    """A walk over any pages, again and again, ends: with an error, or having asked for the pages one by one."""
    pager = Pager("1")
    asked = 0
    try:
        while pager.next is not None and asked < MOST_PAGES + 1:
            asked += 1
            assert pager.next == asked
            if gone and pager.extra:
                assert pager.absent()
                break
            pager.read(attrs.evolve(shown[(asked - 1) % len(shown)], number=asked))
    except PaginationError:
        return
    assert asked <= MOST_PAGES
    assert gone or pager.next is None
