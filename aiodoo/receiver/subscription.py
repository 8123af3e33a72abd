"""Compares what an account subscribes with what a receiver serves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Protocol

import attrs

from aiodoo.models.authentication import Authentication
from aiodoo.models.hook import Hook
from aiodoo.models.webhook_configuration import WebhookConfiguration
from aiodoo.secret import Secret


class _Webhooks(Protocol):
    def list(self, *teams: Any) -> AsyncIterator[WebhookConfiguration]: ...


class Lists(Protocol):
    """What is needed of a session: its webhooks can be listed."""

    @property
    def webhooks(self) -> _Webhooks:
        """The webhook configurations."""
        ...


@attrs.frozen(kw_only=True)
class SubscriptionCheck:
    """Whether a team's webhook configurations point at a receiver.

    Attributes:
        found: for each type that is served, the ids of the webhook configurations that subscribe it.
        missing: the types that no configuration subscribes.
        doubled: the types that several configurations subscribe for the same event or for all, so that each delivery comes
            more than once.
        wrong: ids of configurations that name the receiver's endpoints with another type, query or authentication.
    """

    found: dict[str, tuple[str, ...]]
    missing: tuple[str, ...]
    doubled: tuple[str, ...]
    wrong: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every type arrives, once and with valid credentials."""
        return not (self.missing or self.doubled or self.wrong)


async def check(
    listed: AsyncIterator[WebhookConfiguration],
    hooks: Iterable[Hook],
    authentication: Authentication | None,
    secrets: Iterable[Secret],
) -> SubscriptionCheck:
    """Compare listed webhook configurations with the wanted hooks."""
    wanted = {hook.endpoint: hook for hook in hooks}
    found: dict[str, list[WebhookConfiguration]] = {hook.type: [] for hook in wanted.values()}
    wrong: list[str] = []
    async for webhook in listed:
        ours = [hook for hook in webhook.hooks if hook.endpoint in wanted]
        if not ours:
            continue
        good = [hook for hook in ours if _is_same(hook, wanted[hook.endpoint])]
        if len(good) < len(ours) or not _logs_in(webhook.authentication, authentication, secrets):
            wrong.append(webhook.id)
            continue
        for hook in good:
            found[hook.base_type].append(webhook)
    return SubscriptionCheck(
        found={type_: tuple(each.id for each in those) for type_, those in found.items()},
        missing=tuple(type_ for type_, those in found.items() if not those),
        doubled=tuple(type_ for type_, those in found.items() if _overlap(those)),
        wrong=tuple(wrong),
    )


def _overlap(webhooks: Sequence[WebhookConfiguration]) -> bool:
    """Return whether an event's deliveries come from more than one of them; one without `event_id` covers all events."""
    events = [webhook.event_id for webhook in webhooks]
    return len(events) > 1 and (None in events or len(set(events)) < len(events))


def _is_same(hook: Hook, wanted: Hook) -> bool:
    origin = None if hook.origin is None else hook.origin.body
    return (hook.base_type, origin) == (wanted.type, None if wanted.origin is None else wanted.origin.body)


def _logs_in(given: Authentication | None, wanted: Authentication | None, secrets: Iterable[Secret]) -> bool:
    if given is None or wanted is None:
        return given is wanted
    shape = given.endpoint, given.credentials.client_id, given.header_format, given.header_value_format
    expected = wanted.endpoint, wanted.credentials.client_id, wanted.header_format, wanted.header_value_format
    # A list that shows no secret says nothing against it.
    secret = given.credentials.client_secret
    return shape == expected and (not secret or any(secret == each for each in secrets))
