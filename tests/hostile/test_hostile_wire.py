"""Answers that are no answers: broken off, malformed, of another protocol. Each row against each operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hostile_world import Ends, Operation, cases, head, length, lost, play, sends, unreadable, works

from aiodoo import NotJson, ProtocolError, TransportError
from aiodoo.sandbox import Fault


def fault(*arguments: Any, **options: Any) -> Callable[[Operation], Fault]:
    """The same fault for each operation."""
    return lambda operation: Fault(*arguments, **options)


def chunked(body: bytes) -> bytes:
    """Write a body as one chunk and the end."""
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


CHUNKED = b"Transfer-Encoding: chunked"
MALFORMED = lost(ProtocolError, reads=1)
BROKEN_OFF = unreadable(TransportError, reads=3)

ROWS = {
    "T5 closed without an answer": (fault("lost_after"), lost(TransportError)),
    "T5 closed before it acted": (fault("lost_before"), lost(TransportError)),
    "T6 closed in the headers": (fault("lost_after", stage="in_headers"), lost(TransportError)),
    "T6 reset without an answer": (fault("reset"), lost(TransportError)),
    "T6 reset in the headers": (fault("reset", stage="in_headers"), lost(TransportError)),
    "T6 closed in a chunk": (sends(lambda body: head(CHUNKED) + b"fff\r\n" + body), BROKEN_OFF),
    "T6 closed between chunks": (
        sends(lambda body: head(CHUNKED) + b"%x\r\n%b\r\n" % (len(body), body)),
        BROKEN_OFF,
    ),
    "T7 shorter than it says": (sends(lambda body: head(length(body, 1)) + body), BROKEN_OFF),
    "T7 nothing of what it says": (sends(lambda body: head(length(body))), BROKEN_OFF),
    "T8 longer than it says": (sends(lambda body: head(length(body)) + body + b"garbage"), MALFORMED),
    "T8 a length amid the JSON": (sends(lambda body: head(length(body, -1)) + body + b"garbage"), MALFORMED),
    "T8 another answer behind it": (
        sends(lambda body: head(length(body)) + body + head(b"Content-Length: 2") + b"{}"),
        works(),
    ),
    "T9 cut early": (sends(lambda body: head() + body[:-1]), unreadable(NotJson, reads=3)),
    "T9 closed at its end": (sends(lambda body: head() + body), works()),
    "T10 two equal lengths": (sends(lambda body: head(length(body), length(body)) + body), MALFORMED),
    "T10 two lengths": (sends(lambda body: head(length(body), b"Content-Length: 3") + body), MALFORMED),
    "T10 a list of lengths": (sends(lambda body: head(b"Content-Length: 3, 3") + body), MALFORMED),
    "T10 a length and chunks": (sends(lambda body: head(length(body), CHUNKED) + chunked(body)), MALFORMED),
    "T10 chunks and a length": (sends(lambda body: head(CHUNKED, length(body)) + chunked(body)), MALFORMED),
    "T10 a negative length": (sends(lambda body: head(b"Content-Length: -1") + body), MALFORMED),
    "T10 a length with a sign": (
        sends(lambda body: head(b"Content-Length: +%d" % len(body)) + body),
        MALFORMED,
    ),
    "T10 a length beyond 64 bits": (
        sends(lambda body: head(b"Content-Length: 99999999999999999999") + body),
        MALFORMED,
    ),
    "T10 chunks of letters": (sends(lambda body: head(CHUNKED) + b"zz\r\n" + body), MALFORMED),
    "T10 a chunk of -1": (sends(lambda body: head(CHUNKED) + b"-1\r\n" + body), MALFORMED),
    "T10 a chunk beyond 64 bits": (sends(lambda body: head(CHUNKED) + b"f" * 18 + b"\r\n" + body), MALFORMED),
    "T10 a chunk longer than it says": (sends(lambda body: head(CHUNKED) + b"1\r\n{}}\r\n"), MALFORMED),
    "T10 five thousand trailers": (
        sends(lambda body: head(CHUNKED) + chunked(body)[:-2] + b"X-A: b\r\n" * 5000 + b"\r\n"),
        MALFORMED,
    ),
    "T11 204 with a body": (sends(lambda _: head(b"Content-Length: 2", status=204) + b"no"), MALFORMED),
    "T11 204 in chunks": (sends(lambda body: head(CHUNKED, status=204) + chunked(body)), MALFORMED),
    "T11 304 with a body": (sends(lambda _: head(b"Content-Length: 2", status=304) + b"no"), MALFORMED),
    "T11 204 with an answer behind it": (
        sends(lambda body: head(status=204) + head(length(body)) + body),
        unreadable(NotJson, reads=3),
    ),
    "T12 SSH": (sends(lambda _: b"SSH-2.0-OpenSSH_9.2\r\n"), MALFORMED),
    "T12 SMTP": (sends(lambda _: b"220 mail.example ESMTP\r\n"), MALFORMED),
    "T12 a TLS alert": (sends(lambda _: b"\x15\x03\x01\x00\x02\x02\x28"), MALFORMED),
    "T12 HTTP/2": (
        sends(lambda _: b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"),
        MALFORMED,
    ),
    "T12 zeros": (sends(lambda _: bytes(1000)), MALFORMED),
    "T12 empty lines": (sends(lambda _: b"\r\n" * 1000), lost(TransportError)),
    "T14 101": (
        sends(lambda _: head(b"Upgrade: websocket", b"Connection: Upgrade", status=101) + b"\x81\x00"),
        MALFORMED,
    ),
    "T14 101 unasked": (sends(lambda _: head(status=101)), MALFORMED),
    "T14 100 and no more": (sends(lambda _: head(status=100)), lost(TransportError)),
    "T14 a hundred 100s": (
        sends(lambda body: head(status=100) * 100 + head(length(body)) + body),
        works(),
    ),
    "T14 103": (
        sends(lambda body: head(b"Link: <https://x.example>", status=103) + head(length(body)) + body),
        works(),
    ),
    "T15 a header of 20 kB": (
        sends(lambda body: head(b"X: " + b"a" * 20_000, length(body)) + body),
        MALFORMED,
    ),
    "T15 5,000 headers": (sends(lambda body: head(*[b"X: a"] * 5000, length(body)) + body), MALFORMED),
    "T15 NUL in a header": (sends(lambda body: head(b"X: a\0b", length(body)) + body), MALFORMED),
    "T15 CR in a header": (sends(lambda body: head(b"X: a\rb", length(body)) + body), MALFORMED),
    "T15 a name with a space": (sends(lambda body: head(b"X Y: a", length(body)) + body), MALFORMED),
    "T15 a header without a name": (sends(lambda body: head(b": a", length(body)) + body), MALFORMED),
    "T15 a header without a colon": (sends(lambda body: head(b"X", length(body)) + body), MALFORMED),
    "T15 a phrase of 20 kB": (
        sends(lambda body: head(length(body), phrase=b" " + b"a" * 20_000) + body),
        MALFORMED,
    ),
    "T15 a header that is not ASCII": (sends(lambda body: head(b"X: a\xff", length(body)) + body), works()),
    "T15 a folded header": (sends(lambda body: head(b"X: a\r\n b", length(body)) + body), works()),
    "T19 HTTP/1.0": (sends(lambda body: head(version=b"1.0") + body), works()),
    "T19 HTTP/1.0 kept alive": (
        sends(lambda body: head(b"Connection: keep-alive", length(body), version=b"1.0") + body),
        works(),
    ),
    "T19 HTTP/0.9": (sends(lambda body: body), MALFORMED),
    "T19 HTTP/9.9": (sends(lambda body: head(length(body), version=b"9.9") + body), MALFORMED),
    "T19 ICY": (sends(lambda _: b"ICY 200 OK\r\n\r\n"), MALFORMED),
    "T19 an upgrade offered": (
        sends(lambda body: head(b"Connection: upgrade", b"Upgrade: h2c", length(body)) + body),
        works(),
    ),
    "T19 no phrase": (sends(lambda body: head(length(body), phrase=b"") + body), works()),
}


@pytest.mark.parametrize(("answer", "operation", "ends"), cases(ROWS))
async def test_an_answer_that_is_none(
    answer: Callable[[Operation], Fault], operation: Operation, ends: Ends
) -> None:
    """It ends in the error of its row after as many requests as may be sent, and harms no later call.

    Where a 204 has a body, aiohttp loses the status with the rest; so a delete is in doubt there and sent twice, which
    is safe.
    """
    await play(answer, operation, ends)
