"""Which webhook configurations are meant, by what is like their name, their endpoints and their types."""

from __future__ import annotations

from fnmatch import fnmatchcase
from types import NoneType
from typing import Any

import attrs

from aiodoo.checks import check_kind
from aiodoo.models.webhook_configuration import WebhookConfiguration


def is_like(text: str, pattern: str) -> bool:
    """Tell whether a text is like a pattern, in which * stands for any characters and ? for any one; case counts."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def _pattern(_: object, field: attrs.Attribute[Any], value: object) -> None:
    check_kind(value, field.name, (str, NoneType), "text in which * and ? stand for any characters")


@attrs.frozen(kw_only=True)
class Filter:
    """Tells whether a webhook configuration is meant; whatever is None is not looked at.

    Attributes:
        name: what its name is like.
        endpoint: what the endpoint of one of its hooks is like.
        type: what the type of one of its hooks is like, without the suffix that lists append.
    """

    name: str | None = attrs.field(default=None, validator=_pattern)
    endpoint: str | None = attrs.field(default=None, validator=_pattern)
    type: str | None = attrs.field(default=None, validator=_pattern)

    def matches(self, webhook: WebhookConfiguration) -> bool:
        """Return whether it is meant."""
        name, endpoint, type_ = self.name, self.endpoint, self.type
        return (
            (name is None or is_like(webhook.name, name))
            and (endpoint is None or any(is_like(hook.endpoint, endpoint) for hook in webhook.hooks))
            and (type_ is None or any(is_like(hook.base_type, type_) for hook in webhook.hooks))
        )

    @property
    def is_for_all(self) -> bool:
        """Whether every webhook configuration is meant."""
        return self.name is None and self.endpoint is None and self.type is None
