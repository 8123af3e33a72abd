"""Whether a team's pages are recent enough for a request, and which pages to read if not. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

import attrs

from aiodoo.errors import PlanDrift
from aiodoo.operations.actions import Scan
from aiodoo.operations.evidence import Evidence
from aiodoo.operations.index import OperationIndex
from aiodoo.operations.places import Places
from aiodoo.operations.sightings import DELETES, FRESH, window
from aiodoo.operations.tracked import Phase, Stage, Status, TrackedOperation

MAX_READINGS = 6
"""Readings in a row after which nothing could be sent, before the operations that need them end."""


@attrs.define(kw_only=True, eq=False)
class Freshness:
    """Decides whether what a request relies on was seen recently enough, and which pages show it otherwise.

    Attributes:
        rate: seconds that one request takes at the key's rate limit.
        wasted: readings since the last answer that showed nothing new.
        announced: how many pages the list has, as its pages say; what counts until it was read to its end.
    """

    evidence: Evidence
    index: OperationIndex
    rate: float
    wasted: int = 0
    announced: int = attrs.field(default=1, init=False)
    _pages: int = attrs.field(default=0, init=False)
    _window: float = attrs.field(default=FRESH, init=False)
    _tried: set[int] = attrs.field(factory=set, init=False)
    _tried_from: float = attrs.field(default=math.inf, init=False)
    _due: list[TrackedOperation] = attrs.field(factory=list, init=False)
    _by_page: list[tuple[int, list[TrackedOperation]]] = attrs.field(factory=list, init=False)

    @property
    def places(self) -> Places:
        """On which page each webhook configuration is likely to stand."""
        return self.evidence.places

    @property
    def pages(self) -> int:
        """How many pages the team's list has."""
        return self.places.pages if self.places.size else self._pages or self.announced

    @property
    def looks(self) -> tuple[int, set[int], float]:
        """What was looked at since the last answer; set it to take a look back."""
        return self.wasted, self._tried, self._tried_from

    @looks.setter
    def looks(self, looks: tuple[int, set[int], float]) -> None:
        self.wasted, self._tried, self._tried_from = looks

    def to_do(self, phase: Phase) -> Collection[TrackedOperation]:
        """Return the planned operations of a phase that may be sent, or looked at."""
        if not self.evidence.by_pages:
            return self.index.ready(phase)
        return [*self.index.ready(phase), *(each for each in self.index.waiting() if each.phase is phase)]

    def is_to_do(self, change: TrackedOperation) -> bool:
        """Return whether an operation is planned and may be sent, or looked at."""
        ready = change.ready or self.evidence.by_pages
        return ready and change.stage is Stage.PLANNED and change.status is None

    def may_send(self, change: TrackedOperation, now: float) -> bool:
        """Return whether all webhooks that an operation depends on were seen recently enough."""
        if change.old_id is None:
            return True
        return self.evidence.is_fresh(change, now - self._window)

    def set_window(self, batch: Collection[TrackedOperation]) -> None:
        """Set how long the next reading counts, by the number of deletes that it has to permit."""
        deletes = len(batch) or min(DELETES, self.index.count(Stage.PLANNED, phases=(Phase.DELETE,)))
        self._window = window(deletes, self.rate)

    def answered(self) -> None:
        """Record that a create or a delete was answered: what is looked for from now on may be on any page."""
        self.wasted = 0
        self.look_anew()

    def look_anew(self) -> None:
        """Forget on which pages something was not found."""
        self._tried, self._tried_from = set(), math.inf

    def look(
        self, changes: Iterable[TrackedOperation], now: float, until: float, *, first: bool = False
    ) -> Scan:
        """Return the reading that should show what operations depend on: its pages, then the pages beside, then the list.

        Args:
            changes: the operations.
            now: monotonic seconds.
            until: until when what was seen has to count.
            first: whether it follows their creates, so that a reading of the whole list does not count as wasted.
        """
        ids = [each for change in changes for each in self.evidence.unseen(change, until - self._window)]
        self._tried_from = min(self._tried_from, now)
        pages = {self._page_of(webhook_id) for webhook_id in ids}
        if pages and self.places.is_unsure and 1 not in self._tried:
            # Where new ones go also tells where the others are now.
            pages = {1}
        if self.evidence.wants_stable or not pages or 0 in pages or len(pages) >= self.pages:
            self.wasted += not first
            self.look_anew()
            return Scan(stable=self.evidence.wants_stable or self.evidence.by_pages)
        self.wasted += not pages.isdisjoint(self._tried)
        self._tried = self._tried | pages
        return Scan(stable=False, pages=tuple(sorted(pages)))

    def has_pages_for(self, changes: Iterable[TrackedOperation], until: float) -> bool:
        """Return whether a page is left on which what operations depend on may be."""
        ids = {each for change in changes for each in self.evidence.unseen(change, until - self._window)}
        return not self.evidence.wants_stable and all(self._page_of(webhook_id) for webhook_id in ids)

    def _page_of(self, webhook_id: str) -> int:
        """Return the page to look for a webhook on; 0 if it is on none where it may be."""
        if self.evidence.seen.at(webhook_id) > self._tried_from:
            return self.evidence.seen.page(webhook_id)
        if self._tried:
            return next((page for page in self.places.candidates(webhook_id) if page not in self._tried), 0)
        return self.places.page(webhook_id)

    def reread_cost(self, changes: Iterable[TrackedOperation], now: float) -> int:
        """Return the requests that it takes to look at what these planned operations depend on."""
        stale = {self.places.page(change.old_id) for change in changes if not self.may_send(change, now)}
        return self.pages if 0 in stale else min(self.pages, len(stale))

    # Plain deletes go page by page from the last to the first, as a delete moves what follows it in the list.

    def next_delete(self, now: float) -> TrackedOperation | None:
        """Return a plain delete that may be sent, or None if no reading is recent enough for any on its page."""
        while self._due and not self.is_to_do(self._due[-1]):
            self._due.pop()
        if not self._due:
            self._due = self._last_page()
            # A page that was read for others may have shown an edit.
            self.evidence.recheck_old(self._due, now)
        due = (change for change in reversed(self._due) if self.is_to_do(change) and change.ready)
        return next((change for change in due if self.may_send(change, now)), None)

    def _last_page(self) -> list[TrackedOperation]:
        if not self._by_page:
            by_page: dict[int, list[TrackedOperation]] = defaultdict(list)
            for change in self.to_do(Phase.DELETE):
                by_page[self.places.page(change.old_id)].append(change)
            self._by_page = sorted(by_page.items())
        return self._by_page.pop()[1] if self._by_page else []

    def listed(self, pages: int) -> None:
        """Record a reading of the whole list, which has so many pages; any webhook may be on another one."""
        self._pages, self._due, self._by_page = pages, [], []

    def deletes_due(self) -> Sequence[TrackedOperation]:
        """Return the plain deletes that the latest reading was made for."""
        return [change for change in self._due if self.is_to_do(change)]

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
