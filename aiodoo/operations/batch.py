"""The updates of one team whose creates, looks and deletes are done together. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from aiodoo.operations import cost
from aiodoo.operations.actions import Park, Scan, SendCreate, SendDelete, send_create, send_delete
from aiodoo.operations.freshness import Freshness
from aiodoo.operations.index import OperationIndex, in_order
from aiodoo.operations.tracked import Phase, Stage, TrackedOperation

MAX_PAIRS = 25
"""The default of `max_pairs`: a page of doo's lists, as "List webhook configurations" shows it."""

_BEGUN = (Stage.CREATE_INTENT, Stage.MAYBE, Stage.CREATED, Stage.VERIFIED, Stage.DELETE_INTENT)


@attrs.define(eq=False)
class Batch:
    """Updates and replacements whose old and new webhook configurations may be live together.

    Their old ones are on as few pages as possible. A batch is started only if the daily quota has room to finish it: its
    creates, the pages that show old and new ones, and its deletes; in the team's last one also the stable list that
    confirms all deletes, if the day has room for that.

    Attributes:
        most: how many there may be.
        confirms: whether the requests of the list that confirms the deletes are included.
    """

    _index: OperationIndex
    _freshness: Freshness
    most: int = MAX_PAIRS
    confirms: bool = attrs.field(default=False, init=False)
    _chosen: list[TrackedOperation] = attrs.field(factory=list, init=False)
    _waiting: list[TrackedOperation] = attrs.field(factory=list, init=False)
    _seeing: int = attrs.field(default=0, init=False)
    _looked: bool = attrs.field(default=False, init=False)
    _members: list[TrackedOperation] = attrs.field(factory=list, init=False)
    _known_at: tuple[int, bool] | None = attrs.field(default=None, init=False)

    @property
    def members(self) -> list[TrackedOperation]:
        """The operations that were chosen and not started yet, and those that were started, in input order."""
        known_at = self._index.moves, self._freshness.evidence.by_pages
        if self._known_at != known_at:
            to_do = self._freshness.is_to_do
            chosen = [change for change in self._chosen if change.stage is Stage.PLANNED and to_do(change)]
            self._members = in_order(chosen + self._index.at(*_BEGUN, phases=(Phase.SWAP,)))
            self._known_at = known_at
        return self._members

    @property
    def committed(self) -> int:
        """Requests still needed to finish it, and for the list that confirms the deletes if they are included."""
        members = self.members
        confirming = self.confirms and (members or self._index.is_confirming)
        begun = cost.committed(members, self.seeing) if members else 0
        return begun + (cost.stable(self._freshness.pages) if confirming else 0)

    @property
    def seeing(self) -> int:
        """Requests that show what it has created, and the old ones."""
        return self._seeing or cost.seeing(self.members, self._freshness.places, self._freshness.pages)

    def start(self, now: float, left: int | None, most: int | None) -> Park | None:
        """Choose the members unless there are any, or return how many requests that takes if fewer are left.

        Args:
            now: monotonic seconds.
            left: requests that a new batch may use now; None is without limit.
            most: requests that a whole day allows; None is without limit.
        """
        while not self.members and (waiting := self._next()):
            confirms = self._fit_in_a_day(waiting, now, most)
            if left is not None and (needed := self._cost(waiting, now, confirms=confirms)) > left:
                return Park(needed)
            self._begin(waiting, now, confirms=confirms)
        return None

    def _fit_in_a_day(self, waiting: list[TrackedOperation], now: float, most: int | None) -> bool:
        """Take out what a whole day does not suffice for; return whether it suffices for the list that confirms the deletes.

        A smaller batch costs more for each update, so only the limit of a whole day makes a batch smaller.
        """
        last = self._is_last(waiting)
        if most is None:
            return last
        confirms = last and self._cost(waiting, now, confirms=True) <= most
        while len(waiting) > 1 and self._cost(waiting, now, confirms=confirms) > most:
            waiting.pop()
        return confirms

    def _begin(self, waiting: list[TrackedOperation], now: float, *, confirms: bool) -> None:
        self._choose(waiting)
        self.confirms = confirms
        self._seeing = cost.seeing(waiting, self._freshness.places, self._freshness.pages)
        self._looked = False
        self._freshness.set_window(waiting)
        # A page that was read for others may have shown an edit, which ends the operation.
        self._freshness.evidence.recheck_old(waiting, now)

    def start_no_more(self) -> None:
        """Drop the members that were not started."""
        self._choose([])

    def _choose(self, changes: list[TrackedOperation]) -> None:
        self._chosen, self._known_at = changes, None

    def next(self, now: float) -> SendCreate | SendDelete | Scan | None:
        """Return the next request, or the reading that it needs; None if neither is possible before an answer."""
        batch, freshness = self.members, self._freshness
        until = now if self._looked else self._created_by(batch, now)
        unsent = [change for change in batch if change.stage in {Stage.PLANNED, Stage.VERIFIED}]
        created = [change for change in batch if change.stage is Stage.CREATED]
        if (self._looked or not self._stale(unsent, until)) and (
            change := self._due(unsent, created, now, until)
        ) is not None:
            self._looked = True
            return send_create(change) if change.stage is Stage.PLANNED else send_delete(change)
        if self._index.in_flight or not (created or unsent):
            return None
        self._looked = True
        freshness.set_window(batch)
        return freshness.look([*created, *self._stale(unsent, until)], now, until, first=bool(created))

    def _due(
        self,
        unsent: Sequence[TrackedOperation],
        created: Sequence[TrackedOperation],
        now: float,
        until: float,
    ) -> TrackedOperation | None:
        """Return the next operation whose request may be sent."""
        looking: bool | None = None
        for change in unsent:
            if change.stage is Stage.VERIFIED:
                if looking is None:
                    # All are looked at before the first delete, as that moves the others from page to page.
                    looking = (
                        bool(created)
                        and not self._index.in_flight
                        and self._freshness.has_pages_for(created, until)
                    )
                if looking:
                    continue
            if self._freshness.may_send(change, now):
                return change
        return None

    def _stale(self, unsent: Sequence[TrackedOperation], until: float) -> Sequence[TrackedOperation]:
        return [change for change in unsent if not self._freshness.may_send(change, until)]

    def _next(self) -> list[TrackedOperation]:
        """Return the next operations, from the first page of the list on, whole pages while they fit."""
        places, size = self._freshness.places, self.most
        if places.new == "last" and size > places.room >= 0.75 * size:
            # Otherwise it would take two pages to see the new ones.
            size = places.room
        while self._waiting and not self._freshness.is_to_do(self._waiting[-1]):
            self._waiting.pop()
        if not self._waiting:
            waiting = self._freshness.to_do(Phase.SWAP)
            self._waiting = sorted(waiting, key=lambda change: places.rank(change.old_id), reverse=True)
        found, here, page = list[TrackedOperation](), list[TrackedOperation](), 0
        for change in reversed(self._waiting):
            if not self._freshness.is_to_do(change):
                continue
            if page != (page := places.page(change.old_id)):
                found, here = found + here, []
            here.append(change)
            if len(found) + len(here) > size:
                return found or here[:size]
        return found + here

    def _cost(self, batch: Sequence[TrackedOperation], now: float, *, confirms: bool) -> int:
        """Return what a batch will cost from its first look on."""
        freshness = self._freshness
        lists = freshness.reread_cost(batch, self._created_by(batch, now)) + cost.seeing(
            batch, freshness.places, freshness.pages
        )
        confirming = cost.stable(freshness.pages) if confirms else 0
        # One more, as its creates may add a page to the list, and others may have moved something to the next page.
        return 2 * len(batch) + lists + 1 + confirming

    def _created_by(self, batch: Sequence[TrackedOperation], now: float) -> float:
        """Return when the last create of a batch is sent: a look that is too old by then is repeated before the first."""
        return now + self._freshness.rate * sum(change.stage is Stage.PLANNED for change in batch)

    def _is_last(self, batch: Sequence[TrackedOperation]) -> bool:
        return self._index.count(Stage.PLANNED, phases=(Phase.SWAP,)) == len(batch)
