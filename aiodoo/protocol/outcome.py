"""The outcome of a changing request: the one place that decides it."""

from __future__ import annotations

from enum import StrEnum

from aiodoo.error_meaning import not_sent
from aiodoo.errors import ApiError, ProtocolError
from aiodoo.protocol.wire import Kind


class RequestOutcome(StrEnum):
    """Whether doo did what it was asked to do."""

    APPLIED = "applied"
    NOT_APPLIED = "not applied"
    UNKNOWN = "unknown"


REFUSED = frozenset({400, 401, 403, 404, 405, 413, 415, 422, 429})
"""Statuses that doo, or the gateway before it, gives without having acted."""


def outcome(kind: Kind, evidence: object) -> RequestOutcome:
    """Return what became of a request, judged by what came back.

    A delete that is APPLIED was sent and answered; doo answers 204 whatever happened, so only a list without
    the id proves it.

    Args:
        kind: what was asked for.
        evidence: an exception if one was raised, `CancelledError` too; else the value that was read.
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
