"""What a create may have made all the same that was found not to have happened: somebody else may have edited it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from aiodoo.models import AddWebhook, WebhookConfiguration
from aiodoo.operations.tracked import TrackedOperation


def note_strays(
    in_vain: Iterable[TrackedOperation],
    changes: Iterable[TrackedOperation],
    listed: Collection[WebhookConfiguration],
    taken: Collection[str],
) -> None:
    """Note with each create that has not happened what is new and may be what it has made.

    With a marker there is none: what it has made is known again then, whatever else somebody has changed.

    Args:
        in_vain: whose creates have not happened, as far as can be told.
        changes: all of the team.
        listed: the team's list.
        taken: the ids that it had before, and those that are known to have been made.
    """
    accounted = {*taken, *(change.stray for change in changes if change.stray is not None)}
    for change in in_vain:
        if change.stray is None and change.marker is None and change.wanted is not None:
            change.stray = _stray_of(change.wanted, listed, accounted)
            accounted.update(() if change.stray is None else (change.stray,))


def _stray_of(
    wanted: AddWebhook, listed: Iterable[WebhookConfiguration], apart_from: Collection[str]
) -> str | None:
    """Return the id of what is new and goes by the same name, or else has an endpoint in common."""
    new = [webhook for webhook in listed if webhook.id not in apart_from]
    endpoints = {hook.endpoint for hook in wanted.hooks}
    alike = [webhook for webhook in new if webhook.name == wanted.name]
    alike = alike or [webhook for webhook in new if any(hook.endpoint in endpoints for hook in webhook.hooks)]
    return alike[0].id if alike else None
