"""What a call ends with, for each fault, and how many wire requests it took: judged by the sandbox's own log."""

from __future__ import annotations

import gzip
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import attrs
import pytest
from raw_server import closed_port, hangs, raw_server, well
from wired import CONFIG, TEAM, create, delete, initialize, list_page, wired

from aiodoo.client.transport import TlsRefused
from aiodoo.errors import (
    ApiError,
    AuthenticationError,
    BodyTooLarge,
    ConfigError,
    DeadlineExceeded,
    DooError,
    InvalidRequest,
    NotFound,
    NotJson,
    OutcomeUnknown,
    PermissionDenied,
    ProtocolError,
    SchemaMismatch,
    ServerError,
    TransportError,
    UnexpectedRedirect,
)
from aiodoo.facts import Facts
from aiodoo.protocol import answers, requests
from aiodoo.sandbox import Fault, Sandbox

OPERATIONS = {"list": list_page, "create": create, "delete": delete, "initialize": initialize}
BOMB = gzip.compress(bytes(16 << 20))
HTML = b"<html><title>Maintenance</title></html>"

Row = dict[str, tuple[type[DooError] | None, int]]


def ends(
    listing: type[DooError] | None,
    listings: int,
    *,
    create: type[DooError] | None = OutcomeUnknown,
    delete: type[DooError] | None = OutcomeUnknown,
    deletes: int = 2,
    initialize: type[DooError] | None = OutcomeUnknown,
) -> Row:
    """What each operation ends with, and after how many wire requests, if the fault never goes away."""
    return {
        "list": (listing, listings),
        "create": (create, 1),
        "delete": (delete, deletes),
        "initialize": (initialize, 1),
    }


def refused(error: type[DooError]) -> Row:
    """The same for all: one request, nothing was done, nothing is in doubt."""
    return ends(error, 1, create=error, delete=error, deletes=1, initialize=error)


