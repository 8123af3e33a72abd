"""Compares a listed and a wanted webhook configuration field by field, for updates and for display."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import attrs

from aiodoo.desired.file.building import WantedWebhook
from aiodoo.desired.file.secret_references import source_of
from aiodoo.facts import Facts
from aiodoo.models import AddWebhook, Changes, Hook, WebhookConfiguration, is_masked
from aiodoo.models.authentication import ACCESS_TOKEN
from aiodoo.models.endpoints import shown
from aiodoo.models.hook import GRAPHQL
from aiodoo.models.run_marker import unmarked
from aiodoo.models.secret_fields import is_fixed
from aiodoo.models.texts import INTERNAL_FIELDS
from aiodoo.operations.compare import KNOWN, SECRET, Content, bounds, differences, top_of
from aiodoo.secret import ListedSecret, Secret

_PLAIN = {
    ("method", "POST"),
    ("endpoint", GRAPHQL),
    ("client_id", "doo"),
    ("grant_type", "client_credentials"),
    ("header_format", "Authorization"),
    ("header_value_format", f"Bearer {ACCESS_TOKEN}"),
}
_ANOTHER = "*** (another one)"
_UNKNOWN = "a field that aiodoo does not know"


@attrs.frozen
class FieldChange:
    """A field of a webhook configuration before and after a change, without secrets.

    Attributes:
        path: such as `hooks[order_created].endpoint`.
        old: the old value; None if there is none.
        new: the new value; None if the field is removed.
    """

    path: str
    old: str | None
    new: str | None


def changes_of(target: WantedWebhook, listed: WebhookConfiguration, facts: Facts) -> Changes:
    """Return the changes of the `Update` that makes a listed webhook configuration equal to the wanted one."""
    wanted = target.with_secret_of(listed)
    unlike = {top_of(path) for path in differences(wanted, listed, facts) if path != SECRET}
    config = target.config
    changes: dict[str, Any] = {name: getattr(config, name) for name in sorted(unlike & KNOWN)}
    shown = bounds(listed)
    # An update must repeat what a list does not show.
    changes |= {name: bound for name, bound in bounds(config).items() if bound != shown[name]}
    login = config.authentication
    if login is not None and "authentication" not in changes and not target.keeps_secret:
        theirs = listed.authentication
        secret = "" if theirs is None else theirs.credentials.client_secret.reveal()
        if is_masked(secret) or Secret(secret) != login.credentials.client_secret:
            changes["client_secret"] = login.credentials.client_secret
    made: Changes = changes  # type: ignore[assignment]  # its keys are those of Changes
    return made


def unknown_changes(target: WantedWebhook, listed: WebhookConfiguration, facts: Facts) -> bool:
    """Return whether a field that aiodoo does not know differs, which only a whole replacement can change."""
    found = differences(target.with_secret_of(listed), listed, facts)
    return any(top_of(path) not in KNOWN for path in found)


def contents_of(target: WantedWebhook, facts: Facts) -> tuple[FieldChange, ...]:
    """Return the fields of a wanted webhook configuration that is created, of secrets only the sources."""
    hooks = _side_by_side((), target.config.hooks, facts)[1]
    leaves = {path: value for path, value in _leaves(target.config, hooks).items() if path != "name"}
    if leaves.get("description") == target.config.name:
        del leaves["description"]
    found = [_field(path, None, value) for path, value in leaves.items()]
    for path, secret in Content.of(target.config, facts).secrets.items():
        source = None if secret is None else source_of(secret)
        found.append(
            FieldChange(path.removeprefix("$."), None, "***" if source is None else f"*** from {source}")
        )
    body = Content.of(target.config, facts).body
    found += [FieldChange(name, None, _UNKNOWN) for name in sorted({*body} - KNOWN)]
    return tuple(found)


def diff(listed: WebhookConfiguration, wanted: AddWebhook) -> tuple[FieldChange, ...]:
    """Return the fields that change if a wanted configuration replaces a listed one; costs no request.

    The result is empty if nothing changes; the order of hooks and the suffix of listed types are ignored. It can be
    printed, as it shows no secrets, and of URLs neither user-info nor query.

    Args:
        listed: the listed webhook configuration.
        wanted: the whole content of its replacement; a `ListedSecret` in it means the listed secret.

    Raises:
        SchemaMismatch: the listed webhook configuration has a field that cannot be compared.
        ConfigError: a secret in `wanted` is not available.
    """
    return field_changes(WantedWebhook(wanted, 0), listed, listed.facts, whole=True)


def field_changes(
    target: WantedWebhook, listed: WebhookConfiguration, facts: Facts, *, whole: bool = False
) -> tuple[FieldChange, ...]:
    """Return the fields that a replacement changes; of secrets only the sources are shown.

    Args:
        target: the wanted webhook configuration.
        listed: the listed webhook configuration.
        facts: settings for what doo does not document.
        whole: whether the replacement removes undocumented fields that are not wanted; an update keeps them.
    """
    old_hooks, new_hooks = _side_by_side(listed.hooks, target.config.hooks, facts)
    both = old_hooks.keys() & new_hooks.keys()
    old = _leaves(listed, {key: hook for key, hook in old_hooks.items() if key in both})
    new = _leaves(target.config, {key: hook for key, hook in new_hooks.items() if key in both})
    _add_client_secret(target, listed, old, new)
    found = [
        _field(path, old.get(path), new.get(path))
        for path in dict.fromkeys([*new, *old])
        if old.get(path) != new.get(path)
    ]
    found += [
        FieldChange(f"hooks[{key}]", _summary(old_hooks.get(key)), _summary(new_hooks.get(key)))
        for key in dict.fromkeys([*new_hooks, *old_hooks])
        if key not in both
    ]
    ours, theirs = Content.of(target.with_secret_of(listed), facts), Content.of(listed, facts)
    reported = {change.path for change in found}
    found += _unknown_fields(ours, theirs, {top_of(f"$.{path}") for path in reported}, whole=whole)
    return (
        *found,
        *(change for change in _secrets(ours, theirs, whole=whole) if change.path not in reported),
    )


def _unknown_fields(
    ours: Content, theirs: Content, reported: Collection[str], *, whole: bool
) -> Iterator[FieldChange]:
    """Yield changes of fields that aiodoo does not know, at the top level or inside a field without another change."""
    for name in sorted({*ours.body, *theirs.body} - {*reported}):
        old, new = theirs.body.get(name), ours.body.get(name)
        if old == new or (name not in KNOWN and new is None and not whole):
            continue
        if name in KNOWN:
            others = "without them, or with others" if whole else "without them"
            yield FieldChange(name, "with fields that aiodoo does not know", others)
        else:
            another = _UNKNOWN if old is None else f"{_UNKNOWN}, with another value"
            yield FieldChange(name, None if old is None else _UNKNOWN, None if new is None else another)


def _secrets(ours: Content, theirs: Content, *, whole: bool) -> Iterator[FieldChange]:
    """Yield changes of secrets other than the client secret."""
    for path in dict.fromkeys([*ours.secrets, *theirs.secrets]):
        old, new = theirs.secrets.get(path), ours.secrets.get(path)
        kept = isinstance(new, ListedSecret) or (new is None and top_of(path) not in KNOWN and not whole)
        if path != SECRET and not kept and old != new:
            another = "***" if old is None else _ANOTHER
            yield FieldChange(
                path.removeprefix("$."), None if old is None else "***", None if new is None else another
            )


def _summary(hook: Hook | None) -> str | None:
    """Return a one-line description of a hook."""
    return None if hook is None else shown(hook.endpoint) + (", GraphQL" if hook.origin is not None else "")


def _leaves(webhook: AddWebhook | WebhookConfiguration, hooks: Mapping[str, Hook]) -> dict[str, str]:
    """Return the fields by path, without secrets and without the values in `_PLAIN`."""
    plain: dict[str, Any] = {"name": webhook.name, "description": unmarked(webhook.description) or None}
    plain |= bounds(webhook)
    plain |= {f"hooks[{key}]": attrs.asdict(hook, filter=_is_included) for key, hook in hooks.items()}
    login = webhook.authentication
    if login is not None:
        plain["authentication"] = attrs.asdict(login, filter=_is_included)
    return dict(_flat(plain, ""))


def _is_included(field: attrs.Attribute[Any], value: object) -> bool:
    """Tell whether a field is included; secrets and unknown fields are compared separately."""
    return field.name not in INTERNAL_FIELDS and not isinstance(value, Secret)


def _flat(plain: Mapping[str, Any], before: str) -> Iterator[tuple[str, str]]:
    for name, value in plain.items():
        if isinstance(value, Mapping):
            yield from _flat(value, "" if name == "extra" else f"{before}{name}.")
        elif value is not None and (name, value) not in _PLAIN and name != "type":
            # A header value without a placeholder is a secret.
            hidden = name == "header_value_format" and is_fixed(str(value))
            yield f"{before}{name}", "***" if hidden else str(value)


def _add_client_secret(
    target: WantedWebhook, listed: WebhookConfiguration, old: dict[str, str], new: dict[str, str]
) -> None:
    """Add the client secret to both sides: masked, with the source of the new one if it differs."""
    path = SECRET.removeprefix("$.")
    mine, theirs = target.config.authentication, listed.authentication
    secret = "" if theirs is None else theirs.credentials.client_secret.reveal()
    if theirs is not None:
        old[path] = "not shown" if is_masked(secret) else "***"
    if mine is None:
        return
    wanted = mine.credentials.client_secret
    same = target.keeps_secret or (not is_masked(secret) and wanted == Secret(secret))
    new[path] = (
        old.get(path, "***")
        if same
        else _ANOTHER
        if (source := source_of(wanted)) is None
        else f"*** from {source}"
    )


def _side_by_side(
    old: Sequence[Hook], new: Sequence[Hook], facts: Facts
) -> tuple[dict[str, Hook], dict[str, Hook]]:
    """Return the hooks of both sides by type and number, so that equal and changed hooks have the same key."""
    sides: tuple[dict[str, Hook], dict[str, Hook]] = ({}, {})
    plain = [_unsuffixed(hook, facts) for hook in old]
    for kind in dict.fromkeys(hook.type for hook in [*new, *plain]):
        before = [hook for hook in plain if hook.type == kind]
        after = [hook for hook in new if hook.type == kind]
        same = [hook for hook in after if hook in before]
        before.sort(key=lambda hook: hook not in same)
        after.sort(key=lambda hook: hook not in same)
        several = max(len(before), len(after)) > 1
        for side, hooks in zip(sides, (before, after), strict=True):
            for number, hook in enumerate(hooks, 1):
                side[f"{kind} #{number}" if several else kind] = hook
    return sides


def _unsuffixed(hook: Hook, facts: Facts) -> Hook:
    if hook.origin is None:
        return attrs.evolve(hook, extra={})
    origin = attrs.evolve(hook.origin, extra={})
    return attrs.evolve(hook, type=facts.type_suffix.sub("", hook.type), origin=origin, extra={})


def _field(path: str, old: str | None, new: str | None) -> FieldChange:
    if path.endswith("endpoint"):
        before, after = (None if url is None else shown(url) for url in (old, new))
        if before == after and after is not None:
            after += " (another user name, query or fragment, which are not shown)"
        return FieldChange(path, before, after)
    return FieldChange(path, old, new)
