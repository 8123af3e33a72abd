"""Requests and answers as plain values, and the kinds of request."""

from __future__ import annotations

from enum import StrEnum

import attrs
from multidict import MultiMapping


class Kind(StrEnum):
    """The kind of a request; `READ` and `WRITE` are the requests of `Session.request`."""

    TOKEN = "token"  # noqa: S105  # a word, not a token
    ORGANIZATIONS = "organizations"
    LIST = "list"
    CREATE = "create"
    DELETE = "delete"
    INITIALIZE = "initialize"
    READ = "read"
    WRITE = "write"

    is_write: bool
    """Whether such a request changes anything at doo."""
    needs_no_body: bool
    """Whether the answer is complete without its body, as for a delete."""

    def __init__(self, word: str) -> None:
        self.is_write = word in {"create", "delete", "initialize", "write"}
        self.needs_no_body = word == "delete"


@attrs.frozen(kw_only=True)
class Request:
    """A request below the base URL, without API key and token.

    Attributes:
        kind: the kind of request.
        method: the HTTP method.
        path: the path below the base URL.
        page: the value of `?page=`; None for no such parameter.
        query: other query parameters, encoded.
        body: the encoded body. It may hold secrets, so the repr omits it.
        team_id: the team that the request is for, if any.
        webhook_id: the webhook configuration that the request is for, if any.
        bearer: whether the request carries the token.
    """

    kind: Kind
    method: str
    path: str
    page: int | None = None
    query: str = ""
    body: bytes = attrs.field(default=b"", repr=False)
    team_id: str | None = None
    webhook_id: str | None = None
    bearer: bool = True


@attrs.frozen(kw_only=True)
class Answer:
    """An answer of doo. Its headers and body may hold secrets, so the repr omits them."""

    status: int
    headers: MultiMapping[str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)

    @property
    def request_id(self) -> str | None:
        """The gateway's id of the request, for doo's support."""
        value: str | None = self.headers.get("x-amzn-RequestId")
        return value
