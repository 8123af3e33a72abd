"""The updates of one team whose creates, list and deletes are done together. Pure."""

from __future__ import annotations

from itertools import islice

import attrs

from aiodoo.operations import cost
from aiodoo.operations.actions import Park, Scan, SendCreate, SendDelete, send_create, send_delete
from aiodoo.operations.freshness import Freshness
from aiodoo.operations.index import OperationIndex
from aiodoo.operations.tracked import Phase, Stage, TrackedOperation

_BEGUN = (Stage.CREATE_INTENT, Stage.MAYBE, Stage.CREATED, Stage.VERIFIED, Stage.DELETE_INTENT)


@attrs.define(eq=False)
class Batch:
    """At most ten updates and replacements whose old and new webhook configurations may be live together.

    A batch is started only if the daily quota has room to finish it: its creates, one list that compares them, its
    deletes and the stable list that confirms these.
    """

    _index: OperationIndex
    _freshness: Freshness
    _chosen: list[TrackedOperation] = attrs.field(factory=list, init=False)

    @property
    def members(self) -> list[TrackedOperation]:
        """The operations that were chosen and not started yet, and those that were started, in input order."""
        chosen = [
            change
            for change in self._chosen
            if change.stage is Stage.PLANNED and change.ready and change.status is None
        ]
        begun = self._index.at(*_BEGUN, phases=(Phase.SWAP,))
        return sorted(chosen + begun, key=lambda change: change.number)

    @property
    def committed(self) -> int:
        """Requests still needed to finish it, with the list that confirms its deletes and earlier ones."""
        return cost.committed(self.members, self._freshness.pages, confirming=self._index.is_confirming)

    def start(self, now: float, left: int | None, most: int | None) -> Park | None:
        """Choose the members unless there are any, or return how many requests that takes if fewer are left.

        Args:
            now: monotonic seconds.
            left: requests that a new batch may use now; None is without limit.
            most: requests that a whole day allows; None is without limit.
        """
        if self.members:
            return None
        pages, confirming = self._freshness.pages, self._index.is_confirming
        waiting = list(islice(self._index.ready(Phase.SWAP), cost.BATCH))
        reread = self._freshness.reread_cost(waiting, now)
        # A smaller batch costs more for each update, so only the limit of a whole day makes a batch smaller.
        room = None if most is None else most - reread
        size = _affordable(len(waiting), room, pages, confirming=confirming) or 1
        needed = reread + cost.new_batch(size, pages, confirming=confirming)
        if waiting and left is not None and needed > left:
            return Park(needed)
        self._chosen = waiting[:size]
        self._freshness.set_window(self._chosen)
        return None

    def start_no_more(self) -> None:
        """Drop the members that were not started."""
        self._chosen = []

    def next(self, now: float) -> SendCreate | SendDelete | Scan | None:
        """Return the next request, or the reading that it needs; None if neither is possible before an answer."""
        batch, stale = self.members, list[TrackedOperation]()
        for change in batch:
            if change.stage not in {Stage.PLANNED, Stage.VERIFIED}:
                continue
            if not self._freshness.may_send(change, now):
                stale.append(change)
            else:
                return send_create(change) if change.stage is Stage.PLANNED else send_delete(change)
        created = [change for change in batch if change.stage is Stage.CREATED]
        if self._index.in_flight or not (created or stale):
            return None
        self._freshness.set_window(batch)
        return self._freshness.reread([*created, *stale], first=bool(created))


def _affordable(size: int, left: int | None, pages: int, *, confirming: bool) -> int:
    """Return how many of `size` updates can be finished with `left` requests; None is without limit."""
    while size and left is not None and cost.new_batch(size, pages, confirming=confirming) > left:
        size -= 1
    return size
