"""Whether a failed request may be sent again; a pure table."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest

from aiodoo.client.retry_limits import TryAgain, may_repeat, wait_between, waits
from aiodoo.client.transport import TlsRefused
from aiodoo.errors import (
    ApiError,
    AuthenticationError,
    BodyTooLarge,
    DooError,
    InvalidRequest,
    NotFound,
    NotJson,
    PaginationError,
    PermissionDenied,
    ProtocolError,
    SchemaMismatch,
    ServerError,
    TransportError,
    UnexpectedRedirect,
)
from aiodoo.protocol.wire import Kind

READS = [Kind.LIST, Kind.ORGANIZATIONS, Kind.TOKEN]
PASSING: list[DooError] = [
    TransportError(sent=True),
    TransportError(sent=False),
    TransportError(sent=False, unreachable=True),
    ServerError(status=500),
    ServerError(status=503),
    NotJson(status=200),
]
LASTING: list[DooError] = [
    TlsRefused(sent=False, lasting=True),
    TransportError(sent=False, lasting=True),
    SchemaMismatch(status=200),
    PaginationError(),
    UnexpectedRedirect(status=302),
    BodyTooLarge(status=200),
    ProtocolError(),
    AuthenticationError(status=403),
    PermissionDenied(status=403),
    NotFound(status=404),
    InvalidRequest(status=400),
    ApiError(status=409),
]


def name(value: object) -> str:
    """Name a parameter in a test's id."""
    return str(value.value) if isinstance(value, Kind) else type(value).__name__


@pytest.mark.parametrize("kind", READS, ids=name)
@pytest.mark.parametrize("error", PASSING, ids=name)
def test_reads_are_tried_three_times(kind: Kind, error: DooError) -> None:
    """What may be gone in a moment is worth two more tries."""
    assert [may_repeat(kind, error, tries) for tries in (1, 2, 3)] == [True, True, False]


@pytest.mark.parametrize("kind", list(Kind), ids=name)
@pytest.mark.parametrize("error", LASTING, ids=name)
def test_what_lasts_is_not_tried_again(kind: Kind, error: DooError) -> None:
    """Another try cannot help; only a delete in doubt is repeated, once, because that is safe."""
    doubtful = (ProtocolError(), ApiError(status=409), SchemaMismatch(status=200), PaginationError())
    if kind is Kind.DELETE and type(error) in {type(each) for each in doubtful}:
        return
    if kind is Kind.DELETE and isinstance(error, BodyTooLarge):
        return
    assert not may_repeat(kind, error, 1)


@pytest.mark.parametrize("kind", [Kind.CREATE, Kind.INITIALIZE], ids=name)
@pytest.mark.parametrize("error", [TransportError(), ServerError(status=503), NotJson(status=200)], ids=name)
def test_a_change_in_doubt_is_never_repeated(kind: Kind, error: DooError) -> None:
    """A create or an initialization that may have happened is not sent again."""
    assert not may_repeat(kind, error, 1)


@pytest.mark.parametrize("kind", [Kind.CREATE, Kind.INITIALIZE, Kind.DELETE], ids=name)
def test_a_change_that_never_left_is_tried_three_times(kind: Kind) -> None:
    """Without a connection doo has seen nothing."""
    error = TransportError(sent=False)
    assert [may_repeat(kind, error, tries) for tries in (1, 2, 3)] == [True, True, False]


@pytest.mark.parametrize("error", [TransportError(), ServerError(status=500), ProtocolError()], ids=name)
def test_a_delete_in_doubt_is_sent_twice(error: DooError) -> None:
    """To delete twice is to delete once; a third time tells no more."""
    assert [may_repeat(Kind.DELETE, error, tries) for tries in (1, 2)] == [True, False]


def test_waits_double_up_to_a_minute() -> None:
    """From half a second, each is twice the one before, and none is over 60 s."""
    waits = [wait_between(tries)[1] for tries in range(1, 12)]
    assert waits[0] == 0.5
    assert all(later == min(60.0, 2 * earlier) for earlier, later in pairwise(waits))
    assert {wait_between(tries)[0] for tries in range(1, 12)} == {0.0}


def test_three_tries_outlast_a_second_without_network() -> None:
    """Also if the first of them was an answer that broke off, after which the wait may be none at all."""
    (first, _), (second, longest) = (wait_between(tries, outage=True) for tries in (1, 2))
    assert min(first + second, second) >= 1.5
    assert longest == 3.0


def test_the_wait_generator_says_what_it_is_told() -> None:
    """Each wait is exactly that of the `TryAgain` it is sent."""
    generator = waits()
    next(generator)
    assert [generator.send(TryAgain(wait)) for wait in (3.0, 0.0, 1234.5)] == [3.0, 0.0, 1234.5]


def test_a_session_warns_of_nothing_on_python_3_14() -> None:
    """What backoff asks asyncio there is deprecated; whoever makes warnings errors can make Sessions all the same."""
    code = """
import asyncio, inspect, warnings

def iscoroutinefunction(function):
    warnings.warn("as Python 3.14 says", DeprecationWarning, stacklevel=2)
    return inspect.iscoroutinefunction(function)

asyncio.iscoroutinefunction = iscoroutinefunction
warnings.simplefilter("error")
import aiodoo
for _ in range(2):
    aiodoo.Session(api_key="a", client_id="b", client_secret="c")
assert warnings.filters[0][0] == "error"
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert shown.stderr == ""
