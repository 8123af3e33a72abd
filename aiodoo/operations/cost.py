"""The cost of a team's operations in requests, if nothing fails. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable

from aiodoo.operations.index import OperationIndex
from aiodoo.operations.places import Places
from aiodoo.operations.tracked import Phase, Stage, TrackedOperation

_UNVERIFIED = (Stage.PLANNED, Stage.CREATE_INTENT, Stage.MAYBE, Stage.CREATED)
_NOT_ASKED = (*_UNVERIFIED, Stage.VERIFIED)
_DELETING = (Phase.SWAP, Phase.DELETE)


def stable(pages: int) -> int:
    """Return what a stable list costs: a single page is read once, as nothing can move between pages."""
    return pages if pages == 1 else 2 * pages


def seeing(batch: Iterable[TrackedOperation], places: Places, pages: int) -> int:
    """Return what it takes to see the old and the new webhook configurations of a batch after its creates."""
    old = [places.page(change.old_id) for change in batch]
    return min(pages, len({*old}) + places.pages_of_new(len(old)))


def committed(batch: Iterable[TrackedOperation], lists: int) -> int:
    """Return what it takes to finish a batch.

    Args:
        batch: its operations.
        lists: the requests that show what it has created.
    """
    creates = deletes = unseen = 0
    for change in batch:
        if change.status is None and change.stage is not Stage.DELETED:
            deletes += 1
            creates += change.stage is Stage.PLANNED
            unseen += change.stage in _UNVERIFIED
    return creates + deletes + (lists if unseen else 0)


def remaining(index: OperationIndex, places: Places, pages: int, *, size: int, looked: bool) -> int:
    """Return what is still to be sent for all operations of a team; the number of pages later is an estimate."""
    if not index.open:
        return 0
    creates = index.count(Stage.PLANNED, phases=(Phase.CREATE, Phase.SWAP))
    unseen = index.count(*_UNVERIFIED, phases=(Phase.SWAP,))
    deletes = index.count(*_NOT_ASKED, phases=_DELETING)
    batches = math.ceil(unseen / size)
    # Each page with old ones is read before and after the creates of its batch.
    lists = min(batches * pages, 2 * min(pages, unseen) + batches * places.pages_of_new(min(size, unseen)))
    if not looked:
        lists += stable(pages)
    if index.count(*Stage, phases=_DELETING):
        lists += stable(pages)
    return creates + deletes + lists
