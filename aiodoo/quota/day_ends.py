"""Until when a day's requests count, as one process knows it of a ledger that it shares with others."""

from __future__ import annotations

from collections import deque

import attrs

from aiodoo.quota.sqlite_file import Reply


@attrs.define
class DayEnds:
    """The instants in order, on the process's own clock; what an exchange costs does not depend on how many there are.

    Attributes:
        instants: until when requests count.
        after: the number of the first request that no exchange has told of.
    """

    instants: deque[float] = attrs.field(factory=deque, init=False)
    after: int = attrs.field(default=0, init=False)
    _guessed: int = attrs.field(default=0, init=False)
    _origin: float = attrs.field(default=0.0, init=False)

    def learn(self, reply: Reply) -> None:
        """Take in what an exchange told; it is known for sure from then on."""
        books, origin = reply.books, reply.origin
        for _ in range(min(self._guessed, len(self.instants))):
            self.instants.pop()
        self._guessed = 0
        if books.after < self.after:
            # Another file has taken the ledger's place; the next exchange tells all of it.
            self.instants.clear()
            self.after = 0
            return
        if origin != self._origin:
            moved = self._origin - origin
            self.instants = deque(instant + moved for instant in self.instants)
            self._origin = origin
        # What two exchanges told that were under way together is taken in once.
        self.instants.extend(until - origin for until in reply.ends[max(0, self.after - reply.ends_from) :])
        self.after = books.after
        while len(self.instants) > books.after - books.first:
            self.instants.popleft()

    def guess(self, fresh: list[float]) -> None:
        """Take in what this process knows itself, until an exchange tells the same."""
        self.instants.extend(until - self._origin for until in fresh)
        self._guessed += len(fresh)
