"""A simulated doo with one team, against which a forecast runs the real steps. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Final, Literal, TypeAlias

import attrs

from aiodoo.errors import ConfigError
from aiodoo.models import AddWebhook, WebhookConfiguration
from aiodoo.operations import cost
from aiodoo.operations.actions import Scan, SendCreate, SendDelete, Wait
from aiodoo.operations.sightings import Sighting
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.operations.tracked import TrackedOperation

Kind: TypeAlias = Literal["lists", "creates", "deletes"]

_NO_TIME = 0.001
"""Seconds per request without a rate limit, in which a list is never too old."""

_SMALL: Final = AddWebhook(name="small", description=None, hooks=())


@attrs.define
class SimulatedTeam:
    """A simulated team at a doo that never fails."""

    webhooks: dict[str, WebhookConfiguration]
    page_size: int
    interval: float
    first: bool
    list_age: float | None
    """Seconds since the first list was read, if the run is given one; None if it reads that itself."""
    several: Collection[str] = ()
    """The ids of the webhook configurations that several operations name."""
    sent: Counter[Kind] = attrs.field(factory=Counter)
    in_one_day: int = 0
    now: float = 0.0

    def carry_out(self, steps: TeamSteps) -> Iterator[None]:
        """Carry out the next action of the steps; yield after each portion of a long one."""
        match steps.next(self.now):
            case Wait(until=until):
                self.now = until
            case Scan() as scan:
                yield from self._scan(scan, steps)
            case SendCreate(change=change, config=config) if (error := _wrong(change, config)) is not None:
                steps.refused(change, error, self.now)
            case SendCreate(change=change, config=config):
                new_id = f"forecast-{self.sent['creates']}"
                self._send("creates")
                if change.target_id in self.several:
                    shown = WebhookConfiguration.showing(config, team_id=steps.team_id, webhook_id=new_id)
                else:
                    # Its content matters no more, so a small one is compared in its place.
                    change.wanted = _SMALL
                    shown = WebhookConfiguration(team_id=steps.team_id, id=new_id, name=_SMALL.name)
                self.webhooks[new_id] = shown
                steps.applied(change, new_id, self.now)
            case SendDelete(change=change, webhook_id=webhook_id):
                self._send("deletes")
                self.webhooks.pop(webhook_id, None)
                steps.applied(change, None, self.now)
            case action:
                raise AssertionError(f"a doo that never fails leads to no {action}")

    def _scan(self, scan: Scan, steps: TeamSteps) -> Iterator[None]:
        pages = max(1, math.ceil(len(self.webhooks) / self.page_size))
        given = None if steps.looked else self.list_age
        if scan.stable and pages > 1 and given is None:
            self._send("lists", pages)
        shown: list[WebhookConfiguration] = []
        seen, began = dict[str, Sighting](), self.now - (given or 0.0)
        for page in scan.pages or range(1, pages + 1):
            here = [*islice(self._in_order(), (page - 1) * self.page_size, page * self.page_size)]
            at = self.now if given is None else began
            seen |= dict.fromkeys([webhook.id for webhook in here], Sighting(page, at))
            shown += here
            if given is None:
                self._send("lists")
        if scan.stable and given is None:
            self.in_one_day = max(self.in_one_day, cost.stable(pages))
        yield from steps.listed_in_portions(
            shown, pages=pages, page_size=self.page_size, began=began, now=self.now, seen=seen
        )

    def _in_order(self) -> Iterable[WebhookConfiguration]:
        return reversed(self.webhooks.values()) if self.first else self.webhooks.values()

    def _send(self, kind: Kind, requests: int = 1) -> None:
        self.sent[kind] += requests
        self.now += requests * (self.interval or _NO_TIME)


def _wrong(change: TrackedOperation, config: AddWebhook) -> ConfigError | None:
    """Return why a configuration cannot be sent; None if it can, as one that was checked, or that a caller has given."""
    if change.is_checked or config is getattr(change.operation, "config", None):
        return None
    try:
        config.check()
    except ConfigError as error:
        return error
    return None
