"""A request as it reaches the box, the answer it gives, and which of doo's operations a request names."""

from __future__ import annotations

from collections.abc import Container, Mapping
from http import HTTPStatus
from typing import Literal, get_args
from urllib.parse import unquote

import attrs

Operation = Literal["token", "organizations", "list", "create", "delete", "initialize", "unknown"]
Drop = Literal["before_answer", "in_headers", "in_body", "no_answer"]


def check_operation(operation: object) -> None:
    """Raise ValueError unless there is such an operation: what is misspelled would never happen, in silence."""
    if operation not in get_args(Operation):
        raise ValueError(f"an operation is one of {get_args(Operation)}, not {operation!r}")


def check_team(team: str | None, teams: Container[str]) -> None:
    """Raise ValueError unless there is such a team, or none is named."""
    if team is not None and team not in teams:
        raise ValueError(f"there is no team {team!r}")


@attrs.define
class Request:
    """One wire request; `path` is the path on the wire, including `/v1`."""

    method: str
    path: str
    query: Mapping[str, str] = attrs.Factory(dict)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)

    def header(self, name: str) -> str | None:
        """Return a header's value, whatever the case of its name; `name` is given in lower case."""
        value = self.headers.get(name)
        if value is not None:
            return value
        return next((value for key, value in self.headers.items() if key.lower() == name), None)


@attrs.define
class Answer:
    """One answer, and how it travels.

    Parameters:
        delay: seconds from now until the answer has arrived completely.
        drop: break the connection instead: before a byte of the answer, in its headers, in its body (`body` is
            what was meant to arrive), or keep it open and say nothing until the client leaves.
        reset: break it with a TCP reset, not an orderly close.
        drip: the part of `delay` that the body takes, a few bytes at a time.
        wire: send exactly these bytes, then close; they are what `status`, `headers` and `body` say, unless `drop`
            is set too: then they are no HTTP.
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
    """Which operation a request names, and on what."""

    operation: Operation
    team: str | None = None
    webhook_id: str | None = None
    resource: str | None = None


def find_route(method: str, path: str) -> Route:
    """Read an operation from method and path; what doo has no such path for is "unknown"."""
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
    """Write a status line and headers; Content-Length only where the headers do not say how long the body is."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    if not {"content-length", "transfer-encoding"} & {name.lower() for name in headers}:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1", "replace")
