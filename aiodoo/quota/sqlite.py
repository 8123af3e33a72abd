"""The ledger of a host: one file for all its processes, Sessions and API keys; it remembers the day."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import attrs

from aiodoo.clock import Clock
from aiodoo.errors import ConfigError
from aiodoo.offload import Offload, ThreadWorker
from aiodoo.quota.account_state import AccountState
from aiodoo.quota.hold import Living
from aiodoo.quota.ledger import Account
from aiodoo.quota.limits import Limits
from aiodoo.quota.living_runs import LivingOnHost
from aiodoo.quota.resetting import Reset, is_damaged, reset
from aiodoo.quota.sqlite_account import SQLiteAccount
from aiodoo.quota.sqlite_file import Ask, LedgerFile, Reply
from aiodoo.quota.words import LedgerUpdate

T = TypeVar("T")


def _checked(path: str | os.PathLike[str]) -> Path:
    name = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(name, str) or not name or name == ":memory:" or "\0" in name:
        raise ConfigError(f"the quota ledger must be the path of a file; it is {name!r}")
    return Path(os.path.abspath(name))  # noqa: PTH100  # a symbolic link is refused, not followed


@attrs.define(eq=False, repr=False)
class SQLite:
    """A ledger in one file, for all processes and event loops of this host and all API keys.

    Every request of every process counts, over restarts too. The file is opened, or made together with its
    folder, when the first request asks for a slot. It holds no API key and no secret.

    Parameters:
        path: of the file, on a local disk.
        worker: makes what the file is read and written in; for simulations.
        living: knows which runs are alive, in place of locked files beside the ledger; for simulations.

    Raises:
        ConfigError: the path cannot be a file's.
    """

    path: Path = attrs.field(converter=_checked)
    _worker: Callable[[], Offload] = attrs.field(default=partial(ThreadWorker, "aiodoo-quota"), kw_only=True)
    _living: Living | None = attrs.field(default=None, kw_only=True)
    _running: tuple[Offload, LedgerFile] | None = attrs.field(default=None, init=False)
    _users: set[SQLiteAccount] = attrs.field(factory=set, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def __repr__(self) -> str:
        return f"<quota.SQLite {str(self.path)!r}>"

    def open(self, *, account: str, limits: Limits, clock: Clock) -> Account:
        """Return that account for one Session; see `Ledger.open`. Nothing is read or written yet.

        Other limits than those in use are refused when the first request asks for a slot.
        """
        return SQLiteAccount(AccountState(limits), clock, self, account)  # pyright: ignore[reportArgumentType]  # takes a field with a converter for a descriptor

    def reset(self, *, day_spent: bool = True, clock: Clock | None = None) -> Reset:
        """Put a damaged file aside and start a new one in its place; returns what is known to be lost.

        With `day_spent=False`, one that is whole and counts the day as spent since an earlier reset is kept, and does so no
        longer.

        Blocks while it looks at the file, so call it where no event loop runs. Costs no request.

        Args:
            day_spent: whether each API key that the damaged file knew, or may have known, may send nothing for 24 hours,
                as nobody knows what it had counted. Pass False only if the day's requests are known to be free.
            clock: the time; for simulations.

        Raises:
            ConfigError: there is no file or it is whole, a process uses it, or it cannot be put aside; nothing was changed.
        """
        living = self._living or LivingOnHost(self.path)
        return reset(self.path, living, clock or Clock(), day_spent=day_spent)

    def check_reset(self, *, day_spent: bool = True, clock: Clock | None = None) -> bool:
        """Return whether `reset` would put the file aside; nothing is changed.

        Args:
            day_spent: as for `reset`.
            clock: the time; for simulations.

        Raises:
            ConfigError: as for `reset`.
        """
        living = self._living or LivingOnHost(self.path)
        return is_damaged(self.path, living, clock or Clock(), day_spent=day_spent)

    def exchange(
        self, user: SQLiteAccount, said: list[LedgerUpdate], ask: Ask | None, known: int
    ) -> asyncio.Future[Reply]:
        """Have the file's thread carry out an exchange; for accounts."""
        limits, clock = user.books.limits, user.clock
        return self.do(user, lambda file: file.exchange(user.name, limits, clock, said, ask, known=known))

    def do(self, user: SQLiteAccount, work: Callable[[LedgerFile], T]) -> asyncio.Future[T]:
        """Have the file's thread do something; for accounts."""
        with self._lock:
            self._users.add(user)
            if self._living is None:
                self._living = LivingOnHost(self.path)
            running = self._running or (self._worker(), LedgerFile(self.path, self._living))
            worker, file = running
            doing = worker.do(partial(work, file))
            # A thread that could not be started has opened nothing.
            self._running = running
        return doing

    async def leave(self, user: SQLiteAccount) -> None:
        """Close the file and end its thread if this was the last user; for accounts."""
        with self._lock:
            self._users.discard(user)
            if self._users or self._running is None:
                return
            worker, file = self._running
            self._running = None
        try:
            await worker.do(file.close)
        finally:
            await worker.close()
