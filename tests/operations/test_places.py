"""Where each webhook of a team's list is likely to stand."""

from __future__ import annotations

from aiodoo.operations.places import Places


def test_a_first_page_may_be_empty() -> None:
    """In a list that others change, or that is not whole; the other pages tell how many webhooks a page has."""
    places = Places()
    places.whole({2: ["a", "b"], 3: ["c"]}, 0)
    assert (places.size, places.pages) == (2, 2)


def test_a_first_page_that_shows_less_than_the_others_does_not_tell_its_size() -> None:
    """One of its webhooks was seen again on the next page, as somebody has inserted another before it."""
    places = Places()
    places.whole({1: ["a"], 2: ["b", "c"], 3: ["d"]}, 2)
    assert (places.size, places.page("c"), places.page("d")) == (2, 2, 2)
