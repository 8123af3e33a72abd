"""Comparing what was wanted with what doo lists, whole and as multisets. Pure.

doo's list is not an exact echo: it appends a suffix to some hook types, may mask secrets, may leave out
`event_id` and `event_guide_id`, and may add fields of its own. What it cannot show is not compared; all
else must be equal, the order of hooks and ownership markers aside.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import attrs
import msgspec

from aiodoo.errors import SchemaMismatch
from aiodoo.facts import Facts
from aiodoo.models import SERVER_OWNED, AddWebhook, WebhookConfiguration
from aiodoo.models.run_marker import marker_of, unmarked
from aiodoo.models.secret_fields import CLIENT_SECRET, field_of, find, is_fixed, is_mask, take_out
from aiodoo.secret import ListedSecret, Secret

SCOPE = ("event_id", "event_guide_id")
"""What a webhook configuration is bound to, if a list shows it."""
SECRET = f"$.{field_of(CLIENT_SECRET)}"
"""What `differences` says of a client secret."""

KNOWN = frozenset({"name", "description", "hooks", "authentication", *SCOPE})
"""The fields of a webhook configuration that doo documents."""


@attrs.frozen
class Content:
    """A webhook configuration without ids and marker, in one spelling, its secrets and scope set apart."""

    body: Mapping[str, Any] = attrs.field(repr=False)
    secrets: Mapping[str, Secret | None] = attrs.field(repr=False)
    scope: tuple[str | None, ...]

    @classmethod
    def of(cls, webhook: AddWebhook | WebhookConfiguration, facts: Facts) -> Content:
        """Read the content of what is wanted or of what is listed; secrets need not be at hand."""
        plain, secrets = _set_apart(webhook, facts)
        scope = tuple(
            None if plain.pop(name, None) in (None, "") else str(getattr(webhook, name)) for name in SCOPE
        )
        for name in SERVER_OWNED:
            plain.pop(name, None)
        plain["description"] = unmarked(plain.get("description")) or None
        return cls({name: value for name, value in plain.items() if value is not None}, secrets, scope)


def outline(webhook: AddWebhook | WebhookConfiguration, facts: Facts) -> bytes:
    """Return what is the same for all that show the same content, to look them up by; that alone proves nothing."""
    try:
        body = Content.of(webhook, facts).body
    except SchemaMismatch:
        return webhook.name.encode()
    plain = [body.get(name) for name in ("name", "description", "hooks", "authentication")]
    return hashlib.sha256(msgspec.json.encode(plain, order="deterministic")).digest()


def difference(wanted: AddWebhook, listed: WebhookConfiguration, facts: Facts) -> str | None:
    """Return where `listed` differs from `wanted`, as a JSON path, or None if doo shows what was wanted."""
    return next(differences(wanted, listed, facts), None)


def differences(
    wanted: AddWebhook, listed: WebhookConfiguration, facts: Facts, *, secrets: bool = True
) -> Iterator[str]:
    """Yield every place where `listed` differs from `wanted`, as a JSON path.

    Args:
        wanted, listed: what is compared.
        facts: what is known of doo.
        secrets: False to leave those out, as they are not at hand.
    """
    ours, theirs = Content.of(wanted, facts), Content.of(listed, facts)
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
    """Return the field of a webhook configuration in which a place of `differences` is."""
    return re.split(r"[.\[]", path)[1]


def identical(wanted: AddWebhook, listed: WebhookConfiguration, facts: Facts) -> bool:
    """Return whether a change to `wanted` would change nothing, judged by what doo really shows."""
    ours, theirs = Content.of(wanted, facts), Content.of(listed, facts)
    if ours != theirs:
        return False
    return not any(secret is not None and _hides(secret) for secret in theirs.secrets.values())


def same(copied: WebhookConfiguration, listed: WebhookConfiguration, facts: Facts) -> bool:
    """Return whether a list shows the same content as an earlier one did."""
    if copied.is_same_text(listed):
        return True
    try:
        return Content.of(copied, facts) == Content.of(listed, facts)
    except SchemaMismatch:
        return False


def fingerprint(team_id: str, webhooks: Iterable[WebhookConfiguration], key: bytes, facts: Facts) -> str:
    """Return what tells a team's list, with all that is in it, from any other; under a key, as it holds secrets."""
    contents = sorted(_fingerprinted(webhook, facts) for webhook in webhooks)
    return hmac.new(key, b"\n".join([team_id.encode(), *contents]), hashlib.sha256).hexdigest()


