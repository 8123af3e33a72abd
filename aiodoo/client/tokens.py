"""The token of a client: one request fetches it for all calls that wait, and it is kept until doo refuses it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import attrs

from aiodoo.client.token_store import TokenStore
from aiodoo.clock import Clock
from aiodoo.errors import SESSION_CLOSED, AuthenticationError, ConfigError, DooError, InvalidRequest
from aiodoo.protocol.answers import can_be_token
from aiodoo.secret import Secret

_log = logging.getLogger("aiodoo.client")

T = TypeVar("T")

RENEW_UNPROVEN = 3600.0
"""Minimum seconds between renewals while no token has been accepted."""


@attrs.define(eq=False, repr=False)
class _Fetch:
    """One token request, and the event that the callers wait for."""

    done: asyncio.Event = attrs.field(factory=asyncio.Event)
    failure: BaseException | None = None


class Tokens:
    """The token that all calls of a client share.

    One request fetches it for all callers that wait, in a task of its own, so that the cancellation of a caller does
    not affect the others. All of them get its error, and the next caller sends a new request, except after refused
    credentials: these are not sent again, to avoid a lock-out.

    With a store, a token is loaded before one is fetched; new and refused tokens are reported to it. Two sessions that
    find nothing in a shared store at the same time both fetch a token, unless its `load` lets one of them wait.

    Args:
        fetch: fetches a token from doo.
        clock: the time.
        account: the name of the account in the store.
        store: shares the token with other sessions; None to keep it in this one.
    """

    def __init__(
        self,
        fetch: Callable[[], Coroutine[Any, Any, Secret]],
        clock: Clock,
        *,
        account: str = "",
        store: TokenStore | None = None,
    ) -> None:
        self._request = fetch
        self._clock = clock
        self._account = account
        self._store = store
        self._refused: Secret | None = None
        self._fetch: _Fetch | None = None
        self._task: asyncio.Task[Secret] | None = None
        self._refusal: DooError | None = None
        self._closed = False
        self._renewed_at: float | None = None
        self._unproven = False
        self.current: Secret | None = None

    async def get(self) -> Secret:
        """Return the token; fetch it if there is none, which costs one request.

        Raises:
            AuthenticationError: the credentials were refused, now or earlier.
            DooError: the error of the token request.
        """
        while self.current is None:
            if self._closed:
                raise ConfigError(SESSION_CLOSED)
            if self._refusal is not None:
                raise self._refusal.again()
            fetch = self._fetch or self._start()
            await fetch.done.wait()
            if fetch.failure is not None:
                raise fetch.failure.again() if isinstance(fetch.failure, DooError) else fetch.failure
        return self.current

    @property
    def renewals(self) -> int:
        """How often a call may replace a refused token; once more with a store, whose token may be refused as well."""
        return 1 if self._store is None else 2

    def accepted(self, token: Secret) -> None:
        """Record that doo accepted `token`."""
        if token is self.current:
            self._unproven = False

    def refused(self, token: Secret) -> bool:
        """Record that doo refused `token`; return whether to fetch a new one.

        A token that replaced a refused one and was never accepted itself is replaced only once an hour, as the cause
        is probably not the token.
        """
        if token != self.current:
            return True
        now = self._clock.monotonic()
        if self._unproven and self._renewed_at is not None and now < self._renewed_at + RENEW_UNPROVEN:
            return False
        self.current, self._refused = None, token
        self._renewed_at = now
        self._unproven = True
        return True

    async def close(self) -> None:
        """Cancel a token request in flight and wait for its end; callers that wait get a `ConfigError`."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self.current = None

    def _start(self) -> _Fetch:
        fetch = self._fetch = _Fetch()
        self._task = asyncio.create_task(self._obtain(), name="aiodoo token")
        self._task.add_done_callback(partial(self._ended, fetch))
        return fetch

    async def _obtain(self) -> Secret:
        """Return the token of the store unless doo has refused it, else a new one."""
        store, refused = self._store, self._refused
        if store is None:
            return await self._request()
        kept = await self._kept(store)
        if kept is None and refused is not None:
            await self._from_store(lambda: store.discard(self._account, refused))
            # Another session may have discarded it first, and stored a new one.
            kept = await self._kept(store)
        if kept is not None:
            return kept
        token = await self._request()
        await self._from_store(lambda: store.save(self._account, token))
        return token

    async def _kept(self, store: TokenStore) -> Secret | None:
        """Return the token of the store; None if there is none, or the one that doo has refused."""
        kept = await self._from_store(lambda: store.load(self._account))
        if kept is None or kept == self._refused:
            return None
        if not isinstance(kept, Secret) or not can_be_token(kept.reveal()):
            _log.warning("the token store returned something else than a token; the session does without it")
            return None
        self._unproven = False  # the session that stored it may have used it
        return kept

    async def _from_store(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """Return the result of a store's method; log its exception and return None if it fails."""
        try:
            return await ask()
        except Exception as error:  # noqa: BLE001  # stores are the user's code
            # Neither its message nor its traceback is logged: they may contain the token.
            _log.warning("the token store failed with %s; the session does without it", type(error).__name__)
            return None

    def _ended(self, fetch: _Fetch, task: asyncio.Task[Secret]) -> None:
        """Store the result of a token request, if it was not cancelled, and wake the callers."""
        self._fetch = self._task = None
        if not task.cancelled():
            error = task.exception()
            if error is None:
                self.current = task.result()
            elif isinstance(error, (AuthenticationError, InvalidRequest)):
                fetch.failure = self._refusal = error.again()
            else:
                fetch.failure = error
        fetch.done.set()