def answer(status: int, body: bytes = b"", **headers: str) -> Fault:
    """A fault that answers just this, after doo has acted."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault("replaced", status=status, body=body, headers=named, acted=status not in _REFUSALS)


_REFUSALS = {400, 403, 404, 405, 422}

ROWS: dict[str, tuple[Fault, Row]] = {
    "lost before": (Fault("lost_before"), ends(TransportError, 3)),
    "lost after": (Fault("lost_after"), ends(TransportError, 3)),
    "lost in the headers": (Fault("lost_after", stage="in_headers"), ends(TransportError, 3)),
    "reset": (Fault("reset"), ends(TransportError, 3)),
    "reset before it acted": (Fault("reset", acted=False), ends(TransportError, 3)),
    "reset in the body": (Fault("reset", stage="in_body"), ends(TransportError, 3)),
    "500 acted": (Fault("error_acted"), ends(ServerError, 3)),
    "500 not acted": (Fault("error_not_acted"), ends(ServerError, 3)),
    "502": (Fault("error_acted", status=502, body=HTML), ends(ServerError, 3)),
    "503": (Fault("error_not_acted", status=503), ends(ServerError, 3)),
    "504": (Fault("error_acted", status=504), ends(ServerError, 3)),
    "408": (answer(408), ends(ApiError, 1)),
    "409": (answer(409), ends(ApiError, 1)),
    "418": (answer(418), ends(ApiError, 1)),
    "400": (answer(400), refused(InvalidRequest)),
    "403 of the account": (answer(403, b'{"message": "no"}'), refused(PermissionDenied)),
    "403 of the API key": (answer(403, b'{"message": "Forbidden"}'), refused(AuthenticationError)),
    "404": (answer(404), refused(NotFound)),
    "405": (answer(405), refused(ApiError)),
    "422": (answer(422), refused(InvalidRequest)),
    "200 with HTML": (answer(200, HTML), ends(NotJson, 3, delete=None, deletes=1)),
    "200 with nothing": (answer(200), ends(NotJson, 3, delete=None, deletes=1)),
    "200 with another shape": (answer(200, b"{}"), ends(SchemaMismatch, 1, delete=None, deletes=1)),
    "a lying envelope": (
        Fault("envelope_lie", response_status=500),
        ends(ServerError, 3, delete=None, deletes=1),
    ),
    "no HTTP": (Fault("replaced", wire=b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), ends(ProtocolError, 1)),
    "a bomb": (answer(200, BOMB, Content_Encoding="gzip"), ends(BodyTooLarge, 1, delete=None, deletes=1)),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
async def test_the_outcome_table(row: tuple[Fault, Row], operation: str) -> None:
    """Each fault that stays ends each operation as the table says, after so many wire requests."""
    fault, expected = row
    error, sends = expected[operation]
    async with Sandbox(plan=None) as box, wired(box) as client:
        box.script(attrs.evolve(fault, on=operation, times=None))
        try:
            await OPERATIONS[operation](client)
        except DooError as caught:
            got: DooError | None = caught
        else:
            got = None
        count = Counter(request.kind for request in box.log.requests)
        acted = [request.acted for request in box.log.requests if request.kind == operation]
    assert type(got) is (error or type(None)), got
    assert count == {"token": 1, operation: sends}
    if error is OutcomeUnknown:
        assert isinstance(got, OutcomeUnknown)
        assert got.operation == operation
        assert type(got.cause) is expected["list"][0] or isinstance(got.cause, SchemaMismatch)
        assert got.sent_at is not None
        assert timedelta() <= datetime.now(UTC) - got.sent_at < timedelta(seconds=60)
    elif error is not None and operation != "list":
        assert not any(acted), "an error that leaves no doubt must be right"


@pytest.mark.parametrize("operation", ["list", "delete"])
@pytest.mark.parametrize(
    "fault",
    [Fault("lost_before"), Fault("lost_after"), Fault("error_acted"), Fault("error_not_acted")],
    ids=lambda fault: fault.kind,
)
async def test_a_passing_fault_is_overcome(fault: Fault, operation: str) -> None:
    """What may be repeated is repeated once the fault is gone, and the caller hears nothing of it."""
    async with Sandbox(plan=None) as box, wired(box) as client:
        box.script(attrs.evolve(fault, on=operation))
        await OPERATIONS[operation](client)
        assert box.count(operation) == 2
        assert client._stats.retries == 1


@pytest.mark.parametrize(
    "fault", [Fault("lost_before"), Fault("error_not_acted"), Fault("unauthorized")], ids=lambda f: f.kind
)
async def test_a_passing_fault_of_the_token_is_overcome(fault: Fault) -> None:
    """The token request is tried again too, except when the credentials were refused."""
    async with Sandbox(plan=None) as box, wired(box) as client:
        box.script(attrs.evolve(fault, on="token"))
        if fault.kind == "unauthorized":
            with pytest.raises(AuthenticationError):
                await list_page(client)
            with pytest.raises(AuthenticationError):
                await list_page(client)
            assert Counter(each.kind for each in box.log.requests) == {"token": 1}
        else:
            await list_page(client)
            assert Counter(each.kind for each in box.log.requests) == {"token": 2, "list": 1}


async def test_a_create_in_doubt_says_what_to_do() -> None:
    """The message tells what was not done, what to do next, and from when that is conclusive."""
    async with Sandbox(plan=None) as box, wired(box) as client:
        box.script(Fault("lost_after", on="create"))
        with pytest.raises(OutcomeUnknown) as caught:
            await create(client)
        assert len(box.live(TEAM)) == 1
    error = caught.value
    assert error.team_id == TEAM
    assert error.sent_at is not None
    conclusive = f"{error.sent_at + timedelta(seconds=163):%Y-%m-%d %H:%M:%S} UTC"
    assert "was not sent again" in str(error)
    assert "bulk.run([Ensure(...)])" in str(error)
    assert conclusive in str(error)
    assert isinstance(error.cause, TransportError)
    assert error.__cause__ is None


async def test_an_initialization_in_doubt_warns_of_repeating_it() -> None:
    """Nothing shows what became of it, so the message says what a second one would do."""
    async with Sandbox(plan=None) as box, wired(box) as client:
        box.script(Fault("late", on="initialize", status=504))
        with pytest.raises(OutcomeUnknown, match="may deliver everything twice"):
            await initialize(client)
        assert box.count("initialize") == 1


@pytest.mark.parametrize("second", ["unauthorized", "replaced", "too_many"])
async def test_a_delete_stays_in_doubt_until_it_succeeds(second: str) -> None:
    """Once a delete is in doubt, no later refusal takes the doubt away."""
    async with Sandbox(plan=None) as box, wired(box, deadline=0.5) as client:
        box.script(
            Fault("lost_before", on="delete"),
            Fault(second, on="delete", times=None, status=404),  # type: ignore[arg-type]
        )
        with pytest.raises(OutcomeUnknown) as caught:
            await delete(client)
    assert caught.value.operation == "delete"
    assert caught.value.cause is not None


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_token_that_expired_is_renewed(operation: str) -> None:
    """A 401 costs one token request and one more try, for a create too: it proves that doo did not act."""
    async with Sandbox(plan=None) as box, wired(box) as client:
        await list_page(client)
        box.revoke_tokens()
        before = Counter(each.kind for each in box.log.requests)
        if operation == "delete":
            box.script(Fault("unauthorized", on="delete"))
        await OPERATIONS[operation](client)
        after = Counter(each.kind for each in box.log.requests)
        assert after - before == {"token": 1, operation: 2}
        assert len(box.live(TEAM)) == (1 if operation == "create" else 0)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_fresh_token_that_is_refused_ends_it(operation: str) -> None:
    """401 for every token: one is renewed, then the call ends; later calls fetch no token at all."""
    async with Sandbox(plan=None) as box, wired(box) as client:
        box.script(Fault("unauthorized", on=operation, times=None))
        for sends in (2, 3, 4):
            with pytest.raises(AuthenticationError):
                await OPERATIONS[operation](client)
            assert (box.count("token"), box.count(operation)) == (2, sends)


async def test_a_status_that_means_an_expired_token() -> None:
    """If 403 is said to mean a refused token it renews it, but not the gateway's "Forbidden"."""
    facts = Facts(token_refused=frozenset({401, 403}))
    async with Sandbox(plan=None) as box, wired(box, facts=facts) as client:
        box.script(attrs.evolve(answer(403, b'{"user_message": "expired"}'), on="list"))
        await list_page(client)
        assert box.count("token") == 2
        box.script(attrs.evolve(answer(403, b'{"message": "Forbidden"}'), on="list"))
        with pytest.raises(AuthenticationError):
            await list_page(client)
        assert box.count("token") == 2


