"""The Session: opens, configures and closes the access to doo with one API key."""

from __future__ import annotations

import os
import ssl as _ssl
import sys
import warnings
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

from aiodoo.checks import check_base_url, check_callback, check_kind, check_seconds
from aiodoo.client.client import Client
from aiodoo.client.exchange import Transport
from aiodoo.client.recent_changes import RecentChanges
from aiodoo.client.token_store import TokenStore
from aiodoo.client.transport import HttpTransport
from aiodoo.clock import Clock
from aiodoo.credentials import ENVIRONMENT, Credentials
from aiodoo.deadline import check_deadline
from aiodoo.errors import ConfigError
from aiodoo.event_loop import running_loop
from aiodoo.events import Event, Listeners, Stats
from aiodoo.facts import Facts
from aiodoo.offload import Offload, ThreadWorker
from aiodoo.quota import Lane, Ledger, Limits, Memory, Permits
from aiodoo.quota.event_loop_claims import with_claims
from aiodoo.quota.hold import Hold
from aiodoo.quota.limits import of_environment
from aiodoo.secret import Secret
from aiodoo.view import SharedParts, View

REST = "https://rest.doo.net/v1"
"""The base URL in doo's current pages."""

INTEGRATION = "https://integration.doo.net/v1"
"""The base URL of the same service in earlier versions of doo's pages."""


class Options(TypedDict, total=False):
    """The arguments of a Session besides its credentials; see `Session` for each."""

    base_url: str
    limits: Limits | None
    quota: Ledger | None
    timeout: float
    deadline: float | None
    facts: Facts | None
    proxy: str | None
    ssl: _ssl.SSLContext | None
    on_event: Callable[[Event], object] | None
    clock: Clock | None
    transport: Transport | None
    worker: Offload | None
    user_agent: str | None
    max_waiting: int | None
    token_store: TokenStore | None


Background = View
"""Deprecated alias of `View`."""


