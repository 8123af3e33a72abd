"""Selects webhook configurations by patterns for their names, endpoints and types."""

from __future__ import annotations

from fnmatch import fnmatchcase
from types import NoneType
from typing import Any

import attrs

from aiodoo.checks import check_kind
from aiodoo.models.vocabulary import HOOK_TYPES
from aiodoo.models.webhook_configuration import WebhookConfiguration


def is_like(text: str, pattern: str) -> bool:
    """Tell whether a text matches a pattern: * matches any characters, ? any single one; case-sensitive.

    >>> is_like("crm: orders", "crm: *"), is_like("CRM: orders", "crm: *")
    (True, False)
    """
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def names_type(pattern: str) -> bool:
    """Tell whether a pattern matches a hook type that doo's pages name."""
    return any(is_like(known, pattern) for known in HOOK_TYPES)


def _pattern(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is not None:
        check_kind(value, field.name, (str, NoneType), "text in which * and ? stand for any characters")


@attrs.frozen(kw_only=True)
class Filter:
    """Patterns that select webhook configurations; all that are given must match, * and ? as in `is_like`.

    Attributes:
        name: pattern for the name.
        endpoint: pattern for the endpoint of at least one hook.
        type: pattern for the type of at least one hook, without the suffix of listed types.
    """

    name: str | None = attrs.field(default=None, validator=_pattern)
    endpoint: str | None = attrs.field(default=None, validator=_pattern)
    type: str | None = attrs.field(default=None, validator=_pattern)

    def matches(self, webhook: WebhookConfiguration) -> bool:
        """Return whether the filter selects a webhook configuration."""
        name, endpoint, type_ = self.name, self.endpoint, self.type
        return (
            (name is None or is_like(webhook.name, name))
            and (endpoint is None or any(is_like(hook.endpoint, endpoint) for hook in webhook.hooks))
            and (type_ is None or any(is_like(hook.base_type, type_) for hook in webhook.hooks))
        )

    @property
    def is_for_all(self) -> bool:
        """Whether the filter selects every webhook configuration."""
        return self.name is None and self.endpoint is None and self.type is None
