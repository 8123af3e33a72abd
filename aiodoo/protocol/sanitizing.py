"""Sanitizes the server's messages for display: hides secrets, escapes control characters, and shortens."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable

import attrs
import msgspec
from multidict import CIMultiDict

from aiodoo.models.endpoints import shown
from aiodoo.models.secret_fields import find_secrets, guard
from aiodoo.protocol.wire import Answer, Request
from aiodoo.secret import Secret

LONGEST = 200
"""Characters kept of a message."""

LONGEST_DATA = 1000
"""Characters kept of the `data` of a refusal."""

MOST = 16_384
"""Characters; of a longer message only the length is shown, as hiding secrets in megabytes takes seconds."""

_URL = r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*+://[^\s\"'<>]+"
_NOTHING = re.compile(r"(?!)")
_ENCODED = re.compile(r"[%\\+]")
_SHORT = 4
"""Digits; a shorter number occurs in unrelated messages, and is not hidden."""
_SHOWN = ("x-amzn-RequestId", "Content-Type")
_JSON = frozenset({"application/json", "application/json; charset=utf-8", "application/hal+json"})
"""Content types that tell nothing of a secret, whatever the secret is."""


def clean(text: str, hidden: re.Pattern[str], *, longest: int = LONGEST) -> str:
    """Return a message with `***` for what `hidden` matches, with control characters escaped, and shortened."""
    if len(text) > MOST:
        return f"({len(text)} characters)"
    text = hidden.sub("***", text)
    text = re.sub(_URL, lambda found: shown(found[0]), text)[: longest + 1]
    text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return text if len(text) <= longest else text[: longest - 3] + "..."


def without_echoes(answer: Answer, request: Request, secrets: Iterable[Secret]) -> Answer:
    """Return the answer without the headers, of those shown in errors and events, that repeat a secret."""
    get, echoing = answer.headers.get, []
    for name in _SHOWN:
        value = get(name)
        if value and value not in _JSON and _echoes(value, request, secrets):
            echoing.append(name)
    if not echoing:
        return answer
    headers = CIMultiDict(answer.headers)
    for name in echoing:
        del headers[name]
    return attrs.evolve(answer, headers=headers)


def _echoes(value: str, request: Request, secrets: Iterable[Secret]) -> bool:
    lowered = value.lower()
    for secret in secrets:
        if secret.reveal().lower() in lowered:
            return True
    return bool(request.body) and value.encode("utf-8", "replace") in request.body


def any_spelling(secrets: Iterable[Secret], texts: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that matches these secrets in plain, percent-encoded, backslash-escaped or base64 form.

    Secrets that do not occur in the texts are omitted, as compiling the pattern is the most expensive step in
    processing an answer.
    """
    looked_at = "\n".join(text for text in texts if len(text) <= MOST)
    lowered = looked_at.lower()
    # Pure ASCII without encoding or escaping can hold a secret only in plain form.
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
    # Longest first, so that a secret that starts with another one is hidden completely.
    spelled.sort(key=len, reverse=True)
    return re.compile("|".join(spelled), re.IGNORECASE) if spelled else _NOTHING


def secrets_in(request: Request) -> list[Secret]:
    """Return the secrets in a request's body, which an answer may echo."""
    if not request.body:
        return []
    found = find_secrets(guard(msgspec.json.decode(request.body))).values()
    return [secret for secret in found if secret and not (secret.is_number and len(secret.reveal()) < _SHORT)]


def _any_character(char: str) -> str:
    percent = "".join(f"%{byte:02x}" for byte in char.encode("utf-8", "replace"))
    plus = r"|\+" if char == " " else ""
    return rf"(?:\\?{re.escape(char)}|{percent}|\\u{ord(char):04x}{plus})"
