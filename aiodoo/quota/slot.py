"""A slot of an account that several processes share."""

from __future__ import annotations

from typing import Protocol

import attrs

from aiodoo.clock import Clock
from aiodoo.quota.ledger import Permits
from aiodoo.quota.updates import Answered, GaveBack, LedgerUpdate, Lost, Sent

PROMPT = 0.01
"""Seconds after the grant within which sending is not reported to the ledger."""


class SharedAccount(Protocol):
    """The part of an account that a slot uses."""

    @property
    def clock(self) -> Clock:
        """The clock of the account."""
        ...

    def tell(self, update: LedgerUpdate, /) -> None:
        """Send an update to the ledger with the next exchange."""


@attrs.define(eq=False)
class SQLiteSlot:
    """The right to send one wire request; see `Slot`."""

    _account: SharedAccount
    _permits: Permits
    _number: int
    _granted_at: float
    sent_at: float
    """When the request was sent; until then, when the slot was granted (monotonic seconds)."""
    _over: bool = attrs.field(default=False, init=False)

    def sent(self) -> None:
        """Report that the request is sent now; see `Slot.sent`."""
        if self._over:
            return
        number, at = self._number, self._account.clock.monotonic()
        self.sent_at = at
        if at > self._granted_at + PROMPT:
            self._account.tell(Sent(number, at))

    def give_back(self) -> None:
        """End the slot of a request that was not sent."""
        if self._end():
            self._account.tell(GaveBack(self._number))

    def answered(self, round_trip: float | None, *, refused: bool = False) -> None:
        """End the slot after a complete answer; see `Slot.answered`."""
        if self._end():
            at = self._account.clock.monotonic()
            self._account.tell(Answered(self._number, at, self.sent_at, round_trip, refused))

    def lost(self) -> None:
        """End the slot of a request without an answer."""
        if self._end():
            self._account.tell(Lost(self._number, self._account.clock.monotonic(), self.sent_at))

    def _end(self) -> bool:
        """Release the permit; return False if the slot has ended already."""
        if self._over:
            return False
        self._over = True
        self._permits.release()
        return True
