"""What a create in doubt has made: found in a list as it was sent, or as somebody may have edited it since. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from aiodoo.facts import Facts
from aiodoo.models import AddWebhook, WebhookConfiguration
from aiodoo.models.run_marker import marker_of
from aiodoo.operations.compare import shows
from aiodoo.operations.tracked import TrackedOperation
from aiodoo.settling import settled_after


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


def judged(
    doubtful: Iterable[TrackedOperation],
    listed: Collection[WebhookConfiguration],
    facts: Facts,
    *,
    taken: set[str],
    began: float | None,
    settle: float | None,
) -> tuple[list[tuple[TrackedOperation, str, float]], list[TrackedOperation]]:
    """Decide which creates in doubt have happened, and which have not; the others stay in doubt.

    A create has happened if the list shows what it makes. It has not if a stable list that was begun late enough lacks it:
    later than doo acts on a request whose answer was lost.

    Args:
        doubtful: the operations whose create is in doubt.
        listed: the team's list.
        facts: what doo does not document.
        taken: ids that creates cannot have made; those that are found are added.
        began: when the stable list was begun; None if it is not stable.
        settle: seconds for which doo may act late; None if that is not waited for.

    Returns:
        Those that have happened, with the id and the time of the request, and those that have not.
    """
    happened: list[tuple[TrackedOperation, str, float]] = []
    disproved: list[TrackedOperation] = []
    for change in doubtful:
        if change.wanted is None:
            continue
        assert change.doubtful_since is not None  # noqa: S101  # it was sent
        found = find_made(change.wanted, listed, facts, marker=change.marker, apart_from=taken)
        if found is not None:
            taken.add(found.id)
            happened.append((change, found.id, change.doubtful_since))
        elif (
            began is not None
            and settle is not None
            and change.doubtful_since + settled_after(settle) <= began
        ):
            disproved.append(change)
    return happened, disproved


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
