"""One try is one wire request, and whatever comes of it is one of our errors."""

from __future__ import annotations

import asyncio
import errno
import gc
import gzip
import pickle
import random
import secrets
import socket
import ssl
import time
import traceback
import tracemalloc
import warnings
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from raw_server import (
    JSON,
    Reply,
    certificate,
    closed_port,
    hangs,
    raw_server,
    repeats,
    resets,
    well,
    writes,
)

from aiodoo.client.transport import Exchange, HttpTransport, TlsRefused
from aiodoo.errors import BodyTooLarge, ConfigError, DooError, ProtocolError, TransportError
from aiodoo.protocol.decoding import MAX_BODY
from aiodoo.protocol.wire import Answer, Kind, Request

LIST = Request(kind=Kind.LIST, method="GET", path="/team/111/webhooks", team_id="111")
CREATE = Request(
    kind=Kind.CREATE, method="POST", path="/team/111/webhooks", body=b'{"name": "crm"}', team_id="111"
)
DELETE = Request(kind=Kind.DELETE, method="DELETE", path="/webhooks/12", webhook_id="12")

every_method = pytest.mark.parametrize("request_", [LIST, CREATE, DELETE], ids=lambda each: each.method)


def headers() -> dict[str, str]:
    """What goes with a request; its secrets are new each time."""
    return {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "x-api-key": secrets.token_hex(),
        "Authorization": f"Bearer {secrets.token_hex()}",
    }


def trip() -> Exchange:
    """A trip that begins now."""
    return Exchange(time.monotonic(), lambda: None)


@asynccontextmanager
async def transport(url: str, **options: object) -> AsyncIterator[HttpTransport]:
    """A transport that is closed at the end."""
    carrier = HttpTransport(url, **options)  # type: ignore[arg-type]
    try:
        yield carrier
    finally:
        await carrier.close()


async def failure(url: str, request: Request = LIST, **options: object) -> tuple[DooError, Exchange]:
    """Send one request that fails; check that the error pickles and shows none of the secrets."""
    known, way = headers(), trip()
    async with transport(url, **options) as carrier:
        with pytest.raises(DooError) as caught:
            await carrier.send(request, known, way)
    error = caught.value
    shown = "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))
    shown += repr(pickle.loads(pickle.dumps(error)))  # noqa: S301  # our own
    assert known["x-api-key"] not in shown
    assert known["Authorization"] not in shown
    assert error.__suppress_context__ or error.__context__ is None
    return error, way


def resolver(monkeypatch: pytest.MonkeyPatch, failed: OSError) -> None:
    """Let no name resolve."""

    async def resolve(*_arguments: object, **_options: object) -> None:
        raise failed

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)


def connecting(monkeypatch: pytest.MonkeyPatch, failed: OSError) -> None:
    """Let no connection come about."""

    async def connect(*_arguments: object) -> None:
        raise failed

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", connect)


async def test_an_answer_comes_back_whole() -> None:
    """Status, headers (whatever their case) and body are the server's; the request is as asked."""
    reply = b"HTTP/1.1 201 Created\r\nX-Amzn-Requestid: r-1\r\nContent-Length: 4\r\n\r\nbody"
    known = headers()
    async with raw_server(writes(reply, close=False)) as server, transport(server.url) as carrier:
        answer = await carrier.send(CREATE, known, trip())
    assert (answer.status, answer.body, answer.request_id) == (201, b"body", "r-1")
    assert server.heads[0].startswith(b"POST /v1/team/111/webhooks HTTP/1.1\r\n")
    assert f"x-api-key: {known['x-api-key']}".encode() in server.heads[0]
    assert server.bodies == [CREATE.body]


async def test_a_page_goes_into_the_query() -> None:
    """A request for a page carries `?page=`, another one no query at all."""
    paged = Request(kind=Kind.LIST, method="GET", path="/team/111/webhooks", page=3)
    async with raw_server(well) as server, transport(server.url) as carrier:
        await carrier.send(paged, headers(), trip())
        await carrier.send(LIST, headers(), trip())
    assert [head.split()[1] for head in server.heads] == [
        b"/v1/team/111/webhooks?page=3",
        b"/v1/team/111/webhooks",
    ]


