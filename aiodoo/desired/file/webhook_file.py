"""Reads a single webhook configuration from a YAML or JSON file, with positions for error messages."""

from __future__ import annotations

import difflib
import os
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from aiodoo.desired.file.secret_references import BadReference, secret_of
from aiodoo.desired.file.yaml_reading import Fault, Place, Source, parse, read_source
from aiodoo.errors import ConfigError
from aiodoo.models import (
    AddWebhook,
    Authentication,
    ClientCredentials,
    Hook,
    Origin,
    check_replacement,
    rules,
)
from aiodoo.models.add_webhook import read_add_webhook
from aiodoo.models.changes import keep_listed
from aiodoo.models.copying import unsuffixed
from aiodoo.models.from_plain import Unreadable, fields_of, unknown_field
from aiodoo.models.secret_fields import find_secrets, map_secrets
from aiodoo.models.validation import SERVER_OWNED
from aiodoo.secret import ListedSecret, Secret

_NOT_CONTENT = (*SERVER_OWNED, "kind", "profile", "webhook_id")
"""Fields of what the command line prints that are not part of the content."""

_QUERY = ("query", "variables", "operation_name")
"""The fields of a hook that `Hook.graphql` makes an origin of."""

_UNKNOWN = "unknown"
"""The field that holds fields that aiodoo does not know, as in a file of desired state."""

_NOT_LISTED = (
    "is to be the listed one, but nothing is listed that it could come from; write ${secret:env:NAME} or "
    "${secret:file:PATH}"
)

_PARTS: Mapping[type, Mapping[str, type]] = {
    AddWebhook: {"hooks": Hook, "authentication": Authentication},
    Hook: {"origin": Origin},
    Authentication: {"credentials": ClientCredentials},
}
"""The classes of the parts of each class."""


def read_webhook(file: str | os.PathLike[str]) -> AddWebhook:
    """Return the webhook configuration in a YAML or JSON file; costs no request.

    The fields are doo's own, or those of a webhook in a file of desired state: a hook may have a `query` in the place of
    its `origin`, and `unknown` holds fields that aiodoo does not know. An omitted description becomes the name. A secret
    is a reference such as `${secret:env:NAME}` or `${secret:file:PATH}`, or is in the file in clear. `id`, `team_id`,
    `_links` and what the command line adds are left out, so that a file may hold what `aiodoo webhooks show -o json` prints.

    Args:
        file: the path.

    Raises:
        ConfigError: the file cannot be read, has a field that is not known, or doo would refuse the content. The message
            has file, line and column.
    """
    written = WebhookFile.read(Path(file))
    return written.config(written.content)


