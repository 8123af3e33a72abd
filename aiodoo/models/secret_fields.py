"""Decides which fields of a webhook configuration are secrets, and finds, replaces or removes them.

Secrets are:

- everything under a key `credentials`, at any depth, except `credentials.client_id`;
- everything under a key that ends like the name of a credential: `client_secret`, `password`, `api_key`,
  `X-Auth-Token`, `Authorization` and the like (`_NAMES`), in any case and with any separators;
- header values that are fixed text: under a key such as `headers` or `static_headers`, as an object, as a list
  of `{"name": ..., "value": ...}` or as lines, and `header_value_format`. A value with a placeholder such as
  `Bearer %ACCESS_TOKEN%` is no secret, as doo fills it in.

Only texts and numbers are secrets; `true`, `false`, `null` and empty texts are not. Endpoint URLs may hold tokens, too:
they are kept whole, and `models.endpoints.shown` prints them without.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from enum import Enum, auto
from functools import lru_cache
from types import NoneType
from typing import Any, Final, TypeAlias, TypeVar

import attrs

from aiodoo.models.mask_detection import is_masked
from aiodoo.models.nesting import is_deep
from aiodoo.models.texts import plain_data
from aiodoo.secret import ListedSecret, Secret

T = TypeVar("T")

Path: TypeAlias = tuple[str | int, ...]
"""The path of a value in doo's JSON object: keys, and indexes of lists."""

CLIENT_SECRET: Final[Path] = ("authentication", "credentials", "client_secret")

_NAMES = (
    r"(?:secret|password|passwd|passphrase|pwd|apikey|accesskey|privatekey|secretkey|signingkey|token|authorization"
    r"|bearer|cookie)s?\Z"
)
_LEAVES = frozenset({str, int, float, bool, NoneType})
PLACEHOLDER = re.compile(r"%[A-Z_]+%")
"""A placeholder such as `%EVENT_ID%`, which doo fills in; aiodoo accepts any name."""


class _Place(Enum):
    """What the keys of a path say about the values below it."""

    OPEN = auto()
    CREDENTIALS = auto()
    HEADERS = auto()
    HEADER = auto()
    HEADER_VALUE = auto()
    SECRET = auto()


def _below(place: _Place, name: object) -> _Place:
    """Return the place at a key or an index of another place."""
    match place:
        case _Place.SECRET | _Place.HEADER_VALUE:
            return place
        case _Place.CREDENTIALS:
            return _Place.OPEN if name == "client_id" else _Place.SECRET
        case _Place.HEADERS:
            return _Place.HEADER if isinstance(name, int) else _Place.HEADER_VALUE
        case _Place.HEADER:
            return _Place.OPEN if name in {"name", "key", "header"} else _Place.HEADER_VALUE
        case _Place.OPEN:
            return _named(name) if isinstance(name, str) else place


@lru_cache(maxsize=4096)
def _named(name: str) -> _Place:
    plain = re.sub(r"[^a-z]", "", name.lower())
    if plain == "credentials":
        return _Place.CREDENTIALS
    if plain == "headervalueformat":
        return _Place.HEADER_VALUE
    if re.search(r"headers?\Z", plain) is not None:
        return _Place.HEADERS
    return _Place.SECRET if re.search(_NAMES, plain) is not None else _Place.OPEN


def guard(plain: T, *, source: Callable[[str], Mapping[str, Any]] | None = None) -> T:
    """Return plain data with a `Secret` for every secret in it; the same object if there is none.

    >>> guard({"name": "CRM", "password": "s3cret"})
    {'name': 'CRM', 'password': Secret('***')}

    Args:
        plain: a webhook configuration, or a part of one, as parsed JSON.
        source: returns the `source` of the Secret at a field.
    """
    return plain if is_deep(plain) else _guarded(plain, _Place.OPEN, (), source)


