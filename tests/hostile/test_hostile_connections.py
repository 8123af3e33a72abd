"""No connection, a connection to somebody else, or one that says too much. Each row against each operation."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from client.raw_server import Reply, closed_port, hangs, raw_server, resets, writes
from hostile_sockets import (
    TEAM_ANSWER,
    Authority,
    asked,
    black_hole,
    first_request,
    handshaking,
    play_raw,
    resetting,
    well,
)
from hostile_world import (
    OPERATIONS,
    WEBHOOK,
    Ends,
    Operation,
    cases,
    check_end,
    good,
    head,
    item,
    lost,
    outcome,
    page,
    session,
    unreadable,
    works,
)

from aiodoo import Limits, NotJson, OutcomeUnknown, ProtocolError, TransportError
from aiodoo.client import transport as transport_module
from aiodoo.client.transport import TlsRefused
from aiodoo.protocol.wire import Kind, Request

every_operation = pytest.mark.parametrize("operation", OPERATIONS)

RESOLVERS = {
    "T1 no such name": socket.gaierror(socket.EAI_NONAME, "no such name"),
    "T1 try again": socket.gaierror(socket.EAI_AGAIN, "try again"),
    "T1 failed": socket.gaierror(socket.EAI_FAIL, "failed"),
    "T1 no answer": None,
}


async def not_sent(
    url: str, operation: Operation, *, error: type = TransportError, tries: int = 3, **options: Any
) -> None:
    """Ask where no connection can be had; nothing was sent, nothing counts, nothing is in doubt."""
    async with session(url, limits=Limits(per_second=None), **options) as doo:
        result = await first_request(doo, operation)
        check_end(result, operation, Ends(error, 0))
        assert not result.sent
        assert doo.stats.failures == tries
        assert doo.stats.retries == tries - 1
        assert (await doo.quota.usage()).used == 0


@every_operation
async def test_a_reserved_name(operation: Operation) -> None:
    """T1: a name that nobody can have ends in an error that says so; it is tried three times."""
    await not_sent("https://doo.invalid/v1", operation)


@every_operation
@pytest.mark.parametrize("failure", RESOLVERS.values(), ids=RESOLVERS)
async def test_a_name_that_does_not_resolve(
    failure: Exception | None, operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T1: whatever the resolver says, or if it says nothing: nothing was sent, and it is tried three times."""

    async def resolve(*_arguments: object, **_options: object) -> None:
        if failure is None:
            await asyncio.sleep(3600)
        else:
            raise failure

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    await not_sent("http://localhost:9/v1", operation, timeout=10.0 if failure else 0.1)


@every_operation
async def test_nobody_listens(operation: Operation) -> None:
    """T2: a refused connection is tried three times."""
    await not_sent(f"http://127.0.0.1:{closed_port()}/v1", operation)


@every_operation
@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EMFILE])
async def test_no_way_there(number: int, operation: Operation, monkeypatch: pytest.MonkeyPatch) -> None:
    """T2: no route, or no socket left: nothing was sent."""

    async def connect(*_arguments: object) -> None:
        raise OSError(number, "no way")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", connect)
    await not_sent("http://127.0.0.1:9/v1", operation)


