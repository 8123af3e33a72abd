"""The server's words, made fit to be shown: no secrets, no control characters, not too many."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable

import attrs
import msgspec
from multidict import CIMultiDict

from aiodoo.models.endpoints import shown
from aiodoo.models.secret_fields import find, guard
from aiodoo.protocol.wire import Answer, Request
from aiodoo.secret import Secret

LONGEST = 200
"""Characters of the server's words that are kept."""

LONGEST_DATA = 1000
"""Characters that are kept of what a refusal says of single fields."""

MOST = 16_384
"""Characters beyond which they are no words, and are not looked at: hiding secrets in megabytes takes seconds."""

_URL = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*+://[^\s\"'<>]+")
_NOTHING = re.compile(r"(?!)")
_ENCODED = re.compile(r"[%\\+]")
_SHORT = 4
"""Digits below which a number is in many words that have nothing to do with it."""
_SHOWN = ("x-amzn-RequestId", "Content-Type")


def clean(text: str, hidden: re.Pattern[str], *, longest: int = LONGEST) -> str:
    """Return a server's words without what is hidden, escaped and shortened."""
    if len(text) > MOST:
        return f"({len(text)} characters)"
    text = hidden.sub("***", text)
    text = _URL.sub(lambda found: shown(found[0]), text)[: longest + 1]
    text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return text if len(text) <= longest else text[: longest - 3] + "..."


def without_echoes(answer: Answer, request: Request, secrets: Iterable[Secret]) -> Answer:
    """Return an answer none of whose headers that errors and events show repeats a secret; such a one is gone."""
    echoing = [name for name in _SHOWN if _echoes(answer.headers.get(name), request, secrets)]
    if not echoing:
        return answer
    headers = CIMultiDict(answer.headers)
    for name in echoing:
        del headers[name]
    return attrs.evolve(answer, headers=headers)


def _echoes(value: str | None, request: Request, secrets: Iterable[Secret]) -> bool:
    if not value:
        return False
    lowered = value.lower()
    for secret in secrets:
        if secret.reveal().lower() in lowered:
            return True
    return bool(request.body) and value.encode("utf-8", "replace") in request.body


def any_spelling(secrets: Iterable[Secret], texts: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern for these secrets as texts may spell them: plain, percent-encoded, escaped, base64.

    A secret that cannot be in the texts is left out, as making the pattern costs more than all else that is done
    with an answer.
    """
    looked_at = "\n".join(text for text in texts if len(text) <= MOST)
    lowered = looked_at.lower()
    # Where nothing is encoded or escaped, and no letter is another one's capital, a secret is there plain or not at all.
    is_plain = looked_at.isascii() and not _ENCODED.search(looked_at)
    spelled: list[str] = []
    for secret in secrets:
        value = secret.reveal()
        if not value:
            continue
        encoded = b64encode(value.encode("utf-8", "replace")).decode().rstrip("=")
        if is_plain and value.isascii() and value.lower() not in lowered and encoded.lower() not in lowered:
            continue
        spelled += ["".join(map(_any_character, value)), re.escape(encoded)]
    # The longest first, so that a secret that begins with another one is hidden whole.
    spelled.sort(key=len, reverse=True)
    return re.compile("|".join(spelled), re.IGNORECASE) if spelled else _NOTHING


def secrets_in(request: Request) -> list[Secret]:
    """Return the secrets that a request's own body carried, as an answer may echo them."""
    if not request.body:
        return []
    found = find(guard(msgspec.json.decode(request.body))).values()
    return [secret for secret in found if secret and not (secret.is_number and len(secret.reveal()) < _SHORT)]


def _any_character(char: str) -> str:
    percent = "".join(f"%{byte:02x}" for byte in char.encode("utf-8", "replace"))
    plus = r"|\+" if char == " " else ""
    return rf"(?:\\?{re.escape(char)}|{percent}|\\u{ord(char):04x}{plus})"
