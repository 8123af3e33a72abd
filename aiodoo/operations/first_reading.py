"""Edits by somebody else while a team is read for the first time. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import attrs

from aiodoo.facts import Facts
from aiodoo.models import WebhookConfiguration
from aiodoo.operations.compare import same


@attrs.define(eq=False)
class ShownBefore:
    """Compares the webhooks that operations name between pages, until the team's list was read completely once.

    After that each of them is compared with that list.

    Attributes:
        edited: the ids of webhooks that two pages have shown with different content.
    """

    facts: Facts
    edited: set[str] = attrs.field(factory=set, init=False)
    _latest: dict[str, WebhookConfiguration] | None = attrs.field(factory=dict, init=False, repr=False)

    def record(self, webhooks: Iterable[WebhookConfiguration], named: Collection[str]) -> None:
        """Record what a page shows, as soon as it is read, because later pages may fail."""
        if self._latest is None:
            return
        for webhook in webhooks:
            if webhook.id not in named:
                continue
            before = self._latest.get(webhook.id)
            if before is not None and not same(before, webhook, self.facts):
                self.edited.add(webhook.id)
            self._latest[webhook.id] = webhook

    def read_to_the_end(self) -> None:
        """Record that the list was read completely."""
        self._latest = None
