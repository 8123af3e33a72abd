"""Whether a team's list is recent enough for a request, and which pages to read again if not. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from itertools import islice

import attrs

from aiodoo.errors import PlanDrift
from aiodoo.operations.actions import Scan
from aiodoo.operations.evidence import Evidence
from aiodoo.operations.index import OperationIndex
from aiodoo.operations.sightings import DELETES, FRESH, window
from aiodoo.operations.tracked import Phase, Stage, Status, TrackedOperation

MAX_READINGS = 6
"""Readings in a row after which nothing could be sent, before the operations that need them end."""


@attrs.define(kw_only=True, eq=False)
class Freshness:
    """Decides whether what a request relies on was seen recently enough.

    Attributes:
        rate: seconds that one request takes at the key's rate limit.
        pages: how many pages the team's list has.
        wasted: readings since the last request that needed one.
    """

    evidence: Evidence
    index: OperationIndex
    rate: float
    pages: int = 1
    wasted: int = 0
    _window: float = FRESH
    _due: list[TrackedOperation] = attrs.field(factory=list, init=False)
    _by_page: list[tuple[int, list[TrackedOperation]]] = attrs.field(factory=list, init=False)

    def may_send(self, change: TrackedOperation, now: float) -> bool:
        """Return whether all webhooks that an operation depends on were seen recently enough."""
        if change.old_id is None:
            return True
        return self.evidence.is_fresh(change, now - self._window)

    def set_window(self, batch: Collection[TrackedOperation]) -> None:
        """Set how long the next reading counts, by the number of deletes that it has to permit."""
        deletes = len(batch) or min(DELETES, self.index.count(Stage.PLANNED, phases=(Phase.DELETE,)))
        self._window = window(deletes, self.rate)

    def reread(self, changes: Iterable[TrackedOperation], *, first: bool) -> Scan:
        """Return the reading of the pages with all webhooks that these operations depend on.

        Args:
            changes: the operations.
            first: whether it is the first reading after their creates, which does not count as wasted.
        """
        self.wasted += not first
        ids = [webhook_id for change in changes for webhook_id in self.evidence.depends_on(change)]
        return self._reading(self.evidence.seen.pages(ids))

    def reread_cost(self, changes: Iterable[TrackedOperation], now: float) -> int:
        """Return the requests that it takes to read again what these planned operations depend on."""
        stale = [change.old_id for change in changes if not self.may_send(change, now)]
        if not stale:
            return 0
        pages = self.evidence.seen.pages(stale)
        return self.pages if pages is None else min(self.pages, len(pages))

    def _reading(self, pages: set[int] | None) -> Scan:
        if self.evidence.wants_stable:
            return Scan(stable=True)
        if pages is None or len(pages) >= self.pages:
            return Scan(stable=False)
        return Scan(stable=False, pages=tuple(sorted(pages)))

    # Plain deletes go page by page from the last to the first, as a delete moves what follows it in the list.

    def next_delete(self, now: float) -> TrackedOperation | None:
        """Return a plain delete that may be sent, or None if no reading is recent enough for any."""
        while self._due and not self._is_ready(self._due[-1]):
            self._due.pop()
        for change in (*self._due[-1:], *islice(self.index.ready(Phase.DELETE), 1)):
            if self.may_send(change, now):
                return change
        return None

    def reread_for_deletes(self) -> Scan:
        """Return the reading that the next plain deletes depend on: one page, or the whole list."""
        self.wasted += 1
        if not self._by_page:
            by_page: dict[int, list[TrackedOperation]] = defaultdict(list)
            for change in self.index.ready(Phase.DELETE):
                by_page[self.evidence.seen.page(change.old_id)].append(change)
            self._by_page = sorted(by_page.items())
        if self._by_page[0][0] == 0 or self.evidence.wants_stable or self.pages == 1:
            self._by_page = []
            return self._reading(None)
        page, self._due = self._by_page.pop()
        return self._reading({page})

    def reading_done(self, pages: Collection[int]) -> None:
        """Record a reading; after one of the whole list, any webhook may be on another page."""
        if not pages:
            self._due, self._by_page = [], []

    def deletes_due(self) -> Iterable[TrackedOperation]:
        """Return the plain deletes that the latest reading was made for."""
        return self._due or self.index.ready(Phase.DELETE)

    def _is_ready(self, change: TrackedOperation) -> bool:
        return change.status is None and change.ready and change.stage is Stage.PLANNED

    def give_up(self, changes: Iterable[TrackedOperation], now: float) -> list[TrackedOperation]:
        """End the operations for which no reading is recent enough, and return them."""
        stale = [change for change in changes if change.status is None and not self.may_send(change, now)]
        for change in stale:
            end_as_never_fresh(change, self._window)
        return stale


def end_as_never_fresh(change: TrackedOperation, seconds: float) -> None:
    """End an operation whose request could not be sent within `seconds` after a reading."""
    reason = f"each of {MAX_READINGS} readings of it was more than {seconds:g} s old before a request could be sent"
    if change.stage is Stage.PLANNED:
        error = PlanDrift(
            f"{reason}; nothing was changed. Try again when doo answers faster, or fewer programs use the key"
        )
        change.end(Status.NOT_STARTED, reason, error)
    else:
        reason = f"{reason}; {change.old_id} and its replacement {change.new_id} are both live"
        change.end(
            Status.UNFINISHED, reason, PlanDrift(f"{reason}. Resume the run, or delete {change.old_id}")
        )
