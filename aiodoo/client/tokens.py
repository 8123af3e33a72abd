"""The token's life: fetched once for all who wait, renewed only when doo refused it."""

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
from aiodoo.secret import Secret

_log = logging.getLogger("aiodoo.client")

T = TypeVar("T")

RENEW_UNPROVEN = 3600.0
"""Seconds between two renewals of tokens of which none was ever accepted."""


@attrs.define(eq=False)
class _Fetch:
    """One token request under way and those who wait for it."""

    done: asyncio.Event = attrs.field(factory=asyncio.Event)
    failure: BaseException | None = None


class Tokens:
    """The token that every call shares.

    However many callers wait, one request fetches it, in a task of its own: a caller that is cancelled
    harms nobody. A failure is told to those who wait and then forgotten, except refused credentials:
    these are remembered, so that no lock-out follows from asking again.

    A store is asked first, and told of every token that is fetched or refused. Two sessions that share one store and
    find nothing in it at the same moment both ask doo.

    Args:
        fetch: asks doo for a token.
        clock: the time.
        account: under what name the store keeps it.
        store: where it is kept beside this session, if anywhere.
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
        """Return the token; fetch it if there is none.

        Raises:
            AuthenticationError: the credentials were refused, now or earlier.
            DooError: what the token request ended with.
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
        """How often one call may have a refused token renewed: what a store has may have been refused as well."""
        return 1 if self._store is None else 2

    def accepted(self, token: Secret) -> None:
        """Note that doo took `token`."""
        if token is self.current:
            self._unproven = False

    def refused(self, token: Secret) -> bool:
        """Note that doo refused `token`; return whether a new one is worth a request.

        It is not if the token came in place of another refused one and was never accepted itself: the
        fault is elsewhere then. Such a token is renewed once an hour.
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
        """Cancel a token request under way and wait for its end; those who wait get a `ConfigError`."""
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
        """Return the token that the store has, unless doo has refused it; else a new one."""
        store, refused = self._store, self._refused
        if store is None:
            return await self._request()
        kept = await self._from_store(store.load(self._account))
        if kept is not None and kept != refused:
            self._unproven = False  # whoever fetched it can have used it
            return kept
        if refused is not None:
            await self._from_store(store.discard(self._account, refused))
        token = await self._request()
        await self._from_store(store.save(self._account, token))
        return token

    async def _from_store(self, answer: Awaitable[T]) -> T | None:
        """Return what a store answers; a store that fails is done without."""
        try:
            return await answer
        except Exception as error:  # noqa: BLE001  # it is the caller's own
            # Neither its words nor its frames are shown: they may hold the token.
            _log.warning("the token store failed with %s; the session does without it", type(error).__name__)
            return None

    def _ended(self, fetch: _Fetch, task: asyncio.Task[Secret]) -> None:
        """Take the outcome of a token request; one that was cancelled has none."""
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
