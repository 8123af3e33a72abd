"""Four operations, what each may end with, and the worlds in which they are asked for.

A hazard is a row: what is answered, and what each operation has to end with after how many wire requests.
`play` puts one row before one operation and holds the result against the server's own log.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal, get_args

import attrs
import pytest
from canary import hear, make_secret

from aiodoo import (
    AddWebhook,
    AuthenticationError,
    DooError,
    Hook,
    InvalidRequest,
    Limits,
    OutcomeUnknown,
    Session,
)
from aiodoo.clock import Clock
from aiodoo.sandbox import Fault, Sandbox, classic
from aiodoo.secret import Secret

Operation = Literal["token", "list", "create", "delete"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)

TEAM = "111"
WEBHOOK = "12"
CONFIG = AddWebhook(name="crm", hooks=[Hook(type="event_created", endpoint="https://crm.example/doo")])
UNLIMITED = Limits(per_second=None, per_day=None)


class Impatient(Clock):
    """The machine's clock; waits of random length are as short as they can be."""

    __slots__ = ()

    def uniform(self, low: float, high: float) -> float:  # noqa: ARG002
        """Return the lower end."""
        return low


@asynccontextmanager
async def session(base_url: str, keys: Any = None, **options: Any) -> AsyncIterator[Session]:
    """A session in a hurry, with random credentials unless some are given."""
    options = {"limits": UNLIMITED, "clock": Impatient(), "timeout": 10.0, "deadline": 60.0} | options
    async with Session(
        api_key=getattr(keys, "api_key", None) or make_secret(),
        client_id=getattr(keys, "client_id", "client"),
        client_secret=getattr(keys, "client_secret", None) or make_secret(),
        base_url=base_url,
        **options,
    ) as doo:
        yield doo


def has_token(doo: Session) -> Session:
    """Let a session have a token already, so that its first request is the one that matters."""
    doo._client._tokens.current = Secret(make_secret())
    return doo


@asynccontextmanager
async def boxed(**options: Any) -> AsyncIterator[tuple[Sandbox, Session]]:
    """A sandbox whose first team has one webhook, and a session on it."""
    known = {"timeout", "deadline", "limits", "facts", "on_event"}
    mine = {name: options.pop(name) for name in known & set(options)}
    async with Sandbox(plan=None, organizations=1, **options) as box:
        box.add_webhook(TEAM, classic(), webhook_id=WEBHOOK)
        async with session(box.url, box, **mine) as doo:
            yield box, doo


async def ask(doo: Session, operation: Operation) -> Any:
    """Ask for one operation; one that needs nothing but a token stands for the token."""
    match operation:
        case "token":
            return await doo.organizations.active_team()
        case "list":
            return await doo.webhooks.list(TEAM).collect()
        case "create":
            return await doo.webhooks.create(TEAM, CONFIG)
        case "delete":
            return await doo.webhooks.delete(WEBHOOK)


@attrs.frozen
class Ends:
    """What an operation ends with, after so many wire requests; `cause` is what an unknown outcome comes from."""

    error: type[DooError] | None
    sends: int
    cause: type[DooError] | None = None


Row = Mapping[Operation, Ends]


def works() -> Row:
    """It is strange, and fine all the same."""
    return dict.fromkeys(OPERATIONS, Ends(None, 1))


def refused(error: type[DooError]) -> Row:
    """Nothing was done, nothing is in doubt, nothing is sent again."""
    return dict.fromkeys(OPERATIONS, Ends(error, 1))


def lost(cause: type[DooError], *, reads: int = 3, deletes: int = 2) -> Row:
    """Nobody knows: a read is tried so often, a create is in doubt at once, a delete after it was sent twice."""
    read = Ends(cause, reads)
    return {
        "token": read,
        "list": read,
        "create": Ends(OutcomeUnknown, 1, cause),
        "delete": Ends(OutcomeUnknown, deletes, cause),
    }


def unreadable(cause: type[DooError], *, reads: int = 1) -> Row:
    """A 2xx that cannot be read: a create is in doubt; for a delete the status is all that is ever said."""
    return {**lost(cause, reads=reads), "delete": Ends(None, 1)}


def cases(rows: Mapping[str, tuple[Any, Row]], operations: Iterable[Operation] = OPERATIONS) -> list[Any]:
    """Make one parameter set (answer, operation, its end) of each row and operation, named by both."""
    return [
        pytest.param(answer, operation, row[operation], id=f"{name} {operation}")
        for name, (answer, row) in rows.items()
        for operation in operations
        if operation in row
    ]


