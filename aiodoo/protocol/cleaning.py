"""The server's words, made fit to be shown: no secrets, no control characters, not too many."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec

from aiodoo.models.endpoints import shown
from aiodoo.protocol.wire import Request
from aiodoo.secret import Secret

LONGEST = 200
"""Characters of the server's words that are kept."""

_URL = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*+://[^\s\"'<>]+")


def clean(text: str, hide: Iterable[str]) -> str:
    """Return a server's words without secrets, escaped and shortened."""
    for secret in hide:
        text = text.replace(secret, "***")
    text = _URL.sub(lambda found: shown(found[0]), text)
    text = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text[: 2 * LONGEST]
    )
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def spellings(secrets: Iterable[Secret]) -> list[str]:
    """Return how secrets may be spelled in an answer that echoes them, the longest first."""
    found = set()
    for secret in secrets:
        value = secret.reveal()
        raw = value.encode("utf-8", "replace")
        found |= {value, quote(raw, safe=""), quote_plus(raw), b64encode(raw).decode()}
        found.add(msgspec.json.encode(raw.decode())[1:-1].decode())
    return sorted(found - {""}, key=len, reverse=True)


def secrets_in(request: Request) -> list[Secret]:
    """Return the secrets that a request's own body carried, as an answer may echo them."""
    if not request.body:
        return []
    body = msgspec.json.decode(request.body)
    login = body.get("authentication") or {}
    held = [body.get("client_secret"), *_texts(login.get("credentials"))]
    return [Secret(value) for value in held if isinstance(value, str) and value]


def _texts(value: Any) -> list[Any]:
    """Return what an object holds, doo's fixed client id apart."""
    return [item for name, item in value.items() if name != "client_id"] if isinstance(value, dict) else []
