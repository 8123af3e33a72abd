"""The small facts that stand around a list: its counters, and whether there is a next link."""

from __future__ import annotations

from typing import Any


def read_counter(value: object) -> int | None:
    """Return a counter: a whole number, or exactly its digits as text.

    Raises:
        ValueError: it is something else, or negative.
    """
    if value is None:
        return None
    if type(value) is int and value >= 0:
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    raise ValueError("must be a whole number, not negative")


def has_next(links: Any) -> bool:
    """Tell whether `_links` holds a next link; where it points does not matter."""
    following = links.get("next") if isinstance(links, dict) else None
    if isinstance(following, dict) and "href" in following:
        following = following["href"]
    return bool(following)
