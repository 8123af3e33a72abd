"""Answers that are slow, huge, endless or packed. Each row against each operation.

Memory is what Python allocates while the call goes on, above what it had before.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable
from functools import cache
from typing import Self

import brotli
import pytest
from aiohttp import http_parser
from client.raw_server import Reply, hangs, raw_server, repeats, writes
from hostile_sockets import asked, first_request
from hostile_world import (
    OPERATIONS,
    Ends,
    Operation,
    cases,
    check_end,
    head,
    length,
    lost,
    play,
    sends,
    session,
    unreadable,
    works,
)

from aiodoo import (
    BodyTooLarge,
    DeadlineExceeded,
    NotJson,
    OutcomeUnknown,
    ProtocolError,
    SchemaMismatch,
    ServerError,
    TransportError,
)
from aiodoo.sandbox import Fault

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

every_operation = pytest.mark.parametrize("operation", OPERATIONS)

MOST_MEMORY = 32 << 20
CHUNKED = b"Transfer-Encoding: chunked"


def dripping(start: bytes, piece: bytes = b" ", pause: float = 0.02) -> Callable[[Operation], Reply]:
    """Send a beginning, and then a little again and again."""
    return lambda operation: repeats(start, piece, pause)


SLOW_BODIES = {
    "T13 a body byte by byte": dripping(head(b"Content-Length: 99999")),
    "T13 a body chunk by chunk": dripping(head(CHUNKED), b"1\r\n \r\n"),
    "T13 a body without an end": dripping(head()),
}
SLOW = {
    "T13 headers byte by byte": dripping(b"HTTP/1.1 200 OK\r\nX: ", b"a"),
    "T13 header by header": dripping(b"HTTP/1.1 200 OK\r\n", b"X: a\r\n"),
    **SLOW_BODIES,
    "T14 100 for ever": dripping(b"", head(status=100)),
    "T14 102 without a pause": dripping(b"", head(status=102) * 500, 0.0),
    "T16 nothing": lambda operation: hangs,
}


@every_operation
@pytest.mark.parametrize("name", SLOW)
async def test_it_ends_with_its_deadline(name: str, operation: Operation) -> None:
    """T13, T14, T16: however a server drags on, a call ends with its deadline; a change is in doubt then.

    A delete is over with the status of its answer.
    """
    begun = time.monotonic()
    changes = operation in {"create", "delete"}
    ends = Ends(OutcomeUnknown, 1, DeadlineExceeded) if changes else Ends(DeadlineExceeded, 1)
    if operation == "delete" and name in SLOW_BODIES:
        ends = Ends(None, 1)
    async with raw_server(SLOW[name](operation)) as server, session(server.url, deadline=0.3) as doo:
        check_end(await first_request(doo, operation), operation, ends)
        assert asked(server, operation) == 1
    assert time.monotonic() - begun < 10


@every_operation
@pytest.mark.parametrize(
    "name", ["T13 headers byte by byte", "T13 a body byte by byte", "T14 102 without a pause"]
)
async def test_one_request_has_its_time(name: str, operation: Operation) -> None:
    """T13, T14: one wire request ends when its own time is over, and is tried again as any lost one."""
    row = unreadable(TransportError, reads=3) if name in SLOW_BODIES else lost(TransportError)
    ends = row[operation]
    async with raw_server(SLOW[name](operation)) as server, session(server.url, timeout=0.2) as doo:
        check_end(await first_request(doo, operation), operation, ends)
        assert asked(server, operation) == ends.sends


class Meter:
    """Counts how often another task gets its turn, and what memory is taken at most."""

    turns = 0
    memory = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._take_turns())
        tracemalloc.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        self._task.cancel()

    async def _take_turns(self) -> None:
        for self.turns in itertools.count():
            await asyncio.sleep(0)


@cache
def packed(encoding: str, megabytes: int = 64) -> bytes:
    """Pack that many MiB of zeros."""
    piece = bytes(1 << 20)
    if encoding == "br":
        brotlier = brotli.Compressor(quality=4)
        return b"".join(brotlier.process(piece) for _ in range(megabytes)) + brotlier.finish()
    if encoding == "zstd":
        packer = zstd.ZstdCompressor()
    else:
        packer = zlib.compressobj(9, wbits={"gzip": 31, "deflate": 15, "raw deflate": -15}[encoding])
    return b"".join(packer.compress(piece) for _ in range(megabytes)) + packer.flush()


@cache
def packed_twice() -> bytes:
    """Pack 4 GiB of zeros and what that makes once more."""
    return gzip.compress(packed("gzip") * 64)


def encoded(encoding: bytes, make: Callable[[], bytes]) -> Callable[[Operation], Reply]:
    """Answer with a body said to be encoded in some way."""

    def reply(_: Operation) -> Reply:
        body = make()
        return writes(head(b"Content-Encoding: " + encoding, length(body)) + body)

    return reply


def pouring(start: bytes, piece: bytes) -> Callable[[Operation], Reply]:
    """Send a beginning, and then the same piece as fast as it goes."""
    return dripping(start, piece, 0.0)


def whole(make: Callable[[], bytes], status: int = 200) -> Callable[[Operation], Reply]:
    """Answer with a body as it is."""

    def reply(_: Operation) -> Reply:
        body = make()
        return writes(head(length(body), status=status) + body)

    return reply


def many(value: bytes, count: int) -> Callable[[], bytes]:
    """Make a page whose items are many times the same."""
    return lambda: b'{"_embedded": {"webhooks": [' + b",".join([value] * count) + b"]}}"


def text(character: str, size: int = 8_388_000, name: str = "x") -> Callable[[], bytes]:
    """Make an object that holds one long text: letters, and at its end this character as it is."""
    return lambda: b'{"%b": "%b%b"}' % (name.encode(), b"a" * size, character.encode())


MIB = 1 << 20
TOO_LARGE = unreadable(BodyTooLarge)
NO_LIST = unreadable(SchemaMismatch)
FAILED = lost(ServerError)

HUGE = {
    "T20 a gzip bomb": (encoded(b"gzip", lambda: packed("gzip")), TOO_LARGE),
    "T20 a deflate bomb": (encoded(b"deflate", lambda: packed("deflate")), TOO_LARGE),
    "T20 a raw deflate bomb": (encoded(b"deflate", lambda: packed("raw deflate")), TOO_LARGE),
    "T20 a brotli bomb": (encoded(b"br", lambda: packed("br")), TOO_LARGE),
    "T20 a zstd bomb": (encoded(b"zstd", lambda: packed("zstd")), TOO_LARGE),
    "T20 a bomb in a bomb": (encoded(b"gzip", packed_twice), TOO_LARGE),
    "T20 a bomb in a bomb, said so": (encoded(b"gzip, gzip", packed_twice), unreadable(NotJson, reads=3)),
    "T21 1 GiB": (pouring(head(b"Content-Length: 1073741824"), b" " * 65_536), TOO_LARGE),
    "T21 1 GiB of an error": (
        pouring(head(b"Content-Length: 1073741824", status=500), b" " * 65_536),
        lost(BodyTooLarge, reads=1),
    ),
    "T21 chunks for ever": (pouring(head(CHUNKED), b"8000\r\n" + b" " * 32_768 + b"\r\n"), TOO_LARGE),
    "T21 no length and no end": (pouring(head(), b" " * 65_536), TOO_LARGE),
    "T21 8 MiB of nothing": (whole(lambda: b" " * (8 * MIB)), unreadable(NotJson, reads=3)),
    "T21 an error of 8 MiB": (whole(lambda: b"x" * (8 * MIB), 500), FAILED),
    "T21 an error with a message of 7 MiB": (whole(text("", 7 * MIB, "message"), 500), FAILED),
    "T21 an error with a million URLs": (
        whole(lambda: b'{"message": "%b"}' % (b"https://a.b/" * 600_000), 500),
        FAILED,
    ),
    "J4 a text of 10 MB": (whole(text("", 10_000_000)), TOO_LARGE),
    "J4 a text of 8 MiB": (whole(text("")), NO_LIST),
    "J4 a text of 8 MiB in two bytes": (whole(text("ā")), TOO_LARGE),
    "J4 a text of 8 MiB in four bytes": (whole(text("😀")), TOO_LARGE),
    "J4 a text of 8 MiB in four bytes, escaped": (whole(text("\\ud83d\\ude00")), TOO_LARGE),
    "J4 a text of 4 MiB in two bytes": (whole(text("ā", 4 * MIB - 100)), NO_LIST),
    "J4 a text of 2 MiB in four bytes": (whole(text("😀", 2 * MIB - 100)), NO_LIST),
    "J4 a million keys": (
        whole(lambda: b"{%b}" % b",".join(b'"%d":1' % number for number in range(700_000))),
        TOO_LARGE,
    ),
    "J4 a hundred thousand keys": (
        whole(lambda: b"{%b}" % b",".join(b'"%d":1' % number for number in range(99_000))),
        NO_LIST,
    ),
    "J4 100,000 lists in each other": (whole(lambda: b"[" * 100_000 + b"]" * 100_000), NO_LIST),
    "J4 40,000 objects in each other": (whole(lambda: b'{"a":' * 40_000 + b"1" + b"}" * 40_000), NO_LIST),
    "J4 a million lists in each other": (whole(lambda: b"[" * 1_000_000), TOO_LARGE),
    "J4 a number of 8 million digits": (whole(lambda: b'{"x": %b}' % (b"1" * 8_000_000)), NO_LIST),
    "J4 an exponent of 8 million digits": (whole(lambda: b'{"x": 1e%b}' % (b"1" * 8_000_000)), NO_LIST),
    "J4 faults without number": (whole(many(b'{"id":{}}', 33_000)), NO_LIST),
    "J4 numbers in place of items": (whole(many(b"1", 98_000)), NO_LIST),
    "J4 texts in place of items": (whole(many(b'"a"', 98_000)), NO_LIST),
    "J4 items without number": (
        whole(many(b'{"id":"1","name":"x"}', 33_000)),
        NO_LIST | {"list": Ends(None, 1)},
    ),
}


@pytest.mark.parametrize(("reply", "operation", "ends"), cases(HUGE))
async def test_memory_is_bounded(
    reply: Callable[[Operation], Reply], operation: Operation, ends: Ends
) -> None:
    """T20, T21, J4: whatever an answer grows to, it takes at most 32 MiB, and other tasks get their turns.

    A delete's 2xx is all there is to it, whatever it brings.
    """
    answer = reply(operation)
    async with raw_server(answer) as server, session(server.url) as doo:
        async with Meter() as meter:
            result = await first_request(doo, operation)
        check_end(result, operation, ends)
        assert asked(server, operation) == ends.sends
    assert meter.memory < MOST_MEMORY
    assert meter.turns > 2


BUSY_BODIES = {
    "T21 chunks of one byte": pouring(head(CHUNKED), b"1\r\n \r\n" * 4000),
    "T21 chunks of sixteen bytes": pouring(head(CHUNKED), (b"10\r\n" + b" " * 16 + b"\r\n") * 1500),
    "T21 a chunk's extension without end": pouring(head(CHUNKED) + b"2;", b"a" * 65_536),
}
BUSY = {"T14 1xx without a pause": pouring(b"", head(status=102) * 1000), **BUSY_BODIES}


@every_operation
@pytest.mark.parametrize("name", BUSY)
async def test_busy_work_ends_with_the_deadline(name: str, operation: Operation) -> None:
    """T14, T21: bytes that cost much and bring little take bounded memory, leave others their turns, and end in time.

    They do keep the processor busy until then.
    """
    begun = time.monotonic()
    async with raw_server(BUSY[name](operation)) as server, session(server.url, deadline=0.3) as doo:
        async with Meter() as meter:
            result = await first_request(doo, operation)
        if operation == "delete" and name in BUSY_BODIES:
            assert result is None
        else:
            cause = result.cause if isinstance(result, OutcomeUnknown) else result
            assert isinstance(cause, DeadlineExceeded | BodyTooLarge)
            assert isinstance(result, OutcomeUnknown) == (operation in {"create", "delete"})
    assert meter.memory < MOST_MEMORY
    assert meter.turns > 2
    assert time.monotonic() - begun < 10


def unpacked(make: Callable[[bytes], bytes], encoding: bytes) -> Callable[[Operation], Fault]:
    """Answer with what is made of a good body."""

    def bytes_of(body: bytes) -> bytes:
        made = make(body)
        return head(b"Content-Encoding: " + encoding, length(made)) + made

    return sends(bytes_of)


def raw_deflated(body: bytes) -> bytes:
    """Pack without the header that the name promises, as some servers do."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