async def test_the_round_trip_is_measured_without_connecting() -> None:
    """A trip knows when the request left and when the answer began."""

    async def late(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        writer.write(JSON)

    way = trip()
    async with raw_server(late) as server, transport(server.url) as carrier:
        await carrier.send(LIST, headers(), way)
    assert way.sent is not None
    assert way.first_byte is not None
    assert way.started <= way.sent
    assert way.round_trip is not None
    assert way.round_trip >= 0.05


async def test_a_slow_connection_is_told_when_the_request_leaves(tmp_path) -> None:
    """The caller hears of the departure if connecting took a while, and only then."""
    context = certificate(tmp_path, "subjectAltName=IP:127.0.0.1")
    trusted = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    left: list[str] = []
    async with raw_server(well, context=context) as server, transport(server.url, ssl=trusted) as carrier:
        await carrier.send(LIST, headers(), Exchange(time.monotonic() - 1, lambda: left.append("first")))
        await carrier.send(LIST, headers(), Exchange(time.monotonic() + 1, lambda: left.append("second")))
    assert left == ["first"]
    assert server.connections == 1


class TestNothingWasSent:
    """Failures before the connection was there."""

    @every_method
    async def test_refused(self, request_: Request) -> None:
        """Nobody listens: doo has seen nothing."""
        error, way = await failure(f"http://127.0.0.1:{closed_port()}/v1", request_)
        assert isinstance(error, TransportError)
        assert not error.sent
        assert way.sent is None
        assert error.unreachable
        assert "Connection refused; nothing was sent" in str(error)

    async def test_unknown_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The host's name does not resolve: it is unknown, which is a fault of the settings."""
        resolver(monkeypatch, socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
        error, way = await failure("https://doo.invalid/v1", CREATE)
        assert isinstance(error, TransportError)
        assert (error.sent, error.unreachable, error.lasting) == (False, False, False)
        assert way.sent is None

    @pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT, None])
    async def test_no_way_there(self, number: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
        """No route, or several addresses that fail in several ways: doo cannot be reached for now."""
        connecting(monkeypatch, OSError(number, "no way") if number else OSError("Multiple exceptions: ..."))
        error, _ = await failure("http://127.0.0.1:9/v1", CREATE)
        assert isinstance(error, TransportError)
        assert (error.sent, error.unreachable) == (False, True)

    async def test_no_more_files(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A machine that can open no socket knows nothing of doo."""
        connecting(monkeypatch, OSError(errno.EMFILE, "Too many open files"))
        error, _ = await failure("http://127.0.0.1:9/v1", CREATE)
        assert isinstance(error, TransportError)
        assert (error.sent, error.unreachable) == (False, False)

    async def test_the_name_server_does_not_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """That says nothing of the name, so doo cannot be reached for now."""
        resolver(monkeypatch, socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"))
        error, _ = await failure("http://localhost:9/v1", CREATE)
        assert isinstance(error, TransportError)
        assert (error.sent, error.unreachable) == (False, True)

    @pytest.mark.parametrize(("code", "unreachable"), [(12, True), (11, True), (4, False), (1, False)])
    async def test_what_aiodns_says(
        self, code: int, *, unreachable: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The other resolver of aiohttp keeps its number in the cause."""
        failed = OSError(None, "what it says")
        failed.__cause__ = Exception(code, "what it says")
        resolver(monkeypatch, failed)
        error, _ = await failure("http://localhost:9/v1", CREATE)
        assert isinstance(error, TransportError)
        assert error.unreachable is unreachable

    async def test_connecting_takes_too_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The time for connecting is over before there is a connection."""

        async def never(*_args: object, **_options: object) -> None:
            await asyncio.sleep(60)

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", never)
        error, way = await failure("http://127.0.0.1:9/v1", CREATE, connect=0.05)
        assert isinstance(error, TransportError)
        assert (error.sent, error.unreachable) == (False, True)
        assert way.sent is None

    async def test_the_whole_time_is_over_while_connecting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The time for the request is over before there is a connection."""

        async def never(*_args: object, **_options: object) -> None:
            await asyncio.sleep(60)

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", never)
        error, _ = await failure("http://127.0.0.1:9/v1", CREATE, timeout=0.05)
        assert isinstance(error, TransportError)
        assert not error.sent

    @pytest.mark.parametrize(
        "extensions",
        [("subjectAltName=IP:127.0.0.1",), ("subjectAltName=DNS:other.example",)],
        ids=["self-signed", "another name"],
    )
    async def test_a_certificate_is_not_trusted(self, tmp_path, extensions: tuple[str, ...]) -> None:
        """A certificate that is self-signed, or for another name, ends the try and forbids the next."""
        context = certificate(tmp_path, *extensions)
        trusted = None
        if extensions == ("subjectAltName=DNS:other.example",):
            trusted = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        async with raw_server(well, context=context) as server:
            error, _ = await failure(server.url, CREATE, ssl=trusted)
        assert isinstance(error, TlsRefused)
        assert (error.sent, error.unreachable, error.lasting) == (False, False, True)
        assert server.received == b""

    async def test_plain_http_on_the_port(self) -> None:
        """A server that speaks no TLS gets no secret."""
        async with raw_server(greeting=b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
            error, _ = await failure(server.url.replace("http", "https"), CREATE)
        assert isinstance(error, TlsRefused)
        assert server.received == b""

    async def test_old_tls(self, tmp_path) -> None:
        """TLS below 1.2 is not spoken."""
        context = certificate(tmp_path, "subjectAltName=IP:127.0.0.1")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        trusted = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        async with raw_server(well, context=context) as server:
            error, _ = await failure(server.url, CREATE, ssl=trusted)
        assert isinstance(error, TransportError)
        assert not error.sent
        assert server.received == b""

    @pytest.mark.parametrize(
        ("status", "unreachable"), [(407, False), (403, False), (502, True), (504, True)]
    )
    async def test_a_proxy_refuses_the_tunnel(self, status: int, *, unreachable: bool) -> None:
        """A proxy that says no has sent nothing on; that it cannot reach doo may pass."""
        async with raw_server(writes(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)) as proxy:
            error, way = await failure(
                "https://127.0.0.1:9/v1", CREATE, proxy=f"http://127.0.0.1:{proxy.port}"
            )
        assert isinstance(error, TransportError)
        assert (error.sent, error.unreachable, error.lasting) == (False, unreachable, not unreachable)
        assert way.sent is None
        assert str(status) in str(error)

    async def test_there_is_no_proxy(self) -> None:
        """A proxy that is not there has sent nothing on."""
        error, _ = await failure("https://127.0.0.1:9/v1", CREATE, proxy=f"http://127.0.0.1:{closed_port()}")
        assert isinstance(error, TransportError)
        assert (error.sent, error.unreachable) == (False, True)


BROKEN = {
    "closed without an answer": writes(b""),
    "reset without an answer": resets(),
    "closed in the headers": writes(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "reset in the headers": resets(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "never answered": hangs,
}
BROKEN_OFF = {
    "closed in the body": writes(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
    "reset in the body": resets(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
    "closed in a chunk": writes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"),
}
BROKEN_GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip."
BROKEN_BODIES = BROKEN_OFF | {
    "broken gzip": writes(BROKEN_GZIP, close=False),
    "endless": repeats(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65_536),
}


class TestWhateverWasSent:
    """Failures after the request went out."""

    @pytest.mark.parametrize(
        ("request_", "reply"),
        [
            pytest.param(request, reply, id=f"{name} {request.method}")
            for request in (LIST, CREATE, DELETE)
            for name, reply in (BROKEN if request is DELETE else BROKEN | BROKEN_OFF).items()
        ],
    )
    async def test_broken_off(self, request_: Request, reply: object) -> None:
        """A broken connection is a `TransportError` after exactly one wire request."""
        async with raw_server(reply) as server:  # type: ignore[arg-type]
            error, way = await failure(server.url, request_, timeout=0.3)
        assert isinstance(error, TransportError)
        assert not isinstance(error, TlsRefused)
        assert error.sent
        assert way.sent is not None
        assert server.requests == 1

    @every_method
    @pytest.mark.parametrize("broken", [writes(b""), resets()], ids=["closed", "reset"])
    async def test_a_used_connection_breaks(self, request_: Request, broken: object) -> None:
        """No request is sent twice by aiohttp itself, on a connection that was used before neither."""
        async with (
            raw_server(well, broken, well) as server,  # type: ignore[arg-type]
            transport(server.url) as carrier,
        ):
            await carrier.send(LIST, headers(), trip())
            with pytest.raises(TransportError) as caught:
                await carrier.send(request_, headers(), trip())
            assert caught.value.sent
            assert (server.requests, server.connections) == (2, 1)

    @pytest.mark.parametrize("reply", BROKEN_BODIES.values(), ids=BROKEN_BODIES)
    async def test_a_deletes_2xx_is_enough(self, reply: Reply) -> None:
        """Its body is not read, so nothing of it can put the delete in doubt; the connection is not used again."""
        async with raw_server(reply, well) as server, transport(server.url) as carrier:
            answer = await carrier.send(DELETE, headers(), trip())
            assert (answer.status, answer.body) == (200, b"")
            assert (await carrier.send(LIST, headers(), trip())).body == b"{}"
            assert (server.requests, server.connections) == (2, 2)

    async def test_bytes_one_by_one(self) -> None:
        """A server that drips is cut off when the time for one request is over."""
        drip = repeats(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b" ", 0.02)
        begun = time.monotonic()
        async with raw_server(drip) as server:
            error, way = await failure(server.url, timeout=0.3)
        assert isinstance(error, TransportError)
        assert way.first_byte is not None
        assert time.monotonic() - begun < 5


MALFORMED = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.2 {canary}\r\n\r\n",
    "a status of letters": b"HTTP/1.1 abc {canary}\r\n\r\n",
    "a header without a colon": b"HTTP/1.1 200 OK\r\n{canary}\r\n\r\n",
    "a NUL in a header": b"HTTP/1.1 200 OK\r\nX-A: \0{canary}\r\nContent-Length: 0\r\n\r\n",
    "a long header": b"HTTP/1.1 200 OK\r\nX-A: {canary}" + b"a" * 20_000 + b"\r\nContent-Length: 0\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X-A: {canary}\r\n" * 5_000 + b"Content-Length: 0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a length of letters": b"HTTP/1.1 200 OK\r\nContent-Length: {canary}\r\n\r\n{}",
    "a chunk size of letters": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{canary}\r\n{}",
}


@pytest.mark.parametrize(
    ("request_", "data"),
    [
        *((each, data) for each in (LIST, CREATE, DELETE) for data in MALFORMED.values()),
        (LIST, BROKEN_GZIP),
        (CREATE, BROKEN_GZIP),
    ],
    ids=lambda value: value.method if isinstance(value, Request) else value[9:40].decode("latin-1"),
)
async def test_a_malformed_answer(request_: Request, data: bytes) -> None:
    """What is not HTTP is a `ProtocolError` without a status and without a byte of the answer."""
    canary = secrets.token_hex()
    async with raw_server(writes(data.replace(b"{canary}", canary.encode()))) as server:
        error, way = await failure(server.url, request_, timeout=2)
    assert isinstance(error, ProtocolError)
    assert error.status is None
    assert way.sent is not None
    assert server.requests == 1
    assert canary not in str(error) + repr(error)


async def test_a_body_where_none_belongs_poisons_nothing() -> None:
    """A 204 with a body does not become the next answer."""
    poisoned = (
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"
    )
    async with (
        raw_server(writes(poisoned, close=False), well) as server,
        transport(server.url) as carrier,
    ):
        with suppress(ProtocolError):
            await carrier.send(DELETE, headers(), trip())
        answer = await carrier.send(LIST, headers(), trip())
    assert answer.body == b"{}"


ODD = {
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n{}",
    "HTTP/0.9": b"{}",
    "switching protocols": b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx",
    "100 as the last word": b"HTTP/1.1 100 Continue\r\n\r\n",
    "a flood of 1xx": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000,
    "304 with a body": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n{}",
    "204 with a body": b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}",
    "status 999": b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n",
    "more than promised": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}{}{}",
    "chunked and a length": JSON.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "an unknown encoding": JSON.replace(b"\r\n\r\n", b"\r\nContent-Encoding: rot13\r\n\r\n"),
    "an unknown charset": JSON.replace(b"json", b"json; charset=rot13"),
    "a broken Location": b"HTTP/1.1 302 Go\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}",
}


@every_method
@pytest.mark.parametrize("data", ODD.values(), ids=ODD)
async def test_an_odd_answer(request_: Request, data: bytes) -> None:
    """Whatever is half way to HTTP becomes an answer or one of our errors, after one wire request."""
    async with raw_server(writes(data)) as server, transport(server.url, timeout=1) as carrier:
        with suppress(TransportError, ProtocolError):
            assert isinstance(await carrier.send(request_, headers(), trip()), Answer)
        assert server.requests == 1


async def test_damaged_answers() -> None:
    """Random damage to an answer leads to an answer or to one of our errors, never to anything else."""
    chance = random.Random(3)
    whole = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
    body = gzip.compress(b'{"name": "crm"}')
    whole += b"Content-Length: %d\r\nSet-Cookie: a=b; Max-Age=9\r\n\r\n" % len(body) + body
    failed = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(len(damaged))
            damaged[place : place + chance.randint(0, 2)] = chance.randbytes(chance.randint(0, 2))
        async with raw_server(writes(bytes(damaged))) as server, transport(server.url, timeout=1) as carrier:
            try:
                assert isinstance(await carrier.send(LIST, headers(), trip()), Answer)
            except (TransportError, ProtocolError):
                failed += 1
    assert 30 < failed < 150


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@every_method
async def test_a_redirect_is_an_answer(request_: Request, status: int) -> None:
    """Nothing is followed: the other server sees no connection, the caller sees the redirect."""
    async with raw_server(well) as canary:
        reply = f"HTTP/1.1 {status} Go\r\nLocation: {canary.url}\r\nContent-Length: 0\r\n\r\n".encode()
        async with raw_server(writes(reply, close=False)) as server, transport(server.url) as carrier:
            answer = await carrier.send(request_, headers(), trip())
    assert answer.status == status
    assert (server.requests, canary.connections) == (1, 0)


async def test_cookies_and_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """No cookie comes back, and neither the environment's proxy nor .netrc is used."""
    (tmp_path / ".netrc").write_text("machine localhost login somebody password something\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    reply = JSON.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\n\r\n")
    known = headers()
    async with (
        raw_server(writes(reply, close=False)) as server,
        # A cookie jar keeps nothing of a bare IP address.
        transport(server.url.replace("127.0.0.1", "localhost")) as carrier,
    ):
        await carrier.send(LIST, known, trip())
        await carrier.send(LIST, known, trip())
    assert b"cookie" not in bytes(server.received).lower()
    assert server.heads[0].lower().count(b"authorization") == 1
    assert known["Authorization"].encode() in server.heads[0]


def deflated(encoding: str) -> bytes:
    """64 MiB of zeros, packed."""
    packer = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    zeros = bytes(1 << 20)
    return b"".join(packer.compress(zeros) for _ in range(64)) + packer.flush()


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_bomb_is_not_unpacked(encoding: str) -> None:
    """64 MiB of zeros packed into 64 kB are cut off at the cap; memory stays bounded."""
    bomb = deflated(encoding)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(bomb)}\r\n\r\n"
    async with raw_server(writes(head.encode() + bomb)) as server:
        tracemalloc.start()
        try:
            error, way = await failure(server.url)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert isinstance(error, BodyTooLarge)
    assert error.status == 200
    assert way.first_byte is not None
    assert peak < 32 << 20


ENDLESS = {
    "plain": (b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", b" " * 65_536),
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"8000\r\n" + b" " * 32_768 + b"\r\n",
    ),
    "until the end": (b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65_536),
    "tiny chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"40\r\n" + b" " * 64 + b"\r\n" * 1,
    ),
}


@pytest.mark.parametrize("reply", ENDLESS.values(), ids=ENDLESS)
async def test_an_endless_body_is_cut_off(reply: tuple[bytes, bytes]) -> None:
    """The cap counts what was read, and the connection is dropped, not used again."""
    head, piece = reply
    times = 4096 if len(piece) < 100 else 1
    async with (
        raw_server(repeats(head, piece * times), well) as server,
        transport(server.url) as carrier,
    ):
        with pytest.raises(BodyTooLarge, match="8 MiB"):
            await carrier.send(LIST, headers(), trip())
        await carrier.send(LIST, headers(), trip())
        assert server.connections == 2


async def test_a_body_as_large_as_the_cap_is_read() -> None:
    """Exactly 8 MiB are fine."""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {MAX_BODY}\r\n\r\n".encode()
    async with raw_server(writes(head + b" " * MAX_BODY)) as server, transport(server.url) as carrier:
        answer = await carrier.send(LIST, headers(), trip())
    assert len(answer.body) == MAX_BODY


async def test_a_packed_body_is_unpacked() -> None:
    """A gateway that packs although nobody asked for it is understood."""
    body = gzip.compress(b'{"a": 1}')
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with raw_server(writes(head + body)) as server, transport(server.url) as carrier:
        answer = await carrier.send(LIST, headers(), trip())
    assert answer.body == b'{"a": 1}'


class TestLife:
    """A transport lives from its first request to `close()`."""

    async def test_nothing_after_close(self) -> None:
        """A closed transport sends nothing and says so."""
        async with raw_server(well) as server:
            carrier = HttpTransport(server.url)
            await carrier.send(LIST, headers(), trip())
            await carrier.close()
            await carrier.close()
            with pytest.raises(ConfigError, match="closed"):
                await carrier.send(LIST, headers(), trip())
        assert server.requests == 1

    async def test_close_without_a_request(self) -> None:
        """A transport that was never used closes too."""
        await HttpTransport("https://rest.doo.net/v1").close()

    async def test_close_ends_what_is_under_way(self) -> None:
        """A request under way ends with a `TransportError`; it may have been seen."""
        async with raw_server(hangs) as server:
            carrier = HttpTransport(server.url)
            task = asyncio.create_task(carrier.send(CREATE, headers(), trip()))
            await server.arrived.wait()
            await carrier.close()
            with pytest.raises(TransportError) as caught:
                await task
        assert caught.value.sent

    @pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
    def test_nothing_is_left_open(self, tmp_path, secure) -> None:
        """After close there is no socket, no task and no ResourceWarning, with TLS neither."""
        context = certificate(tmp_path, "subjectAltName=IP:127.0.0.1") if secure else None
        trusted = ssl.create_default_context(cafile=str(tmp_path / "cert.pem")) if secure else None

        async def main() -> None:
            async with (
                raw_server(well, context=context) as server,
                transport(server.url, ssl=trusted) as carrier,
            ):
                await asyncio.gather(*(carrier.send(LIST, headers(), trip()) for _ in range(5)))
            assert len(asyncio.all_tasks()) == 1

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            before = len(list(Path("/proc/self/fd").iterdir()))
            asyncio.run(main())
            gc.collect()
        assert [str(each.message) for each in caught] == []
        assert len(list(Path("/proc/self/fd").iterdir())) == before

    async def test_cancelled_leaves_nothing(self) -> None:
        """A cancelled request gives its connection up, and the transport goes on."""
        async with raw_server(hangs, well) as server, transport(server.url) as carrier:
            task = asyncio.create_task(carrier.send(CREATE, headers(), way := trip()))
            await server.arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert way.sent is not None
            assert isinstance(await carrier.send(LIST, headers(), trip()), Answer)
            assert server.connections == 2

    @pytest.mark.parametrize("given", [False, True, "ca.pem", b""])
    def test_certificates_cannot_be_ignored(self, given: Any) -> None:
        """`ssl=False`, and whatever is no context, is refused before anything is sent."""
        with pytest.raises(ConfigError, match="cannot be turned off"):
            HttpTransport("https://rest.doo.net/v1", ssl=given)

    @pytest.mark.parametrize(
        "given",
        [
            "",
            "{}",
            "//{}@proxy.example:8080",
            "socks5://u:{}@127.0.0.1:1080",
            "ftp://{}",
            "http://",
            "http://[{}]",
            5,
            "http://u:{}@proxy.example:99999",
            "http://proxy.example:8080\r\n{}",
        ],
    )
    def test_a_proxy_that_is_none(self, given: Any, secret: Callable[[], str]) -> None:
        """What is no URL of an HTTP proxy is refused before anything is sent, and is not shown."""
        proxy = given.format(secret()) if isinstance(given, str) else given
        with pytest.raises(ConfigError, match="nothing was sent") as caught:
            HttpTransport("https://rest.doo.net/v1", proxy=proxy)
        assert caught.value.__context__ is None

    @pytest.mark.parametrize(
        "given", ["http://proxy.example", "https://u:p@proxy.example:8443", "http://[::1]:1"]
    )
    def test_a_proxy(self, given: str) -> None:
        """A name, a port and a password are fine."""
        HttpTransport("https://rest.doo.net/v1", proxy=given)


async def test_only_the_configured_host_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name that is resolved is the configured one."""
    seen: list[object] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: object, *args: object, **options: object) -> object:
        seen.append(host)
        return real(host, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    async with raw_server(well) as server, transport(server.url.replace("127.0.0.1", "localhost")) as carrier:
        await carrier.send(LIST, headers(), trip())
    assert set(seen) <= {"localhost", "127.0.0.1", b"localhost"}
