"""The cost of a team's operations in requests, if nothing fails. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable

from aiodoo.operations.index import OperationIndex
from aiodoo.operations.tracked import Phase, Stage, TrackedOperation

BATCH = 10
"""Updates whose old and new webhook configurations may be live together."""

_UNVERIFIED = (Stage.PLANNED, Stage.CREATE_INTENT, Stage.MAYBE, Stage.CREATED)
_NOT_ASKED = (*_UNVERIFIED, Stage.VERIFIED)
_DELETING = (Phase.SWAP, Phase.DELETE)


def stable(pages: int) -> int:
    """Return what a stable list costs: a single page is read once, as nothing can move between pages."""
    return pages if pages == 1 else 2 * pages


def committed(batch: Iterable[TrackedOperation], pages: int, *, confirming: bool) -> int:
    """Return what it takes to finish a batch, with the list that confirms its deletes.

    Args:
        batch: its operations.
        pages: pages of the team's list.
        confirming: whether earlier deletes still wait for that list.
    """
    open_ = [change for change in batch if change.status is None and change.stage is not Stage.DELETED]
    creates = sum(change.stage is Stage.PLANNED for change in open_)
    unseen = any(change.stage in _UNVERIFIED for change in open_)
    confirmed = stable(pages) if open_ or confirming else 0
    return creates + len(open_) + (pages if unseen else 0) + confirmed


def new_batch(size: int, pages: int, *, confirming: bool) -> int:
    """Return what a batch of `size` updates will cost; without the list that confirms it if `confirming`."""
    # The creates of a batch may add a page to the list.
    return 2 * size + pages + 1 + (0 if confirming else stable(pages))


def remaining(index: OperationIndex, pages: int, *, looked: bool) -> int:
    """Return what is still to be sent for all operations of a team; the number of pages later is an estimate."""
    if not index.open:
        return 0
    creates = index.count(Stage.PLANNED, phases=(Phase.CREATE, Phase.SWAP))
    unseen = index.count(*_UNVERIFIED, phases=(Phase.SWAP,))
    deletes = index.count(*_NOT_ASKED, phases=_DELETING)
    lists = pages * math.ceil(unseen / BATCH)
    if not looked:
        lists += stable(pages)
    if index.count(*Stage, phases=_DELETING):
        lists += stable(pages)
    return creates + deletes + lists
