"""Decodes the body of an answer to JSON, within limits for size, values and nesting, and parses a list's counters."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from aiodoo.errors import BodyTooLarge, NotJson, SchemaMismatch
from aiodoo.models.nesting import MAX_DEPTH, is_deep
from aiodoo.protocol.wire import Answer

MAX_BODY: Final = 8 * 1024 * 1024
"""Bytes: the limit for a body, and for the memory that its text takes. The transport stops reading there."""

MAX_VALUES: Final = 100_000
"""The limit for values in a body, as each takes far more memory than its bytes."""

_BOM = b"\xef\xbb\xbf"
_MEDIA_TYPE = r"[A-Za-z0-9!#$&^_.+-]{1,60}/[A-Za-z0-9!#$&^_.+-]{1,60}"
_BEYOND_TWO_BYTES = re.compile(rb"[\xf0-\xff]")


def decode(answer: Answer) -> Any:
    """Return the parsed body of an answer, whatever its content type.

    Raises:
        NotJson: the body is not JSON in UTF-8. The message has the position and quotes nothing.
        SchemaMismatch: a number is too large, or the nesting too deep.
        BodyTooLarge: the body exceeds `MAX_BODY` or `MAX_VALUES`.
    """
    body = checked(answer)
    position: str | None = None
    try:
        value = msgspec.json.decode(body)
        if not is_deep(value, body):
            return value
    except msgspec.ValidationError:
        raise mismatch(answer, "$", "holds a number that is too large") from None
    except RecursionError:
        pass
    except ValueError as error:
        found = re.search(r"\(byte ([0-9]+)\)", str(error))
        position = found[1] if found else str(len(body))
    if position is not None:
        raise not_json(answer, f"byte {position}")
    raise mismatch(answer, "$", f"is nested deeper than {MAX_DEPTH}")


def checked(answer: Answer) -> bytes:
    """Return the body without a byte order mark; raise NotJson or BodyTooLarge if it is not UTF-8 or too large."""
    body = answer.body
    if len(body) > MAX_BODY // 4 and len(body) * _width(body) > MAX_BODY:
        raise BodyTooLarge(
            f"doo's answer takes more than {MAX_BODY} bytes; it was not read",
            status=answer.status,
            request_id=answer.request_id,
        )
    if len(body) > MAX_VALUES and sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise BodyTooLarge(
            f"doo's answer holds more than {MAX_VALUES} values; it was not read",
            status=answer.status,
            request_id=answer.request_id,
        )
    body = body.removeprefix(_BOM)
    if body.isascii():
        return body
    try:
        body.decode()
    except UnicodeDecodeError as error:
        position = error.start
    else:
        return body
    raise not_json(answer, f"byte {position} is not UTF-8")


def _width(body: bytes) -> int:
    """Return the bytes per character of this body as a str, which the widest character determines."""
    escapes = b"\\u" in body
    if body.isascii() and not escapes:
        return 1
    beyond = _BEYOND_TWO_BYTES.search(body) or (escapes and (b"\\ud" in body or b"\\uD" in body))
    return 4 if beyond else 2


def not_json(answer: Answer, where: str) -> NotJson:
    """Return the error for a body that is not JSON, with its content type and length but no content."""
    given = answer.headers.get("Content-Type", "")
    found = re.match(_MEDIA_TYPE, given)
    media_type = found[0] if found else ("an unreadable type" if given else "no stated type")
    return NotJson(
        f"doo's answer (HTTP {answer.status}, {len(answer.body)} bytes of {media_type}) is not JSON: {where}",
        status=answer.status,
        request_id=answer.request_id,
    )


def mismatch(answer: Answer, path: str, reason: str) -> SchemaMismatch:
    """Return the error for JSON that does not have the documented form."""
    return SchemaMismatch(
        f"doo's answer (HTTP {answer.status}) is of another shape than expected: {path} {reason}",
        path=path,
        status=answer.status,
        request_id=answer.request_id,
    )


def read_counter(value: object) -> int | None:
    """Return a counter, given as an int or as decimal digits; None for None.

    Raises:
        ValueError: the value is something else, or negative.
    """
    if value is None:
        return None
    if type(value) is int and value >= 0:
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    raise ValueError("must be a whole number, not negative")


def has_next(links: Any) -> bool:
    """Tell whether `_links` has a next link; its target is ignored."""
    following = links.get("next") if isinstance(links, dict) else None
    if isinstance(following, dict) and "href" in following:
        following = following["href"]
    return bool(following)
