"""What readings of a team's list have shown: where and when each webhook configuration was last seen. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

import attrs

FRESH = 60.0
"""Seconds for which what was read is ground for a create in its place, or for a delete."""

DELETES = 25
"""Plain deletes that what was read counts for at most."""


@attrs.frozen
class Sighting:
    """Where and when a webhook configuration was seen.

    Attributes:
        page: the page of the list that showed it; 0 if that is unknown.
        at: when that page was asked for (monotonic seconds).
    """

    page: int
    at: float


@attrs.frozen(kw_only=True)
class ListReading:
    """What one reading of a team's list was.

    Attributes:
        pages: the only pages that it read; none for the whole list.
        stable: whether readings in a row agreed, so that what it lacks was gone when it was read.
        conclusive: the same, also for a list that was read once, which is so if it is a single page.
        began: when its first request was made (monotonic seconds).
    """

    pages: tuple[int, ...] = ()
    stable: bool
    conclusive: bool
    began: float


def window(deletes: int, rate: float) -> float:
    """Return the seconds for which what was read is ground for so many deletes, at `rate` seconds a request."""
    return max(FRESH, 3 * deletes * rate)


@attrs.define(eq=False)
class Sightings:
    """Where and when each webhook configuration was last seen.

    Attributes:
        fresh_from: what was seen before counts no more (monotonic seconds).
    """

    fresh_from: float = -math.inf
    _seen: dict[str, Sighting] = attrs.field(factory=dict, init=False)
    _on: dict[int, list[str]] = attrs.field(factory=dict, init=False)

    def take_in(self, seen: Mapping[str, Sighting], pages: Collection[int]) -> None:
        """Take in what a reading showed; `pages` are those that it read, none for the whole list."""
        if not pages:
            self._seen, self._on = {}, {}
        for page in pages:
            for webhook_id in self._on.pop(page, ()):
                if self.page(webhook_id) == page:
                    # Somewhere else now, or gone: a page alone cannot tell.
                    del self._seen[webhook_id]
        for webhook_id, sighting in seen.items():
            before = self._seen.get(webhook_id)
            self._seen[webhook_id] = sighting
            if before is None or before.page != sighting.page:
                self._on.setdefault(sighting.page, []).append(webhook_id)

    def at(self, webhook_id: str | None) -> float:
        """Return when a webhook configuration was last seen; minus infinity if it was not, or if that counts no more."""
        sighting = self._seen.get(webhook_id or "")
        return -math.inf if sighting is None or sighting.at < self.fresh_from else sighting.at

    def has(self, webhook_id: str | None) -> bool:
        """Return whether it is known where it was last seen, however long ago."""
        return (webhook_id or "") in self._seen

    def pages(self, webhook_ids: Iterable[str | None]) -> set[int] | None:
        """Return the pages on which all of them were last seen; None if that is not known of each."""
        pages = {self.page(webhook_id) for webhook_id in webhook_ids}
        return None if 0 in pages else pages

    def page(self, webhook_id: str | None) -> int:
        """Return the page on which a webhook configuration was last seen; 0 if that is not known."""
        sighting = self._seen.get(webhook_id or "")
        return 0 if sighting is None else sighting.page
