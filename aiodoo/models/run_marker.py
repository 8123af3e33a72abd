"""Ownership markers at the end of descriptions, which name the run and the operation that created a webhook.

`"Our CRM"` becomes `"Our CRM [aiodoo:3f9c2a71.15]"`: the run's random name, and the number of the operation.
"""

from __future__ import annotations

import re

LONGEST = 255
"""Characters that an earlier page of doo's allows in a description."""

_MARKER = re.compile(r" ?\[aiodoo:([0-9a-f]{8}\.[0-9]{1,9})\]\Z")


def marker(run: str | None, number: int) -> str | None:
    """Return the marker of an operation from the name of its run and its number; None if the run has no name."""
    return None if run is None else f"{run}.{number}"


def marker_of(description: str | None) -> str | None:
    """Return the marker in a description; None if there is none."""
    found = _MARKER.search(description) if isinstance(description, str) else None
    return None if found is None else found[1]


def unmarked(description: str | None) -> str | None:
    """Return a description without its marker; None if nothing is left."""
    if not isinstance(description, str):
        return description
    found = _MARKER.search(description)
    return description if found is None else description[: found.start()] or None


def marked(description: str | None, own: str) -> str | None:
    """Return a description with this marker in place of any other; None if the result would be too long.

    >>> marked("Our CRM [aiodoo:0a1b2c3d.4]", "3f9c2a71.15")
    'Our CRM [aiodoo:3f9c2a71.15]'
    """
    plain = unmarked(description)
    with_marker = f"{plain} [aiodoo:{own}]" if plain else f"[aiodoo:{own}]"
    return with_marker if len(with_marker) <= LONGEST else None