class Session(View):
    """Access to doo's Webhook Management API with one API key.

    Open it once with `async with`, for as long as the program uses doo, in one event loop. A session fetches and renews
    its token, keeps to the limits of the API key, and never follows a redirect.

    Args:
        api_key, client_id, client_secret: credentials issued by doo ("Authorization"), as str or `aiodoo.Secret`.
        base_url: `aiodoo.REST`, `aiodoo.INTEGRATION`, or the URL of a sandbox.
        limits: the limits of the API key; None for doo's, one request a second and 1,000 a day.
        quota: the ledger that counts requests; None for one in memory, for this Session alone. Sessions with the same
            API key must share a ledger; this is not checked.
        timeout: seconds for one wire request, of which connecting may take 10.
        deadline: seconds for one call with all its waits and retries; None for no deadline.
        facts: settings for what doo does not document; None for the defaults of `Facts`.
        proxy: the URL of an HTTP proxy; the environment's proxy variables are ignored.
        ssl: an `ssl.SSLContext`, such as one with a certificate authority of your own. One that does not verify
            certificates causes an `UnverifiedConnection` warning.
        on_event: called with each `aiodoo.events.Event`.
        clock: source of time and randomness; for simulations.
        transport: sends the requests; for simulations.
        worker: reads and writes journals; for simulations.
        user_agent: the `User-Agent` header; the versions of aiodoo, aiohttp and Python if not given.
        max_waiting: the number of calls that may wait in the quota's queue; None for no limit. Another one raises
            `QueueFull` at once, as does a call that cannot be sent before its deadline. Runs are not counted.
        token_store: stores the token, a secret, for other sessions with the same API key, such as one
            `MemoryTokens()` shared by all sessions of a program, or `FileTokens(folder)` for the processes of a host, or
            `RedisTokens(url, ...)` for those of many hosts; None for this session alone.

    Attributes:
        base_url, limits, facts: the values that were given.

    Raises:
        ConfigError: an argument is invalid. The message does not show secrets.
    """

    def __init__(
        self,
        *,
        api_key: str | Secret,
        client_id: str | Secret,
        client_secret: str | Secret,
        base_url: str = REST,
        limits: Limits | None = None,
        quota: Ledger | None = None,
        timeout: float = 60.0,
        deadline: float | None = 120.0,
        facts: Facts | None = None,
        proxy: str | None = None,
        ssl: _ssl.SSLContext | None = None,
        on_event: Callable[[Event], object] | None = None,
        clock: Clock | None = None,
        transport: Transport | None = None,
        worker: Offload | None = None,
        user_agent: str | None = None,
        max_waiting: int | None = None,
        token_store: TokenStore | None = None,
    ) -> None:
        credentials = Credentials.checked(api_key=api_key, client_id=client_id, client_secret=client_secret)
        clock = clock or Clock()
        limits = limits or Limits()
        base_url = check_base_url(base_url)
        facts = facts or Facts()
        check_kind(limits, "limits", Limits, "aiodoo.Limits")
        check_kind(facts, "facts", Facts, "aiodoo.Facts")
        check_callback(on_event, "on_event")
        check_seconds(timeout, "timeout", least=sys.float_info.min)
        check_deadline(deadline)
        ledger = Memory() if quota is None else quota
        if isinstance(ledger, str | os.PathLike) or not hasattr(ledger, "open"):
            raise ConfigError("quota must be a ledger, such as aiodoo.quota.SQLite(path); nothing was sent")
        if token_store is not None and not hasattr(token_store, "load"):
            raise ConfigError(
                "token_store must be a token store, such as aiodoo.MemoryTokens(); nothing was sent"
            )
        account = ledger.open(account=credentials.account_name, limits=limits, clock=clock)
        claims = with_claims(account)
        changes, holds, stats, listeners = RecentChanges(facts), list[Hold](), Stats(), Listeners(on_event)
        # Both base URLs are the same service with the same teams.
        owner = credentials.owner(REST if base_url == INTEGRATION else base_url)
        client = Client(
            transport=transport
            or HttpTransport(
                base_url, timeout=timeout, proxy=proxy, ssl=ssl, clock=clock, user_agent=user_agent
            ),
            account=account,
            claims=claims,
            holds=holds,
            permits=Permits(limits.concurrency),
            credentials=credentials,
            token_name=credentials.token_name(owner.base_url),
            clock=clock,
            facts=facts,
            deadline=deadline,
            listeners=listeners,
            stats=stats,
            changes=changes,
            max_waiting=max_waiting,
            token_store=token_store,
        )
        parts = SharedParts(
            client=client,
            account=account,
            claims=claims,
            holds=holds,
            owner=owner,
            limits=limits,
            facts=facts,
            clock=clock,
            worker=worker or ThreadWorker("aiodoo"),
            changes=changes,
            stats=stats,
            listeners=listeners,
        )
        self.base_url = base_url
        self.limits = limits
        self.facts = facts
        super().__init__(client, parts, Lane.FRONT)

    @classmethod
    def from_env(cls, **options: Unpack[Options]) -> Self:
        """Return a session with the environment's `DOO_API_KEY`, `DOO_CLIENT_ID`, `DOO_CLIENT_SECRET` and `DOO_BASE_URL`.

        `DOO_BASE_URL` is optional, and so are the limits of the API key, `DOO_PER_SECOND` and `DOO_PER_DAY`: numbers, or
        `none` for no limit. The ledger is the file that `from_profile` uses, too, so that all programs of this
        user share the limits and see each other's runs; pass `quota=aiodoo.quota.Memory()` for one of its own.

        Args:
            **options: as for `Session`: `base_url limits quota timeout deadline facts proxy ssl on_event clock transport
                worker user_agent max_waiting token_store`. They override the environment.

        Raises:
            ConfigError: a variable is missing or invalid. The message does not show its value.
        """
        missing = [name for name in ENVIRONMENT.values() if not os.environ.get(name)]
        if missing:
            raise ConfigError(f"set {', '.join(missing)} in the environment; nothing was sent")
        credentials = {argument: os.environ[name] for argument, name in ENVIRONMENT.items()}
        options.setdefault("base_url", os.environ.get("DOO_BASE_URL") or REST)
        if options.get("limits") is None:
            options["limits"] = of_environment(Limits())
        return cls(**_on_shared_ledger({**credentials, **options}))

    @classmethod
    def from_profile(
        cls,
        name: str | None = None,
        *,
        config: str | os.PathLike[str] | None = None,
        **options: Unpack[Options],
    ) -> Self:
        """Return a session with the settings of a profile in `~/.config/aiodoo/config.toml`.

        The ledger is a file in the state directory (`XDG_STATE_HOME/aiodoo/quota.db`), so that all programs of this
        user and all profiles with the same API key share the limits. This method may block to run a command or to query
        the keyring; call it before the event loop has other tasks.

        Args:
            name: the name of the profile; see `aiodoo.profiles.load` for the default.
            config: another file.
            **options: as for `Session`: `base_url limits quota timeout deadline facts proxy ssl on_event clock transport
                worker user_agent max_waiting token_store`. They override the profile and the environment.

        Raises:
            ConfigError: there is no such profile, or it is invalid. The message names the file and the key.
        """
        # Imported here, as most programs do without profiles.
        from aiodoo import profiles  # noqa: PLC0415

        given = profiles.load(name, config=config).options()
        given.update(options)
        return cls(**_on_shared_ledger(given))

    async def aclose(self) -> None:
        """Close all connections; calls in progress, and later ones, raise ConfigError.

        A request in flight is aborted, so a change that doo may have received raises OutcomeUnknown instead. Writes to
        files are finished.
        """
        await self._client.close(self._parts.worker.close)

    def close(self) -> Coroutine[Any, Any, None]:
        """Deprecated: use `aclose()`."""
        warnings.warn("Session.close() is deprecated; use aclose()", DeprecationWarning, stacklevel=2)
        return self.aclose()

    async def __aenter__(self) -> Self:
        running_loop()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


def _on_shared_ledger(options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a session, with the ledger shared by all programs of this user as the default."""
    if options.get("quota") is not None:
        return options
    from aiodoo.profiles.shared_ledger import shared_ledger  # noqa: PLC0415  # Session alone does without

    return {**options, "quota": shared_ledger()}