def guard_extra(extra: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an `extra` with a `Secret` for every secret in it."""
    return guard(plain_data(extra)) if isinstance(extra, Mapping) and extra else extra


def guard_credentials(extra: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the `extra` of credentials with a `Secret` for every secret in it."""
    if not isinstance(extra, Mapping) or not extra or is_deep(extra):
        return extra
    return _guarded(plain_data(extra), _Place.CREDENTIALS, (), None)  # type: ignore[no-any-return]


def _guarded(plain: Any, place: _Place, path: Path, source: Callable[[str], Mapping[str, Any]] | None) -> Any:
    if isinstance(plain, dict | list | tuple | Mapping):
        return _guarded_items(plain, place, path, source)
    if place in {_Place.OPEN, _Place.CREDENTIALS} or not _may_be_secret(plain, place):
        return plain
    where = None if source is None else source(field_of(path))
    return Secret(plain, source=where) if isinstance(plain, str) else _number(plain, where)


def _guarded_items(
    plain: Any, place: _Place, path: Path, source: Callable[[str], Mapping[str, Any]] | None
) -> Any:
    is_mapping = isinstance(plain, Mapping)
    made: Any = None
    for name, item in plain.items() if is_mapping else enumerate(plain):
        below = _below(place, name)
        if below is _Place.OPEN and type(item) in _LEAVES:
            continue
        new = _guarded(item, below, (*path, name), source)
        if new is not item:
            made = made or (dict(plain) if is_mapping else list(plain))
            made[name] = new
    return made or plain


def _may_be_secret(plain: Any, place: _Place) -> bool:
    if isinstance(plain, str):
        return bool(plain) and (place is _Place.SECRET or is_fixed(plain))
    return type(plain) is int or (type(plain) is float and math.isfinite(plain))


def _number(plain: float, source: Mapping[str, Any] | None) -> Any:
    try:
        return Secret(json.dumps(plain), source=source, is_number=True)
    except ValueError:  # more digits than Python writes
        return plain


def is_fixed(text: str) -> bool:
    """Tell whether a header value has no placeholder, and so is a secret."""
    return PLACEHOLDER.search(text) is None


def plain_of(secret: Secret) -> Any:
    """Return the JSON value of a secret: its text, or a number."""
    return json.loads(secret.reveal()) if secret.is_number else secret.reveal()


def is_mask(secret: Secret) -> bool:
    """Tell whether a secret is a mask such as `***`; an empty or unavailable one is not."""
    return (
        secret.is_available and bool(secret.reveal()) and not secret.is_number and is_masked(secret.reveal())
    )


def is_kept(secret: Secret) -> bool:
    """Tell whether this means the listed secret: a `ListedSecret`, or a mask such as `***` that is not blank."""
    return isinstance(secret, ListedSecret) or (is_mask(secret) and bool(secret.reveal().strip()))


def map_secrets(value: T, change: Callable[[Path, Secret], Any], path: Path = ()) -> T:
    """Return a model, or plain data, with `change(path, secret)` for each secret; the same object if none changes."""
    new: Any = value
    if isinstance(value, Secret):
        new = change(path, value)
    elif isinstance(value, Mapping):
        made = {name: map_secrets(item, change, (*path, name)) for name, item in value.items()}
        new = made if any(made[name] is not item for name, item in value.items()) else value
    elif isinstance(value, list | tuple):
        items = [map_secrets(item, change, (*path, number)) for number, item in enumerate(value)]
        same = all(item is old for item, old in zip(items, value, strict=True))
        new = value if same else type(value)(items)
    elif hasattr(value, "__attrs_attrs__"):
        new = _mapped_model(value, change, path)
    return new  # type: ignore[no-any-return]


def _mapped_model(model: Any, change: Callable[[Path, Secret], Any], path: Path) -> Any:
    """Do `map_secrets` for an attrs model; in paths, the fields of `extra` are siblings of the named fields."""
    made = {}
    for field in attrs.fields(type(model)):
        old = getattr(model, field.name)
        new = map_secrets(old, change, path if field.name == "extra" else (*path, field.name))
        if new is not old:
            made[field.name] = new
    return attrs.evolve(model, **made) if made else model


def find_secrets(value: Any, path: Path = ()) -> dict[Path, Secret]:
    """Return the secrets of a model, or of guarded plain data, by path; `path` is the path of `value` itself."""
    found: dict[Path, Secret] = {}
    _find(value, path, found)
    return found


def _find(value: Any, path: Path, found: dict[Path, Secret]) -> None:
    kind = type(value)
    if kind in _LEAVES:
        return
    if isinstance(value, Secret):
        found[path] = value
    elif kind is dict or isinstance(value, Mapping):
        for name, item in value.items():
            if type(item) not in _LEAVES:
                _find(item, (*path, name), found)
    elif kind is list or kind is tuple:
        for number, item in enumerate(value):
            _find(item, (*path, number), found)
    elif hasattr(kind, "__attrs_attrs__"):
        for field in kind.__attrs_attrs__:
            _find(getattr(value, field.name), path if field.name == "extra" else (*path, field.name), found)


def put(plain: Any, path: Path, item: Any) -> Any:
    """Return plain data with `item` at a path; only the containers along the path are copied."""
    if not path:
        return item
    name, *rest = path
    if isinstance(plain, list):
        copied = plain.copy()
        copied[name] = put(copied[name], tuple(rest), item)  # type: ignore[index]  # a place in a list is a number
        return copied
    plain = plain if isinstance(plain, Mapping) else {}
    return {**plain, name: put(plain.get(name), tuple(rest), item)}


def without_secrets(plain: Any) -> Any:
    """Return guarded plain data without its secrets: keys are removed, items of lists become None."""
    if isinstance(plain, Mapping):
        made = {
            name: item if type(item) in _LEAVES else without_secrets(item)
            for name, item in plain.items()
            if not isinstance(item, Secret)
        }
        same = len(made) == len(plain) and all(made[name] is item for name, item in plain.items())
        return plain if same else made
    if isinstance(plain, list | tuple):
        items = [None if isinstance(item, Secret) else without_secrets(item) for item in plain]
        return plain if all(new is old for new, old in zip(items, plain, strict=True)) else items
    return plain


def field_of(path: Path) -> str:
    """Return a path as text.

    >>> field_of(("hooks", 0, "headers", "X-Key"))
    'hooks[0].headers.X-Key'
    """
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")
