"""Models as plain data, with a say over the secrets in them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Literal

from aiodoo.errors import ConfigError
from aiodoo.secret import Secret

Secrets = Literal["refuse", "omit", "reveal"] | Callable[[Secret], Any]
"""What becomes of a secret: an error, left out, written in clear, or whatever a function makes of it."""

_LEFT_OUT = object()


def plain(model: Any, secrets: Secrets) -> dict[str, Any]:
    """Return an attrs model as a new dict: no None, unknown fields at their depth, secrets as told."""
    written: dict[str, Any] = {}
    for field in type(model).__attrs_attrs__:
        name = field.name
        value = getattr(model, name)
        if name == "extra" or value is None:
            continue
        if type(value) is not str:
            value = _plain_value(value, secrets)
            if value is _LEFT_OUT:
                continue
        written[name] = value
    for name, value in model.extra.items():
        written.setdefault(name, copy.deepcopy(value))
    return written


def write_secret(secret: Secret, secrets: Secrets) -> Any:
    """Return what stands for this secret, or `LEFT_OUT`'s marker (see `is_left_out`)."""
    if callable(secrets):
        return secrets(secret)
    if secrets == "reveal":
        return secret.reveal()
    if secrets == "omit":
        return _LEFT_OUT
    raise ConfigError(
        'there is a client_secret inside; say what to do with it: secrets="omit", "reveal" or a function. '
        "Nothing was written."
    )


def is_left_out(value: object) -> bool:
    """Tell whether `write_secret` said to leave the secret out."""
    return value is _LEFT_OUT


def _plain_value(value: Any, secrets: Secrets) -> Any:
    if isinstance(value, Secret):
        return write_secret(value, secrets)
    if isinstance(value, tuple):
        return [_plain_value(item, secrets) for item in value]
    return plain(value, secrets) if hasattr(value, "__attrs_attrs__") else value
