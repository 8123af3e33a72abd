"""On which page of a team's list each webhook configuration is likely to stand. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence

import attrs

from aiodoo.facts import NewWebhooks


@attrs.frozen
class Kept:
    """A team's list as a journal keeps it.

    Attributes:
        ids: the ids of its webhook configurations, in the order of the list.
        page_size: how many a page has; 0 if it is unknown.
    """

    ids: Sequence[str]
    page_size: int


@attrs.define(eq=False)
class Places:
    """Estimates pages from the last whole list and from what was created and deleted since.

    An estimate only selects the page to read. What is concluded depends on what that page shows.

    Attributes:
        new: where the team's list shows new webhook configurations; None until a page has shown one.
        size: webhook configurations a page; 0 until the list is read.
    """

    new: NewWebhooks | None = None
    size: int = 0
    _ranks: dict[str, int] = attrs.field(factory=dict, init=False)
    _gone: list[int] = attrs.field(factory=list, init=False)
    _listed: int = attrs.field(default=0, init=False)
    _first: int = attrs.field(default=0, init=False)
    _end: int = attrs.field(default=0, init=False)
    _shifts: dict[bool, int] = attrs.field(factory=lambda: {True: 0, False: 0}, init=False)
    _unseen: dict[str, None] = attrs.field(factory=dict, init=False)
    _earlier: set[str] = attrs.field(factory=set, init=False)

    @property
    def pages(self) -> int:
        """How many pages the list has."""
        live = self._live + (len(self._unseen) if self.new is None else 0)
        return max(1, -(-live // self.size)) if self.size else 1

    def whole(self, pages: Mapping[int, Sequence[str]], size: int) -> None:
        """Record the pages of a whole list, and what the list says of their size; 0 if nothing."""
        ids = [webhook_id for page in pages.values() for webhook_id in page]
        self._learn(ids, 0)
        # A page may be empty, or show less than it has room for, while others change the list.
        self.size = 0 if 0 in pages else (max(map(len, pages.values())) if len(pages) > 1 else size)
        self._ranks = {webhook_id: rank for rank, webhook_id in enumerate(ids)}
        self._first, self._listed, self._end = 0, len(ids), len(ids)
        self._gone, self._shifts, self._earlier = [], {True: 0, False: 0}, set()
        self._forget(ids)

    def page_read(self, number: int, ids: Sequence[str]) -> None:
        """Record what a page shows: where new ones go, and by how much others have moved what follows."""
        self._learn(ids, number)
        shown = set[bool]()
        for place, webhook_id in enumerate(ids, (number - 1) * self.size):
            rank = self._ranks.get(webhook_id)
            if rank is not None and (made := self._is_made(rank)) not in shown:
                shown.add(made)
                self._shifts[made] += place - self._place(rank)
        self._forget(ids)

    def created_earlier(self, webhook_ids: Iterable[str]) -> None:
        """Record what another process has created, in an order that is not known."""
        self._earlier.update(webhook_ids)
        self._make_room()

    def created(self, webhook_id: str) -> None:
        """Record that a webhook configuration was created."""
        if webhook_id not in self._ranks:
            self._unseen[webhook_id] = None
            self._rank(webhook_id)

    def deleted(self, webhook_id: str | None) -> None:
        """Record that a webhook configuration was deleted."""
        rank = self._ranks.pop(webhook_id or "", None)
        if rank is not None:
            insort(self._gone, rank)

    def rank(self, webhook_id: str | None) -> float:
        """Return the place in the last whole list, for sorting."""
        return self._ranks.get(webhook_id or "", self._end)

    @property
    def is_unsure(self) -> bool:
        """Whether something was created and it is unknown where new ones go; the first page tells it, or the last."""
        return self.new is None and bool(self._unseen or self._earlier)

    def page(self, webhook_id: str | None) -> int:
        """Return the likeliest page; 0 if it is unknown."""
        return next(iter(self.candidates(webhook_id or "")), 0)

    def candidates(self, webhook_id: str) -> tuple[int, ...]:
        """Return the pages on which it may be, the likeliest first."""
        if not self.size:
            return ()
        rank = self._ranks.get(webhook_id)
        if rank is None:
            if self.new is not None or webhook_id not in self._unseen:
                return ()
            return ((self._live + [*self._unseen].index(webhook_id)) // self.size + 1,)
        place = max(0, self._place(rank))
        page = place // self.size + 1
        before, after = max(1, page - 1), page + 1
        return (page, after, before) if 2 * (place % self.size) >= self.size else (page, before, after)

    def pages_of_new(self, count: int) -> int:
        """Return how many pages are read to see so many new webhook configurations."""
        if not self.size or self.new == "anywhere":
            return self.pages
        first, last = -(-count // self.size), -(-(self.size - self.room + count) // self.size)
        return {"first": first, "last": last, None: 1 + last}[self.new]

    @property
    def room(self) -> int:
        """How many new webhook configurations the last page has room for."""
        return self.size - (self._live + self._shifts[True]) % self.size if self.size else 0

    @property
    def _live(self) -> int:
        return self._end - self._first - len(self._gone) + len(self._earlier)

    def _is_made(self, rank: int) -> bool:
        """Return whether a webhook configuration was created since the last whole list."""
        return not 0 <= rank < self._listed

    def _place(self, rank: int) -> int:
        return rank - self._first - bisect_left(self._gone, rank) + self._shifts[self._is_made(rank)]

    def _make_room(self) -> None:
        if self.new == "first":
            self._first -= len(self._earlier)
        elif self.new == "last":
            self._end += len(self._earlier)
        if self.new is not None:
            self._earlier = set()

    def _rank(self, webhook_id: str) -> None:
        if self.new == "first":
            self._first -= 1
            self._ranks[webhook_id] = self._first
        elif self.new == "last":
            self._ranks[webhook_id] = self._end
            self._end += 1

    def _forget(self, seen: Iterable[str]) -> None:
        for webhook_id in seen:
            self._unseen.pop(webhook_id, None)

    def _learn(self, ids: Sequence[str], number: int) -> None:
        """Learn where new ones go from a page, or from the whole list (0)."""
        made = self._unseen.keys() | self._earlier
        new = [place for place, webhook_id in enumerate(ids) if webhook_id in made]
        if not new or self.new == "anywhere":
            return
        others = [
            place
            for place, webhook_id in enumerate(ids)
            if webhook_id in self._ranks and webhook_id not in made
        ]
        found: NewWebhooks | None
        if not others:
            told = self.new is None and number and self.pages > 1
            found = ("first" if number == 1 else "last") if told else None
        elif new[-1] < others[0]:
            found = "first"
        else:
            found = "last" if new[0] > others[-1] else "anywhere"
        if found is None or found == self.new:
            return
        # What two looks contradict is not relied on.
        self.new = found if self.new is None else "anywhere"
        self._make_room()
        for webhook_id in self._unseen:
            self._rank(webhook_id)
