"""Parses the counters and the next link of a list answer."""

from __future__ import annotations

from typing import Any


def read_counter(value: object) -> int | None:
    """Return a counter, given as an int or as decimal digits; None for None.

    Raises:
        ValueError: the value is something else, or negative.
    """
    if value is None:
        return None
    if type(value) is int and value >= 0:
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    raise ValueError("must be a whole number, not negative")


def has_next(links: Any) -> bool:
    """Tell whether `_links` has a next link; its target is ignored."""
    following = links.get("next") if isinstance(links, dict) else None
    if isinstance(following, dict) and "href" in following:
        following = following["href"]
    return bool(following)
