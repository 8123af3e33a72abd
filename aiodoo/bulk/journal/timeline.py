"""When a run has sent its requests, as its journal has noted it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import attrs

from aiodoo.bulk.journal import lines, place
from aiodoo.bulk.journal.store import Row


@attrs.frozen
class Moment:
    """A commit of a journal.

    Attributes:
        at: when it was written (UTC).
        requests: the run's requests until then, without token requests.
    """

    at: datetime
    requests: int


def timeline(journal: Path) -> tuple[Moment, ...]:
    """Return how a run's requests grew, from its start on; empty for a journal of an earlier version.

    Reads the file without a lock, and ends where a line is incomplete.

    Raises:
        OSError: it cannot be read.
    """
    descriptor = place.opened(journal, write=False)
    with open(descriptor, "rb") as file:  # noqa: PTH123  # a descriptor
        return tuple(
            Moment(datetime.fromtimestamp(time, UTC), requests)
            for time, requests in _sent(lines.history(file))
        )


def _sent(history: Iterator[tuple[float, list[Row]]]) -> Iterator[tuple[float, int]]:
    """Yield the time of the first line, and of each that notes the requests."""
    for number, (time, rows) in enumerate(history):
        sent = [value for kind, _, value in rows if kind == "sent"]
        if sent or not number:
            yield time, sum(sent[-1].values()) if sent else 0
