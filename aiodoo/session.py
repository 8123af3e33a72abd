"""The session: one API key, its credentials and its quota, put together, handed out and closed."""

from __future__ import annotations

import os
import ssl as _ssl
import sys
import warnings
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

from aiodoo.bulk import Bulk
from aiodoo.checks import check_base_url, check_callback, check_kind, check_seconds
from aiodoo.client.client import Client
from aiodoo.client.exchange import Transport
from aiodoo.client.token_store import TokenStore
from aiodoo.client.transport import HttpTransport
from aiodoo.clock import Clock
from aiodoo.credentials import ENVIRONMENT, Credentials
from aiodoo.desired import Desired
from aiodoo.errors import ConfigError
from aiodoo.event_loop import running_loop
from aiodoo.events import Event
from aiodoo.facts import Facts
from aiodoo.offload import Offload
from aiodoo.quota import Ledger, Limits, Memory
from aiodoo.secret import Secret
from aiodoo.view import View

REST = "https://rest.doo.net/v1"
"""Where doo's current pages send every request."""

INTEGRATION = "https://integration.doo.net/v1"
"""The older name of the same service."""


class Options(TypedDict, total=False):
    """What a Session takes beside its credentials; each is described at `Session`."""

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
"""What `background()` and `with_options()` return; its older name."""


class Session(View):
    """Everything that doo's Webhook Management API offers, for one API key.

    Open it with `async with`, once, for as long as your program uses doo, in one event loop. It fetches and renews
    its token by itself, stays within the API key's limits, and never follows a redirect.

    Args:
        api_key, client_id, client_secret: from doo ("Authorization"); a str or an `aiodoo.Secret`.
        base_url: `aiodoo.REST`, `aiodoo.INTEGRATION`, or that of a sandbox.
        limits: how many requests the API key may make; None for doo's, one a second and 1,000 a day.
        quota: the ledger that keeps the limits; None counts for this Session alone. If several Sessions use one API
            key, give all of them the same ledger; nothing checks that.
        timeout: seconds for one wire request; connecting may take 10 of them.
        deadline: seconds for one call with all its waits and retries; None for none.
        facts: what doo does not document; None for the defaults of `Facts`.
        proxy: URL of an HTTP proxy; those of the environment are ignored.
        ssl: an `ssl.SSLContext` with a certificate authority of your own. One that does not verify causes an
            `UnverifiedConnection` warning.
        on_event: called with each `aiodoo.events.Event`.
        clock: time and chance; for simulations.
        transport: what carries the requests; for simulations.
        worker: where journals are read and written; for simulations.
        user_agent: what is sent as `User-Agent`; by default the versions of aiodoo, aiohttp and Python.
        max_waiting: how many calls may wait for their turn in the quota. One more raises `QueueFull` at once, as does one
            that cannot have its turn within its deadline; None for any number. Runs do not count.
        token_store: keeps the token for other sessions on the same API key, such as one `MemoryTokens()` for all of a
            program's; None keeps it for this session alone. A token is a secret.

    Attributes:
        base_url, limits, facts: as they were given.

    Raises:
        ConfigError: an argument cannot be right; its value is not shown if it is a secret.
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
        if deadline is not None:
            check_seconds(deadline, "deadline", least=sys.float_info.min)
        ledger = Memory() if quota is None else quota
        if isinstance(ledger, str | os.PathLike) or not hasattr(ledger, "open"):
            raise ConfigError("quota must be a ledger, such as aiodoo.quota.SQLite(path); nothing was sent")
        client = Client(
            transport=transport
            or HttpTransport(
                base_url, timeout=timeout, proxy=proxy, ssl=ssl, clock=clock, user_agent=user_agent
            ),
            account=ledger.open(account=credentials.account_name, limits=limits, clock=clock),
            limits=limits,
            credentials=credentials,
            clock=clock,
            facts=facts,
            deadline=deadline,
            on_event=on_event,
            worker=worker,
            max_waiting=max_waiting,
            token_store=token_store,
            # One service has two names, and its teams are the same.
            base_url=REST if base_url == INTEGRATION else base_url,
        )
        self.base_url = base_url
        self.limits = limits
        self.facts = facts
        bulk = Bulk(client)
        super().__init__(client, bulk, Desired(client, bulk))

    @classmethod
    def from_env(cls, **options: Unpack[Options]) -> Self:
        """Make a session of the environment's `DOO_API_KEY`, `DOO_CLIENT_ID`, `DOO_CLIENT_SECRET` and `DOO_BASE_URL`.

        The last may be left out, and an option given here wins over it. Its quota is kept in the file that
        `from_profile` uses too, so that every program of this user shares the limits, and knows of the others' runs;
        `quota=aiodoo.quota.Memory()` keeps it for this session alone.

        Args:
            **options: as for `Session`: `base_url limits quota timeout deadline facts proxy ssl on_event clock transport
                worker user_agent max_waiting token_store`.

        Raises:
            ConfigError: a variable is missing or cannot be right; its value is not shown.
        """
        missing = [name for name in ENVIRONMENT.values() if not os.environ.get(name)]
        if missing:
            raise ConfigError(f"set {', '.join(missing)} in the environment; nothing was sent")
        credentials = {argument: os.environ[name] for argument, name in ENVIRONMENT.items()}
        options.setdefault("base_url", os.environ.get("DOO_BASE_URL") or REST)
        return cls(**_on_shared_ledger({**credentials, **options}))

    @classmethod
    def from_profile(
        cls,
        name: str | None = None,
        *,
        config: str | os.PathLike[str] | None = None,
        **options: Unpack[Options],
    ) -> Self:
        """Make a session of a profile in `~/.config/aiodoo/config.toml`.

        Its quota is kept in one file of the state directory (`XDG_STATE_HOME/aiodoo/quota.db`), which every
        program of this user shares, so that profiles with the same API key keep its limits together. A profile
        may have to run a command or ask the keyring for a secret, so call it before the event loop is busy.

        Args:
            name: of the profile; see `aiodoo.profiles.load` for what is taken without one.
            config: another file.
            **options: as for `Session`: `base_url limits quota timeout deadline facts proxy ssl on_event clock transport
                worker user_agent max_waiting token_store`. They override the profile and the environment.

        Raises:
            ConfigError: there is no such profile, or it cannot be used; names the file and the key.
        """
        # Only who uses profiles pays for importing what reads them.
        from aiodoo import profiles  # noqa: PLC0415

        given = profiles.load(name, config=config).options()
        given.update(options)
        return cls(**_on_shared_ledger(given))

    async def aclose(self) -> None:
        """Close every connection; calls that still go on, and later ones, raise ConfigError.

        A request in flight is cut off, so a change that doo may have seen raises OutcomeUnknown instead. What is
        being written to a file is finished.
        """
        await self._client.close()

    def close(self) -> Coroutine[Any, Any, None]:
        """Deprecated: `aclose()`."""
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
    """Return what a session takes, with the ledger that all programs of this user share unless another one is given."""
    if options.get("quota") is not None:
        return options
    from aiodoo.profiles.folders import ledger_path  # noqa: PLC0415  # Session alone does without
    from aiodoo.quota import SQLite  # noqa: PLC0415

    return {**options, "quota": SQLite(ledger_path())}
