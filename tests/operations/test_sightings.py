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


def test_what_changes_have_moved_is_not_seen_if_a_page_lacks_it_on_which_it_may_stand() -> None:
    """That is the page on which it was seen, and the one on which it is expected now."""
    for page in (1, 2, 3):
        seen = Sightings()
        seen.record({"a": Sighting(3, 1.0)}, [3], lambda _: 3)
        seen.record({}, [page], lambda _: 2, ["a"])
        assert seen.has("a") == (page == 1)
    seen.record({"a": Sighting(2, 2.0)}, [2], lambda _: 2, ["a"])
    assert (seen.at("a"), seen.page("a")) == (2.0, 2)
