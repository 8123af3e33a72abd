"""Settings for what doo does not document, each with a stated default."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta, timezone, tzinfo
from types import NoneType
from typing import Any

import attrs

from aiodoo.checks import check_kind
from aiodoo.errors import ConfigError


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


@attrs.frozen(kw_only=True)
class Facts:
    """What doo does not document, with the reading that aiodoo starts from.

    Change one when doo's support, or your own account, shows otherwise.
    """

    token_refused: frozenset[int] = attrs.field(default=frozenset({401}), converter=_statuses)
    """Statuses that mean "this token is no longer good". The lifetime of a token is written nowhere."""

    delete_sends_bearer: bool = attrs.field(default=True, validator=_is(bool, "True or False"))
    """Whether DELETE carries the token. "Webhook management" shows the API key alone; both should do."""

    list_echoes_scope: bool | None = attrs.field(
        default=None, validator=_is((bool, NoneType), "True, False or None")
    )
    """Whether a list shows `event_id` and `event_guide_id`. No printed example does; None is "not known"."""

    type_suffix: re.Pattern[str] = attrs.field(
        default=re.compile(r"_[0-9a-f]{32}\Z"), validator=_is_text_pattern
    )
    """What lists append to the type of a hook with an `origin`; it is cut off before such a hook is sent."""

    time_zone: tzinfo = attrs.field(
        default=timezone(timedelta(hours=1), "CET"),
        validator=_is(tzinfo, "a time zone, such as zoneinfo.ZoneInfo"),
    )
    """The zone of "Webhook initialization"'s times. The page says CET; whether summer time counts is not said."""
