"""The ownership marker: a few characters at a description's end that tell which run made a webhook configuration.

`"Our CRM"` becomes `"Our CRM [aiodoo:3f9c2a71.15]"`: the run's random name, and the operation's number in it.
"""

from __future__ import annotations

import re

LONGEST = 255
"""Characters that doo once allowed in a description."""

_MARKER = re.compile(r" ?\[aiodoo:([0-9a-f]{8}\.[0-9]{1,9})\]\Z")


def marker(run: str | None, number: int) -> str | None:
    """Return the marker of an operation, by the name of its run and its number in it; None for a run without one."""
    return None if run is None else f"{run}.{number}"


def marker_of(description: str | None) -> str | None:
    """Return the marker that a description carries."""
    found = _MARKER.search(description) if isinstance(description, str) else None
    return None if found is None else found[1]


def unmarked(description: str | None) -> str | None:
    """Return a description without its marker; None if it was nothing else."""
    if not isinstance(description, str):
        return description
    found = _MARKER.search(description)
    return description if found is None else description[: found.start()] or None


def marked(description: str | None, own: str) -> str | None:
    """Return a description with its own marker in place of any other; None if it has no room for it."""
    plain = unmarked(description)
    with_marker = f"{plain} [aiodoo:{own}]" if plain else f"[aiodoo:{own}]"
    return with_marker if len(with_marker) <= LONGEST else None
