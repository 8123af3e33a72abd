"""On which page and when a team's list last showed each webhook configuration. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping

import attrs

FRESH = 60.0
"""Seconds for which a reading permits a replacement's create or a delete."""

DELETES = 25
"""Plain deletes that one reading permits at most."""


_NEVER = -math.inf


@attrs.frozen
class Sighting:
    """Where and when a list showed a webhook configuration.

    Attributes:
        page: the number of the page; 0 if it is unknown.
        at: when that page was requested (monotonic seconds).
    """

    page: int
    at: float


@attrs.frozen(kw_only=True)
class ListReading:
    """How a team's list was read.

    Attributes:
        pages: the numbers of the only pages that were read; empty for the whole list.
        stable: whether the list was read until readings in a row agreed.
        conclusive: whether a webhook that it lacks was gone when it was read: it is stable, or has a single page.
        began: when its first request was made (monotonic seconds).
        page_size: webhook configurations a page; 0 if it is unknown.
    """

    pages: tuple[int, ...] = ()
    stable: bool
    conclusive: bool
    began: float
    page_size: int = 0


def by_page(seen: Mapping[str, Sighting]) -> Mapping[int, list[str]]:
    """Return the ids that each page of a reading showed, in order."""
    pages: dict[int, list[str]] = {}
    for webhook_id, sighting in seen.items():
        pages.setdefault(sighting.page, []).append(webhook_id)
    return pages


def window(deletes: int, rate: float) -> float:
    """Return the seconds for which a reading permits this number of deletes, at `rate` seconds a request."""
    return max(FRESH, 3 * deletes * rate)


@attrs.define(eq=False)
class Sightings:
    """Where and when each webhook configuration was last seen.

    Attributes:
        fresh_from: sightings before this time are too old (monotonic seconds).
    """

    fresh_from: float = -math.inf
    _seen: dict[str, Sighting] = attrs.field(factory=dict, init=False)
    _on: dict[int, list[str]] = attrs.field(factory=dict, init=False)

    def record(
        self,
        seen: Mapping[str, Sighting],
        pages: Collection[int] = (),
        expected: Callable[[str], int] = lambda _: 0,
        moved: Iterable[str] = (),
    ) -> None:
        """Record what a reading showed.

        Args:
            seen: where and when it showed each webhook configuration.
            pages: the only pages that were read; empty for the whole list.
            expected: returns the page on which one should be now; 0 if that is unknown.
            moved: the ids of those that count as seen only as long as no page lacks them on which they may stand now.
        """
        if not pages:
            self._seen, self._on = {}, {}
        for webhook_id in moved:
            if not {self.page(webhook_id), expected(webhook_id)}.isdisjoint(pages):
                self._seen.pop(webhook_id, None)
        for page in pages:
            for webhook_id in self._on.pop(page, ()):
                if self.page(webhook_id) == page and expected(webhook_id) in {page, 0}:
                    # Somebody else has moved it to another page, or it is gone.
                    del self._seen[webhook_id]
        for webhook_id, sighting in seen.items():
            before = self._seen.get(webhook_id)
            self._seen[webhook_id] = sighting
            if before is None or before.page != sighting.page or sighting.page in pages:
                self._on.setdefault(sighting.page, []).append(webhook_id)

    def at(self, webhook_id: str | None) -> float:
        """Return when a webhook configuration was last seen; minus infinity if never, or before `fresh_from`."""
        sighting = self._seen.get(webhook_id or "")
        return _NEVER if sighting is None or sighting.at < self.fresh_from else sighting.at

    def has(self, webhook_id: str | None) -> bool:
        """Return whether the latest reading of its page showed it, however long ago."""
        return (webhook_id or "") in self._seen

    def page(self, webhook_id: str | None) -> int:
        """Return the page on which a webhook configuration was last seen; 0 if it is unknown."""
        sighting = self._seen.get(webhook_id or "")
        return 0 if sighting is None else sighting.page
