"""The truth: every wire request the box saw and every change of its state, without a secret in it."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import attrs

from aiodoo.sandbox.wire import Operation, check_operation


@attrs.define
class LoggedRequest:
    """One wire request: when it arrived, what it asked, what was answered and whether it was carried out.

    Parameters:
        key_id: which API key sent it ("key-1" is the first), None for an unknown one.
        status: what was answered; None if the connection broke or stayed silent before a status was sent.
        fault: the fault it met.
        acted: doo carried it out, at once or (after a "late" fault) later. A delete is carried out also if there was
            nothing to delete; a refused request never is.
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
        digest: a keyed digest of the whole content after (of a deleted one: before) the change; `Box.digest` of
            equal content is equal.
        by: the number of the request that did it, "actor" for a second actor, "setup" for a test's arrangement.
    """

    time: float
    what: Literal["created", "deleted", "edited"]
    team: str
    webhook_id: str
    digest: str
    by: int | Literal["actor", "setup"]


class Log:
    """Requests and changes in the order in which they happened.

    With `keep=False` only the counts are kept, for walks over more than memory should hold.
    """

    def __init__(self, *, keep: bool = True) -> None:
        self.keep = keep
        self.requests: list[LoggedRequest] = []
        self.changes: list[LoggedChange] = []
        self.total = 0
        self._counts: Counter[tuple[Operation, int | None]] = Counter()

    def clear(self) -> None:
        """Forget everything."""
        self.requests.clear()
        self.changes.clear()
        self.total = 0
        self._counts.clear()

    def add_request(self, request: LoggedRequest) -> None:
        """Write down a request."""
        self.total += 1
        self._counts[request.kind, request.status] += 1
        if self.keep:
            self.requests.append(request)

    def add_change(self, change: LoggedChange) -> None:
        """Write down a change."""
        if self.keep:
            self.changes.append(change)

    def count(self, kind: Operation | None = None, status: int | None = None) -> int:
        """Return how many requests of a kind, with a status, or both, have arrived."""
        if kind is not None:
            check_operation(kind)
        return sum(
            count
            for (counted_kind, counted_status), count in self._counts.items()
            if kind in {None, counted_kind} and status in {None, counted_status}
        )
