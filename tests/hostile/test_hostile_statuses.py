"""Statuses, content types and envelopes that mean no good. Each row against each operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from client.raw_server import raw_server, writes
from hostile_sockets import well
from hostile_world import (
    OPERATIONS,
    TEAM,
    WEBHOOK,
    Ends,
    Operation,
    boxed,
    cases,
    check_end,
    good,
    head,
    length,
    lost,
    outcome,
    play,
    refused,
    says,
    sends,
    session,
    unreadable,
    works,
    written,
)

from aiodoo import (
    ApiError,
    AuthenticationError,
    InvalidRequest,
    NotFound,
    NotJson,
    OutcomeUnknown,
    PermissionDenied,
    ProtocolError,
    SchemaMismatch,
    ServerError,
)
from aiodoo.sandbox import Fault

every_operation = pytest.mark.parametrize("operation", OPERATIONS)

HTML = (
    b"<!DOCTYPE html><html><head><title>Down for maintenance</title></head><body>Please log in</body></html>"
)
FORBIDDEN = written(message="Forbidden")


def page_of(status: int) -> Callable[..., Fault]:
    """A page of HTML with some status."""
    return says(status, HTML, Content_Type="text/html; charset=utf-8")


def lies(response_status: Any) -> Callable[[Operation], Fault]:
    """HTTP says 200, the envelope something else."""
    body = written(response_status=response_status, developer_message="x", user_message="y", data=None)
    return says(200, body)


def no(status: int, body: bytes = b"") -> Callable[..., Fault]:
    """A refusal that is the truth: nothing was done."""
    return says(status, body, acted=False)


def only_changes(ends: Ends) -> dict[Operation, Ends]:
    """Make a row of what is asked for with a token."""
    return dict.fromkeys(("list", "create", "delete"), ends)


ROWS = {
    "S3 HTML": (page_of(200), unreadable(NotJson, reads=3)),
    "S3 HTML that says it is JSON": (says(200, HTML), unreadable(NotJson, reads=3)),
    "S3 a captive portal": (page_of(203), unreadable(NotJson, reads=3)),
    "S4 nothing": (says(200, b""), unreadable(NotJson, reads=3)),
    "S4 spaces": (says(200, b" \r\n\t"), unreadable(NotJson, reads=3)),
    "S4 204": (says(204, b""), unreadable(NotJson, reads=3)),
    "S4 205": (says(205, b""), unreadable(NotJson, reads=3)),
    "S5 an envelope of 500": (
        lies(500),
        lost(ServerError) | {"create": Ends(OutcomeUnknown, 1, SchemaMismatch), "delete": Ends(None, 1)},
    ),
    'S5 an envelope of "503"': (
        lies("503"),
        lost(ServerError) | {"create": Ends(OutcomeUnknown, 1, SchemaMismatch), "delete": Ends(None, 1)},
    ),
    "S5 an envelope of 404": (
        lies(404),
        refused(NotFound) | {"create": Ends(OutcomeUnknown, 1, SchemaMismatch), "delete": Ends(None, 1)},
    ),
    "S5 an envelope of 400": (
        lies(400),
        refused(InvalidRequest)
        | {"create": Ends(OutcomeUnknown, 1, SchemaMismatch), "delete": Ends(None, 1)},
    ),
    "S5 an envelope of 403": (
        lies(403),
        refused(PermissionDenied)
        | {"create": Ends(OutcomeUnknown, 1, SchemaMismatch), "delete": Ends(None, 1)},
    ),
    "S5 an envelope of 302": (lies(302), unreadable(SchemaMismatch)),
    "S5 an envelope of null": (lies(None), unreadable(SchemaMismatch)),
    "S5 an envelope of true": (lies(True), unreadable(SchemaMismatch)),
    "S5 an envelope of 200.0": (lies(200.0), unreadable(SchemaMismatch)),
    "S5 an envelope of a word": (lies("ok"), unreadable(SchemaMismatch)),
    "S5 an envelope of 10 digits": (
        lies(10**10),
        refused(ApiError) | {"create": Ends(OutcomeUnknown, 1, SchemaMismatch), "delete": Ends(None, 1)},
    ),
    "S6 201": (says(201), works()),
    "S6 202": (says(202), works()),
    "S6 299": (says(299), works()),
    "S6 202 without an id": (says(202, written(response_status=202)), unreadable(SchemaMismatch)),
    "S8 403 Forbidden": (no(403, FORBIDDEN), refused(AuthenticationError)),
    "S8 403": (no(403, written(response_status=403)), refused(PermissionDenied)),
    "S8 403 with HTML": (no(403, HTML), refused(PermissionDenied)),
    "S8 403 of an unknown path": (
        no(403, written(message="Missing Authentication Token")),
        refused(PermissionDenied),
    ),
    "S9 404": (no(404, written(response_status=404)), refused(NotFound)),
    "S9 404 with HTML": (no(404, HTML), refused(NotFound)),
    "S9 410": (says(410), lost(ApiError, reads=1)),
    "S10 409": (says(409), lost(ApiError, reads=1)),
    "S10 412": (says(412), lost(ApiError, reads=1)),
    "S10 423": (says(423), lost(ApiError, reads=1)),
    "S10 408": (says(408), lost(ApiError, reads=1)),
    "S10 400": (no(400), refused(InvalidRequest)),
    "S10 400 with HTML": (no(400, HTML), refused(InvalidRequest)),
    "S10 405": (no(405), refused(ApiError)),
    "S10 413": (no(413), refused(ApiError)),
    "S10 415": (no(415), refused(ApiError)),
    "S10 422": (no(422), refused(InvalidRequest)),
    "S10 400 with an envelope of 500": (says(400, written(response_status=500)), lost(ServerError)),
    "S15 500": (says(500), lost(ServerError)),
    "S15 501": (says(501, b""), lost(ServerError)),
    "S15 502 with HTML": (page_of(502), lost(ServerError)),
    "S15 503": (says(503, written(message="Service Unavailable")), lost(ServerError)),
    "S15 504": (says(504, written(message="Endpoint request timed out")), lost(ServerError)),
    "S15 500 with an envelope of 200": (says(500, written(response_status=200)), lost(ServerError)),
    "S17 418": (says(418), lost(ApiError, reads=1)),
    "S17 402": (says(402), lost(ApiError, reads=1)),
    "S17 406": (says(406), lost(ApiError, reads=1)),
    "S17 407": (says(407), lost(ApiError, reads=1)),
    "S17 431": (says(431), lost(ApiError, reads=1)),
    "S17 451": (says(451), lost(ApiError, reads=1)),
    "S17 499": (says(499), lost(ApiError, reads=1)),
    "S17 599": (says(599), lost(ServerError)),
    "S17 600": (says(600), lost(ApiError, reads=1)),
    "S17 999": (says(999), lost(ApiError, reads=1)),
    "S17 000": (sends(lambda body: head(length(body), status=0) + body), lost(ProtocolError, reads=1)),
    "S17 099": (sends(lambda body: head(length(body), status=99) + body), lost(ProtocolError, reads=1)),
    "S17 1000": (sends(lambda body: head(length(body), status=1000) + body), lost(ProtocolError, reads=1)),
    "S17 -200": (
        sends(lambda body: head(length(body)).replace(b" 200", b" -200") + body),
        lost(ProtocolError, reads=1),
    ),
    "S17 2e2": (
        sends(lambda body: head(length(body)).replace(b" 200", b" 2e2") + body),
        lost(ProtocolError, reads=1),
    ),
    "S18 10^9 requests left": (
        says(200, X_RateLimit_Remaining="1000000000", X_RateLimit_Limit="1000000000"),
        works(),
    ),
    "S18 -1 requests left": (says(200, X_RateLimit_Remaining="-1", X_RateLimit_Reset="1e400"), works()),
    "S18 a wait after 200": (says(200, Retry_After="3600"), works()),
    "S19 no type": (says(200, Content_Type=""), works()),
    "S19 text/plain": (says(200, Content_Type="text/plain"), works()),
    "S19 text/html": (says(200, Content_Type="text/html"), works()),
    "S19 another case": (says(200, Content_Type="APPLICATION/JSON"), works()),
    "S19 problem+json": (says(200, Content_Type="application/problem+json; profile=x"), works()),
    "S19 multipart": (says(200, Content_Type="multipart/form-data; boundary=x"), works()),
    "S19 no type at all": (sends(lambda body: head(length(body)) + body), works()),
    "S19 five types": (sends(lambda body: head(*[b"Content-Type: a/b"] * 5, length(body)) + body), works()),
    "S19 garbage": (says(200, Content_Type="\xff;;;=,"), works()),
}
for charset in (
    "utf-16",
    "utf-32",
    "utf-7",
    "rot13",
    "undefined",
    "idna",
    "punycode",
    "zlib",
    "x" * 2000,
    '"',
):
    ROWS[f"S20 charset {charset[:20]}"] = (
        says(200, Content_Type=f"application/json; charset={charset}"),
        works(),
    )


@pytest.mark.parametrize(("answer", "operation", "ends"), cases(ROWS))
async def test_a_status(answer: Callable[[Operation], Fault], operation: Operation, ends: Ends) -> None:
    """It ends in the error of its row after as many requests as may be sent, and harms no later call.

    A list or a token whose envelope says no is refused as the envelope says; a change is in doubt, as doo may have
    acted, and a delete's body is not looked at.
    """
    await play(answer, operation, ends)


async def test_html_is_named_by_type_and_length() -> None:
    """S3: the error names the content type and the length of what came instead of JSON, and quotes nothing of it."""
    error = await play(page_of(200), "list", Ends(NotJson, 3))
    assert f"{len(HTML)} bytes of text/html" in str(error)
    assert "maintenance" not in str(error)


@every_operation
async def test_a_wrong_api_key_is_not_a_wrong_token(operation: Operation) -> None:
    """S8: the gateway's "Forbidden" costs no token request and is not tried again."""
    async with boxed() as (box, doo):
        box.script(Fault("replaced", on=operation, times=None, status=403, body=FORBIDDEN, acted=False))
        check_end(await outcome(doo, operation), operation, Ends(AuthenticationError, 1))
        assert (box.count("token"), box.count(operation)) == (1, 1)


