"""What a Session asks of a ledger: when a request may leave, and how to tell its outcome.

A ledger keeps the books of API keys. `Session(quota=...)` takes one and opens its account there; each
wire request, token calls included, takes a slot of the account and ends it.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Protocol

import attrs

from aiodoo.clock import Clock
from aiodoo.quota.limits import Limits


class Lane(StrEnum):
    """Who asks; the front lane is always served first."""

    FRONT = "front"
    """A single call, or a token."""
    BULK = "bulk"
    """A bulk job's call. It leaves the reserve of the day free."""


@attrs.define(eq=False)
class Permits:
    """How many requests one Session may have under way; a slot comes only together with a permit."""

    limit: int
    held: int = attrs.field(default=0, init=False)

    @property
    def free(self) -> bool:
        """Whether one more request may be under way."""
        return self.held < self.limit

    def take(self) -> None:
        """Count one request more; the ledger does so when it grants a slot."""
        self.held += 1

    def release(self) -> None:
        """Count one request less; the slot's end does so."""
        self.held -= 1


class Slot(Protocol):
    """The permission for one wire request, and a permit of its Session.

    It ends by the first of `give_back`, `answered` and `lost`; what comes after that is ignored. None of
    them raises, none of them waits.
    """

    @property
    def sent_at(self) -> float:
        """When the request was sent (monotonic seconds); until `sent()`, when the slot was granted."""
        ...

    def sent(self) -> None:
        """Say that the request leaves now; needed only if connecting took a while since the grant."""

    def give_back(self) -> None:
        """End it: nothing was sent, as if it had never been taken."""

    def answered(self, round_trip: float | None, *, refused: bool = False) -> None:
        """End it: the answer is complete.

        Parameters:
            round_trip: seconds from the request sent to the answer's first byte, without connecting;
                None if it was not measured.
            refused: the answer was 429.
        """

    def lost(self) -> None:
        """End it: cancelled, timed out or broken off, so that nobody knows whether doo will see it."""


class Account(Protocol):
    """One API key's quota. Every instant is in monotonic seconds of the clock it was opened with."""

    async def acquire(self, lane: Lane, permits: Permits, *, give_up_at: float | None = None) -> Slot:
        """Wait for a slot and a permit, both at once.

        Parameters:
            lane: whose call it is.
            permits: the Session's.
            give_up_at: the instant (monotonic seconds) by which the slot must be had.

        Raises:
            QuotaExhausted: the day's requests for this lane are spent, or become so while waiting.
            RateLimited: the key is paused after a 429 for longer than `give_up_at`; raised at once.
            DeadlineExceeded: no slot can be had, or none was had, by `give_up_at`.
            ConfigError: the ledger cannot be used from here.

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
        """Let the whole key wait, as doo asked.

        Parameters:
            seconds: what Retry-After said. None if there was none: 1, 2, 4 ... 60 s while 429s follow
                each other.
            unreadable: there was a Retry-After that cannot be read: 60 s.
            refused: the answer was 429; False for a 503 with Retry-After.
            slot: the slot of that answer. A request sent before the present pause started belongs to the
                same wave of 429s: it starts no further pause, only its longer Retry-After is obeyed.
        """

    def day_spent(self) -> None:
        """Take the day as spent, as doo said ("Limit Exceeded"): one probe an hour, the first in an hour."""

    def left(self, lane: Lane) -> int | None:
        """Return how many requests of the day are free for that lane; None without a daily limit."""

    def eta(self, requests: int, lane: Lane) -> float:
        """Return the earliest instant by which so many requests more can have left.

        As if answers came at once and nobody else asked: it is never too early, and round trips make it
        a little later. Those already waiting are not counted.
        """
        ...

    @property
    def used(self) -> int | None:
        """Requests of the last 24 hours, those under way included; None without a daily limit."""

    def resume_at(self, lane: Lane) -> datetime | None:
        """Return when (UTC) that lane's day has room again; None while it has."""

    async def close(self, permits: Permits | None = None) -> None:
        """Let go of what the Session holds open in the ledger: a file and a thread, if any.

        Parameters:
            permits: the Session's, whose calls that still wait for a slot end with a ConfigError.
        """


class Ledger(Protocol):
    """What `Session(quota=...)` takes."""

    def open(self, *, account: str, limits: Limits, clock: Clock) -> Account:
        """Return the account of that name, with what was counted before.

        Parameters:
            account: a keyed hash of the API key, never the key.
            limits: the API key's.
            clock: where its time comes from.

        Raises:
            ConfigError: the account is open with other limits.
        """
        ...
