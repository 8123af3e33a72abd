from __future__ import annotations

import asyncio

import pytest

from aiodoo import (
    ApiError,
    AuthenticationError,
    BodyTooLarge,
    ConfigError,
    DeadlineExceeded,
    InvalidRequest,
    NotCopyable,
    NotFound,
    NotJson,
    PermissionDenied,
    ProtocolError,
    QuotaExhausted,
    RateLimited,
    SchemaMismatch,
    ServerError,
    TransportError,
    UnexpectedRedirect,
)
from aiodoo.protocol.outcome import RequestOutcome, outcome
from aiodoo.protocol.wire import Kind

APPLIED, NOT_APPLIED, UNKNOWN = RequestOutcome.APPLIED, RequestOutcome.NOT_APPLIED, RequestOutcome.UNKNOWN

NOT_SENT = [
    TransportError("refused", sent=False),
    ConfigError("bad"),
    NotCopyable("masked"),
    QuotaExhausted("day"),
    DeadlineExceeded("late"),
    RateLimited("paused here; nothing was sent"),
]

REFUSED = [
    InvalidRequest(status=400),
    AuthenticationError(status=401),
    AuthenticationError(status=403),
    PermissionDenied(status=403),
    NotFound(status=404),
    ApiError(status=405),
    ApiError(status=413),
    ApiError(status=415),
    InvalidRequest(status=422),
    RateLimited(status=429),
]

IN_DOUBT = [
    TransportError("reset after the headers went out", sent=True),
    TransportError("said nothing of it"),
    *(
        ApiError(status=status)
        for status in (100, 402, 406, 408, 409, 410, 412, 418, 423, 425, 451, 600, 999)
    ),
    *(ServerError(status=status) for status in (500, 501, 502, 503, 504, 507, 599)),
    *(UnexpectedRedirect(status=status) for status in (301, 302, 303, 304, 307, 308)),
    ProtocolError("malformed"),
    BodyTooLarge(status=500),
    NotJson(status=None),
    asyncio.CancelledError(),
    KeyboardInterrupt(),
    TimeoutError(),
    ValueError(),
]

UNREADABLE = [
    NotJson(status=200),
    SchemaMismatch(status=200),
    SchemaMismatch(status=201),
    SchemaMismatch(status=204),
    BodyTooLarge(status=200),
    ProtocolError(status=299),
]

CHANGES = [Kind.CREATE, Kind.DELETE, Kind.INITIALIZE]


def named(evidence: object) -> str:
    """Return how a row is named in the test's report."""
    return f"{type(evidence).__name__} {getattr(evidence, 'status', '')} {evidence}"


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("evidence", NOT_SENT, ids=named)
def test_what_was_never_sent_was_not_applied(kind: Kind, evidence: BaseException) -> None:
    """Connection failures and our own refusals prove that doo saw nothing."""
    assert outcome(kind, evidence) is NOT_APPLIED


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("evidence", REFUSED, ids=named)
def test_what_doo_refused_was_not_applied(kind: Kind, evidence: BaseException) -> None:
    """These statuses are given instead of acting."""
    assert outcome(kind, evidence) is NOT_APPLIED


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("evidence", IN_DOUBT, ids=named)
def test_everything_else_is_unknown(kind: Kind, evidence: BaseException) -> None:
    """Server errors, conflicts, redirects, lost answers and cancellation prove nothing."""
    assert outcome(kind, evidence) is UNKNOWN


@pytest.mark.parametrize("evidence", UNREADABLE, ids=named)
def test_an_unreadable_success_is_unknown_except_for_a_delete(evidence: BaseException) -> None:
    """Without a readable answer nobody knows what was created; a delete's answer has nothing to read."""
    assert outcome(Kind.CREATE, evidence) is UNKNOWN
    assert outcome(Kind.INITIALIZE, evidence) is UNKNOWN
    assert outcome(Kind.DELETE, evidence) is APPLIED


@pytest.mark.parametrize(("kind", "value"), [(Kind.CREATE, "12"), (Kind.DELETE, None), (Kind.INITIALIZE, 0)])
def test_a_value_that_was_read_means_applied(kind: Kind, value: object) -> None:
    """A readable id or number, or any 2xx to a delete."""
    assert outcome(kind, value) is APPLIED
