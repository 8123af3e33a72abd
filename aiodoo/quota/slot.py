"""The permission for one wire request of a process that shares its ledger with others."""

from __future__ import annotations

from typing import Protocol

import attrs

from aiodoo.clock import Clock
from aiodoo.quota.ledger import Permits
from aiodoo.quota.words import Answered, GaveBack, LedgerUpdate, Lost, Sent

PROMPT = 0.01
"""Seconds after its grant until which a request leaves without a further word to the file."""


class TellsLedger(Protocol):
    """What a slot needs of its account."""

    @property
    def clock(self) -> Clock:
        """Where the time comes from."""
        ...

    def tell(self, update: LedgerUpdate, /) -> None:
        """Tell the ledger, as soon as it can hear it."""


@attrs.define(eq=False)
class SQLiteSlot:
    """The permission for one wire request; see `Slot`."""

    _account: TellsLedger
    _permits: Permits
    _number: int
    _granted_at: float
    sent_at: float
    """When the request was sent, or else granted (monotonic seconds)."""
    _over: bool = attrs.field(default=False, init=False)

    def sent(self) -> None:
        """Say that the request leaves now; see `Slot.sent`."""
        if self._over:
            return
        number, at = self._number, self._account.clock.monotonic()
        self.sent_at = at
        if at > self._granted_at + PROMPT:
            self._account.tell(Sent(number, at))

    def give_back(self) -> None:
        """End it: nothing was sent."""
        if self._end():
            self._account.tell(GaveBack(self._number))

    def answered(self, round_trip: float | None, *, refused: bool = False) -> None:
        """End it: the answer is complete; see `Slot.answered`."""
        if self._end():
            at = self._account.clock.monotonic()
            self._account.tell(Answered(self._number, at, self.sent_at, round_trip, refused))

    def lost(self) -> None:
        """End it: nobody knows whether doo will see the request."""
        if self._end():
            self._account.tell(Lost(self._number, self._account.clock.monotonic(), self.sent_at))

    def _end(self) -> bool:
        """Release the permit; False if the slot had ended before."""
        if self._over:
            return False
        self._over = True
        self._permits.release()
        return True
