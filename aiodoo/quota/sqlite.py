"""The ledger `SQLite`: one file for all processes, Sessions and API keys of a host."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import attrs

from aiodoo.clock import Clock
from aiodoo.errors import ConfigError
from aiodoo.offload import Offload, ThreadWorker
from aiodoo.quota.account import LedgerAccount
from aiodoo.quota.account_state import AccountState
from aiodoo.quota.claims import Answer, Claim
from aiodoo.quota.exchange import Ask, Reply
from aiodoo.quota.hold import Living
from aiodoo.quota.ledger import Account
from aiodoo.quota.limits import Limits
from aiodoo.quota.living_runs import LivingOnHost
from aiodoo.quota.resetting import Reset, is_damaged, reset
from aiodoo.quota.sqlite_file import LedgerFile
from aiodoo.quota.updates import ClaimUpdate, LedgerUpdate

T = TypeVar("T")


def _checked(path: str | os.PathLike[str]) -> Path:
    name = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(name, str) or not name or name == ":memory:" or "\0" in name:
        raise ConfigError(f"the quota ledger must be the path of a file; it is {name!r}")
    return Path(os.path.abspath(name))  # noqa: PTH100  # symbolic links are refused, so they must not be resolved


@attrs.define(eq=False, repr=False)
class SQLite:
    """A ledger in one file, for all processes and event loops of a host and any number of API keys.

    The requests of all processes count, across restarts. The file, and its folder, are created when the first request
    asks for a slot. It contains no API key and no secret.

        async with Session(..., quota=SQLite("/var/lib/shop/doo-quota.db")) as doo:
            ...

    Parameters:
        path: the path of the file, on a local disk.
        worker: creates the thread that accesses the file; for simulations.
        living: tracks which runs are alive, in place of locked files beside the ledger; for simulations.

    Raises:
        ConfigError: the path is not valid.
    """

    path: Path = attrs.field(converter=_checked)
    _worker: Callable[[], Offload] = attrs.field(default=partial(ThreadWorker, "aiodoo-quota"), kw_only=True)
    _living: Living | None = attrs.field(default=None, kw_only=True, alias="living")
    _running: tuple[Offload, LedgerFile] | None = attrs.field(default=None, init=False)
    _users: set[FileConnection] = attrs.field(factory=set, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def __repr__(self) -> str:
        return f"<quota.SQLite {str(self.path)!r}>"

    def open(self, *, account: str, limits: Limits, clock: Clock) -> Account:
        """Return the account of an API key for one Session; see `Ledger.open`. The file is not accessed yet.

        If other limits are in use, the first request that asks for a slot raises ConfigError.
        """
        return LedgerAccount(clock, FileConnection(self, account, limits, clock), AccountState(limits=limits))

    def reset(self, *, day_spent: bool = True, clock: Clock | None = None) -> Reset:
        """Rename a damaged file and create a new one in its place; return what is known to be lost.

        With `day_spent=False`, a file that is intact and counts the day as spent since an earlier reset is kept, and its
        day is free again.

        Blocks while it reads the file, so do not call it in an event loop. Costs no request.

        Args:
            day_spent: whether each API key that the damaged file contained, or may have contained, may send nothing for
                24 hours, as its count is lost. Pass False only if the day's requests are known to be free.
            clock: the clock; for simulations.

        Raises:
            ConfigError: there is no file, it is intact, a process uses it, or it cannot be renamed; nothing was changed.
        """
        living = self._living or LivingOnHost(self.path)
        return reset(self.path, living, clock or Clock(), day_spent=day_spent)

    def check_reset(self, *, day_spent: bool = True, clock: Clock | None = None) -> bool:
        """Return whether `reset` would replace the file; nothing is changed.

        Args:
            day_spent: as for `reset`.
            clock: the clock; for simulations.

        Raises:
            ConfigError: as for `reset`.
        """
        living = self._living or LivingOnHost(self.path)
        return is_damaged(self.path, living, clock or Clock(), day_spent=day_spent)

    def do(self, user: FileConnection, work: Callable[[LedgerFile], T]) -> asyncio.Future[T]:
        """Run a function in the thread of the file; for connections."""
        with self._lock:
            self._users.add(user)
            if self._living is None:
                self._living = LivingOnHost(self.path)
            running = self._running or (self._worker(), LedgerFile(self.path, self._living))
            worker, file = running
            doing = worker.do(partial(work, file))
            # Only now, as a thread that could not be started has opened nothing.
            self._running = running
        return doing

    async def leave(self, user: FileConnection) -> None:
        """Remove a user; close the file and stop its thread if it was the last one; for connections."""
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


@attrs.define(eq=False)
class FileConnection:
    """The `Connection` of an account to a ledger's file."""

    ledger: SQLite
    _account: str
    _limits: Limits
    _clock: Clock
    shared = True
    report_after = 0.0
    elsewhere = (
        "this Session is in use by another event loop; nothing was sent. Open a Session for each, with "
        "the same quota.SQLite ledger."
    )

    name: str = attrs.field(init=False)
    remedy: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        path = self.ledger.path
        self.name = f"the quota ledger {path}"
        self.remedy = (
            f": the ledger {path} was reset and counts the day as spent. If the key's requests are known to be free, "
            f"`aiodoo quota reset --day-is-free --ledger {path}` lifts that"
        )

    def exchange(self, updates: Sequence[LedgerUpdate], ask: Ask | None, known: int) -> asyncio.Future[Reply]:
        """Carry out an exchange in the thread of the file; see `Connection.exchange`."""
        account, limits, clock = self._account, self._limits, self._clock
        return self.ledger.do(
            self, lambda file: file.exchange(account, limits, clock, updates, ask, known=known)
        )

    def say(self, update: ClaimUpdate) -> asyncio.Future[Answer]:
        """Carry out an update of claims."""
        return self.ledger.do(self, lambda file: file.say(update, self._clock))

    def claims(self) -> asyncio.Future[Sequence[Claim]]:
        """Return the runs that claim teams."""
        return self.ledger.do(self, lambda file: file.claims(self._clock))

    async def close(self) -> None:
        """Close the file and stop its thread if this is the last connection."""
        await self.ledger.leave(self)
