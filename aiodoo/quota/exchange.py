"""What an account and its ledger say to each other, as data, and the interface of a connection between them.

An exchange carries updates and at most one request for a slot. A ledger in memory answers at once, others later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, TypeVar

import msgspec

from aiodoo.clock import Clock
from aiodoo.errors import DooError
from aiodoo.offload import wait_uncancelled
from aiodoo.quota.account_state import AccountState
from aiodoo.quota.claims import Answer, Claim, Overtaken
from aiodoo.quota.ledger import Lane
from aiodoo.quota.updates import ClaimUpdate, LedgerUpdate, Noted

T = TypeVar("T")

BUSY_LIMIT = 30.0
"""Seconds for which an access to a busy ledger is retried."""
BUSY_AGAIN = 0.05
"""Seconds between retries."""
LATE_GRANT = 2.0
"""Seconds after which a grant that is not used yet is given back, as its patience began when it was granted."""


class Busy(Exception):
    """The ledger cannot be accessed at present, such as a file that another process has locked; nothing was changed.

    Attributes:
        lasting: the error to raise if it stays so for `BUSY_LIMIT`.
    """

    def __init__(self, lasting: DooError) -> None:
        super().__init__(lasting)
        self.lasting = lasting


class Ask(msgspec.Struct, frozen=True):
    """A request for a slot."""

    holder: str
    """The id of the account that asks; a new one for each that is opened."""
    lane: Lane
    mark: Noted | None = None
    """The update of the run that the request belongs to; None if it belongs to none."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an exchange."""

    state: AccountState
    """The state of the account, in the time of the ledger; a copy if others share it."""
    origin: float = 0.0
    """The difference between the time of the ledger and the monotonic clock of the asker."""
    ends: Sequence[float] = ()
    """Until when requests count for the day that the asker did not know, in the time of the ledger."""
    ends_from: int = 0
    """The number of the first of `ends`."""
    number: int | None = None
    """The number of the request that was granted a slot; None if none was."""
    granted_at: float = 0.0
    """When it was granted, or from when it may be sent if that is later (monotonic seconds of the asker)."""
    back_at: float | None = None
    """When to ask again (likewise); None if nothing was asked for, it was granted, or the day is spent."""
    overtaken: Overtaken | None = None
    """Set if the run must not send anything more; nothing was granted then."""


Soon: TypeAlias = T | asyncio.Future[T]
"""A result, or a future of it, which raises Busy, or ConfigError if the ledger cannot be used.

An access that finds the ledger busy waits for some seconds before it raises Busy, as it is started again at once.
"""


class Connection(Protocol):
    """An account's connection to its ledger.

    Attributes:
        shared: whether other processes share the ledger; otherwise exchanges reply at once, and the account carries out
            its updates in the state of the ledger itself.
        name: what messages call the ledger.
        elsewhere: the message if the account is in use by another event loop.
        remedy: how the day is made free that counts as spent because the ledger was reset.
        report_after: the seconds for which the report of an answer may wait for the next request for a slot.
    """

    shared: bool
    name: str
    elsewhere: str
    remedy: str
    report_after: float

    def exchange(self, updates: Sequence[LedgerUpdate], ask: Ask | None, known: int, /) -> Soon[Reply]:
        """Carry out updates, then grant a slot or return when to ask again.

        Args:
            updates: the updates.
            ask: a request for a slot, if any.
            known: the number of the first ended request that the asker does not know.
        """
        ...

    def say(self, update: ClaimUpdate, /) -> Soon[Answer]:
        """Carry out an update of claims."""
        ...

    def claims(self) -> Soon[Sequence[Claim]]:
        """Return the runs that claim teams."""
        ...

    async def close(self) -> None:
        """Release what the connection uses, such as a file and a thread."""


def is_busy_too_long(since: float, now: float) -> bool:
    """Return whether a ledger has been busy for so long that an access fails."""
    return now - since >= BUSY_LIMIT


async def finished(clock: Clock, start: Callable[[], Soon[T]]) -> T:
    """Start an access to a ledger, and again while it is busy; return the result.

    An access that has started is finished, despite cancellation.

    Raises:
        DooError: the ledger stays busy, or cannot be used.
    """
    begun = clock.monotonic()
    while True:
        doing = start()
        if not isinstance(doing, asyncio.Future):
            return doing
        try:
            await wait_uncancelled(doing)
            return doing.result()
        except Busy as busy:
            if is_busy_too_long(begun, clock.monotonic()):
                raise busy.lasting from None
        await clock.sleep(BUSY_AGAIN)
