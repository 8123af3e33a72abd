"""What a sandbox has to deliver: one delivery for each hook that an occurrence fires, tried until it is answered with 200."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import attrs

from aiodoo.sandbox.answers import Data
from aiodoo.sandbox.items import Items, resource_of
from aiodoo.sandbox.settings import Settings
from aiodoo.sandbox.state import Webhook

_SUFFIX = re.compile(r"_[0-9a-f]{32}$")
_RATE = 50
"""Deliveries a minute of an initialization, at most; doo's page on it says 50, and 100 in other places."""

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

State = Literal["waiting", "delivered", "dead", "not_sent"]


@attrs.define(eq=False, kw_only=True)
class SandboxDelivery:
    """One delivery.

    Attributes:
        number: counted from 1.
        type: the hook type, without a suffix.
        webhook_id: the webhook configuration whose hook it is.
        endpoint: the URL that it goes to.
        payload: the JSON document.
        state: `waiting`; `delivered` after an answer of 200; `dead` after ten failures; `not_sent` if the endpoint is not
            on this machine.
        attempts: what came of each attempt: the HTTP status, `"no answer"`, or `"token"` and what came of the token
            request.
        due: the time of the next attempt, on the box's clock.
    """

    number: int
    type: str
    webhook_id: str
    endpoint: str
    payload: Any = attrs.field(repr=False)
    authentication: Mapping[str, Any] | None = attrs.field(repr=False)
    state: State = "waiting"
    attempts: list[int | str] = attrs.field(factory=list)
    due: float = 0.0

    def to_dict(self) -> Data:
        """Return it as plain data, without the credentials."""
        names = ("number", "type", "webhook_id", "endpoint", "state", "attempts", "due")
        return {name: getattr(self, name) for name in names}


class Outbox:
    """All deliveries of a box, without a network or a clock.

    Attributes:
        items: the events, orders and attendees that hooks tell about.
        deliveries: every delivery, in order.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.items = Items()
        self.deliveries: list[SandboxDelivery] = []
        self._waiting: dict[int, SandboxDelivery] = {}
        self._due: list[tuple[float, int]] = []
        """Heap of times and numbers of what waits and is not in flight."""

    def add(
        self, hook_type: str, item: Data, webhooks: Iterable[Webhook], *, due: float
    ) -> list[SandboxDelivery]:
        """Add a delivery for each hook of this type in some webhooks that covers the item's event."""
        resource = resource_of(hook_type)
        self.items.put(resource, item)
        # All payloads are made before any delivery is added, as making one may fail.
        wanted = [
            (hook, webhook, self.items.payload(hook, resource, item))
            for webhook in webhooks
            for hook in _hooks_about(webhook, resource, item)
            if _type(hook) == hook_type
        ]
        return [self._new(hook, webhook, payload, due) for hook, webhook, payload in wanted]

    def initialize(self, resource: str, wanted: Data, webhooks: Iterable[Webhook], *, at: float) -> int:
        """Add the deliveries of an initialization ("Webhook initialization") at its rate; return the number of items.

        Without items of the resource nothing is delivered, and the number is the setting `existing_items`.
        """
        items = self.items.all(resource)
        if not items:
            return self._settings.existing_items
        event, only = wanted.get("event_id"), wanted.get("webhook_configuration_id")
        given = wanted.get("webhook_type") or ()
        types = {each.removeprefix("on_") for each in ([given] if isinstance(given, str) else given)}
        chosen = [each for each in items if event is None or str(each.get("event_id")) == str(event)]
        receiving = [each for each in webhooks if only in {None, each.id}]
        pause = 60.0 / min(wanted.get("max_rate_per_min", _RATE), _RATE)
        due = at
        for item in chosen:
            for webhook in receiving:
                for hook in _hooks_about(webhook, resource, item):
                    if _type(hook).startswith(resource[:-1]) and (not types or _type(hook) in types):
                        self._new(hook, webhook, self.items.payload(hook, resource, item), due)
                        due += pause
        return len(chosen)

    def _new(self, hook: Data, webhook: Webhook, payload: Any, due: float) -> SandboxDelivery:
        delivery = SandboxDelivery(
            number=len(self.deliveries) + 1,
            type=_type(hook),
            webhook_id=webhook.id,
            endpoint=hook["endpoint"],
            payload=payload,
            authentication=webhook.content.get("authentication"),
            due=due,
        )
        self.deliveries.append(delivery)
        if self._may_be_called(delivery.endpoint) and self._may_be_called(_token_url(delivery)):
            self._waiting[delivery.number] = delivery
            heapq.heappush(self._due, (delivery.due, delivery.number))
        else:
            delivery.state = "not_sent"
        return delivery

    def _may_be_called(self, url: str) -> bool:
        try:
            host = (urlsplit(url).hostname or "").lower()
        except ValueError:
            return False
        return host in _LOOPBACK or host in self._settings.delivers_to

    def take(self, now: float) -> SandboxDelivery | None:
        """Return the first delivery that is due, which then is in flight; None if there is none."""
        if not self._due or self._due[0][0] > now:
            return None
        return self._waiting[heapq.heappop(self._due)[1]]

    def next_due(self) -> float | None:
        """Return the time of the next attempt; None if nothing waits."""
        return self._due[0][0] if self._due else None

    def end(self, delivery: SandboxDelivery, outcome: int | str, now: float) -> None:
        """Note what came of an attempt ("How to respond to webhook requests?")."""
        if self._waiting.get(delivery.number) is not delivery:
            return  # The box was reset meanwhile.
        delivery.attempts.append(outcome)
        if outcome == 200:
            delivery.state = "delivered"
        elif len(delivery.attempts) >= self._settings.delivery_attempts:
            delivery.state = "dead"
        else:
            pause = self._settings.delivery_pause
            delivery.due = now + (pause(len(delivery.attempts)) if callable(pause) else pause)
            heapq.heappush(self._due, (delivery.due, delivery.number))
            return
        del self._waiting[delivery.number]

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits and nothing is in flight."""
        return not self._waiting

    def clear(self) -> None:
        """Forget all items and deliveries."""
        self.items = Items()
        self.deliveries.clear()
        self._waiting.clear()
        self._due.clear()


def _token_url(delivery: SandboxDelivery) -> str:
    login: Any = delivery.authentication
    if login is None:
        return delivery.endpoint
    return str(login.get("endpoint", "")) if isinstance(login, Mapping) else ""


def _type(hook: Data) -> str:
    return _SUFFIX.sub("", hook["type"])


def _hooks_about(webhook: Webhook, resource: str, item: Data) -> list[Data]:
    """Return the hooks of a webhook if it is limited to no event, or to the item's."""
    content = webhook.content
    event = str(item["id"] if resource == "events" else item.get("event_id", ""))
    return hooks_of(content) if str(content.get("event_id") or event) == event else []


def hooks_of(content: Data) -> list[Data]:
    """Return the hooks of a webhook's content that can deliver; a test may have added others."""
    hooks = content.get("hooks")
    return [
        each
        for each in (hooks if isinstance(hooks, list) else [])
        if isinstance(each, dict)
        and isinstance(each.get("type"), str)
        and isinstance(each.get("endpoint"), str)
    ]
