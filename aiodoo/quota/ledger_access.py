"""Access to a ledger's file for accounts, with retries while another process has locked it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from aiodoo.clock import Clock
from aiodoo.errors import ConfigError
from aiodoo.offload import wait_uncancelled
from aiodoo.quota.sqlite_file import Ask, Busy, LedgerFile, Reply
from aiodoo.quota.updates import LedgerUpdate

T = TypeVar("T")
User_contra = TypeVar("User_contra", contravariant=True)

BUSY_LIMIT = 30.0
"""Seconds for which an access is retried."""
BUSY_AGAIN = 0.05
"""Seconds between retries."""


class LedgerAccess(Protocol[User_contra]):
    """Runs the exchanges of accounts with the file, one after the other; `SQLite` is one."""

    @property
    def path(self) -> Path:
        """The path of the file."""
        ...

    def exchange(
        self, user: User_contra, updates: list[LedgerUpdate], ask: Ask | None, known: int, /
    ) -> asyncio.Future[Reply]:
        """Carry out an exchange in the thread of the file."""
        ...

    def do(self, user: User_contra, work: Callable[[LedgerFile], T], /) -> asyncio.Future[T]:
        """Run a function in the thread of the file."""
        ...

    async def leave(self, user: User_contra, /) -> None:
        """Remove a user; close the file if it was the last one."""


async def retry_while_busy(
    ledger: LedgerAccess[User_contra], user: User_contra, clock: Clock, work: Callable[[LedgerFile], T]
) -> T:
    """Run a function in the thread of the file, and again while another process has locked the file.

    A function that has started is finished, despite cancellation.

    Raises:
        ConfigError: the file stays locked, or cannot be used.
    """
    begun = clock.monotonic()
    while True:
        doing = ledger.do(user, work)
        try:
            await wait_uncancelled(doing)
            return doing.result()
        except Busy:
            if is_busy_too_long(begun, clock.monotonic()):
                raise held_too_long(ledger.path) from None
        await clock.sleep(BUSY_AGAIN)


def is_busy_too_long(since: float, now: float) -> bool:
    """Return whether the file has been locked for so long that an access fails."""
    return now - since >= BUSY_LIMIT


def held_too_long(path: Path) -> ConfigError:
    """Return the error for a file that stays locked."""
    return ConfigError(
        f"another process has held the quota ledger {path} for {BUSY_LIMIT:.0f} s; nothing was sent. End "
        "that process, or try again later."
    )