MALFORMED = unreadable(ProtocolError)
ENCODED = {
    "T20 gzip": (unpacked(gzip.compress, b"gzip"), works()),
    "T20 gzip in two members": (
        unpacked(lambda body: gzip.compress(body[:1]) + gzip.compress(body[1:]), b"gzip"),
        works(),
    ),
    "T20 deflate": (unpacked(zlib.compress, b"deflate"), works()),
    "T20 raw deflate": (unpacked(raw_deflated, b"deflate"), works()),
    "T20 no gzip": (unpacked(lambda body: b"no" + body, b"gzip"), MALFORMED),
    "T20 gzip with another checksum": (
        unpacked(lambda body: gzip.compress(body)[:-8] + bytes(8), b"gzip"),
        MALFORMED,
    ),
    "T20 gzip cut": (unpacked(lambda body: gzip.compress(body)[:12], b"gzip"), unreadable(NotJson, reads=3)),
    "T20 gzip of nothing": (unpacked(lambda _: b"", b"gzip"), unreadable(NotJson, reads=3)),
    "T20 gzip twice": (
        unpacked(lambda body: gzip.compress(gzip.compress(body)), b"gzip, gzip"),
        unreadable(NotJson, reads=3),
    ),
    "T20 an encoding that is not known": (
        unpacked(lambda _: b"\1\2\3", b"aes128gcm"),
        unreadable(NotJson, reads=3),
    ),
    "T20 an encoding that is none": (unpacked(lambda body: body, b"identity"), works()),
}


@pytest.mark.parametrize(("answer", "operation", "ends"), cases(ENCODED))
async def test_encodings(answer: Callable[[Operation], Fault], operation: Operation, ends: Ends) -> None:
    """T20: nothing but plain bytes is asked for; what comes packed is unpacked if it can be, and refused if not."""
    await play(answer, operation, ends)


@every_operation
@pytest.mark.parametrize("name", ["br", "zstd"])
@pytest.mark.parametrize("known", [True, False], ids=["with its library", "without its library"])
async def test_encodings_that_need_a_library(
    name: str,
    known: bool,  # noqa: FBT001
    operation: Operation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """T20: where aiohttp finds a library it unpacks these; without it refuses such an answer before its status is known."""
    if not known:
        monkeypatch.setattr(http_parser, {"br": "HAS_BROTLI", "zstd": "HAS_ZSTD"}[name], False)
    packs = {"br": brotli.compress, "zstd": zstd.compress}[name]
    refused = lost(ProtocolError, reads=1)
    await play(unpacked(packs, name.encode()), operation, (works() if known else refused)[operation])
    garbage = unpacked(lambda _: b"\x8b\x01\x02\x03garbage", name.encode())
    await play(garbage, operation, (MALFORMED if known else refused)[operation])
