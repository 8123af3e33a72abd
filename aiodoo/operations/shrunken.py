"""Whether a list lacks far more than a run has deleted. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from aiodoo.errors import UnstableListing
from aiodoo.models import WebhookConfiguration
from aiodoo.operations.evidence import Evidence
from aiodoo.operations.tracked import GONE


def shrunk(evidence: Evidence, listing: Mapping[str, WebhookConfiguration]) -> UnstableListing | None:
    """Return an error if a list lacks far more webhooks than were deleted: it may be incomplete and proves nothing."""
    asked = [change for change in evidence.index.changes if change.deletes_sent or change.stage in GONE]
    deleted = {change.old_id for change in asked}
    seen = {change.new_id for change in asked if change.new_id is not None}
    expected = ((evidence.known or set()) | seen) - deleted
    there = len(expected & listing.keys())
    # Of two or three, one is a large part: that somebody has deleted it does not stop the team for good.
    if there >= min(len(expected) * 0.7, max(1, len(expected) - 1)):
        return None
    of_run = ". If they were deleted on purpose, give the run up, and undo it to delete what it has made"
    return UnstableListing(
        f"the list of team {evidence.team_id} shows {there} of {len(expected)} webhook configurations that should be "
        "there; nothing is concluded from it. See who else changes this team's webhooks"
        f"{'' if evidence.settle is None else of_run}"
    )
