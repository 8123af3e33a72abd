"""What a create in doubt has made: found in a list as it was sent, or as somebody may have edited it since. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from aiodoo.facts import Facts
from aiodoo.models import AddWebhook, WebhookConfiguration
from aiodoo.models.run_marker import marker_of
from aiodoo.operations.compare import shows
from aiodoo.operations.tracked import TrackedOperation


def find_made(
    wanted: AddWebhook,
    listed: Iterable[WebhookConfiguration],
    facts: Facts,
    *,
    marker: str | None,
    apart_from: Collection[str] = (),
) -> WebhookConfiguration | None:
    """Return the listed webhook that a create has made, or None.

    With a marker it is the one that has it. Without, it is the first one with the content that was sent; one with a
    marker is somebody else's then.

    Args:
        wanted: what was sent.
        listed: the team's list.
        facts: what doo does not document.
        marker: the marker that was sent, if any.
        apart_from: ids that the create cannot have made.
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


def made_unseen(
    doubtful: Iterable[TrackedOperation],
    listed: Collection[WebhookConfiguration],
    facts: Facts,
    made: Collection[str],
) -> set[str]:
    """Return the ids of all that was made before the first list of a team that creates were sent to without one.

    A create in doubt has made the webhook with its content if there is one, as no earlier list shows that it is older.

    Args:
        doubtful: the creates in doubt.
        listed: the team's list.
        facts: what doo does not document.
        made: the ids that operations are known to have made.
    """
    found = set(made)
    for change in doubtful:
        if change.wanted is not None:
            webhook = find_made(change.wanted, listed, facts, marker=change.marker, apart_from=found)
            found |= set() if webhook is None else {webhook.id}
    return found


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
