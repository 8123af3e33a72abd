"""Copies a listed webhook configuration into one that can be created, with every field that the list shows."""

from __future__ import annotations

import re
from typing import Any, Protocol

import attrs

from aiodoo.errors import NotCopyable, SchemaMismatch
from aiodoo.facts import Facts
from aiodoo.models import from_plain
from aiodoo.models.add_webhook import AddWebhook, changed, read_add_webhook
from aiodoo.models.changes import Changes, check_changes
from aiodoo.models.checkable import WebhookFields
from aiodoo.models.hook import Hook
from aiodoo.models.list_item import without_nulls
from aiodoo.models.mask_detection import is_masked
from aiodoo.models.run_marker import unmarked
from aiodoo.models.secret_fields import CLIENT_SECRET, Path, field_of, find_secrets, is_mask, map_secrets
from aiodoo.models.texts import listed_texts
from aiodoo.models.validation import SERVER_OWNED, secrets_of
from aiodoo.secret import ListedSecret, Secret

_set = object.__setattr__


class ListedWebhook(WebhookFields, Protocol):
    """The interface of `WebhookConfiguration` that copying uses."""

    @property
    def team_id(self) -> str: ...  # noqa: D102  # as of WebhookConfiguration, all of them
    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def facts(self) -> Facts: ...  # noqa: D102
    @property
    def is_listed(self) -> bool: ...  # noqa: D102
    @property
    def has_unknown_fields(self) -> bool: ...  # noqa: D102
    def guarded(self) -> dict[str, Any]: ...  # noqa: D102


def copy_of(
    webhook: ListedWebhook, changes: Changes, *, type_suffix: re.Pattern[str] | None = None
) -> AddWebhook:
    """Return the content of a copy of a listed configuration, with changes.

    Args:
        webhook: the listed configuration.
        changes: as for `WebhookConfiguration.copy`.
        type_suffix: the suffix of listed types; `webhook.facts.type_suffix` if not given.

    Raises:
        NotCopyable: the list shows no usable secret, or no hooks, and the changes have none either.
        ConfigError: a change has an unknown name, or an invalid value.
    """
    changes = check_changes(changes)
    type_suffix = type_suffix or webhook.facts.type_suffix
    config = content_of(webhook, replaced=frozenset(changes), type_suffix=type_suffix)
    login = config.authentication
    if (
        login is not None
        and not {"authentication", "client_secret"} & set(changes)
        and is_masked(login.credentials.client_secret.reveal())
    ):
        raise _no_secret(webhook, CLIENT_SECRET)
    if "hooks" in changes:
        changes["hooks"] = tuple(_without_suffix(hook, type_suffix) for hook in changes["hooks"])
    return with_listed(changed(config, changes), webhook, type_suffix=type_suffix)


def with_listed(
    config: AddWebhook, webhook: ListedWebhook, *, type_suffix: re.Pattern[str] | None = None
) -> AddWebhook:
    """Return a configuration with the secret of a listed one in the place of each `ListedSecret`.

    Args:
        config: the wanted configuration.
        webhook: the listed configuration that it replaces.
        type_suffix: the suffix of listed types; `webhook.facts.type_suffix` if not given.

    Raises:
        NotCopyable: the list does not show such a secret, or `config` holds a mask.
    """
    wanted = secrets_of(config)  # pyright: ignore[reportArgumentType]  # takes a field with a converter for a descriptor
    for path, secret in wanted.items():
        if is_mask(secret):
            raise _no_secret(webhook, path)
    kept = [path for path, secret in wanted.items() if isinstance(secret, ListedSecret)]
    if not kept:
        return config
    replaced = frozenset({"hooks", "authentication"} - {str(path[0]) for path in kept})
    listed = content_of(webhook, replaced=replaced, type_suffix=type_suffix)
    shown = find_secrets(listed)

    def take(path: Path, secret: Secret) -> Secret:
        if not isinstance(secret, ListedSecret):
            return secret
        there = shown.get(_path_in(listed, config, path))
        if there is None or not there or is_mask(there):
            raise _no_secret(webhook, path)
        return there

    return map_secrets(config, take)


def keeps_secrets(config: AddWebhook) -> bool:
    """Tell whether a configuration holds a `ListedSecret`."""
    return any(isinstance(secret, ListedSecret) for secret in secrets_of(config).values())  # pyright: ignore[reportArgumentType]  # as above


def _path_in(listed: AddWebhook, config: AddWebhook, path: Path) -> Path:
    """Return the path of a secret in the listed configuration; for a hook, that of the hook most like it."""
    match path:
        case ("hooks", int(number), *rest):
            hook = config.hooks[number]
            like = [
                place
                for place, other in enumerate(listed.hooks)
                if (other.type, other.endpoint) == (hook.type, hook.endpoint)
            ] or [place for place, other in enumerate(listed.hooks) if other.type == hook.type]
            place = number if number in like or not like else like[0]
            return ("hooks", place, *rest)
    return path


