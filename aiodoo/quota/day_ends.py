"""A process's copy of the times until which the requests of a shared ledger count for the day."""

from __future__ import annotations

from collections import deque

import attrs

from aiodoo.quota.sqlite_file import Reply


@attrs.define
class DayEnds:
    """The times in order (monotonic seconds); each exchange transfers only the new ones.

    Attributes:
        instants: until when requests count.
        after: the number of the first request that is not known from an exchange.
    """

    instants: deque[float] = attrs.field(factory=deque, init=False)
    after: int = attrs.field(default=0, init=False)
    _guessed: int = attrs.field(default=0, init=False)
    _origin: float = attrs.field(default=0.0, init=False)

    def learn(self, reply: Reply) -> None:
        """Update the times from a reply, in place of those that were guessed."""
        books, origin = reply.books, reply.origin
        for _ in range(min(self._guessed, len(self.instants))):
            self.instants.pop()
        self._guessed = 0
        if books.after < self.after:
            # The file was replaced by another one; the next exchange returns all of it.
            self.instants.clear()
            self.after = 0
            return
        if origin != self._origin:
            moved = self._origin - origin
            self.instants = deque(instant + moved for instant in self.instants)
            self._origin = origin
        # Two concurrent exchanges may both return the same requests.
        self.instants.extend(until - origin for until in reply.ends[max(0, self.after - reply.ends_from) :])
        self.after = books.after
        while len(self.instants) > books.after - books.first:
            self.instants.popleft()

    def guess(self, fresh: list[float]) -> None:
        """Add what this process has recorded itself, until an exchange confirms it."""
        self.instants.extend(until - self._origin for until in fresh)
        self._guessed += len(fresh)