@every_operation
async def test_a_black_hole(operation: Operation) -> None:
    """T2: a connection that never comes about is given up when the time for one request is over."""
    with black_hole() as port:
        await not_sent(f"http://127.0.0.1:{port}/v1", operation, timeout=0.1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority that has signed one certificate of each kind."""
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.sign("good")
    made.sign("other name", address="DNS:other.example")
    made.sign("no name", address="email:doo@other.example")
    made.sign("expired", days=(-3, -2))
    made.sign("not yet valid", days=(2, 3))
    made.sign("between", authority=True)
    made.sign("chain", by="between")
    made.sign_itself("self-signed")
    return made


async def test_a_certificate_that_is_good(authority: Authority) -> None:
    """T3: the authority of these tests makes certificates that are trusted if nothing is wrong with them."""
    async with (
        raw_server(well(good("token")), TEAM_ANSWER, context=authority.server("good")) as server,
        session(server.url, ssl=authority.trusted) as doo,
    ):
        assert (await doo.organizations.active_team()).id == "111"


@every_operation
@pytest.mark.parametrize(
    "name",
    ["self-signed", "other name", "no name", "expired", "not yet valid", "chain", "good, of strangers"],
)
async def test_a_certificate_that_is_not_good(name: str, operation: Operation, authority: Authority) -> None:
    """T3: no secret is sent to a server that cannot prove who it is, and it is not asked again."""
    trusted = None if name == "good, of strangers" else authority.trusted
    async with raw_server(TEAM_ANSWER, context=authority.server(name.partition(",")[0])) as server:
        await not_sent(server.url, operation, error=TlsRefused, tries=1, ssl=trusted)
    assert server.received == b""


@every_operation
@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=["TLS 1.0", "TLS 1.1"]
)
async def test_an_old_protocol(version: ssl.TLSVersion, operation: Operation, authority: Authority) -> None:
    """T3: TLS before 1.2 is not spoken."""
    with handshaking(authority.server("good", at_most=version)) as server:
        url = f"https://127.0.0.1:{server.port}/v1"
        await not_sent(url, operation, error=TlsRefused, tries=1, ssl=authority.trusted)
    assert (server.connections, server.received) == (1, b"")


@every_operation
async def test_a_reset_amid_the_handshake(operation: Operation) -> None:
    """T3: a connection that breaks before it is trusted may come about a moment later; nothing was sent on it."""
    async with resetting() as server:
        await not_sent(f"https://127.0.0.1:{server.port}/v1", operation)
        assert server.connections == 3


@every_operation
@pytest.mark.parametrize(
    "greeting",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n", bytes(64)],
    ids=["HTTP", "SSH", "zeros"],
)
async def test_no_tls_on_the_port(greeting: bytes, operation: Operation) -> None:
    """T3: a server that speaks no TLS gets no secret, and is not asked again."""
    async with raw_server(greeting=greeting) as server:
        await not_sent(server.url.replace("http", "https"), operation, error=TlsRefused, tries=1)
    assert server.received == b""
    assert server.connections == 1


@every_operation
async def test_reset_on_accept(operation: Operation) -> None:
    """T4: a connection that was there once may have carried the request, so a change is in doubt."""
    ends = lost(TransportError)[operation]
    async with resetting() as server, session(f"http://127.0.0.1:{server.port}/v1") as doo:
        result = await first_request(doo, operation)
        check_end(result, operation, ends)
        assert server.connections == ends.sends


def broken(make: Callable[[bytes], bytes]) -> Callable[[Operation], Reply]:
    """Reset the connection after what is made of a good body."""
    return lambda operation: resets(make(good(operation) or b"{}"))


CHUNKED = b"Transfer-Encoding: chunked"
BROKEN_OFF = unreadable(TransportError, reads=3)
BROKEN = {
    "T6 reset in the headers": (broken(lambda _: head(b"Content-Length: 9")[:20]), lost(TransportError)),
    "T6 reset after the headers": (broken(lambda _: head(b"Content-Length: 9")), BROKEN_OFF),
    "T6 reset in the body": (broken(lambda body: head(b"Content-Length: 999") + body), BROKEN_OFF),
    "T6 reset in a chunk": (broken(lambda body: head(CHUNKED) + b"fff\r\n" + body), BROKEN_OFF),
    "T6 reset before the last chunk": (
        broken(lambda body: head(CHUNKED) + b"%x\r\n%b\r\n" % (len(body), body)),
        BROKEN_OFF,
    ),
    "T9 reset in a body without length": (
        broken(lambda body: head() + body[:1]),
        unreadable(NotJson, reads=3),
    ),
}


@pytest.mark.parametrize(("reply", "operation", "ends"), cases(BROKEN))
async def test_reset(reply: Callable[[Operation], Reply], operation: Operation, ends: Ends) -> None:
    """T6, T9: wherever a connection is reset, the request may have been carried out; a delete's 2xx was all it says.

    aiohttp takes a reset for the end of a body that has no other end.
    """
    await play_raw(reply, operation, ends)


@every_operation
async def test_no_answer(operation: Operation) -> None:
    """T16: a server that accepts and says nothing is given up when the time for one request is over."""
    await play_raw(lambda _: hangs, operation, lost(TransportError)[operation], again=False, timeout=0.3)


@pytest.mark.parametrize(
    "greeting",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"220 mail.example ESMTP\r\n", bytes(100)],
    ids=["SSH", "SMTP", "zeros"],
)
@every_operation
async def test_a_server_that_speaks_first(greeting: bytes, operation: Operation) -> None:
    """T12: a greeting is no answer; whether it came before or after the request left, a change is in doubt."""
    async with raw_server(greeting=greeting) as server, session(server.url) as doo:
        result = await first_request(doo, operation)
        cause = result.cause if isinstance(result, OutcomeUnknown) else result
        assert isinstance(cause, ProtocolError | TransportError)
        assert isinstance(result, OutcomeUnknown) == (operation in {"create", "delete"})
        assert server.connections <= 3
        assert greeting.strip(b"\r\n\0").decode() not in str(result) or not greeting.strip(b"\r\n\0")


FORGED = {
    "another answer": lambda body: head(b"Content-Length: %d" % len(body)) + body,
    "garbage": lambda _: b"garbage",
    "an end": None,
}


@every_operation
@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
async def test_what_nobody_asked_for_is_no_answer(
    forged: Callable[[bytes], bytes] | None, operation: Operation
) -> None:
    """T8, T11: what comes on a connection after its answer is not taken for the answer to the next request."""
    said = asyncio.Event()

    async def chatty(writer: asyncio.StreamWriter) -> None:
        await well(page([]))(writer)
        await writer.drain()
        await asyncio.sleep(0.02)  # a packet of its own
        if forged is None:
            writer.close()
        else:
            writer.write(forged(page([item("forged")])))
            await writer.drain()
        said.set()

    replies = [chatty, well(good(operation))] + [TEAM_ANSWER] * (operation == "token")
    async with raw_server(*replies) as server, session(server.url) as doo:
        has_read = await first_request(doo, "list")
        assert has_read == []
        if operation == "token":
            doo._client._tokens.current = None
        await said.wait()
        await asyncio.sleep(0.02)
        result = await outcome(doo, operation)
        check_end(result, operation, works()[operation])
        assert (asked(server, operation), server.connections) == (1 + (operation == "list"), 2)
        if operation == "list":
            assert [webhook.id for webhook in result] == [WEBHOOK]


@every_operation
async def test_an_end_that_was_not_noticed_yet(operation: Operation) -> None:
    """T18: a connection that ended while this process was busy is not used, so nothing comes to be in doubt by it."""
    closing = writes(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    replies = [closing, well(good(operation))] + [TEAM_ANSWER] * (operation == "token")
    async with raw_server(*replies) as server, session(server.url) as doo:
        request = Request(kind=Kind.LIST, method="GET", path="/")
        trip = transport_module.Exchange(0.0, lambda: None)
        await doo._client._transport.send(request, {}, trip)
        # The answer is read and the server has hung up; the event loop gets no turn to see it.
        result = await first_request(doo, operation)
        check_end(result, operation, works()[operation])


@every_operation
async def test_an_idle_connection_is_not_used_again(
    operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T18: what has been idle for longer than the limit is closed, before the server may come to do so."""
    monkeypatch.setattr(transport_module, "KEEPALIVE", 0.05)
    replies = [well(page([])), well(good(operation))] + [TEAM_ANSWER] * (operation == "token")
    async with raw_server(*replies) as server, session(server.url) as doo:
        await first_request(doo, "list")
        if operation == "token":
            doo._client._tokens.current = None
        await asyncio.sleep(0.2)
        check_end(await outcome(doo, operation), operation, works()[operation])
        assert server.connections >= 2


def has_ipv6() -> bool:
    """Tell whether this machine's own IPv6 address can be listened at."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@every_operation
@pytest.mark.parametrize(
    ("family", "host"),
    [
        pytest.param(
            socket.AF_INET6, "::1", id="IPv6", marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
        ),
        pytest.param(socket.AF_INET, "127.0.0.2", id="IPv4"),
    ],
)
async def test_an_address_that_is_a_black_hole(
    family: socket.AddressFamily, host: str, operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T22: if the first of the host's addresses does not answer, the next one is tried in good time."""
    replies = [well(good(operation)), TEAM_ANSWER]
    async with raw_server(*replies) as server, session(f"http://localhost:{server.port}/v1") as doo:

        async def resolve(*_arguments: object, **_options: object) -> list[Any]:
            return [
                (family, socket.SOCK_STREAM, 6, "", (host, server.port, 0, 0)[: 4 if ":" in host else 2]),
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port)),
            ]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        with black_hole(host, server.port):
            begun = time.monotonic()
            check_end(await first_request(doo, operation), operation, works()[operation])
            assert time.monotonic() - begun >= 0.25, "the black hole was not tried first"
    assert asked(server, operation) == 1


@every_operation
async def test_the_environment_is_not_asked(
    operation: Operation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """T23: proxies and .netrc that somebody else has set up are not used."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password something\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    replies = [well(good(operation)), TEAM_ANSWER]
    async with raw_server(TEAM_ANSWER) as proxy, raw_server(*replies) as server, session(server.url) as doo:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{proxy.port}")
        check_end(await first_request(doo, operation), operation, works()[operation])
    assert (proxy.connections, asked(server, operation)) == (0, 1)
    assert b"basic" not in bytes(server.received).lower()
