"""Builds the requests of `Session.request()`, and refuses those that must not be sent."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from aiodoo.checks import plain_text
from aiodoo.errors import ConfigError
from aiodoo.models.texts import plain_data
from aiodoo.protocol.wire import Kind, Request
from aiodoo.secret import Secret

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+/?")
_LONGEST = 2000
_TEAM = re.compile(r"/team/([A-Za-z0-9_-]{1,64})/webhooks/?")


def own_request(
    method: str, path: str, *, json: Any = None, params: Mapping[str, str | int] | None = None
) -> Request:
    """Build a request of the caller's own.

    Args:
        method: one of `METHODS`.
        path: the path below the base URL, such as `/organizers/current`.
        json: the body as plain data; a Secret in it is sent in clear.
        params: the query parameters.

    Raises:
        ConfigError: an argument is invalid, or the request is one that only the session makes.
    """
    method = _method(method)
    path = _path(path)
    _check_allowed(method, path)
    team = _TEAM.fullmatch(path)
    return Request(
        kind=Kind.READ if method == "GET" else Kind.WRITE,
        method=method,
        path=path,
        query=_query(params),
        body=_body(method, json),
        team_id=team and team[1],
    )


def _method(method: object) -> str:
    name = plain_text(method).upper() if isinstance(method, str) else ""
    if name in METHODS:
        return name
    raise ConfigError(f"the method must be one of {', '.join(METHODS)}; nothing was sent")


def _path(path: object) -> str:
    text = plain_text(path) if isinstance(path, str) else ""
    dots = {".", ".."}.intersection(text.split("/"))
    if len(text) > _LONGEST or dots or _PATH.fullmatch(text) is None:
        raise ConfigError(
            "the path must be one below the base URL, such as /organizers/current: it begins with a slash, has no host, "
            "no //, no . or .. for a part, no percent signs, and no ? (give params= instead). Nothing was sent"
        )
    return text


def _check_allowed(method: str, path: str) -> None:
    parts = path.casefold().strip("/").split("/")
    if method == "DELETE" and "webhooks" in parts:
        raise ConfigError(
            "a webhook configuration is not deleted by request(), which looks at nothing; use webhooks.delete() or "
            "bulk.run([Delete(...)]). Nothing was sent"
        )
    if parts[0] == "oauth":
        raise ConfigError("the session asks for its tokens itself; nothing was sent")


def _query(params: Mapping[str, str | int] | None) -> str:
    if params is None:
        return ""
    if not isinstance(params, Mapping) or not all(
        isinstance(name, str) and isinstance(value, str | int) and not isinstance(value, bool)
        for name, value in params.items()
    ):
        raise ConfigError("params must be a mapping of names to text or whole numbers; nothing was sent")
    try:
        return urlencode(dict(params))
    except ValueError:
        pass
    raise ConfigError(
        "params hold text that UTF-8 cannot hold, or a number that is too long; nothing was sent"
    )


def _body(method: str, json: Any) -> bytes:
    if json is None:
        return b""
    if method == "GET":
        raise ConfigError("a GET has no body; give params= instead of json=. Nothing was sent")
    try:
        if _is_plain(json):
            return msgspec.json.encode(plain_data(json), enc_hook=_reveal)
    except (TypeError, ValueError, OverflowError, RecursionError):
        pass
    raise ConfigError(
        "json must be plain data that JSON can hold: mappings with text as keys, lists, text, finite numbers, True, False, "
        "None; of a model of aiodoo it is to_dict(). Nothing was sent"
    )


def _is_plain(value: object) -> bool:
    """Tell whether JSON can hold a value exactly; msgspec writes NaN as null, bytes as text and models as objects."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and _is_plain(item) for name, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int | Secret)


def _reveal(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError
