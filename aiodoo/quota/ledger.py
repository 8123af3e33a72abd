"""The interface of ledgers: `Ledger`, `Account` and `Slot`.

`Session(quota=...)` takes a ledger and opens the account of its API key. Each wire request, including token requests,
acquires a slot of the account and ends it:

    slot = await account.acquire(Lane.FRONT, permits)
    slot.sent()
    slot.answered(0.12)
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Protocol

import attrs

from aiodoo.clock import Clock
from aiodoo.quota.limits import Limits


class Lane(StrEnum):
    """The queue in which a request waits for a slot; the front lane is always served first."""

    FRONT = "front"
    """Single calls and token requests."""
    BULK = "bulk"
    """Requests of runs and of `background()`, which leave the reserve of the day free."""


@attrs.define(eq=False)
class Permits:
    """The limit for requests of one Session in flight; a slot is granted only together with a permit."""

    limit: int
    held: int = attrs.field(default=0, init=False)

    @property
    def free(self) -> bool:
        """Whether one more request may be in flight."""
        return self.held < self.limit

    def take(self) -> None:
        """Take a permit; called by the ledger when it grants a slot."""
        self.held += 1

    def release(self) -> None:
        """Release a permit; called by the slot when it ends."""
        self.held -= 1


class Slot(Protocol):
    """The right to send one wire request, with a permit of its Session.

    It ends with the first call of `give_back`, `answered` or `lost`; later calls are ignored. These methods never
    raise or wait.
    """

    @property
    def sent_at(self) -> float:
        """When the request was sent (monotonic seconds); until `sent()`, when the slot was granted."""
        ...

    def sent(self) -> None:
        """Report that the request is sent now; needed only if that is noticeably later than the grant."""

    def give_back(self) -> None:
        """End the slot of a request that was not sent; it does not count."""

    def answered(self, round_trip: float | None, *, refused: bool = False) -> None:
        """End the slot after a complete answer.

        Parameters:
            round_trip: the seconds from sending to the first byte of the answer, without connecting; None if it was
                not measured.
            refused: whether the answer was a 429.
        """

    def lost(self) -> None:
        """End the slot of a request without an answer, which may still reach doo."""


class Account(Protocol):
    """The quota of one API key. Times are monotonic seconds of the clock that it was opened with."""

    async def acquire(self, lane: Lane, permits: Permits, *, give_up_at: float | None = None) -> Slot:
        """Wait for a slot and a permit, both at once.

        Parameters:
            lane: the queue to wait in.
            permits: the permits of the Session.
            give_up_at: when to stop waiting (monotonic seconds); None for never.

        Raises:
            QuotaExhausted: the daily quota of the lane is spent, or becomes so while waiting.
            RateLimited: the key is paused after a 429 until after `give_up_at`; raised at once.
            DeadlineExceeded: no slot is free until `give_up_at`; raised at once if that is certain.
            ConfigError: the ledger cannot be used from this event loop, or not at all.

        In each case nothing was sent.
        """
        ...

    def pause(
        self,
        seconds: float | None,
        *,
        unreadable: bool = False,
        refused: bool = True,
        slot: Slot | None = None,
    ) -> None:
        """Pause the whole API key.

        Parameters:
            seconds: the seconds of Retry-After; None without one, for 1, 2, 4 ... 60 s after consecutive 429s, and less
                at first where doo is known to space strictly.
            unreadable: whether there was a Retry-After that cannot be parsed, for 60 s.
            refused: whether the answer was a 429; False for a 503 with Retry-After.
            slot: the slot of that answer. A 429 to a request that was sent before the current pause began does not
                start another pause, and only extends it if its Retry-After is longer.
        """

    def day_spent(self) -> None:
        """Record that doo has said that the day is spent: one probe is sent each hour, the first one in an hour."""

    def left(self, lane: Lane) -> int | None:
        """Return how many requests of the day are free for a lane; None without a daily limit."""

    def eta(self, requests: int, lane: Lane) -> float:
        """Return the earliest time by which a number of further requests can be sent.

        Assumes that answers arrive at once and that nobody else sends anything, so the actual time may be later, but
        not earlier. Requests that already wait are not counted.
        """
        ...

    @property
    def used(self) -> int | None:
        """The requests of the last 24 hours, including those in flight; None without a daily limit."""

    def resume_at(self, lane: Lane) -> datetime | None:
        """Return when the day has room again for a lane (UTC); None while it has."""

    async def close(self, permits: Permits | None = None) -> None:
        """Release what the Session uses of the ledger, such as a file and a thread.

        Parameters:
            permits: the permits of the Session; its calls that wait for a slot end with a ConfigError.
        """


class Ledger(Protocol):
    """A ledger for `Session(quota=...)`."""

    def open(self, *, account: str, limits: Limits, clock: Clock) -> Account:
        """Return the account of an API key, with the requests counted so far.

        Parameters:
            account: its name, a keyed hash of the API key.
            limits: the limits of the API key.
            clock: the clock.

        Raises:
            ConfigError: the account is open with other limits.
        """
        ...


async def refresh(account: Account) -> None:
    """Read from a shared ledger what other processes have done; costs no request."""
    # Not part of `Account`: other ledgers may always be up to date.
    again = getattr(account, "refresh", None)
    if again is not None:
        await again()
