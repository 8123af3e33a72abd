"""Webhooks that a create may have made although no list shows them as sent, because somebody edited them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from aiodoo.models import AddWebhook, WebhookConfiguration
from aiodoo.operations.tracked import TrackedOperation


def note_strays(
    disproved: Iterable[TrackedOperation],
    changes: Iterable[TrackedOperation],
    listed: Collection[WebhookConfiguration],
    taken: Collection[str],
) -> None:
    """Set the `stray` of each operation whose create seems not to have happened to a new webhook that it may have made.

    A marker makes this needless, as it identifies what a create has made even after an edit.

    Args:
        disproved: operations whose creates no list shows.
        changes: all operations of the team.
        listed: the team's list.
        taken: the ids that the team had before, and those that operations have made.
    """
    accounted = {*taken, *(change.stray for change in changes if change.stray is not None)}
    for change in disproved:
        if change.stray is None and change.marker is None and change.wanted is not None:
            change.stray = _stray_of(change.wanted, listed, accounted)
            accounted.update(() if change.stray is None else (change.stray,))


def _stray_of(
    wanted: AddWebhook, listed: Iterable[WebhookConfiguration], apart_from: Collection[str]
) -> str | None:
    """Return the id of a new webhook with the same name, or else with one of the same endpoints."""
    new = [webhook for webhook in listed if webhook.id not in apart_from]
    endpoints = {hook.endpoint for hook in wanted.hooks}
    alike = [webhook for webhook in new if webhook.name == wanted.name]
    alike = alike or [webhook for webhook in new if any(hook.endpoint in endpoints for hook in webhook.hooks)]
    return alike[0].id if alike else None
