"""Maps refused answers to exceptions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import attrs
import msgspec

from aiodoo.errors import (
    ApiError,
    AuthenticationError,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    ServerError,
    UnexpectedRedirect,
)
from aiodoo.models.secret_fields import guard
from aiodoo.protocol import retry_after
from aiodoo.protocol.decoding import decode, mismatch
from aiodoo.protocol.sanitizing import LONGEST_DATA, any_spelling, clean, secrets_in
from aiodoo.protocol.wire import Answer, Kind, Request
from aiodoo.secret import Secret

_ENVELOPE = b"response_status"
_YES = re.compile(rb'response_status"[ \t\r\n]*:[ \t\r\n]*2[0-9][0-9][ \t\r\n]*[,}]')
_HEAD = 2048
"""Bytes of a 2xx that are searched for an envelope; a refusal is short, and a list page is not."""


_CLASSES: dict[int, tuple[type[ApiError], str]] = {
    400: (InvalidRequest, ". Nothing was changed"),
    401: (AuthenticationError, ". The token was refused; nothing was changed"),
    403: (PermissionDenied, ". The account may not do this; nothing was changed"),
    404: (NotFound, ". Check the ids; nothing was changed"),
    422: (InvalidRequest, ". Nothing was changed"),
    429: (RateLimited, ". The API key asked too often; nothing was changed"),
}


@attrs.frozen(kw_only=True, repr=False)
class _Messages:
    """The server's messages, sanitized."""

    developer: str | None = None
    user: str | None = None
    data: str | None = None

    @property
    def text(self) -> str:
        """All messages as one text: the one for users first, as doo's own client shows it."""
        said = dict.fromkeys(words for words in (self.user, self.developer, self.data) if words)
        return "; ".join(words.rstrip(".") for words in said) or "no reason was given"


def refuse(answer: Answer, request: Request, *, hide: Sequence[Secret] = ()) -> None:
    """Raise an exception if the answer is not a success; return None if it is.

    Args:
        answer: doo's answer.
        request: the request that it answers.
        hide: secrets to hide if the server repeats them, besides those in the request's body.

    Raises:
        UnexpectedRedirect: the answer is a redirect.
        ApiError: the status is a refusal, or that of the envelope if the request changes nothing.
        SchemaMismatch: a write was answered with a 2xx whose envelope is a refusal, so its outcome is unknown.
        ProtocolError: the status is not that of a final answer, such as 101.
    """
    if 200 <= answer.status < 300:
        at = answer.body.find(_ENVELOPE, 0, _HEAD)
        if at >= 0 and request.kind is not Kind.DELETE and not _says_yes(answer.body, at):
            _check_envelope(answer, request, hide)
        return
    if answer.status < 200:
        raise ProtocolError(
            f"doo answered {describe(request)} with HTTP {answer.status}, which ends nothing",
            status=answer.status,
            request_id=answer.request_id,
        )
    if 300 <= answer.status < 400:
        raise UnexpectedRedirect(
            f"doo answered {describe(request)} with a redirect (HTTP {answer.status}); it was not followed. "
            "Check the base URL",
            status=answer.status,
            request_id=answer.request_id,
        )
    envelope = _object(answer)
    status = read_status(envelope.get("response_status"))
    if status is None or status < 500 or answer.status == 429:
        status = answer.status
    raise _error(max(status, answer.status), answer, request, envelope, hide)


def describe(request: Request) -> str:
    """Return a description of a request for error messages."""
    team = f" of team {request.team_id}" if request.team_id else ""
    page = f" (page {request.page})" if request.page else ""
    descriptions = {
        Kind.TOKEN: "the request for a token",
        Kind.ORGANIZATIONS: f"the request for the organizations{page}",
        Kind.LIST: f"the request for the webhook configurations{team}{page}",
        Kind.CREATE: f"the creation of a webhook configuration{team}",
        Kind.DELETE: f"the deletion of webhook configuration {request.webhook_id}{team}",
        Kind.INITIALIZE: f"the initialization of {request.path.rpartition('/')[2]}",
        Kind.READ: f"{request.method} {request.path}",
        Kind.WRITE: f"{request.method} {request.path}",
    }
    return descriptions[request.kind]


