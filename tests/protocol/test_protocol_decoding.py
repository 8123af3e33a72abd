from __future__ import annotations

import json
import secrets
import tracemalloc

import pytest
from hypothesis import given
from models.doo_lists import answer, json_values

from aiodoo import BodyTooLarge, NotJson, SchemaMismatch
from aiodoo.models.nesting import MAX_DEPTH
from aiodoo.protocol.decoding import MAX_BODY, decode


@given(json_values)
def test_json_is_read_as_it_is(value: object) -> None:
    """Whatever JSON can say comes through, a byte order mark before it or not."""
    body = json.dumps(value).encode()
    assert decode(answer(body)) == value
    assert decode(answer(b"\xef\xbb\xbf" + body)) == value
    assert decode(answer(json.dumps(value, ensure_ascii=False).encode())) == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b'{"a":',
        b'{"a":1}}',
        b'{"a":1} {"b":2}',
        b'callback({"a":1});',
        b")]}'\n{}",
        b"{'a':1}",
        b'{"a":1,}',
        b"[1,]",
        b"[01]",
        b"[+1]",
        b"[.5]",
        b"[NaN]",
        b"[Infinity]",
        b"[-Infinity]",
        b'["\x01"]',
        b'["\\x41"]',
        b'["\\ud800"]',
        b'["\\udc00\\ud800"]',
        b'["\xed\xa0\x80"]',
        b'["\xff"]',
        b'["\xc0\xaf"]',
        b"\x00",
        b"[1]\x00",
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32"),
        b"<html><body>Maintenance</body></html>",
    ],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    """Malformed, cut short, followed by more, or in another encoding: NotJson, with the place."""
    with pytest.raises(NotJson, match=r"byte [0-9]+"):
        decode(answer(body))


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"9" * 5000, b"1" + b"0" * 400 + b".5"])
def test_numbers_that_python_cannot_hold_are_refused(number: bytes) -> None:
    """A number too large is neither rounded to infinity nor allowed to raise something else."""
    with pytest.raises(SchemaMismatch, match="number"):
        decode(answer(b'{"a":' + number + b"}"))


def test_nesting_has_a_limit() -> None:
    """64 levels are read; more are refused, however many more."""
    assert decode(answer(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)) is not None
    assert decode(answer(b'{"a":' * (MAX_DEPTH - 1) + b"[]" + b"}" * (MAX_DEPTH - 1))) is not None
    for depth in (MAX_DEPTH + 1, 500, 100_000):
        with pytest.raises(SchemaMismatch, match="nested"):
            decode(answer(b"[" * depth + b"]" * depth))
        with pytest.raises(SchemaMismatch, match="nested"):
            decode(answer(b'{"a":' * depth + b"1" + b"}" * depth))


def test_many_brackets_are_not_nesting() -> None:
    """A wide document is not a deep one, nor are brackets inside texts."""
    assert len(decode(answer(b"[" + b"[]," * 1000 + b"[]]"))) == 1001
    assert decode(answer(b'["' + b"[" * 1000 + b'"]')) == ["[" * 1000]


def test_endless_brackets_without_an_end_are_refused() -> None:
    """A hundred thousand opening brackets end in an error, not in a crash."""
    with pytest.raises((NotJson, SchemaMismatch)):
        decode(answer(b"[" * 100_000))


@pytest.mark.parametrize(
    "body", [b" " * (MAX_BODY + 1), b"[" + b"0," * 300_000 + b"0]", b"[" + b"[]," * 200_000 + b"0]"]
)
def test_a_body_has_a_limit(body: bytes) -> None:
    """Too many bytes, or too many values in fewer of them, are not read at all."""
    tracemalloc.start()
    with pytest.raises(BodyTooLarge):
        decode(answer(body))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1024 * 1024


def test_a_large_text_is_read() -> None:
    """The limits are not in the way of a body as large as may be."""
    text = "a" * (MAX_BODY - 2)
    assert decode(answer(f'"{text}"'.encode())) == text


@pytest.mark.parametrize("charset", ["utf-16", "rot13", "undefined", "utf-7", "latin-1", "x" * 9999])
def test_the_charset_header_is_ignored(charset: str) -> None:
    """JSON is UTF-8 whatever the header says; an odd one raises nothing."""
    assert decode(answer({"a": "ü"}, Content_Type=f"application/json; charset={charset}")) == {"a": "ü"}


@pytest.mark.parametrize("content_type", ["text/html", "TEXT/PLAIN; a=b", "application/problem+json", ""])
def test_the_body_decides_not_the_content_type(content_type: str) -> None:
    """JSON is JSON under any label."""
    assert decode(answer(b"[1]", Content_Type=content_type)) == [1]


def test_the_error_names_type_and_length_and_quotes_nothing() -> None:
    """What a proxy or a login page sent is not repeated, but told apart."""
    word = secrets.token_hex(8)
    page = answer(
        f"<p>{word}</p>".encode(), status=503, Content_Type="text/html; charset=utf-8", x_amzn_RequestId="r-1"
    )
    with pytest.raises(NotJson) as caught:
        decode(page)
    assert "HTTP 503, 23 bytes of text/html) is not JSON: byte 0" in str(caught.value)
    assert (caught.value.status, caught.value.request_id) == (503, "r-1")
    assert word not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("content_type", "told"),
    [("", "no stated type"), ("\x1b[31mred", "an unreadable type"), ("<b>/x", "an unreadable type")],
)
def test_an_odd_content_type_is_not_repeated(content_type: str, told: str) -> None:
    """A header's own words could hold anything."""
    with pytest.raises(NotJson, match=told):
        decode(answer(b"x", Content_Type=content_type))
