"""Checks webhook configurations before anything is sent; no message shows a value.

A text copied from a list passes unchanged, provided that JSON can hold it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NoReturn

import attrs
import msgspec

from aiodoo.checks import is_text
from aiodoo.errors import ConfigError
from aiodoo.models import secret_fields
from aiodoo.models.authentication import ACCESS_TOKEN, Authentication, ClientCredentials
from aiodoo.models.checkable import Checkable
from aiodoo.models.endpoints import is_absolute
from aiodoo.models.hook import Hook, Origin
from aiodoo.models.nesting import is_deep
from aiodoo.models.texts import INTERNAL_FIELDS, listed_texts
from aiodoo.secret import Secret

SERVER_OWNED = ("id", "_links", "team_id")
"""Fields of a listed item that only doo sets, so a new one must not have them."""


def check(config: Checkable) -> None:
    """Raise ConfigError if doo would refuse this configuration, or misunderstand it."""
    _texts(config, "", "name")
    for name in ("description", "event_id", "event_guide_id"):
        value = getattr(config, name)
        if value is not None and not is_text(value):
            refuse(name, "must be text, or None")
    if not config.hooks:
        refuse("hooks", "is empty; a webhook configuration needs at least one hook")
    for number, hook in enumerate(config.hooks):
        _check_hook(hook, f"hooks[{number}]")
    if config.authentication is not None:
        _check_authentication(config.authentication, "authentication")
    _check_extra(config, "", SERVER_OWNED)
    _check_masks(config)


def secrets_of(config: Checkable) -> dict[secret_fields.Path, Secret]:
    """Return the secrets of a configuration by path; without unknown fields only the client secret can be one."""
    if config.has_unknown_fields:
        return secret_fields.find_secrets(config)
    login = config.authentication
    return {} if login is None else {secret_fields.CLIENT_SECRET: login.credentials.client_secret}


def _check_masks(config: Checkable) -> None:
    """Refuse a mask such as `***` in the place of a secret, as doo would store the mask."""
    for path, secret in secrets_of(config).items():
        if secret_fields.is_mask(secret):
            refuse(secret_fields.field_of(path), "is a mask such as ***, and no secret; say what it is")


def _check_hook(hook: Any, where: str) -> None:
    if not isinstance(hook, Hook):
        refuse(where, "must be an aiodoo.Hook")
    _texts(hook, where, "type", "method")
    _endpoint(hook, where)
    if hook.origin is not None:
        _check_origin(hook.origin, f"{where}.origin")
    _check_extra(hook, where)


def _check_origin(origin: Any, where: str) -> None:
    if not isinstance(origin, Origin):
        refuse(where, "must be an aiodoo.Origin")
    _texts(origin, where, "method", "body")
    _endpoint(origin, where)
    if not _is_json(origin.body) and origin.body not in listed_texts(origin):
        refuse(f"{where}.body", "is not JSON; Hook.graphql() writes it for you")
    _check_extra(origin, where)


def _check_authentication(login: Any, where: str) -> None:
    if not isinstance(login, Authentication):
        refuse(where, "must be an aiodoo.Authentication")
    _endpoint(login, where)
    _texts(login, where, "grant_type", "header_format", "header_value_format")
    if ACCESS_TOKEN not in login.header_value_format:
        refuse(f"{where}.header_value_format", f"must hold {ACCESS_TOKEN} where doo is to put the token")
    if not isinstance(login.credentials, ClientCredentials):
        refuse(f"{where}.credentials", "must be aiodoo.ClientCredentials")
    _texts(login.credentials, f"{where}.credentials", "client_id", "client_secret")
    _check_extra(login.credentials, f"{where}.credentials")
    _check_extra(login, where)


def _check_extra(model: Any, where: str, owned: tuple[str, ...] = ()) -> None:
    """Refuse fields that the model has itself, and values that JSON cannot hold: NaN, bytes, dates, lone surrogates."""
    if type(model.extra) is dict and not model.extra:
        return
    if not isinstance(model.extra, Mapping):
        refuse(_path(where, "extra"), "must be a mapping of fields that aiodoo does not know")
    if not model.extra:
        return
    named = {field.name for field in attrs.fields(type(model))}.union(owned) - INTERNAL_FIELDS
    for name in named.intersection(model.extra):
        refuse(_path(where, "extra"), f"must not hold {name}")
    try:
        faithful = not is_deep(model.extra)
        if faithful:
            extra = secret_fields.map_secrets(model.extra, lambda _, secret: secret_fields.plain_of(secret))
            faithful = msgspec.json.decode(msgspec.json.encode(extra)) == extra
    except (TypeError, ValueError, OverflowError, RecursionError):
        faithful = False
    if not faithful:
        refuse(_path(where, "extra"), "holds something that JSON cannot say")


@lru_cache(64)
def _is_json(text: str, kind: type = object) -> bool:
    """Tell whether a text is JSON of this type, with a number for each of doo's placeholders."""
    for written in (text, secret_fields.PLACEHOLDER.sub("0", text)):
        try:
            return isinstance(msgspec.json.decode(written), kind)
        except (ValueError, RecursionError):
            continue
    return False


def is_json_object(text: str) -> bool:
    """Tell whether a text is a JSON object, with a number for each of doo's placeholders."""
    return _is_json(text, dict)


def _texts(model: Any, where: str, *names: str) -> None:
    for name in names:
        value = getattr(model, name)
        if type(value) is str and value.isascii() and value.strip():
            continue
        text: Any = value.reveal() if isinstance(value, Secret) and name == "client_secret" else value
        if not is_text(text) or not (text.strip() or text in listed_texts(model)):
            refuse(_path(where, name), "is empty or not text")


def _endpoint(model: Any, where: str) -> None:
    url = model.endpoint
    if type(url) is str and url.isascii() and is_absolute(url):
        return
    if is_text(url) and is_absolute(url):
        return
    if url not in listed_texts(model):
        refuse(_path(where, "endpoint"), "must be a whole URL that begins with https:// or http://")


def _path(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def refuse(where: str, why: str) -> NoReturn:
    """Raise ConfigError for a field; `why` says what is wrong with it and what to do."""
    raise ConfigError(f"{where} {why}. Nothing was sent.")