def content_fingerprint(webhook: WebhookConfiguration, key: bytes, facts: Facts) -> str:
    """Return what tells one listed webhook configuration, with all that is in it, from any other; under a key."""
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
    raw["hooks"] = sorted(
        msgspec.json.encode(hook, order="deterministic") for hook in _unsuffixed(raw.get("hooks"), facts)
    )
    raw["description"] = unmarked(raw.get("description")) or None
    body = {name: value for name, value in raw.items() if value is not None}
    return msgspec.json.encode([webhook.id, body, secret, scope], order="deterministic")


def find_made(
    wanted: AddWebhook,
    listed: Iterable[WebhookConfiguration],
    facts: Facts,
    *,
    marker: str | None,
    apart_from: Collection[str] = (),
) -> WebhookConfiguration | None:
    """Return the listed webhook that a create has made.

    With a marker it is the one that carries it, and for sure. Without, it is any one with the content that was sent
    whose id is not accounted for; one with a marker that was not sent is somebody else's.
    """
    sent = marker_of(wanted.description)
    for webhook in listed:
        if (
            webhook.id not in apart_from
            and marker_of(webhook.description) == sent
            and (marker is not None or shows(wanted, webhook, facts))
        ):
            return webhook
    return None


def shows(wanted: AddWebhook, webhook: WebhookConfiguration, facts: Facts) -> bool:
    """Return whether a listed webhook has the wanted content, whoever made it."""
    try:
        return webhook.name == wanted.name and difference(wanted, webhook, facts) is None
    except SchemaMismatch:
        return False


def _itself(secret: Secret) -> Secret:
    return secret


def _hides(shown: Secret | None) -> bool:
    """Whether a list shows nothing of a secret, or a mask."""
    return shown is None or not shown or is_mask(shown)


def _set_apart(
    webhook: AddWebhook | WebhookConfiguration, facts: Facts
) -> tuple[dict[str, Any], dict[str, Secret | None]]:
    """Return the content without its secrets, its hooks in an order of their own, and the secrets by where they stand."""
    if webhook.has_unknown_fields:
        return _searched(webhook, facts)
    plain = webhook.raw if isinstance(webhook, WebhookConfiguration) else webhook.to_dict(secrets=_itself)
    secrets: dict[str, Secret | None] = {}
    login = plain.get("authentication")
    if isinstance(login, dict):
        if isinstance(login.get("credentials"), dict):
            secret = login["credentials"].pop(CLIENT_SECRET[-1], None)
            secrets[SECRET] = Secret.of(secret) if secret else None
        header = login.get("header_value_format")
        if isinstance(header, Secret) or (header is not None and is_fixed(header)):
            secrets["$.authentication.header_value_format"] = Secret.of(login.pop("header_value_format"))
    plain["hooks"] = sorted(
        msgspec.json.encode(hook, order="deterministic") for hook in _unsuffixed(plain.get("hooks"), facts)
    )
    return plain, secrets


def _searched(
    webhook: AddWebhook | WebhookConfiguration, facts: Facts
) -> tuple[dict[str, Any], dict[str, Secret | None]]:
    """Do the same where secrets may be anywhere."""
    plain = (
        webhook.guarded() if isinstance(webhook, WebhookConfiguration) else webhook.to_dict(secrets=_itself)
    )
    plain["hooks"] = _in_order(plain.get("hooks"), facts)
    secrets: dict[str, Secret | None] = {
        f"$.{field_of(path)}": secret for path, secret in find(plain).items()
    }
    plain = take_out(plain)
    match plain.get("authentication"):
        case {"credentials": {**credentials}} as login if SECRET not in secrets:
            credentials.pop(CLIENT_SECRET[-1], None)
            plain["authentication"] = {**login, "credentials": credentials}
            secrets[SECRET] = None
    plain["hooks"] = [msgspec.json.encode(hook, order="deterministic") for hook in plain["hooks"]]
    return plain, secrets


def _in_order(hooks: Any, facts: Facts) -> list[Any]:
    """Return hooks in an order that depends on their content alone, and on secrets only where all else is equal."""

    def key(hook: Any) -> tuple[bytes, str]:
        secrets = {field_of(path): secret for path, secret in find(hook).items()}
        shown = [
            f"{field}={secret.reveal() if secret.is_at_hand else ''}"
            for field, secret in sorted(secrets.items())
        ]
        return msgspec.json.encode(take_out(hook), order="deterministic"), "\n".join(shown)

    return sorted(_unsuffixed(hooks, facts), key=key)


def _unsuffixed(hooks: Any, facts: Facts) -> Iterator[Any]:
    for hook in hooks if isinstance(hooks, list) else ():
        if isinstance(hook, dict) and hook.get("origin") is not None and isinstance(hook.get("type"), str):
            yield {**hook, "type": facts.type_suffix.sub("", hook["type"])}
        else:
            yield hook
