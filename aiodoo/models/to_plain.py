"""Writes models as plain data, with a choice of what to write for secrets."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal

import attrs

from aiodoo.errors import ConfigError
from aiodoo.models.secret_fields import is_fixed, plain_of
from aiodoo.models.texts import INTERNAL_FIELDS
from aiodoo.secret import Secret

Secrets = Literal["refuse", "omit", "reveal"] | Callable[[Secret], Any]
"""What to write for a secret: raise, leave it out, write it in clear, or write the result of a function."""

_LEFT_OUT = object()


def plain(model: Any, secrets: Secrets) -> dict[str, Any]:
    """Return an attrs model as a new dict, without None and with the unknown fields at any depth."""
    written: dict[str, Any] = {}
    for name in _names(type(model)):  # type: ignore[arg-type]  # a class is hashable
        value = getattr(model, name)
        if value is None:
            continue
        if name == "header_value_format" and type(value) is str and is_fixed(value):
            value = Secret(value)
        if type(value) is not str:
            value = (
                plain(value, secrets) if hasattr(value, "__attrs_attrs__") else written_plain(value, secrets)
            )
            if value is _LEFT_OUT:
                continue
        written[name] = value
    if not model.extra:
        return written
    for name, value in model.extra.items():
        item = written_plain(value, secrets)
        if item is not _LEFT_OUT:
            written.setdefault(name, item)
    return written


@cache
def _names(cls: Any) -> tuple[str, ...]:
    return tuple([field.name for field in attrs.fields(cls) if field.name not in INTERNAL_FIELDS])


def written_plain(value: Any, secrets: Secrets) -> Any:
    """Return a copy of guarded data or of a model, with secrets written as `secrets` says."""
    if type(value) is tuple:
        written = [
            plain(each, secrets) if hasattr(each, "__attrs_attrs__") else written_plain(each, secrets)
            for each in value
        ]
        return [item for item in written if item is not _LEFT_OUT] if _LEFT_OUT in written else written
    if hasattr(value, "__attrs_attrs__"):
        return plain(value, secrets)
    if isinstance(value, Secret):
        return _write_secret(value, secrets)
    if isinstance(value, dict | Mapping):
        made = {name: written_plain(item, secrets) for name, item in value.items()}
        return {name: item for name, item in made.items() if item is not _LEFT_OUT}
    if isinstance(value, tuple | list):
        items = [written_plain(item, secrets) for item in value]
        return [item for item in items if item is not _LEFT_OUT]
    return copy.deepcopy(value)


def _write_secret(secret: Secret, secrets: Secrets) -> Any:
    if callable(secrets):
        return secrets(secret)
    if secrets == "reveal":
        return plain_of(secret)
    if secrets == "omit":
        return _LEFT_OUT
    raise ConfigError(
        'there is a client_secret, or another credential, inside; say what to do with it: secrets="omit", "reveal" '
        "or a function. Nothing was written."
    )
