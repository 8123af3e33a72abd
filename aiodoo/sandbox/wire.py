"""Requests, answers and routes."""

from __future__ import annotations

from collections.abc import Container, Mapping
from http import HTTPStatus
from typing import Literal, get_args
from urllib.parse import unquote

import attrs

Operation = Literal["token", "organizations", "list", "create", "delete", "initialize", "unknown"]
Drop = Literal["before_answer", "in_headers", "in_body", "no_answer"]


def check_operation(operation: object) -> None:
    """Raise ValueError if there is no such operation, which no request would ever match."""
    if operation not in get_args(Operation):
        raise ValueError(f"an operation is one of {get_args(Operation)}, not {operation!r}")


def check_team(team: str | None, teams: Container[str]) -> None:
    """Raise ValueError if a team is given and does not exist."""
    if team is not None and team not in teams:
        raise ValueError(f"there is no team {team!r}")


@attrs.define
class Request:
    """One HTTP request; `path` is the raw path, including `/v1`."""

    method: str
    path: str
    query: Mapping[str, str] = attrs.Factory(dict)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)

    def header(self, name: str) -> str | None:
        """Return a header's value, found without regard to case; `name` is in lower case."""
        value = self.headers.get(name)
        if value is not None:
            return value
        return next((value for key, value in self.headers.items() if key.lower() == name), None)


@attrs.define
class Answer:
    """One answer, and how it is sent.

    Parameters:
        delay: seconds until the answer has arrived completely.
        drop: where the connection breaks: before the answer, in its headers, in its body (`body` is the whole of it);
            or "no_answer", which keeps it open without an answer until the client disconnects.
        reset: break the connection with a TCP reset.
        drip: the part of `delay` in which the body is sent, a few bytes at a time.
        wire: send exactly these bytes, then close. They encode `status`, `headers` and `body`; with `drop` they are not
            valid HTTP.
    """

    status: int
    headers: dict[str, str] = attrs.Factory(dict)
    body: bytes = attrs.field(default=b"", repr=False)
    delay: float = 0.0
    drop: Drop | None = None
    reset: bool = False
    drip: float = 0.0
    wire: bytes | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Route:
    """The operation of a request, and its target."""

    operation: Operation
    team: str | None = None
    webhook_id: str | None = None
    resource: str | None = None


def find_route(method: str, path: str) -> Route:
    """Return the route of a method and path; the operation of a path that doo does not have is "unknown"."""
    route = Route("unknown")
    match method, [unquote(part) for part in path.split("/")]:
        case "POST", ["", "v1", "oauth"]:
            route = Route("token")
        case "GET", ["", "v1", "organizers", "current", "organizations"]:
            route = Route("organizations")
        case "GET", ["", "v1", "team", team, "webhooks"]:
            route = Route("list", team=team)
        case "POST", ["", "v1", "team", team, "webhooks"]:
            route = Route("create", team=team)
        case "DELETE", ["", "v1", "webhooks", webhook_id]:
            route = Route("delete", webhook_id=webhook_id)
        case "POST", ["", "v1", "webhooks", "init", resource]:
            route = Route("initialize", resource=resource)
    return route


def write_head(status: int, headers: Mapping[str, str], length: int) -> bytes:
    """Encode a status line and headers, with Content-Length unless the headers give the length of the body."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    if not {"content-length", "transfer-encoding"} & {name.lower() for name in headers}:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1", "replace")