def read_status(value: object) -> int | None:
    """Return an envelope's `response_status`, given as an int or as three digits; None for anything else."""
    if type(value) is int:
        return value
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():
        return int(value)
    return None


def _says_yes(body: bytes, at: int) -> bool:
    """Return whether a body's only `response_status`, at this place, is 2xx, so that it need not be decoded for it."""
    return _YES.match(body, at) is not None and body.find(_ENVELOPE, at + 1) < 0


def _check_envelope(answer: Answer, request: Request, hide: Sequence[Secret]) -> None:
    """Raise if the envelope of a 2xx is a refusal; a delete's body is ignored, as only a list proves a delete."""
    envelope = _object(answer)
    status = read_status(envelope.get("response_status"))
    if status is None or status < 400:
        return
    if request.kind.is_write:
        messages = _messages(envelope, request, hide)
        raise mismatch(answer, "$.response_status", f"says {status} ({messages.text})")
    raise _error(status, answer, request, envelope, hide)


def _object(answer: Answer) -> dict[str, Any]:
    """Return the body's JSON object; an empty dict if there is none, as in a gateway's HTML page."""
    try:
        body = decode(answer)
    except ProtocolError:
        return {}
    return body if isinstance(body, dict) else {}


def _messages(envelope: dict[str, Any], request: Request, hide: Sequence[Secret]) -> _Messages:
    named = ("developer_message", "message", "user_message")
    said = {name: words for name in named if isinstance(words := envelope.get(name), str) and words.strip()}
    data = _as_text(envelope.get("data"))
    hidden = any_spelling([*hide, *secrets_in(request)], [*said.values(), data])

    def cleaned(name: str) -> str | None:
        return clean(said[name], hidden) if name in said else None

    return _Messages(
        developer=cleaned("developer_message") or cleaned("message"),
        user=cleaned("user_message"),
        data=clean(data, hidden, longest=LONGEST_DATA) if data.strip() else None,
    )


def _as_text(data: Any) -> str:
    """Return the `data` of a refusal, which may be any JSON, as text with `***` for each credential."""
    if data in (None, {}, []):
        return ""
    if isinstance(data, str):
        return data
    return msgspec.json.encode(guard(data), enc_hook=lambda _: "***").decode()


def _error(
    status: int, answer: Answer, request: Request, envelope: dict[str, Any], hide: Sequence[Secret]
) -> ApiError:
    messages = _messages(envelope, request, hide)
    kind, advice = _class(status, request, envelope.get("message"))
    spent: dict[str, Any] = {"day_spent": _says_day_spent(envelope)} if kind is RateLimited else {}
    return kind(
        f"doo refused {describe(request)} (HTTP {status}): {messages.text}{advice}",
        status=status,
        developer_message=messages.developer,
        user_message=messages.user,
        data=messages.data,
        request_id=answer.request_id,
        retry_after=retry_after.parse(answer.headers),
        **spent,
    )


def _says_day_spent(envelope: dict[str, Any]) -> bool:
    """Tell whether a 429 is about the daily quota; the message for the rate limit is another one."""
    said = (envelope.get(name) for name in ("message", "developer_message", "user_message"))
    return any(isinstance(text, str) and text.strip(" .").lower() == "limit exceeded" for text in said)


def _class(status: int, request: Request, gateway: Any) -> tuple[type[ApiError], str]:
    """Return the exception class for a status, and the advice for its message; `gateway` is the gateway's message."""
    if status == 401 and request.kind is Kind.TOKEN:
        return AuthenticationError, ". Check the client id and the client secret"
    if status == 403 and gateway == "Forbidden":
        return AuthenticationError, ". Check the API key, and that it belongs to this base URL"
    # Amazon's API gateway answers so to any path that it does not know, whether or not there is a token.
    if (status == 403 and gateway == "Missing Authentication Token") or (
        status == 404 and request.kind in {Kind.TOKEN, Kind.ORGANIZATIONS}
    ):
        path = " and the path" if request.kind in {Kind.READ, Kind.WRITE} else ""
        return (
            _CLASSES[status][0],
            f". It knows no such path: check the base URL{path} (https://rest.doo.net/v1 is doo's); nothing was changed",
        )
    if 500 <= status < 600:
        return ServerError, ""
    return _CLASSES.get(status, (ApiError, ""))
