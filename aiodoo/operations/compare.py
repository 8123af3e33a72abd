"""Compares wanted with listed webhook configurations. Pure.

doo's list is not an exact echo: it appends a suffix to some hook types, may mask secrets, may leave out `event_id` and
`event_guide_id`, and may add fields ("List webhook configurations"). What it cannot show is not compared; all else must
be equal, except the order of hooks and markers.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any

import attrs
import msgspec

from aiodoo.errors import SchemaMismatch
from aiodoo.facts import Facts
from aiodoo.models import (
    SERVER_OWNED,
    AddWebhook,
    Authentication,
    ClientCredentials,
    Hook,
    WebhookConfiguration,
)
from aiodoo.models.run_marker import unmarked
from aiodoo.models.secret_fields import (
    CLIENT_SECRET,
    field_of,
    find_secrets,
    is_fixed,
    is_mask,
    without_secrets,
)
from aiodoo.secret import ListedSecret, Secret

SCOPE = ("event_id", "event_guide_id")
"""The fields that limit a webhook configuration to an event or event guide."""
_as_typed = attrgetter("name", "description", "hooks", "authentication", *SCOPE)

SECRET = f"$.{field_of(CLIENT_SECRET)}"
"""The path of a client secret in `differences`."""

_DEFAULTS = attrs.fields_dict(Authentication)
_LOGIN = {name: _DEFAULTS[name].default for name in ("grant_type", "header_format", "header_value_format")}
_CREDENTIALS = {"client_id": attrs.fields_dict(ClientCredentials)["client_id"].default}
_HOOK = {"method": attrs.fields_dict(Hook)["method"].default}

KNOWN = frozenset({"name", "description", "hooks", "authentication", *SCOPE})
"""The fields of a webhook configuration that doo documents."""


@attrs.frozen
class Content:
    """A normalized webhook configuration without ids and marker; its secrets and scope are separate.

    Attributes:
        body: the fields, with the hooks sorted.
        secrets: by JSON path; None where a list shows none.
        scope: the values of `SCOPE`.
    """

    body: Mapping[str, Any] = attrs.field(repr=False)
    secrets: Mapping[str, Secret | None] = attrs.field(repr=False)
    scope: tuple[str | None, ...]

    @classmethod
    def of(cls, webhook: AddWebhook | WebhookConfiguration, facts: Facts) -> Content:
        """Return the content of a wanted or listed webhook configuration; its secrets need not be known."""
        plain, secrets = _split(webhook, facts)
        scope = tuple(
            None if plain.pop(name, None) in (None, "") else str(getattr(webhook, name)) for name in SCOPE
        )
        for name in SERVER_OWNED:
            plain.pop(name, None)
        plain["description"] = unmarked(plain.get("description")) or None
        return cls({name: value for name, value in plain.items() if value is not None}, secrets, scope)

    @property
    def outline(self) -> bytes:
        """A key that is equal for equal contents, whatever their secrets, scopes and unknown fields."""
        plain = [self.body.get(name) for name in ("name", "description", "hooks", "authentication")]
        return hashlib.sha256(msgspec.json.encode(plain, order="deterministic")).digest()


def outline(webhook: AddWebhook | WebhookConfiguration, facts: Facts) -> bytes:
    """Return a key that is equal for equal contents, to look up candidates; equal keys prove nothing."""
    try:
        return Content.of(webhook, facts).outline
    except SchemaMismatch:
        return webhook.name.encode()


def difference(wanted: AddWebhook, listed: WebhookConfiguration, facts: Facts) -> str | None:
    """Return the JSON path of the first difference between `listed` and `wanted`, or None."""
    if not listed.is_listed and not wanted.has_unknown_fields and _as_typed(wanted) == _as_typed(listed):
        return None  # as in a forecast, which compares many
    return next(differences(wanted, listed, facts), None)


def differences(
    wanted: AddWebhook, listed: WebhookConfiguration, facts: Facts, *, secrets: bool = True
) -> Iterator[str]:
    """Yield the JSON path of each difference between `listed` and `wanted`, such as `$.hooks`.

    Args:
        wanted, listed: what is compared.
        facts: what doo does not document.
        secrets: False to leave out secrets, whose values may not be known.
    """
    return differences_of(Content.of(wanted, facts), Content.of(listed, facts), facts, secrets=secrets)


def differences_of(ours: Content, theirs: Content, facts: Facts, *, secrets: bool = True) -> Iterator[str]:
    """Yield the same for contents that were computed before."""
    for name in sorted(ours.body.keys() | (theirs.body.keys() & KNOWN)):
        if ours.body.get(name) != theirs.body.get(name):
            yield f"$.{name}"
    for path in dict.fromkeys([*ours.secrets, *theirs.secrets]) if secrets else ():
        mine, shown = ours.secrets.get(path), theirs.secrets.get(path)
        if _hides(shown) or isinstance(mine, ListedSecret) or mine == shown:
            continue
        if path in ours.secrets or top_of(path) in KNOWN:
            yield path
    for name, asked, echoed in zip(SCOPE, ours.scope, theirs.scope, strict=True):
        if asked != echoed and (echoed is not None or facts.list_echoes_scope):
            yield f"$.{name}"


def top_of(path: str) -> str:
    """Return the top-level field of a path of `differences`."""
    return re.split(r"[.\[]", path)[1]


def bounds(webhook: AddWebhook | WebhookConfiguration) -> dict[str, str | None]:
    """Return the fields that limit a webhook configuration's scope; None for those that are not shown."""
    return {name: getattr(webhook, name) or None for name in SCOPE}


