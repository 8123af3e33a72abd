"""Applies a fault to an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from aiodoo.sandbox.answers import envelope, error, failure, gateway_error
from aiodoo.sandbox.faults import Fault, FaultKind
from aiodoo.sandbox.jsontext import dumps, loads
from aiodoo.sandbox.settings import Settings
from aiodoo.sandbox.wire import Answer, Drop, write_head


def damage(settings: Settings, fault: Fault, answer: Answer) -> Answer:
    """Return an answer as the client gets it with a fault."""
    if fault.kind in _BY_DOO:
        return _BY_DOO[fault.kind](settings, fault, answer)
    return _DAMAGE[fault.kind](fault, answer)


def _none(_: Fault, answer: Answer) -> Answer:
    return answer


def _lost(fault: Fault, answer: Answer) -> Answer:
    return attrs.evolve(answer, drop=_stage(fault, answer), reset=fault.kind == "reset")


def _late(settings: Settings, fault: Fault, answer: Answer) -> Answer:
    return _lost(fault, answer) if fault.status is None else _failed(settings, fault, answer)


def _failed(settings: Settings, fault: Fault, _: Answer) -> Answer:
    return _overridden(fault, failure(settings, fault.status or 500))


def _too_many(fault: Fault, _: Answer) -> Answer:
    return _overridden(fault, gateway_error(429, "Too Many Requests", "TooManyRequestsException"))


def _unauthorized(settings: Settings, fault: Fault, _: Answer) -> Answer:
    return _overridden(fault, error(settings, settings.token_refused_status))


def _slow(fault: Fault, answer: Answer) -> Answer:
    return attrs.evolve(answer, delay=fault.seconds, drip=fault.seconds)


def _stage(fault: Fault, answer: Answer) -> Drop:
    """Return where the connection breaks; without a body it cannot break in the body."""
    return "in_headers" if fault.stage == "in_body" and not answer.body else fault.stage


def _overridden(fault: Fault, answer: Answer) -> Answer:
    body = answer.body if fault.body is None else fault.body
    return Answer(answer.status, {**answer.headers, **(fault.headers or {})}, body)


def _truncated(fault: Fault, answer: Answer) -> Answer:
    kept = answer.body[: len(answer.body) // 2 if fault.keep is None else fault.keep]
    if fault.content_length == "matching":
        return attrs.evolve(answer, body=kept)
    head = write_head(answer.status, answer.headers, len(answer.body))
    return attrs.evolve(answer, drop="in_body", wire=head + kept)


def _replaced(fault: Fault, _: Answer) -> Answer:
    headers, body = dict(fault.headers or {}), fault.body or b""
    status = fault.status or 200
    if fault.wire is not None:
        return Answer(status, headers, body, drop="in_headers", wire=fault.wire)
    return Answer(status, headers, body, wire=write_head(status, headers, len(body)) + body)


def _lie(settings: Settings, fault: Fault, answer: Answer) -> Answer:
    content = loads(answer.body) if answer.body else envelope(settings, answer.status, "Error")
    content["response_status"] = fault.response_status
    headers = {"Content-Type": "application/json", **answer.headers}
    return attrs.evolve(
        answer, status=200 if answer.status == 204 else answer.status, headers=headers, body=dumps(content)
    )


def _broken_items(fault: Fault, answer: Answer) -> Answer:
    content = loads(answer.body) if answer.status == 200 else {}
    if "_embedded" not in content:
        return answer
    content["_embedded"]["webhooks"] = [fault.item] * fault.count
    return attrs.evolve(answer, body=dumps(content))


_DAMAGE: Mapping[FaultKind, Callable[[Fault, Answer], Answer]] = {
    "lost_before": _lost,
    "lost_after": _lost,
    "delete_ignored": _none,
    "reset": _lost,
    "slow": _slow,
    "stale": _none,
    "truncated": _truncated,
    "too_many": _too_many,
    "replaced": _replaced,
    "broken_items": _broken_items,
}

_BY_DOO: Mapping[FaultKind, Callable[[Settings, Fault, Answer], Answer]] = {
    "late": _late,
    "error_acted": _failed,
    "error_not_acted": _failed,
    "unauthorized": _unauthorized,
    "envelope_lie": _lie,
}