def good(operation: Operation) -> bytes:
    """Return the body of an answer as it should be."""
    match operation:
        case "token":
            return written(response_status=200, data={"access_token": secrets.token_hex(20)})
        case "list":
            return page([item(WEBHOOK)])
        case "create":
            return written(response_status=200, data="new-1")
        case "delete":
            return b""


def item(webhook_id: Any, **fields: Any) -> dict[str, Any]:
    """One webhook as a list shows it."""
    hooks = [{"type": "event_created", "method": "POST", "endpoint": "https://crm.example/doo"}]
    return {"id": webhook_id, "name": "crm", "hooks": hooks} | fields


def page(items: list[Any], **fields: Any) -> bytes:
    """One page of a list."""
    around = {"_links": {}, "page_count": 1, "page_size": 25, "total_items": len(items), "page": 1}
    return written(_embedded={"webhooks": items}, **(around | fields))


def written(**fields: Any) -> bytes:
    """Write a JSON object."""
    return json.dumps(fields).encode()


def says(
    status: int, body: bytes | None = None, *, acted: bool = True, **headers: str
) -> Callable[..., Fault]:
    """Answer with this status and body, the good one if none is given."""
    named = {"Content-Type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }

    def answer(operation: Operation) -> Fault:
        content = good(operation) if body is None else body
        return Fault("replaced", status=status, headers=named, body=content, acted=acted)

    return answer


def sends(make: Callable[[bytes], bytes]) -> Callable[..., Fault]:
    """Answer with the bytes that are made of a good body, and close."""

    def answer(operation: Operation) -> Fault:
        return Fault("replaced", wire=make(good(operation) or b"{}"))

    return answer


def head(*lines: bytes, status: int = 200, version: bytes = b"1.1", phrase: bytes = b" X") -> bytes:
    """Write a status line and headers."""
    first = b"HTTP/%b %03d%b" % (version, status, phrase)
    return b"".join(line + b"\r\n" for line in (first, *lines)) + b"\r\n"


def length(body: bytes, more: int = 0) -> bytes:
    """Write the header that tells the length of a body."""
    return b"Content-Length: %d" % (len(body) + more)


async def play(answer: Callable[[Operation], Fault], operation: Operation, ends: Ends, **options: Any) -> Any:
    """Let an operation meet an answer as often as it is expected to ask; then doo is well again.

    Holds against the sandbox's log: how it ends and after how many requests, that an end without doubt is the truth,
    and that the session goes on as if nothing had been. Returns the value or the error.
    """
    async with boxed(**options) as (box, doo):
        if operation == "token":
            team = Fault("replaced", on="organizations", times=None, body=written(active_team={"id": 111}))
            box.script(team)
        box.script(attrs.evolve(answer(operation), on=operation, times=ends.sends))
        result = await outcome(doo, operation)
        check_end(result, operation, ends)
        assert box.count(operation) == ends.sends
        assert not box.box.faults_left or operation == "token"
        check_truth(box, operation, result)
        if operation != "token" or not isinstance(result, AuthenticationError | InvalidRequest):
            again = await outcome(doo, operation)
            assert not isinstance(again, DooError), again
    return result


async def outcome(doo: Session, operation: Operation) -> Any:
    """Return what an operation returns or raises."""
    try:
        return await ask(doo, operation)
    except DooError as error:
        hear(error)
        return error


def check_end(result: Any, operation: Operation, ends: Ends) -> None:
    """Hold what came out against what has to."""
    got = type(result) if isinstance(result, DooError) else None
    assert got is ends.error, f"ended with {result!r}"
    if isinstance(result, OutcomeUnknown):
        assert result.operation == operation
        assert type(result.cause) is ends.cause, f"came from {result.cause!r}"
        assert result.sent_at is not None


def check_truth(box: Sandbox, operation: Operation, result: Any) -> None:
    """Whatever is not said to be in doubt is so."""
    live = {webhook["id"] for webhook in box.live(TEAM)}
    if operation == "create" and not isinstance(result, OutcomeUnknown):
        assert len(live - {WEBHOOK}) == (0 if isinstance(result, DooError) else 1)
    if operation == "delete" and isinstance(result, DooError) and not isinstance(result, OutcomeUnknown):
        assert WEBHOOK in live
