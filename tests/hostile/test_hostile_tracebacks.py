"""An error that somebody keeps, or shows with all its local variables, keeps and shows nothing of what was on the wire."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from client.raw_server import closed_port
from hostile_world import OPERATIONS, Operation, ask, boxed, has_token, head, says, sends, session, written

from aiodoo import DooError, Session
from aiodoo.protocol.wire import Answer
from aiodoo.sandbox import Fault

FAULTS: dict[str, Callable[[Operation], Fault]] = {
    "lost": lambda operation: Fault("lost_after"),
    "reset": lambda operation: Fault("reset"),
    "no HTTP": sends(lambda _: b"SSH-2.0-x\r\n"),
    "two lengths": sends(lambda body: head(b"Content-Length: 1", b"Content-Length: 2") + body),
    "400": says(400, written(user_message="no")),
    "401": says(401, written(user_message="no")),
    "404": says(404, b""),
    "500": says(500, b"<html>"),
    "302": says(302, b"", Location="/"),
    "no JSON": says(200, b"{"),
    "another shape": says(200, b"[]"),
}


async def caught(doo: Session, operation: Operation) -> DooError:
    """Return what an operation raises, with its traceback."""
    try:
        await ask(doo, operation)
    except DooError as error:
        return error
    pytest.fail("it has to fail")


def answers() -> list[Answer]:
    """Return the answers that something holds."""
    gc.collect()
    return [each for each in gc.get_objects() if type(each) is Answer]


def with_locals(error: BaseException) -> str:
    """Write down an error, all that it came from, and the local variables of every frame in aiodoo."""
    shown = []
    chain: list[Any] = [error]
    while chain:
        each = chain.pop()
        if each is not None:
            stack = traceback.TracebackException.from_exception(each, capture_locals=True).stack
            shown += [f"{frame.name} {frame.locals}" for frame in stack if "/aiodoo/" in frame.filename]
            shown.append(f"{each!r} {vars(each)!r}")
            chain += [each.__cause__, each.__context__, getattr(each, "cause", None)]
    return "\n".join(shown)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", FAULTS)
async def test_nothing_of_the_wire_is_kept(name: str, operation: Operation) -> None:
    """No secret shows in a local variable that an error, or what it came from, leads to, and no answer lives on with it."""
    if operation == "delete" and name in {"no JSON", "another shape"}:
        name = "500"  # a delete's body is not looked at
    before = answers()  # what an earlier test holds says nothing of this one
    async with boxed() as (box, doo):
        box.script(attrs.evolve(FAULTS[name](operation), on=operation, times=None, acted=False))
        error = await caught(doo, operation)
        token = doo._client._tokens.current
        shown = with_locals(error)
        assert "_try" in shown
        assert box.api_key not in shown
        assert box.client_secret not in shown
        assert token is None or token.reveal() not in shown
        assert [each for each in answers() if not any(each is one for one in before)] == []


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_nor_without_a_connection(operation: Operation) -> None:
    """The same holds where no connection came about."""
    async with session(f"http://127.0.0.1:{closed_port()}/v1") as doo:
        error = (
            await caught(has_token(doo), operation) if operation != "token" else await caught(doo, operation)
        )
        client = doo._client
        shown = with_locals(error)
        assert client._credentials.api_key.reveal() not in shown
        assert client._credentials.client_secret.reveal() not in shown
