"""Comparing what was wanted with what doo lists, whole and as multisets. Pure.

doo's list is not an exact echo: it appends a suffix to some hook types, may mask secrets, may leave out
`event_id` and `event_guide_id`, and may add fields of its own. What it cannot show is not compared; all
else must be equal, the order of hooks and ownership markers aside.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import attrs
import msgspec

from aiodoo.errors import SchemaMismatch
from aiodoo.facts import Facts
from aiodoo.models import SERVER_OWNED, AddWebhook, WebhookConfiguration, is_masked
from aiodoo.models.marker import marker_of, unmarked

SCOPE = ("event_id", "event_guide_id")
"""What a webhook configuration is bound to, if a list shows it."""
_SECRET = "client_secret"  # noqa: S105  # the field's name
SECRET = "$.authentication.credentials.client_secret"  # noqa: S105  # where it stands
"""What `differences` says of a secret."""

_KNOWN = frozenset({"name", "description", "hooks", "authentication", *SCOPE})


@attrs.frozen
class Content:
    """A webhook configuration without ids and marker, in one spelling, its secret and scope set apart."""

    body: Mapping[str, Any] = attrs.field(repr=False)
    secret: Any = attrs.field(repr=False)
    scope: tuple[str | None, ...]

    @classmethod
    def of(cls, webhook: AddWebhook | WebhookConfiguration, facts: Facts) -> Content:
        """Read the content of what is wanted or of what is listed."""
        raw: dict[str, Any] = dict(webhook.to_dict(secrets="reveal"))
        scope = tuple(
            None if raw.pop(name, None) in (None, "") else str(getattr(webhook, name)) for name in SCOPE
        )
        for name in SERVER_OWNED:
            raw.pop(name, None)
        authentication, secret = _without_secret(raw.get("authentication"))
        raw["authentication"] = authentication
        raw["hooks"] = _hooks(raw.get("hooks"), facts)
        raw["description"] = unmarked(raw.get("description")) or None
        return cls({name: value for name, value in raw.items() if value is not None}, secret, scope)


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


def differences(wanted: AddWebhook, listed: WebhookConfiguration, facts: Facts) -> Iterator[str]:
    """Yield every place where `listed` differs from `wanted`, as a JSON path."""
    ours, theirs = Content.of(wanted, facts), Content.of(listed, facts)
    for name in sorted(ours.body.keys() | (theirs.body.keys() & _KNOWN)):
        if ours.body.get(name) != theirs.body.get(name):
            yield f"$.{name}"
    if ours.secret != theirs.secret and not is_masked(theirs.secret):
        yield SECRET
    for name, mine, shown in zip(SCOPE, ours.scope, theirs.scope, strict=True):
        if mine != shown and (shown is not None or facts.list_echoes_scope):
            yield f"$.{name}"


def identical(wanted: AddWebhook, listed: WebhookConfiguration, facts: Facts) -> bool:
    """Return whether a change to `wanted` would change nothing, judged by what doo really shows."""
    ours, theirs = Content.of(wanted, facts), Content.of(listed, facts)
    if ours.body != theirs.body or ours.scope != theirs.scope:
        return False
    return bool(ours.secret == theirs.secret and not (theirs.secret is not None and is_masked(theirs.secret)))


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


def _fingerprinted(webhook: WebhookConfiguration, facts: Facts) -> bytes:
    try:
        content = Content.of(webhook, facts)
    except SchemaMismatch:
        return msgspec.json.encode([webhook.id, webhook.name])
    whole = [webhook.id, content.body, content.secret, content.scope]
    return msgspec.json.encode(whole, order="deterministic")


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


def _without_secret(authentication: Any) -> tuple[Any, Any]:
    match authentication:
        case {"credentials": {**credentials}}:
            secret = credentials.pop(_SECRET, None)
            return {**authentication, "credentials": credentials}, secret
        case _:
            return authentication, None


def _hooks(hooks: Any, facts: Facts) -> list[bytes]:
    if not isinstance(hooks, list):
        return []
    return sorted(msgspec.json.encode(hook, order="deterministic") for hook in _unsuffixed(hooks, facts))


def _unsuffixed(hooks: list[Any], facts: Facts) -> Iterator[Any]:
    for hook in hooks:
        if isinstance(hook, dict) and hook.get("origin") is not None and isinstance(hook.get("type"), str):
            yield {**hook, "type": facts.type_suffix.sub("", hook["type"])}
        else:
            yield hook