@attrs.frozen
class WebhookFile:
    """The content of a file with one webhook configuration, with the positions of its fields.

    Attributes:
        content: the content without the fields that only doo sets.
        is_listed: whether there were such fields, so that further unknown ones are doo's own and are kept.
    """

    content: dict[str, Any]
    is_listed: bool
    _source: Source

    @classmethod
    def read(cls, file: Path) -> WebhookFile:
        """Return the content of a YAML or JSON file.

        Raises:
            ConfigError: the file cannot be read. The message has line and column.
        """
        return cls._of(read_source(file), is_listed=False)

    @classmethod
    def parse(cls, text: str, name: str, *, is_listed: bool = False) -> WebhookFile:
        """Return the content of a text in YAML or JSON; `is_listed` if it was made from a listed one.

        Raises:
            ConfigError: the text is neither. The message has line and column.
        """
        return cls._of(parse(text, name=name, folder=Path()), is_listed=is_listed)

    @classmethod
    def _of(cls, source: Source, *, is_listed: bool) -> WebhookFile:
        if not isinstance(source.data, dict):
            raise ConfigError(
                f"{source.name}:1: must hold one webhook configuration, its name and hooks; nothing was sent"
            )
        content = {name: item for name, item in source.data.items() if name not in _NOT_CONTENT}
        return cls(content, is_listed or len(content) < len(source.data), source)

    def config(self, content: Mapping[str, Any], *, replacing: bool = False) -> AddWebhook:
        """Return the webhook configuration for the content of the file, or for content derived from it.

        Args:
            content: the content.
            replacing: whether it replaces a listed one, so that masks such as `***` mean the listed secrets.

        Raises:
            ConfigError: the content is invalid. The message has file, line and column.
        """
        faults = list(self._unknown(content, AddWebhook))
        try:
            config = read_add_webhook(self._whole(content, faults))
        except Unreadable as error:
            raise self._source.error([*faults, *map(self._source.misread, error.faults)]) from None
        config = unsuffixed(config, rules.TYPE_SUFFIX)
        config = self._with_secrets(config, find_secrets(content), faults, replacing=replacing)
        if not faults:
            try:
                check_replacement(config) if replacing else config.check()
            except ConfigError as error:
                faults.append(self._source.refused(error))
        if faults:
            raise self._source.error(faults)
        return keep_listed(config) if replacing else config

    def _whole(self, content: Mapping[str, Any], faults: list[Fault]) -> dict[str, Any]:
        """Return the content with defaults for omitted fields, and origins in the place of queries."""
        plain = {"hooks": [], **_spliced(content, AddWebhook)}
        if isinstance(plain.get("name"), str):
            plain.setdefault("description", plain["name"])
        if isinstance(plain["hooks"], list):
            plain["hooks"] = [
                self._with_origin(hook, ("hooks", number), faults)
                for number, hook in enumerate(plain["hooks"])
            ]
        return plain

    def _with_origin(self, hook: Any, place: Place, faults: list[Fault]) -> Any:
        if not isinstance(hook, dict) or "query" not in hook or "origin" in hook:
            return hook
        try:
            made = Hook.graphql("-", endpoint="-", **{name: hook[name] for name in _QUERY if name in hook})
        except ConfigError as error:
            faults.append(self._source.refused(error, place))
            return hook
        plain = {name: item for name, item in hook.items() if name not in _QUERY}
        assert made.origin is not None  # noqa: S101  # what a query is written in
        return {**plain, "origin": {"body": made.origin.body}}

    def _unknown(self, raw: Any, cls: type, place: Place = ()) -> Iterator[Fault]:
        """Yield a fault for each unknown field, except for what doo has added to a listed one."""
        if not isinstance(raw, dict):
            return
        known = [*fields_of(cls), _UNKNOWN, *(_QUERY if cls is Hook and "origin" not in raw else ())]
        if not isinstance(raw.get(_UNKNOWN, {}), dict):
            yield self._source.fault(
                (*place, _UNKNOWN), "must be a mapping of fields that aiodoo does not know"
            )
        for name in raw.keys() - known:
            near = difflib.get_close_matches(name, known, 1)
            if not self.is_listed or (near and near[0] not in raw):
                yield self._source.misread(unknown_field((*place, name), known))
        for name, part in _PARTS.get(cls, {}).items():
            inner = raw.get(name)
            if isinstance(inner, list):
                for number, item in enumerate(inner):
                    yield from self._unknown(item, part, (*place, name, number))
            else:
                yield from self._unknown(inner, part, (*place, name))

    def _with_secrets(
        self, config: AddWebhook, given: Container[Place], faults: list[Fault], *, replacing: bool
    ) -> AddWebhook:
        """Return the configuration with the secrets that its references name, except for `given` ones."""
        found: dict[str, Secret] = {}

        def resolve(place: Place, secret: Secret) -> Secret:
            if place in given or "${" not in secret.reveal():
                return secret
            try:
                named = secret_of(secret.reveal(), self._source.folder, found)
            except BadReference as error:
                faults.append(self._source.fault(place, str(error)))
                return secret
            if isinstance(named, ListedSecret) and not replacing:
                faults.append(self._source.fault(place, _NOT_LISTED))
            return named

        return map_secrets(config, resolve)


def _spliced(raw: Any, cls: type) -> Any:
    """Return an object with the fields under `unknown` beside its own, and so its parts."""
    if isinstance(raw, list):
        return [_spliced(item, cls) for item in raw]
    if not isinstance(raw, Mapping):
        return raw
    parts = _PARTS.get(cls, {})
    plain = {name: _spliced(item, parts[name]) if name in parts else item for name, item in raw.items()}
    return {**plain.pop(_UNKNOWN), **plain} if isinstance(plain.get(_UNKNOWN), Mapping) else plain