def content_of(
    webhook: ListedWebhook,
    *,
    replaced: frozenset[str] = frozenset(),
    type_suffix: re.Pattern[str] | None = None,
) -> AddWebhook:
    """Return the whole content of a listed configuration as `create` would send it, without its ownership marker.

    A masked secret is kept as a mask, a missing one becomes empty.

    Args:
        webhook: the listed configuration.
        replaced: names of fields that the caller replaces afterwards, so they need not be readable.
        type_suffix: the suffix of listed types; `webhook.facts.type_suffix` if not given.

    Raises:
        NotCopyable: a field cannot be sent back.
    """
    type_suffix = type_suffix or webhook.facts.type_suffix
    if webhook.is_listed and webhook.has_unknown_fields:
        config = _read_whole(webhook, replaced)
    else:
        config = typed_content(webhook)
        if not config.hooks and "hooks" not in replaced:
            raise _not_copyable(webhook, "the list shows no hooks that could be sent back", "hooks")
    return attrs.evolve(
        config,
        description=unmarked(config.description),
        hooks=tuple([_without_suffix(hook, type_suffix) for hook in config.hooks]),
        _listed=(config.name, unmarked(config.description), config.event_id, config.event_guide_id)
        if webhook.is_listed
        else (),
    )


def _read_whole(webhook: ListedWebhook, replaced: frozenset[str]) -> AddWebhook:
    """Return the content with its unknown fields at any depth."""
    try:
        item = webhook.guarded()
    except SchemaMismatch:
        raise _not_copyable(webhook, "it holds a number or a nesting that cannot be sent back") from None
    config = _read(webhook, _to_be_sent(webhook, item, replaced))
    _mark(config)
    return config


def typed_content(webhook: WebhookFields) -> AddWebhook:
    """Return the content that the typed fields hold, without unknown fields."""
    return AddWebhook(
        name=webhook.name,
        description=webhook.description,
        event_id=webhook.event_id,
        event_guide_id=webhook.event_guide_id,
        hooks=webhook.hooks,
        authentication=webhook.authentication,
    )


def _to_be_sent(webhook: ListedWebhook, item: dict[str, Any], replaced: frozenset[str]) -> dict[str, Any]:
    """Return the item without the fields that only doo sets and those that the caller replaces."""
    item = without_nulls(item)
    for name in SERVER_OWNED:
        item.pop(name, None)
    if "hooks" in replaced:
        item["hooks"] = []
    elif not isinstance(item.get("hooks"), list) or not item["hooks"]:
        raise _not_copyable(webhook, "the list shows no hooks that could be sent back", "hooks")
    login = item.get("authentication")
    if "authentication" in replaced:
        item.pop("authentication", None)
    elif isinstance(login, dict):
        if login.get("credentials") is None:
            login["credentials"] = {}
        if isinstance(value := login.get("header_value_format"), Secret):
            # The model has text here; `check` refuses a value without the placeholder.
            login["header_value_format"] = value.reveal()
        credentials = login["credentials"]
        if isinstance(credentials, dict) and credentials.get("client_secret") is None:
            credentials["client_secret"] = ""
    return item


def _read(webhook: ListedWebhook, item: dict[str, Any]) -> AddWebhook:
    try:
        return read_add_webhook(item)
    except from_plain.Unreadable as error:
        raise _not_copyable(webhook, f"it cannot be read: {error}") from None


def unsuffixed(config: AddWebhook, type_suffix: re.Pattern[str]) -> AddWebhook:
    """Return a configuration without the suffix of listed types; the same object if no hook has one."""
    hooks = config.hooks
    for hook in hooks:
        if hook.origin is not None and type_suffix.search(hook.type) is not None:
            break
    else:
        return config
    return attrs.evolve(config, hooks=tuple([_without_suffix(hook, type_suffix) for hook in hooks]))


def _without_suffix(hook: Hook, type_suffix: re.Pattern[str]) -> Hook:
    if hook.origin is None or (plain := type_suffix.sub("", hook.type)) == hook.type:
        return hook
    listed = listed_texts(hook)
    listed = (*listed, plain) if hook.type in listed else listed
    return attrs.evolve(hook, type=plain, _listed=listed)


def marked_as_listed(config: AddWebhook) -> AddWebhook:
    """Return the configuration, whose texts are from now on exempt from the rules for new ones."""
    _mark(config)
    _set(config, "_listed", (config.name, config.description, config.event_id, config.event_guide_id))
    return config


def without_marks(config: AddWebhook) -> AddWebhook:
    """Return a copy to which the rules for new ones apply, wherever its texts come from."""
    login = config.authentication
    hooks = [
        attrs.evolve(
            hook, origin=None if hook.origin is None else attrs.evolve(hook.origin, _listed=()), _listed=()
        )
        for hook in config.hooks
    ]
    login = None if login is None else attrs.evolve(login, _listed=())
    return attrs.evolve(config, hooks=hooks, authentication=login, _listed=())


def _mark(config: AddWebhook) -> None:
    """Record in each part of a new configuration, but not in itself, which of its texts come from a list."""
    for hook in config.hooks:
        _set(hook, "_listed", (hook.type, hook.endpoint, hook.method))
        if (origin := hook.origin) is not None:
            _set(origin, "_listed", (origin.body, origin.endpoint, origin.method))
    if (login := config.authentication) is not None:
        texts = (login.endpoint, login.grant_type, login.header_format, login.header_value_format)
        _set(login, "_listed", texts)


def _no_secret(webhook: ListedWebhook, path: Path) -> NotCopyable:
    if path == CLIENT_SECRET:
        return _not_copyable(webhook, "its client secret is masked or not shown", "client_secret")
    remedy = path[0] if path[0] in {"hooks", "authentication"} else None
    return _not_copyable(webhook, f"its {field_of(path)} is masked or not shown", remedy and str(remedy))


def _not_copyable(webhook: ListedWebhook, why: str, remedy: str | None = None) -> NotCopyable:
    advice = f"; give {remedy}= to replace it" if remedy else ""
    return NotCopyable(
        f"webhook configuration {webhook.id} of team {webhook.team_id} cannot be copied: {why}{advice}. "
        "Nothing was sent."
    )
