"""A slot that an account has granted."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from aiodoo.clock import Clock
from aiodoo.quota.ledger import Permits
from aiodoo.quota.updates import Answered, GaveBack, LedgerUpdate, Lost, Sent


@attrs.define(eq=False, repr=False)
class LedgerSlot:
    """The right to send one wire request; see `Slot`."""

    _clock: Clock
    _tell: Callable[[LedgerUpdate], None]
    """Reports an update to the account."""
    _permits: Permits
    _number: int
    _granted_at: float
    _prompt: float
    """Seconds after the grant within which sending is not reported."""
    sent_at: float
    """When the request was sent; until then, when the slot was granted (monotonic seconds)."""
    _over: bool = attrs.field(default=False, init=False)

    def sent(self) -> None:
        """Report that the request is sent now; see `Slot.sent`."""
        if self._over:
            return
        self.sent_at = self._clock.monotonic()
        if self.sent_at > self._granted_at + self._prompt:
            self._tell(Sent(self._number, self.sent_at))

    def give_back(self) -> None:
        """End the slot of a request that was not sent."""
        if self._end():
            self._tell(GaveBack(self._number))

    def answered(self, round_trip: float | None, *, refused: bool = False) -> None:
        """End the slot after a complete answer; see `Slot.answered`."""
        if not self._over:
            self._over = True
            self._permits.held -= 1
            at = self._clock.monotonic()
            self._tell(Answered(self._number, at, self.sent_at, round_trip, refused))

    def lost(self) -> None:
        """End the slot of a request without an answer."""
        if self._end():
            self._tell(Lost(self._number, self._clock.monotonic(), self.sent_at))

    def _end(self) -> bool:
        """Release the permit; return False if the slot has ended already."""
        if self._over:
            return False
        self._over = True
        self._permits.release()
        return True
