"""The ledger `Redis`, on a Redis or Valkey server, for all processes of any number of hosts."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import attrs

from aiodoo.checks import check_seconds
from aiodoo.clock import Clock
from aiodoo.errors import ConfigError
from aiodoo.event_loop import running_loop
from aiodoo.quota.account import LedgerAccount
from aiodoo.quota.account_state import AccountState
from aiodoo.quota.claims import Answer, Claim
from aiodoo.quota.exchange import Ask, Reply
from aiodoo.quota.ledger import Account
from aiodoo.quota.limits import Limits
from aiodoo.quota.redis_account import ServerAccount
from aiodoo.quota.redis_claims import ServerClaims
from aiodoo.quota.redis_server import Server, check_client, shown_url
from aiodoo.quota.updates import ClaimUpdate, LedgerUpdate

T = TypeVar("T")

REPORT_AFTER = 0.25
"""Seconds for which the report of an answer may wait; less than a window and a slot ahead, so that no slot is free later."""


@attrs.define(eq=False, repr=False, init=False)
class Redis:
    """A ledger on a Redis or Valkey server, for all processes of any number of hosts, and any number of API keys.

    The requests of all hosts count, by the time of the server. The server is not accessed before the first request asks
    for a slot. It stores no API key and no secret.

        async with Session(..., quota=Redis("rediss://:PASSWORD@ledger.internal:6379/0")) as doo:
            ...

    Needs the extra `redis`. The server must persist what it stores (`appendonly yes`) and evict nothing
    (`maxmemory-policy noeviction`).

    Parameters:
        url: the URL of the server: redis://, rediss:// for TLS, or unix://. It may contain a password, which is not shown.
        wait: the seconds that a request for a slot waits while the server is away, before it raises QuotaUnavailable.

    Raises:
        ConfigError: the URL is not valid, or the package redis is missing.
    """

    name: str
    """What messages call the ledger: the URL without user, password and options."""
    _url: str
    _wait: float
    _process: int | None
    _running: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Server, ServerClaims]]
    _lock: threading.Lock

    def __init__(self, url: str, *, wait: float = 5.0) -> None:
        shown = shown_url(url)
        seconds = check_seconds(wait, "wait")
        check_client(url)
        self.name, self._url, self._wait = f"the quota ledger {shown}", url, seconds
        self._process, self._running, self._lock = None, WeakKeyDictionary(), threading.Lock()

    def __repr__(self) -> str:
        return f"<quota.Redis {self.name.rpartition(' ')[2]!r}>"

    def open(self, *, account: str, limits: Limits, clock: Clock) -> Account:
        """Return the account of an API key for one Session; see `Ledger.open`. The server is not accessed yet.

        If other limits are in use, the first request that asks for a slot raises ConfigError.
        """
        return LedgerAccount(
            clock, ServerConnection(self, account, limits, clock), AccountState(limits=limits)
        )

    def join(self, user: ServerConnection) -> tuple[Server, ServerClaims]:
        """Return what the running event loop has of the server; for connections.

        Raises:
            ConfigError: the ledger was in use when this process was forked, or no event loop is running.
        """
        loop = running_loop()
        with self._lock:
            self._process = self._process or os.getpid()
            if self._process != os.getpid():
                raise ConfigError(
                    "this Session or quota ledger was in use when this process was forked, and nothing was sent; "
                    "fork before the first call, or start processes by spawning, and open both in each"
                )
            if loop not in self._running:
                server = Server(self._url, self.name, self._wait)
                self._running[loop] = server, ServerClaims(server)
            server, claims = self._running[loop]
            server.users.add(user)
        return server, claims

    async def leave(self, user: ServerConnection, clock: Clock) -> None:
        """Remove a user; close the connections to the server if it was the last one of its loop; for connections."""
        loop = asyncio.get_running_loop()
        with self._lock:
            running = self._running.get(loop)
            if running is None or self._process != os.getpid():
                return
            server, claims = running
            server.users.discard(user)
            if server.users:
                return
            del self._running[loop]
        try:
            await claims.close(clock)
        finally:
            await server.close()


@attrs.define(eq=False)
class ServerConnection:
    """The `Connection` of an account to a server."""

    ledger: Redis
    _account: str
    _limits: Limits
    _clock: Clock
    _joined: tuple[Server, ServerClaims, ServerAccount] | None = attrs.field(default=None, init=False)
    shared = True
    report_after = REPORT_AFTER
    remedy = ""
    elsewhere = (
        "this Session is in use by another event loop; nothing was sent. Open a Session for each, with "
        "the same quota.Redis ledger."
    )

    name: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.name = self.ledger.name

    def exchange(self, updates: Sequence[LedgerUpdate], ask: Ask | None, known: int) -> asyncio.Future[Reply]:
        """Carry out an exchange; see `Connection.exchange`."""
        _, _, account = self._join()
        return _started(account.exchange(updates, ask, known))

    def say(self, update: ClaimUpdate) -> asyncio.Future[Answer]:
        """Carry out an update of claims."""
        _, claims, _ = self._join()
        return _started(claims.say(update, self._clock))

    def claims(self) -> asyncio.Future[Sequence[Claim]]:
        """Return the runs that claim teams."""
        _, claims, _ = self._join()
        return _started(claims.all(self._clock))

    async def close(self) -> None:
        """Close the connections to the server if this is the last user of the event loop."""
        self._joined = None
        await self.ledger.leave(self, self._clock)

    def _join(self) -> tuple[Server, ServerClaims, ServerAccount]:
        server, claims = self.ledger.join(self)
        if self._joined is None or self._joined[0] is not server:
            account = ServerAccount(server, claims, self._account, self._limits, self._clock)
            self._joined = server, claims, account
        return self._joined


def _started(work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
    return asyncio.get_running_loop().create_task(work)
