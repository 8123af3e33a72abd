"""What is to be said where a webhook configuration is not as it was read, or not as it was sent. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeAlias

from aiodoo.errors import PlanDrift
from aiodoo.facts import Facts
from aiodoo.models import WebhookConfiguration
from aiodoo.operations.compare import difference, same
from aiodoo.operations.operations import Update
from aiodoo.operations.tracked import Stage, Status, TrackedOperation

PrintOf: TypeAlias = Callable[[WebhookConfiguration], str]
"""Makes the fingerprint of a webhook configuration that a journal keeps."""


def is_as_read(
    change: TrackedOperation,
    old: WebhookConfiguration,
    facts: Facts,
    print_of: PrintOf | None,
    *,
    edited: Collection[str],
) -> bool | None:
    """Tell whether a webhook configuration that is to go is as it was when its change was made ready.

    None if that cannot be told: another process began the change, and wrote down nothing of the content. Not so if its
    id is among `edited`: the first reading of the team has shown it before somebody's edit, and after it.
    """
    if old.id in edited:
        return False
    if change.copied is not None:
        return change.copied is old or same(change.copied, old, facts)
    if change.old_print is not None and print_of is not None:
        return print_of(old) == change.old_print
    return None


def is_told_by_its_copy(change: TrackedOperation) -> bool:
    """Tell whether what a change creates shows that the old one is as it was: an update is a copy of all of it."""
    return isinstance(change.operation, Update)


def differs(
    change: TrackedOperation, last: TrackedOperation, new: WebhookConfiguration, facts: Facts
) -> str | None:
    """Say where doo lists what takes the place of a change's old webhook otherwise than `last` sent it; None if it does not."""
    assert last.wanted is not None  # noqa: S101  # it was created
    if (where := difference(last.wanted, new, facts)) is None:
        return None
    return f"doo lists {last.new_id} with another {where} than was sent; it and {change.old_id} are both live"


def end_as_changed(change: TrackedOperation) -> None:
    """End a change whose old webhook somebody else has changed: that one is kept."""
    if change.new_id is not None and change.is_replacement:
        live = f"it and {change.new_id}, which was to take its place, are both live"
        reason = f"somebody else has changed {change.old_id} meanwhile; {live}"
        change.end(Status.SKIPPED, reason, PlanDrift(f"{reason}. Look at both, and delete one"))
        return
    kept = (
        "it was kept" if change.stage is not Stage.PLANNED or change.deletes_sent else "nothing was changed"
    )
    reason = f"somebody else has changed {change.old_id} since it was read"
    change.end(Status.SKIPPED, reason, PlanDrift(f"{reason}; {kept}. Read it again, and decide anew"))


def end_as_unknown(change: TrackedOperation) -> None:
    """End a change of which nothing tells whether somebody else has changed its old webhook: that one is kept."""
    live = f"; it and {change.new_id} are both live" if change.new_id is not None else ""
    reason = f"nothing tells whether {change.old_id} is as it was when this was begun, so it was kept{live}"
    change.end(Status.SKIPPED, reason, PlanDrift(f"{reason}. Look at it, and delete it if it is to go"))


def gone_unasked(change: TrackedOperation) -> str | None:
    """Say that somebody else has taken away what a change was to replace, after its create; None if they have not.

    Whoever did may have replaced it, too: then both replacements are live, and no list tells that they belong together.
    """
    if not change.is_replacement or change.deletes_sent or change.begun_elsewhere:
        return None
    return (
        f"{change.old_id} was gone before its delete was sent: somebody else has deleted or replaced it meanwhile. "
        f"{change.new_id}, which takes its place, is live; look whether another replacement is live beside it, or whether "
        "it was to be gone"
    )
