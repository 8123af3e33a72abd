"""Settings for what doo does not document."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta, timezone, tzinfo
from types import NoneType
from typing import Any, Literal, TypeAlias

import attrs

from aiodoo.checks import check_choice, check_kind
from aiodoo.errors import ConfigError

NewWebhooks: TypeAlias = Literal["first", "last", "anywhere"]
"""Where a team's list shows new webhook configurations."""


def _statuses(statuses: Iterable[int]) -> frozenset[int]:
    found = list(statuses) if isinstance(statuses, Iterable) else None
    if found is None or any(type(status) is not int for status in found):
        raise ConfigError("token_refused must be statuses, such as {401, 403}; nothing was sent")
    return frozenset(found)


def _is(kind: Any, words: str) -> Any:
    return lambda _, field, value: check_kind(value, field.name, kind, words)


def _is_text_pattern(_: object, field: attrs.Attribute[Any], value: Any) -> None:
    words = "a compiled pattern for text: re.compile(...)"
    check_kind(value, field.name, re.Pattern, words)
    if isinstance(value.pattern, bytes):
        raise ConfigError(f"{field.name} must be {words}, not for bytes; nothing was sent")


def _is_place(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is not None:
        check_choice(value, field.name, ("first", "last", "anywhere"))


@attrs.frozen(kw_only=True)
class Facts:
    """Assumptions about what doo does not document.

    Change one if doo's support or your own account shows otherwise.
    """

    token_refused: frozenset[int] = attrs.field(default=frozenset({401}), converter=_statuses)
    """Statuses that mean that the token has expired ("Authorization" names neither them nor a lifetime)."""

    delete_sends_bearer: bool = attrs.field(default=True, validator=_is(bool, "True or False"))
    """Whether a DELETE carries the token. "Webhook management" shows only the API key; both should work."""

    list_echoes_scope: bool | None = attrs.field(
        default=None, validator=_is((bool, NoneType), "True, False or None")
    )
    """Whether a list shows `event_id` and `event_guide_id`. No example does; None means unknown."""

    type_suffix: re.Pattern[str] = attrs.field(
        default=re.compile(r"_[0-9a-f]{32}\Z"), validator=_is_text_pattern
    )
    """The suffix that lists append to the type of a hook with an `origin`; it is removed before a hook is sent."""

    time_zone: tzinfo = attrs.field(
        default=timezone(timedelta(hours=1), "CET"),
        validator=_is(tzinfo, "a time zone, such as zoneinfo.ZoneInfo"),
    )
    """The time zone of "Webhook initialization". The page says CET, and nothing about summer time."""

    new_webhooks: NewWebhooks | None = attrs.field(default=None, validator=_is_place)
    """Where a team's list shows new webhook configurations: "first", "last" or "anywhere". No page says it; with None a run
    learns it from the first ones that it creates. A wrong value costs requests and changes no result."""
