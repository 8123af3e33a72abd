"""One request and one answer, as they go over the wire."""

from __future__ import annotations

from enum import StrEnum

import attrs
from multidict import MultiMapping


class Kind(StrEnum):
    """What a request asks doo for; `READ` and `WRITE` are those of `Session.request`."""

    TOKEN = "token"  # noqa: S105  # a word, not a token
    ORGANIZATIONS = "organizations"
    LIST = "list"
    CREATE = "create"
    DELETE = "delete"
    INITIALIZE = "initialize"
    READ = "read"
    WRITE = "write"

    @property
    def is_write(self) -> bool:
        """Whether such a request changes something at doo."""
        return self in {Kind.CREATE, Kind.DELETE, Kind.INITIALIZE, Kind.WRITE}

    @property
    def needs_no_body(self) -> bool:
        """Whether a 2xx alone says all that doo says, as it does of a delete."""
        return self is Kind.DELETE


@attrs.frozen(kw_only=True)
class Request:
    """What is asked, below the base URL and without credentials.

    `body` may hold secrets, so it never shows in a repr. `bearer` tells whether the token goes with it.
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
    """What came back. Headers and body may hold secrets, so they never show in a repr."""

    status: int
    headers: MultiMapping[str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)

    @property
    def request_id(self) -> str | None:
        """The gateway's name for the request, for doo's support."""
        value: str | None = self.headers.get("x-amzn-RequestId")
        return value
