"""How operations end whose webhook configurations are not as they were read or sent. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeAlias

from aiodoo.error_meaning import ForTeam, for_team
from aiodoo.errors import DooError, PlanDrift
from aiodoo.facts import Facts
from aiodoo.models import WebhookConfiguration
from aiodoo.operations.compare import difference, same
from aiodoo.operations.operations import Update
from aiodoo.operations.tracked import Stage, Status, TrackedOperation

PrintOf: TypeAlias = Callable[[WebhookConfiguration], str]
"""Returns the fingerprint of a webhook configuration that a journal stores."""


def is_as_read(
    change: TrackedOperation,
    old: WebhookConfiguration,
    facts: Facts,
    print_of: PrintOf | None,
    *,
    edited: Collection[str],
) -> bool | None:
    """Return whether an old webhook configuration is as it was when its operation was made ready.

    None if that is unknown: another process started the operation and its journal has no fingerprint. False if its id is
    in `edited`: the first reading of the team has shown it both before and after an edit.
    """
    if old.id in edited:
        return False
    if change.copied is not None:
        return change.copied is old or same(change.copied, old, facts)
    if change.old_print is not None and print_of is not None:
        return print_of(old) == change.old_print
    return None


def is_full_copy(change: TrackedOperation) -> bool:
    """Return whether the replacement proves that the old one is as it was: an update copies all of it."""
    return isinstance(change.operation, Update)


def differs(
    change: TrackedOperation, last: TrackedOperation, new: WebhookConfiguration, facts: Facts
) -> str | None:
    """Return how doo's list of a replacement differs from what `last` sent, or None if it does not."""
    assert last.wanted is not None  # noqa: S101  # it was created
    if (where := difference(last.wanted, new, facts)) is None:
        return None
    return f"doo lists {last.new_id} with another {where} than was sent; it and {change.old_id} are both live"


def end_as_changed(change: TrackedOperation) -> None:
    """End an operation whose old webhook was changed by somebody else; that webhook is kept."""
    if change.new_id is not None and change.is_replacement:
        live = f"it and its replacement {change.new_id} are both live"
        reason = f"somebody else has changed {change.old_id} meanwhile; {live}"
        change.end(Status.SKIPPED, reason, PlanDrift(f"{reason}. Look at both, and delete one"))
        return
    kept = (
        "it was kept" if change.stage is not Stage.PLANNED or change.deletes_sent else "nothing was changed"
    )
    reason = f"somebody else has changed {change.old_id} since it was read"
    change.end(Status.SKIPPED, reason, PlanDrift(f"{reason}; {kept}. Read it again and decide"))


def end_as_unknown(change: TrackedOperation) -> None:
    """End an operation of which it is unknown whether its old webhook was changed; that webhook is kept."""
    live = f"; it and {change.new_id} are both live" if change.new_id is not None else ""
    reason = f"it is unknown whether somebody else has changed {change.old_id}, so it was kept{live}"
    change.end(Status.SKIPPED, reason, PlanDrift(f"{reason}. Look at it, and delete it if it should go"))


def end_as_unlisted(change: TrackedOperation, reason: str, error: DooError) -> None:
    """End an operation whose team's list cannot be read: only a permanent refusal makes it fail."""
    for_good = for_team(error) is ForTeam.GIVEN_UP
    if change.stage is Stage.PLANNED and not change.deletes_sent:
        status = Status.FAILED if for_good else Status.NOT_STARTED
    else:
        status = Status.UNKNOWN if for_good and change.stage is Stage.MAYBE else Status.UNFINISHED
    change.end(status, reason, error)


def deleted_by_others(change: TrackedOperation) -> str | None:
    """Return a warning if somebody else has deleted an operation's old webhook after its create, else None.

    They may have replaced it: then both replacements are live, and no list shows that they belong together.
    """
    if not change.is_replacement or change.deletes_sent or change.begun_elsewhere:
        return None
    return (
        f"{change.old_id} was gone before its delete was sent: somebody else has deleted or replaced it meanwhile. "
        f"{change.new_id}, its replacement, is live; look whether another replacement is live too, or whether both should "
        "be gone"
    )
