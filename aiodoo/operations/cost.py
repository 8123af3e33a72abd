"""What a team's changes still cost, in requests, if nothing fails."""

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
    """Return what a stable list costs: one page cannot shift while it is read."""
    return pages if pages == 1 else 2 * pages


def committed(batch: Iterable[TrackedOperation], pages: int, *, confirming: bool) -> int:
    """Return what it takes to finish a batch; `confirming` if earlier deletes still wait for the list that confirms."""
    open_ = [change for change in batch if change.status is None and change.stage is not Stage.DELETED]
    creates = sum(change.stage is Stage.PLANNED for change in open_)
    unseen = any(change.stage in _UNVERIFIED for change in open_)
    confirmed = stable(pages) if open_ or confirming else 0
    return creates + len(open_) + (pages if unseen else 0) + confirmed


def new_batch(size: int, pages: int, *, confirming: bool) -> int:
    """Return what a batch of so many updates will cost; unless `confirming`, the list that confirms it as well."""
    # A batch may push the list onto one page more.
    return 2 * size + pages + 1 + (0 if confirming else stable(pages))


def affordable(size: int, left: int | None, pages: int, *, confirming: bool) -> int:
    """Return how many of so many updates can be finished with what is left; None is without limit."""
    while size and left is not None and new_batch(size, pages, confirming=confirming) > left:
        size -= 1
    return size


def remaining(index: OperationIndex, pages: int, *, looked: bool) -> int:
    """Return what is still to be sent for all changes of a team; the pages that it will have are a guess."""
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
