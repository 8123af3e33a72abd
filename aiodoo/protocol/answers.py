"""Parses doo's answers. Call `refuse` first, then the reader for the kind of request."""

from __future__ import annotations

import re
from typing import Any

from aiodoo.checks import ID
from aiodoo.models import OrganizationsPage
from aiodoo.protocol.decoding import decode, mismatch, read_counter
from aiodoo.protocol.listing import read_page
from aiodoo.protocol.organizations import read_organizations
from aiodoo.protocol.refusals import describe, read_status, refuse
from aiodoo.protocol.wire import Answer
from aiodoo.secret import Secret

__all__ = [
    "OrganizationsPage",
    "can_be_token",
    "describe",
    "read_created",
    "read_deleted",
    "read_initialized",
    "read_json",
    "read_organizations",
    "read_page",
    "read_token",
    "refuse",
]

_TOKEN = re.compile(r"[!-~]{1,8192}")


def read_token(answer: Answer) -> Secret:
    """Return the token at `data.access_token` ("Authorization"); its lifetime is not documented.

    Raises:
        ProtocolError: there is no token that is valid in a header.
    """
    data = _envelope(answer).get("data")
    if not isinstance(data, dict):
        raise mismatch(answer, "$.data", "must be an object")
    token = data.get("access_token")
    if not isinstance(token, str) or not can_be_token(token):
        raise mismatch(answer, "$.data.access_token", "must be 1 to 8192 printable ASCII characters")
    return Secret(token)


def can_be_token(text: str) -> bool:
    """Return whether a text is valid in the header that carries the token."""
    return _TOKEN.fullmatch(text) is not None


def read_created(answer: Answer) -> str:
    """Return the id of a new webhook configuration, at `data` ("Create webhook configuration").

    Raises:
        ProtocolError: there is no valid id, so it is unknown what was created.
    """
    created = _envelope(answer).get("data")
    text = str(created) if type(created) is int else created
    if not isinstance(text, str) or ID.fullmatch(text) is None:
        raise mismatch(answer, "$.data", "must be an id")
    return text


def read_deleted(_answer: Answer) -> None:
    """Return None: the answer does not depend on whether anything was deleted ("Remove webhook configuration")."""


def read_initialized(answer: Answer) -> int:
    """Return the number of items that doo will send, at `items_processed` ("Webhook initialization").

    Raises:
        ProtocolError: there is no valid `items_processed`.
    """
    try:
        sent = read_counter(_envelope(answer).get("items_processed"))
    except ValueError:
        sent = None
    if sent is None:
        raise mismatch(answer, "$.items_processed", "must be a whole number, not negative")
    return sent


def read_json(answer: Answer) -> Any:
    """Return the parsed body; None if the answer has no body, such as a 204."""
    return decode(answer) if answer.body.strip() else None


def _envelope(answer: Answer) -> dict[str, Any]:
    """Return the body's JSON object; a `response_status` in it must be 2xx."""
    body = decode(answer)
    if not isinstance(body, dict):
        raise mismatch(answer, "$", "must be an object")
    if "response_status" in body and read_status(body["response_status"]) not in range(200, 300):
        raise mismatch(answer, "$.response_status", "is no status of success")
    return body
