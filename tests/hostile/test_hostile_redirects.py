"""Redirects and other words that name another place: none is followed, nobody else hears a word."""

from __future__ import annotations

import pytest
from client.raw_server import raw_server
from hostile_sockets import TEAM_ANSWER
from hostile_world import (
    OPERATIONS,
    Operation,
    boxed,
    check_end,
    check_truth,
    lost,
    outcome,
    play,
    says,
    works,
)

from aiodoo import UnexpectedRedirect
from aiodoo.sandbox import Fault

PLACES = {
    "another host": "http://127.0.0.2:{port}/v1/oauth",
    "another port": "http://127.0.0.1:{port}/v1/oauth",
    "a name for this host": "http://localhost:{port}/v1/oauth",
    "another scheme": "https://127.0.0.1:{port}/v1/oauth",
    "no scheme": "//127.0.0.1:{port}/v1/oauth",
    "a user name": "http://rest.doo.net@127.0.0.1:{port}/v1",
    "backslashes": "http:\\\\127.0.0.1:{port}\\v1",
    "a homograph": "http://rest.d\u043e\u043e.net.invalid:{port}/v1",
    "a path": "/v1/oauth",
    "a script": "javascript:alert(1)",
    "itself": "",
    "nothing": None,
}

every_operation = pytest.mark.parametrize("operation", OPERATIONS)


@every_operation
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status: int, place: str | None, operation: Operation) -> None:
    """S1, S2: a read ends at once; a change is in doubt, and even a delete is not sent again."""
    ends = lost(UnexpectedRedirect, reads=1, deletes=1)[operation]
    async with raw_server(TEAM_ANSWER) as stranger, boxed() as (box, doo):
        named = {} if place is None else {"Location": place.format(port=stranger.port)}
        headers = {name: value.encode().decode("latin-1") for name, value in named.items()}
        box.script(Fault("replaced", on=operation, status=status, headers=headers))
        result = await outcome(doo, operation)
        check_end(result, operation, ends)
        assert box.count(operation) == 1
        assert not box.count("unknown")
        check_truth(box, operation, result)
        if place:
            assert place.format(port=stranger.port) not in str(result)
    assert stranger.connections == 0


@every_operation
@pytest.mark.parametrize("status", [300, 304, 305, 306, 399])
async def test_other_statuses_of_that_kind(status: int, operation: Operation) -> None:
    """S1: any 3xx is a redirect that nobody asked for."""
    answer = says(status, b"", Location="http://127.0.0.1:9/")
    await play(answer, operation, lost(UnexpectedRedirect, reads=1, deletes=1)[operation])


HINTS = {
    "Location": "http://127.0.0.1:{port}/",
    "Content-Location": "http://127.0.0.1:{port}/",
    "Refresh": "0; url=http://127.0.0.1:{port}/",
    "Alt-Svc": 'h2="127.0.0.1:{port}"; ma=86400',
    "Link": '<http://127.0.0.1:{port}/>; rel="next"',
    "Set-Cookie": "session=1; Domain=127.0.0.1; Path=/",
    "Strict-Transport-Security": "max-age=31536000",
    "Upgrade": "h2c",
    "Proxy-Authenticate": "Basic",
    "WWW-Authenticate": "Basic",
    "Clear-Site-Data": '"*"',
}


@every_operation
@pytest.mark.parametrize("name", HINTS)
async def test_headers_that_name_another_place(name: str, operation: Operation) -> None:
    """S21, S22: no header of an answer that is fine sends anybody anywhere, or comes back with the next request."""
    async with raw_server(TEAM_ANSWER) as stranger:
        value = HINTS[name].format(port=stranger.port)
        seen = await play(says(200, **{name.replace("-", "_"): value}), operation, works()[operation])
        assert not isinstance(seen, Exception)
    assert stranger.connections == 0