def may_widen(
    wanted: AddWebhook | WebhookConfiguration, listed: WebhookConfiguration, facts: Facts | None = None
) -> bool:
    """Return whether a replacement or copy of a listed webhook configuration may widen its scope.

    It may if it drops a limit that is shown, or has none where doo's list may not show one.
    """
    facts = facts or listed.facts
    asked, shown = bounds(wanted), bounds(listed)
    if any(shown[name] is not None and asked[name] is None for name in shown):
        return True
    return not (any(asked.values()) or any(shown.values()) or facts.list_echoes_scope)


def identical(wanted: AddWebhook, listed: WebhookConfiguration, facts: Facts) -> bool:
    """Return whether an update to `wanted` would change nothing; a masked secret counts as a difference."""
    if not listed.has_unknown_fields and _differs_in_texts(wanted, listed):
        return False
    ours, theirs = Content.of(wanted, facts), Content.of(listed, facts)
    if ours != theirs:
        return False
    return not any(secret is not None and _hides(secret) for secret in theirs.secrets.values())


def _differs_in_texts(wanted: AddWebhook, listed: WebhookConfiguration) -> bool:
    """Return whether names, descriptions or endpoints differ, which is found without the whole contents."""
    if wanted.name != listed.name:
        return True
    if (unmarked(wanted.description) or None) != (unmarked(listed.description) or None):
        return True
    return {hook.endpoint for hook in wanted.hooks} != {hook.endpoint for hook in listed.hooks}


def same(copied: WebhookConfiguration, listed: WebhookConfiguration, facts: Facts) -> bool:
    """Return whether a list shows the same content as an earlier one."""
    if copied.is_same_text(listed):
        return True
    try:
        return Content.of(copied, facts) == Content.of(listed, facts)
    except SchemaMismatch:
        return False


def fingerprint(team_id: str, webhooks: Iterable[WebhookConfiguration], key: bytes, facts: Facts) -> str:
    """Return a keyed hash of a team's list with all contents; keyed because these hold secrets."""
    contents = sorted(_fingerprinted(webhook, facts) for webhook in webhooks)
    return hmac.new(key, b"\n".join([team_id.encode(), *contents]), hashlib.sha256).hexdigest()


def content_fingerprint(webhook: WebhookConfiguration, key: bytes, facts: Facts) -> str:
    """Return a keyed hash of one listed webhook configuration with its content."""
    return hmac.new(key, _fingerprinted(webhook, facts), hashlib.sha256).hexdigest()[:32]


def _fingerprinted(webhook: WebhookConfiguration, facts: Facts) -> bytes:
    try:
        raw = webhook.raw
    except SchemaMismatch:
        return msgspec.json.encode([webhook.id, webhook.name])
    scope = [None if raw.pop(name, None) in (None, "") else str(getattr(webhook, name)) for name in SCOPE]
    for name in SERVER_OWNED:
        raw.pop(name, None)
    secret = None
    match raw.get("authentication"):
        case {"credentials": {**credentials}}:
            secret = credentials.pop(CLIENT_SECRET[-1], None)
            raw["authentication"] = raw["authentication"] | {"credentials": credentials}
    raw["hooks"] = _sorted_hooks(raw.get("hooks"), facts)
    raw["description"] = unmarked(raw.get("description")) or None
    body = {name: value for name, value in raw.items() if value is not None}
    return msgspec.json.encode([webhook.id, body, secret, scope], order="deterministic")


