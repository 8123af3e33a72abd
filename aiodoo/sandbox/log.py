"""The log: every request that the box received and every change of its state, without secrets."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import attrs

from aiodoo.sandbox.wire import Operation, check_operation


@attrs.define
class LoggedRequest:
    """One request: its time, target, answer and effect.

    Parameters:
        time: seconds on the box's clock at which it arrived.
        key_id: the API key that it carried ("key-1" is the first), None for an unknown one.
        status: HTTP status of the answer; None if no status was sent.
        fault: kind of the fault that was applied to it, or None.
        acted: whether it was carried out, immediately or (with a "late" fault) later. A delete of a webhook that does
            not exist counts as carried out, a refused request does not.
    """

    number: int
    time: float
    key_id: str | None
    kind: Operation
    method: str
    path: str
    page: str | None
    team: str | None
    webhook_id: str | None
    status: int | None
    fault: str | None
    acted: bool


@attrs.frozen
class LoggedChange:
    """One change of state.

    Parameters:
        time: seconds on the box's clock.
        digest: keyed digest of the content after the change (of a deleted webhook: before it); equal to `Box.digest`
            of equal content.
        by: number of the request that made the change, "actor" for another client, "setup" for an arrangement.
    """

    time: float
    what: Literal["created", "deleted", "edited"]
    team: str
    webhook_id: str
    digest: str
    by: int | Literal["actor", "setup"]


class Log:
    """Requests and changes in order of time.

    Parameters:
        keep: False keeps only counts, so that long walks take no memory.
    """

    def __init__(self, *, keep: bool = True) -> None:
        self.keep = keep
        self.requests: list[LoggedRequest] = []
        self.changes: list[LoggedChange] = []
        self.total = 0
        self._counts: Counter[tuple[Operation, int | None]] = Counter()

    def clear(self) -> None:
        """Remove all entries and counts."""
        self.requests.clear()
        self.changes.clear()
        self.total = 0
        self._counts.clear()

    def add_request(self, request: LoggedRequest) -> None:
        """Add a request."""
        self.total += 1
        self._counts[request.kind, request.status] += 1
        if self.keep:
            self.requests.append(request)

    def add_change(self, change: LoggedChange) -> None:
        """Add a change."""
        if self.keep:
            self.changes.append(change)

    def count(self, kind: Operation | None = None, status: int | None = None) -> int:
        """Return the number of requests, optionally of one kind, with one status, or both."""
        if kind is not None:
            check_operation(kind)
        return sum(
            count
            for (counted_kind, counted_status), count in self._counts.items()
            if kind in {None, counted_kind} and status in {None, counted_status}
        )
