"""What somebody else changes while a team is being read for the first time. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import attrs

from aiodoo.facts import Facts
from aiodoo.models import WebhookConfiguration
from aiodoo.operations.compare import same


@attrs.define(eq=False)
class ShownBefore:
    """What the pages of a team show of what operations name, until its list has once been read to the end.

    From then on each of them is compared with what that reading has shown.

    Attributes:
        edited: the ids of those that two pages have shown with different content, one before an edit and one after it.
    """

    facts: Facts
    edited: set[str] = attrs.field(factory=set, init=False)
    _latest: dict[str, WebhookConfiguration] | None = attrs.field(factory=dict, init=False, repr=False)

    def take_in(self, webhooks: Iterable[WebhookConfiguration], named: Collection[str]) -> None:
        """Take in what a page shows, at once, as the reading that it is of may come to nothing."""
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
        """Take in that there is a list now with which all that follow are compared."""
        self._latest = None