def shows(wanted: AddWebhook, webhook: WebhookConfiguration, facts: Facts) -> bool:
    """Return whether a listed webhook has the wanted name and content."""
    try:
        return webhook.name == wanted.name and difference(wanted, webhook, facts) is None
    except SchemaMismatch:
        return False


def _unchanged(secret: Secret) -> Secret:
    return secret


def _hides(shown: Secret | None) -> bool:
    """Return whether a list shows no secret, or a mask."""
    return shown is None or not shown or is_mask(shown)


def _split(
    webhook: AddWebhook | WebhookConfiguration, facts: Facts
) -> tuple[dict[str, Any], dict[str, Secret | None]]:
    """Return the content without its secrets and with its hooks sorted, and the secrets by JSON path."""
    if webhook.has_unknown_fields:
        return _split_anywhere(webhook, facts)
    plain = webhook.raw if isinstance(webhook, WebhookConfiguration) else webhook.to_dict(secrets=_unchanged)
    secrets: dict[str, Secret | None] = {}
    login = plain.get("authentication")
    if isinstance(login, dict):
        login = plain["authentication"] = _whole_login(login)
        if isinstance(login.get("credentials"), dict):
            secret = login["credentials"].pop(CLIENT_SECRET[-1], None)
            secrets[SECRET] = Secret.of(secret) if secret else None
        header = login.get("header_value_format")
        if isinstance(header, Secret) or (header is not None and is_fixed(header)):
            secrets["$.authentication.header_value_format"] = Secret.of(login.pop("header_value_format"))
    plain["hooks"] = _sorted_hooks(plain.get("hooks"), facts)
    return plain, secrets


def _split_anywhere(
    webhook: AddWebhook | WebhookConfiguration, facts: Facts
) -> tuple[dict[str, Any], dict[str, Secret | None]]:
    """Return the same where unknown fields may hold secrets too."""
    plain = (
        webhook.guarded()
        if isinstance(webhook, WebhookConfiguration)
        else webhook.to_dict(secrets=_unchanged)
    )
    plain["hooks"] = _in_order(plain.get("hooks"), facts)
    if isinstance(plain.get("authentication"), dict):
        plain["authentication"] = _whole_login(plain["authentication"])
    secrets: dict[str, Secret | None] = {
        f"$.{field_of(path)}": secret for path, secret in find_secrets(plain).items()
    }
    plain = without_secrets(plain)
    match plain.get("authentication"):
        case {"credentials": {**credentials}} as login if SECRET not in secrets:
            credentials.pop(CLIENT_SECRET[-1], None)
            plain["authentication"] = {**login, "credentials": credentials}
            secrets[SECRET] = None
    plain["hooks"] = [msgspec.json.encode(hook, order="deterministic") for hook in plain["hooks"]]
    return plain, secrets


def _sorted_hooks(hooks: Any, facts: Facts) -> list[bytes]:
    return sorted(msgspec.json.encode(hook, order="deterministic") for hook in _unsuffixed(hooks, facts))


def _in_order(hooks: Any, facts: Facts) -> list[Any]:
    """Return hooks sorted by content, and by secrets only where all else is equal."""

    def key(hook: Any) -> tuple[bytes, str]:
        secrets = {field_of(path): secret for path, secret in find_secrets(hook).items()}
        shown = [
            f"{field}={secret.reveal() if secret.is_available else ''}"
            for field, secret in sorted(secrets.items())
        ]
        return msgspec.json.encode(without_secrets(hook), order="deterministic"), "\n".join(shown)

    return sorted(_unsuffixed(hooks, facts), key=key)


def _whole_login(login: dict[str, Any]) -> dict[str, Any]:
    """Return a listed authentication with the defaults of what the list leaves out, which a copy has, too."""
    credentials = login.get("credentials") or {}
    if not isinstance(credentials, dict):
        return login
    known = {name: value for name, value in login.items() if value is not None or name not in _LOGIN}
    return {**_LOGIN, **known, "credentials": {**_CREDENTIALS, **credentials}}


def _whole_hook(hook: Any) -> Any:
    """Return a listed hook with the default of its method, and without an origin that is null."""
    if not isinstance(hook, dict) or ("method" in hook and hook.get("origin", hook) is not None):
        return hook
    return _HOOK | {name: item for name, item in hook.items() if item is not None or name != "origin"}


def _unsuffixed(hooks: Any, facts: Facts) -> Iterator[Any]:
    for hook in map(_whole_hook, hooks if isinstance(hooks, list) else ()):
        if isinstance(hook, dict) and hook.get("origin") is not None and isinstance(hook.get("type"), str):
            yield {**hook, "type": facts.type_suffix.sub("", hook["type"])}
        else:
            yield hook
