"""What an account has to say to its ledger, and the slot that it was granted and has not used yet."""

from __future__ import annotations

import math
from collections.abc import Iterable

import attrs

from aiodoo.quota.exchange import Ask
from aiodoo.quota.ledger import Lane
from aiodoo.quota.updates import Answered, LedgerUpdate
from aiodoo.quota.wait_queue import Waiter


@attrs.frozen(repr=False)
class Ticket:
    """A granted slot.

    Attributes:
        ask: the request for it.
        number: the number of the wire request.
        at: from when that may be sent (monotonic seconds).
    """

    ask: Ask
    number: int
    at: float

    def suits(self, waiter: Waiter) -> bool:
        """Return whether a waiter may use it.

        A grant of the front lane may belong to the reserve, and a grant of a run to its commitment.
        """
        run = None if self.ask.mark is None else self.ask.mark.run
        return waiter.run == run and not (self.ask.lane is Lane.FRONT and waiter.lane is Lane.BULK)


@attrs.define(repr=False)
class Pending:
    """The updates that the next exchange reports, and by when there must be one."""

    updates: list[LedgerUpdate] = attrs.field(factory=list, init=False)
    by: float = attrs.field(default=math.inf, init=False)

    def __bool__(self) -> bool:
        return bool(self.updates)

    def add(self, update: LedgerUpdate, now: float, report_after: float) -> None:
        """Add an update; only the end of a request that was not refused may wait for `report_after` seconds."""
        waits = isinstance(update, Answered) and not update.refused
        self.updates.append(update)
        self.by = min(self.by, now + report_after if waits else now)

    def take(self) -> list[LedgerUpdate]:
        """Remove and return all."""
        taken, self.updates, self.by = self.updates, [], math.inf
        return taken

    def put_back(self, updates: Iterable[LedgerUpdate]) -> None:
        """Put back what was not reported, before what was added since; it is due at once."""
        self.updates[:0] = updates
        if self.updates:
            self.by = -math.inf