AFTER_TOKEN: list[Operation] = ["list", "create", "delete"]
UNAUTHORIZED = Fault("unauthorized")


@pytest.mark.parametrize("operation", AFTER_TOKEN)
async def test_a_token_refused_once(operation: Operation) -> None:
    """S7: one 401 costs one token and one more try, for a create too: it proves that nothing was done."""
    async with boxed() as (box, doo):
        box.script(Fault("unauthorized", on=operation))
        check_end(await outcome(doo, operation), operation, Ends(None, 2))
        assert (box.count("token"), box.count(operation)) == (2, 2)


@pytest.mark.parametrize("operation", AFTER_TOKEN)
async def test_every_token_refused(operation: Operation) -> None:
    """S7: a fresh token that is refused as well ends it; a storm of 401s costs two token requests in all."""
    async with boxed() as (box, doo):
        box.script(Fault("unauthorized", times=None, on=operation))
        for sends_ in (2, 3, 4, 5):
            check_end(await outcome(doo, operation), operation, Ends(AuthenticationError, sends_))
            assert (box.count("token"), box.count(operation)) == (2, sends_)


@pytest.mark.parametrize("operation", AFTER_TOKEN)
async def test_one_place_refuses_the_token(operation: Operation) -> None:
    """S7: while one endpoint refuses every token, the others go on with the one there is."""
    async with boxed() as (box, doo):
        box.script(Fault("unauthorized", times=None, on=operation))
        await outcome(doo, operation)
        for other in AFTER_TOKEN:
            if other != operation:
                check_end(await outcome(doo, other), other, Ends(None, 1))
        assert box.count("token") == 2


