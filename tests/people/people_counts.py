"""What a campaign of lives has to come to: how often something was lost, doubled in silence, or deleted that was not to be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

KINDS = {
    "last copies deleted": re.compile(r" left 0 of "),
    "lost": re.compile(r"^lost: | left [1-9]\d* of "),
    "doubled that nothing names": re.compile(r"^doubled: "),
    "deletes of edited content": re.compile(r"whose edit it had seen"),
}
"""What is counted, and how it is known among the faults of lives."""

OTHER = "other faults"


def counted(faults: Iterable[str]) -> Counter[str]:
    """Count faults by what they are."""
    return Counter(
        next((kind for kind, known in KINDS.items() if known.search(fault)), OTHER) for fault in faults
    )


def summary(lives: int, failed: int, counts: Counter[str]) -> str:
    """Say what a campaign came to, in the words of the table in docs/development.md."""
    told = ", ".join(f"{counts[kind]} {kind}" for kind in ("lost", *list(KINDS)[2:], *list(KINDS)[:1], OTHER))
    return f"{lives} lives, {failed} failed: {told}"