async def test_a_status_that_may_mean_anything() -> None:
    """Even if 500 is said to mean a refused token, it does not prove that a create did not happen."""
    facts = Facts(token_refused=frozenset({401, 500}))
    async with Sandbox(plan=None) as box, wired(box, facts=facts) as client:
        box.script(Fault("error_acted", on="create"))
        with pytest.raises(OutcomeUnknown):
            await create(client)
        assert box.count("create") == len(box.live(TEAM)) == 1


async def test_a_wrong_api_key_is_not_asked_again() -> None:
    """The gateway's "Forbidden" for the token request is remembered: one wire request for ever."""
    async with Sandbox(plan=None) as box:
        wrong = SimpleNamespace(api_key="no", client_id=box.client_id, client_secret=box.client_secret)
        async with wired(wrong, url=box.url) as client:
            for _ in range(3):
                with pytest.raises(AuthenticationError) as caught:
                    await create(client)
                assert caught.value.status == 403
        assert len(box.log.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_no_redirect_is_followed(operation: str, status: int) -> None:
    """The other server sees nothing; a change that was redirected is in doubt and not repeated."""
    async with raw_server(well) as canary, Sandbox(plan=None) as box, wired(box) as client:
        box.script(attrs.evolve(answer(status, Location=canary.url), on=operation, times=None))
        with pytest.raises(UnexpectedRedirect if operation == "list" else OutcomeUnknown) as caught:
            await OPERATIONS[operation](client)
        assert isinstance(getattr(caught.value, "cause", caught.value), UnexpectedRedirect)
        assert box.count(operation) == 1
        assert canary.connections == 0


class TestNoConnection:
    """Without a connection nothing was sent, whatever was asked."""

    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_refused(self, operation: str) -> None:
        """Nobody listens: three tries, no doubt, and no quota used."""
        async with Sandbox(plan=None) as box, wired(box) as client:
            await list_page(client)
            client._transport._base_url = f"http://127.0.0.1:{closed_port()}/v1"
            used = client._account.used
            with pytest.raises(TransportError) as caught:
                await OPERATIONS[operation](client)
            assert not caught.value.sent
            assert client._account.used == used
            assert client._stats.retries == 2

    async def test_a_name_that_does_not_resolve(self) -> None:
        """An unknown host name ends a create without doubt."""
        someone = SimpleNamespace(api_key="k", client_id="c", client_secret="s")
        async with wired(someone, url="https://doo.invalid/v1") as client:
            with pytest.raises(TransportError) as caught:
                await create(client)
        assert not caught.value.sent

    async def test_no_tls_is_not_tried_again(self) -> None:
        """A host that cannot be trusted is asked once."""
        someone = SimpleNamespace(api_key="k", client_id="c", client_secret="s")
        async with (
            raw_server(greeting=b"HTTP/1.1 400 Bad Request\r\n\r\n") as server,
            wired(someone, url=server.url.replace("http", "https")) as client,
        ):
            with pytest.raises(TlsRefused):
                await create(client)
        assert server.connections == 1
        assert server.received == b""


class TestDeadline:
    """A call ends within its deadline and a second, whatever doo does."""

    @pytest.mark.parametrize(
        ("operation", "fault"),
        [(operation, Fault("lost_before", stage="no_answer")) for operation in OPERATIONS]
        + [(operation, Fault("slow", seconds=30)) for operation in OPERATIONS if operation != "delete"],
        ids=lambda each: getattr(each, "kind", each),
    )
    async def test_it_strikes_on_the_wire(self, operation: str, fault: Fault) -> None:
        """A read ends with `DeadlineExceeded`, a change with `OutcomeUnknown`; one wire request each."""
        async with Sandbox(plan=None) as box, wired(box) as client:
            await list_page(client)
            box.script(attrs.evolve(fault, on=operation, times=None))
            begun = time.monotonic()
            with pytest.raises(DeadlineExceeded if operation == "list" else OutcomeUnknown) as caught:
                await OPERATIONS[operation](client, deadline=0.3)
            assert time.monotonic() - begun < 5
            assert box.count(operation) == (2 if operation == "list" else 1)
        cause = getattr(caught.value, "cause", caught.value)
        assert isinstance(cause, DeadlineExceeded)
        assert "did not end within 0.3 s; it was waiting for doo's answer" in str(cause)

    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_it_strikes_before_there_is_a_connection(self, operation: str) -> None:
        """Nothing was sent, so that nothing is in doubt, and nobody has waited for an answer."""
        async with raw_server(hangs) as server, Sandbox(plan=None) as box, wired(box) as client:
            await list_page(client)
            # Who is asked for TLS and knows nothing of it lets the client wait for the connection.
            client._transport._base_url = server.url.replace("http", "https", 1)
            with pytest.raises(DeadlineExceeded, match="it was waiting for a connection"):
                await OPERATIONS[operation](client, deadline=0.3)

    async def test_a_deadline_is_a_timeout_error(self) -> None:
        """`except TimeoutError` catches it."""
        async with Sandbox(plan=None) as box, wired(box) as client:
            box.script(Fault("slow", seconds=30, on="token"))
            with pytest.raises(TimeoutError, match="waiting for a token"):
                await list_page(client, deadline=0.2)

    async def test_one_wire_request_has_its_own_time(self) -> None:
        """A request without an answer is given up after `timeout`, and a read is tried again."""
        async with Sandbox(plan=None) as box, wired(box, timeout=0.2) as client:
            box.script(Fault("lost_before", stage="no_answer", on="list"))
            await list_page(client)
            assert box.count("list") == 2

    @pytest.mark.parametrize(("deadline", "error"), [(0.0, DeadlineExceeded), (-1.0, ConfigError)])
    async def test_no_time_at_all(self, deadline: float, error: type[DooError]) -> None:
        """Nothing is sent if the time is over before it begins, or is less than none."""
        async with Sandbox(plan=None) as box, wired(box) as client:
            await list_page(client)
            with pytest.raises(error):
                await create(client, deadline=deadline)
            assert box.count("create") == 0


async def test_no_error_shows_a_secret() -> None:
    """A server that repeats our headers and body in its error does not get them into ours."""
    async with Sandbox(plan=None) as box, wired(box) as client:
        await list_page(client)
        token = client._tokens.current
        assert token is not None
        known = [box.api_key, box.client_secret, token.reveal()]
        echo = ('{"user_message": "' + " ".join(known) + '"}').encode()
        for operation, call in OPERATIONS.items():
            for status in (400, 404, 500):
                box.script(attrs.evolve(answer(status, echo), on=operation, times=3))
                with pytest.raises(DooError) as caught:
                    await call(client)
                box.box._faults._entries.clear()
                shown = str(caught.value) + repr(caught.value) + str(vars(caught.value))
                assert "***" in shown
                assert not any(secret in shown for secret in known)


async def test_what_is_read_wrongly_is_in_doubt() -> None:
    """If the id of a new webhook cannot be read, nobody knows which it is."""
    async with Sandbox(plan=None) as box, wired(box) as client:
        box.script(attrs.evolve(answer(200, b'{"response_status": 200, "data": null}'), on="create"))
        with pytest.raises(OutcomeUnknown) as caught:
            await client.call(requests.create(TEAM, CONFIG), answers.read_created)
        assert isinstance(caught.value.cause, SchemaMismatch)
