"""Decides whether a request was applied, was not applied, or may have been."""

from __future__ import annotations

from enum import StrEnum

from aiodoo.error_meaning import not_sent
from aiodoo.errors import ApiError, ProtocolError
from aiodoo.protocol.wire import Kind


class RequestOutcome(StrEnum):
    """Whether doo carried out a request."""

    APPLIED = "applied"
    NOT_APPLIED = "not applied"
    UNKNOWN = "unknown"


REFUSED = frozenset({400, 401, 403, 404, 405, 413, 415, 422, 429})
"""Statuses of doo or its gateway which mean that the request was not carried out."""


def outcome(kind: Kind, evidence: object) -> RequestOutcome:
    """Return the outcome of a request.

    APPLIED for a delete means only that it was answered: doo answers 204 in any case, so only a list without the id
    proves the deletion ("Remove webhook configuration").

    Args:
        kind: the kind of request.
        evidence: the exception that was raised, including `CancelledError`, or else the value that was read.
    """
    if not isinstance(evidence, BaseException):
        return RequestOutcome.APPLIED
    if not_sent(evidence):
        return RequestOutcome.NOT_APPLIED
    if isinstance(evidence, ApiError):
        return RequestOutcome.NOT_APPLIED if evidence.status in REFUSED else RequestOutcome.UNKNOWN
    if isinstance(evidence, ProtocolError) and kind is Kind.DELETE and evidence.status in range(200, 300):
        return RequestOutcome.APPLIED
    return RequestOutcome.UNKNOWN
