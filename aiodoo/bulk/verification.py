"""Looking again, at any later time, at what a run has done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import attrs

from aiodoo.bulk.journal import Past
from aiodoo.bulk.report import Outcome
from aiodoo.client import Client
from aiodoo.errors import NotCopyable
from aiodoo.models import AddWebhook
from aiodoo.models.marker import marker_of
from aiodoo.operations import Update
from aiodoo.quota import Lane
from aiodoo.reconcile import difference
from aiodoo.steps import Change, Status
from aiodoo.walk import Listing, read_team


@attrs.frozen
class Extra:
    """A webhook configuration that is there beside the one that a run made, with the same content.

    After a create in doubt it is most likely a late copy; it may as well be somebody else's. Nothing deletes it.

    Attributes:
        outcome: of the operation that made one with this content.
        webhook_id: the one that nobody accounts for.
        ours: whether it carries the operation's ownership marker, so that it is a copy that doo made late. Without
            `marker=True` that cannot be told.
    """

    outcome: Outcome
    webhook_id: str
    ours: bool


@attrs.frozen(kw_only=True)
class Verification:
    """What is there now of what a run did.

    Attributes:
        missing: what was applied and is not there any more, or not as it was wanted.
        still_there: what was applied and has not made the old webhook configuration go.
        extra: webhook configurations with the content of one that the run made, that nobody accounts for.
    """

    missing: tuple[Outcome, ...]
    still_there: tuple[Outcome, ...]
    extra: tuple[Extra, ...]

    @property
    def clean(self) -> bool:
        """Whether everything is as the run left it."""
        return not (self.missing or self.still_there or self.extra)


async def verify(client: Client, past: Past) -> Verification:
    """Read every team of a run once more and compare."""
    teams: dict[str, list[Change]] = defaultdict(list)
    for change in past.changes:
        teams[change.operation.team_id].append(change)
    missing: list[Outcome] = []
    still_there: list[Outcome] = []
    extra: list[Extra] = []
    for team_id, changes in teams.items():
        listing = await read_team(client, team_id, stable=True, lane=Lane.BULK, deadline="session")
        ids = {webhook.id for webhook in listing.webhooks}
        made = [change for change in changes if change.status in {Status.APPLIED, Status.UNCHANGED}]
        missing += [Outcome.of(change) for change in made if _is_missing(change, listing, client)]
        still_there += [
            Outcome.of(change) for change in made if change.old_id != change.new_id and change.old_id in ids
        ]
        accounted = past.baselines.get(team_id, set()) | {change.new_id or "" for change in changes}
        extra += _extra(changes, listing, accounted, client)
    return Verification(missing=tuple(missing), still_there=tuple(still_there), extra=tuple(extra))


def _is_missing(change: Change, listing: Listing, client: Client) -> bool:
    if change.new_id is None:
        return False
    found = next((webhook for webhook in listing.webhooks if webhook.id == change.new_id), None)
    if found is None:
        return True
    wanted = _wanted(change, listing)
    return wanted is not None and difference(wanted, found, client.facts) is not None


def _extra(changes: list[Change], listing: Listing, accounted: set[str], client: Client) -> Iterator[Extra]:
    marked = {change.marker: change for change in changes if change.marker is not None}
    others = [webhook for webhook in listing.webhooks if webhook.id not in accounted]
    for webhook in others:
        if (change := marked.get(marker_of(webhook.description) or "")) is not None:
            accounted.add(webhook.id)
            yield Extra(Outcome.of(change), webhook.id, ours=True)
    for change in changes:
        wanted = _wanted(change, listing)
        if wanted is None:
            continue
        for webhook in others:
            if webhook.id not in accounted and difference(wanted, webhook, client.facts) is None:
                accounted.add(webhook.id)
                yield Extra(Outcome.of(change), webhook.id, ours=False)


def _wanted(change: Change, listing: Listing) -> AddWebhook | None:
    """Return what a change wanted; what an update wanted is what it made."""
    if not isinstance(change.operation, Update):
        return getattr(change.operation, "config", None)
    made = next((webhook for webhook in listing.webhooks if webhook.id == change.new_id), None)
    try:
        return None if made is None else made.copy()
    except NotCopyable:
        return None
