"""Checks the rules that doo documents for a webhook configuration ("Webhook configuration object").

Texts copied from a list are exempt, so that old webhooks can be moved: each model records its listed texts. No message
shows a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, NoReturn

from aiodoo.facts import Facts
from aiodoo.models.authentication import Authentication
from aiodoo.models.checkable import Checkable
from aiodoo.models.endpoints import can_be_called, is_absolute
from aiodoo.models.hook import Hook, Origin
from aiodoo.models.texts import Listed, listed_texts
from aiodoo.models.validation import is_json_object, refuse
from aiodoo.models.vocabulary import HOOK_TYPES

TYPE_SUFFIX: Final = Facts().type_suffix

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""The methods that doo's API description of 2017 names for a hook."""

LONGEST: Final = 255
"""Characters of a name, a description or a type."""

LONGEST_URL: Final = 1000
"""Characters of an endpoint."""

LONGEST_HEADER: Final = 100
"""Characters of a header's name, and of its value."""

GRANT_TYPE: Final = "client_credentials"

_KNOWN_TYPES: Final = frozenset(HOOK_TYPES)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def check_written(config: Checkable, type_suffix: re.Pattern[str] = TYPE_SUFFIX) -> None:
    """Raise ConfigError if a text that was not copied from a list breaks a rule of doo's pages.

    Args:
        config: a configuration that has passed `models.validation.check`.
        type_suffix: the suffix of listed types.
    """
    check_texts(
        listed_texts(config),
        name=config.name,
        description=config.description,
        event_id=config.event_id,
        event_guide_id=config.event_guide_id,
    )
    check_hooks(config.hooks, type_suffix)
    if config.authentication is not None:
        check_login(config.authentication)


def check_texts(listed: Listed = (), **texts: str | None) -> None:
    """Raise ConfigError if a text exceeds doo's length limit, or an id is empty.

    Args:
        listed: texts that are exempt.
        texts: the texts by field name.
    """
    for name, text in texts.items():
        if text is None or text in listed:
            continue
        if name in {"name", "description"}:
            if len(text) > LONGEST:
                _too_long(text, name, LONGEST)
        elif not text.strip() or not text.isprintable():
            refuse(name, "is empty or has control characters; leave it out for the whole organization")


def check_hooks(hooks: Sequence[Hook], type_suffix: re.Pattern[str] = TYPE_SUFFIX) -> None:
    """Raise ConfigError if doo would refuse a hook, or if a hook occurs twice."""
    for number, hook in enumerate(hooks):
        where = f"hooks[{number}]"
        _check_type(hook, f"{where}.type", type_suffix)
        if hook.method not in METHODS and hook.method not in listed_texts(hook):
            refuse(f"{where}.method", f"must be one of {', '.join(METHODS)}; doo's pages have POST")
        _check_endpoint(hook, where)
        if hook.origin is not None:
            _check_origin(hook.origin, f"{where}.origin")
        first = hooks.index(hook)
        if first < number and not _is_listed(hook):
            refuse(where, f"is the same as hooks[{first}], which would mean two deliveries; leave it out")


def check_login(login: Authentication) -> None:
    """Raise ConfigError if doo would refuse an authentication."""
    where, listed = "authentication", listed_texts(login)
    _check_endpoint(login, where)
    if login.grant_type not in {GRANT_TYPE, *listed}:
        refuse(f"{where}.grant_type", f"must be {GRANT_TYPE}")
    if login.header_format not in listed:
        if len(login.header_format) > LONGEST_HEADER:
            _too_long(login.header_format, f"{where}.header_format", LONGEST_HEADER)
        if _HEADER_NAME.fullmatch(login.header_format) is None:
            refuse(f"{where}.header_format", "must be the name of a header, such as Authorization")
    if login.header_value_format not in listed:
        if len(login.header_value_format) > LONGEST_HEADER:
            _too_long(login.header_value_format, f"{where}.header_value_format", LONGEST_HEADER)
        if not login.header_value_format.isprintable():
            refuse(f"{where}.header_value_format", "has line breaks or control characters")


def unknown_types(hooks: Iterable[Hook], type_suffix: re.Pattern[str] = TYPE_SUFFIX) -> list[str]:
    """Return the types that are neither listed nor on a page of doo's; they may be new, or misspelled."""
    return [
        hook.type
        for hook in hooks
        if _plain(hook, type_suffix) not in _KNOWN_TYPES and hook.type not in listed_texts(hook)
    ]


def _check_type(hook: Hook, where: str, type_suffix: re.Pattern[str]) -> None:
    if hook.type in _KNOWN_TYPES or hook.type in listed_texts(hook):
        return
    if len(hook.type) > LONGEST:
        _too_long(hook.type, where, LONGEST)
    if not hook.type.isprintable() or hook.type.split() != [hook.type]:
        refuse(where, "has spaces, line breaks or control characters; cut them off")
    if hook.type.startswith("on_"):
        refuse(
            where,
            "begins with on_, which doo's table of types prints and its webhooks do not have; cut it off",
        )
    if not _plain(hook, type_suffix):
        refuse(where, "is nothing but the suffix of a list; write the type before it")
    if hook.origin is None and type_suffix.search(hook.type) is not None:
        refuse(where, "ends in the suffix of a list, which only a hook with an origin has there; cut it off")


def _plain(hook: Hook, type_suffix: re.Pattern[str]) -> str:
    if hook.origin is None or hook.type in _KNOWN_TYPES:
        return hook.type
    return type_suffix.sub("", hook.type)


def _check_origin(origin: Origin, where: str) -> None:
    if origin.method != "POST" and origin.method not in listed_texts(origin):
        refuse(f"{where}.method", "must be POST")
    _check_endpoint(origin, where)
    if not is_json_object(origin.body) and origin.body not in listed_texts(origin):
        refuse(f"{where}.body", "is no JSON object; Hook.graphql() writes it for you")


def _check_endpoint(model: Hook | Origin | Authentication, where: str) -> None:
    url = model.endpoint
    if (len(url) <= LONGEST_URL and can_be_called(url)) or url in listed_texts(model):
        return
    if len(url) > LONGEST_URL:
        _too_long(url, f"{where}.endpoint", LONGEST_URL)
    else:
        refuse(f"{where}.endpoint", "must have a host, and a port from 1 to 65535 if any")


def is_refused(url: str) -> bool:
    """Tell whether doo would refuse this endpoint in a new configuration."""
    return len(url) > LONGEST_URL or not is_absolute(url) or not can_be_called(url)


def _is_listed(hook: Hook) -> bool:
    """Tell whether type, endpoint and method of a hook were copied from a list."""
    return {hook.type, hook.endpoint, hook.method} <= set(listed_texts(hook))


def _too_long(text: str, where: str, longest: int) -> NoReturn:
    refuse(where, f"has {len(text)} characters, and doo takes {longest:,} at most")