@pytest.mark.parametrize("status", [400, 401])
async def test_refused_credentials(status: int) -> None:
    """U7: credentials that were refused once are not sent a second time, however often anybody asks."""
    async with boxed() as (box, doo):
        box.script(Fault("replaced", on="token", times=None, status=status, acted=False))
        for operation in (*OPERATIONS, *OPERATIONS):
            error = AuthenticationError if status == 401 else InvalidRequest
            check_end(await outcome(doo, operation), operation, Ends(error, 1))
        assert len(box.log.requests) == 1


async def test_a_deleted_team() -> None:
    """S9: the list of a team that is gone is not empty: it is not found."""
    async with boxed() as (box, doo):
        box.script(Fault("replaced", on="list", status=404, body=written(response_status=404), acted=False))
        with pytest.raises(NotFound) as caught:
            await doo.webhooks.list(TEAM).collect()
        assert f"team {TEAM}" in str(caught.value)


async def test_cookies_do_not_come_back() -> None:
    """S21: a cookie, whatever it says of its domain, is not sent with any later request."""
    cookies = (
        b"Set-Cookie: a=1\r\nSet-Cookie: b=2; Domain=127.0.0.1; Path=/\r\nSet-Cookie: c=3; Domain=.0.0.1\r\n"
    )
    token, listing = good("token"), good("list")
    first = b"HTTP/1.1 200 OK\r\n" + cookies + length(token) + b"\r\n\r\n" + token
    async with raw_server(writes(first, close=False), well(listing)) as server, session(server.url) as doo:
        assert [each.id for each in await doo.webhooks.list(TEAM).collect()] == [WEBHOOK]
    assert b"cookie" not in bytes(server.received).lower()


@every_operation
async def test_hours_of_failure(operation: Operation) -> None:
    """S15: a doo that is down for long is asked as often by each call as by the first, and no oftener."""
    async with boxed() as (box, doo):
        box.script(Fault("error_not_acted", on=operation, times=None, status=503))
        ends = lost(ServerError)[operation]
        for calls in range(1, 6):
            check_end(await outcome(doo, operation), operation, ends)
            assert box.count(operation) == calls * ends.sends
