"""Where a webhook configuration was last seen, and when it counts as seen no more."""

from __future__ import annotations

from aiodoo.operations.sightings import Sighting, Sightings


def test_what_its_page_no_longer_shows_is_not_seen() -> None:
    """Also if it was seen there once more while it was expected on another page."""
    seen = Sightings()
    for at in (1.0, 2.0):
        seen.record({"a": Sighting(2, at)}, [2], lambda _: 3)
    assert (seen.at("a"), seen.page("a")) == (2.0, 2)
    seen.record({}, [2], lambda _: 3)
    assert seen.has("a")
    seen.record({"a": Sighting(2, 3.0)}, [2], lambda _: 2)
    seen.record({}, [2], lambda _: 2)
    assert not seen.has("a")
