"""Deleted webhook configurations as a journal stores them, so that `undo` can create them again."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

from aiodoo.models import WebhookConfiguration
from aiodoo.models.secret_fields import CLIENT_SECRET, Path, find_secrets, is_mask, plain_of
from aiodoo.models.to_plain import written_plain
from aiodoo.secret import Secret

_OMITTED = "$secrets"
_SEVERAL = b"aiodoo:secrets:"
"""The prefix of an encrypted text with several secrets, or with one that is not a client secret."""


@attrs.frozen
class KeptWebhook:
    """A deleted webhook configuration.

    Attributes:
        item: as doo listed it, without its secrets.
        omitted: the paths of the secrets other than the client secret.
    """

    item: dict[str, Any]
    omitted: tuple[Path, ...]

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> KeptWebhook:
        """Return it from the form that a journal stores."""
        item = dict(plain)
        return cls(item, tuple(tuple(path) for path in item.pop(_OMITTED, ())))

    def with_secrets(self, values: Mapping[Path, Any]) -> dict[str, Any]:
        """Return the item with these values as its secrets."""
        item = copy.deepcopy(self.item)
        for path, value in sorted(values.items(), key=lambda each: [(str(type(x)), x) for x in each[0]]):
            holder: Any = item
            for step in path[:-1]:
                inner = holder.get(step) if isinstance(holder, dict) else holder[step]
                if not isinstance(inner, dict | list):
                    inner = holder[step] = {}
                holder = inner
            if isinstance(holder, list):
                holder.insert(int(path[-1]), value)
            else:
                holder[path[-1]] = value
        return item


def kept_of(webhook: WebhookConfiguration) -> dict[str, Any]:
    """Return what a journal stores of a webhook configuration: all but its secrets.

    Raises:
        SchemaMismatch: it holds something that cannot be stored.
    """
    item = webhook.guarded()
    # Without unknown fields there are no secrets elsewhere.
    found = item if webhook.has_unknown_fields else {"authentication": item.get("authentication")}
    omitted = [[*path] for path in find_secrets(found) if path != CLIENT_SECRET]
    if omitted:
        item = written_plain(item, "omit")
    else:
        match item.get("authentication"):
            case {"credentials": {"client_secret": Secret()} as credentials}:
                del credentials["client_secret"]
    return item | ({_OMITTED: omitted} if omitted or _OMITTED in item else {})


def secrets_to_keep(webhook: WebhookConfiguration) -> tuple[bytes, list[bytes]]:
    """Return the secrets of a webhook configuration as one text, empty if there are none, and as a list."""
    found = {
        path: secret
        for path, secret in find_secrets(webhook.guarded()).items()
        if secret and not is_mask(secret)
    }
    each = [secret.reveal().encode() for secret in found.values()]
    if set(found) <= {CLIENT_SECRET}:
        return b"".join(each), each
    plain = [[[*path], plain_of(secret)] for path, secret in found.items()]
    return _SEVERAL + msgspec.json.encode(plain), each


def kept_secrets(plain: bytes) -> dict[Path | str, Any]:
    """Return the secrets of a text that `secrets_to_keep` returned, by path."""
    if not plain.startswith(_SEVERAL):
        return {CLIENT_SECRET: plain.decode(errors="replace")}
    return {tuple(path): value for path, value in msgspec.json.decode(plain.removeprefix(_SEVERAL))}


def given_secrets(given: str | Secret | Mapping[str, str | Secret]) -> dict[Path | str, Any]:
    """Return the secrets that a caller has given, by path or field name."""
    if isinstance(given, Mapping):
        return {field: plain_of(Secret.of(value)) for field, value in given.items()}
    return {CLIENT_SECRET: Secret.of(given).reveal()}
