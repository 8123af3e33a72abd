"""The connections of one event loop to a Redis or Valkey server, which carry out its scripts and wait while it is away."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs

from aiodoo.clock import Clock
from aiodoo.errors import ConfigError, QuotaUnavailable
from aiodoo.quota.exchange import BUSY_LIMIT, Busy

if TYPE_CHECKING:
    import redis.asyncio

CONNECTIONS = 8
"""The most connections of an event loop to the server."""
ANSWER = 2.0
"""Seconds that one command may take."""
FIRST_PAUSE = 0.05
"""Seconds before the first retry; each further pause is twice as long, up to `LONGEST_PAUSE`."""
LONGEST_PAUSE = 0.5
AWAY = (
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOREPLICAS",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "OOM",
    "UNBLOCKED",
    "READONLY",
)
"""How the answers of a server begin that cannot serve at present."""


@attrs.frozen
class Script:
    """A Lua script, with the digest that the server knows it by."""

    text: str
    digest: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(
            self, "digest", hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        )


def shown_url(url: object, what: str = "a shared quota ledger") -> str:
    """Return the checked URL of `what`, without user, password and options.

    Raises:
        ConfigError: it is no URL of a server.
    """
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    # With an @ in its path the URL has a password with a / that is not written as %2F.
    if (
        parts.scheme not in {"redis", "rediss", "unix"}
        or not (parts.hostname or parts.scheme == "unix")
        or "@" in parts.path
    ):
        raise ConfigError(
            f"the URL of {what} must be redis://HOST:PORT/DATABASE, rediss:// for TLS, or unix:///PATH; "
            "what was given is none (it is not repeated here, as it may hold a password, "
            "in which / @ : ? # are written as %2F %40 %3A %3F %23)"
        )
    place = "" if parts.hostname is None else parts.hostname if port is None else f"{parts.hostname}:{port}"
    return f"{parts.scheme}://{place}{parts.path}"


def check_client(url: str, user: str = "quota.Redis") -> None:
    """Import the client that `user` needs and check the URL's options.

    Raises:
        ConfigError: the client is missing or too old, or does not accept the URL.
    """
    try:
        import redis.asyncio  # noqa: PLC0415  # an extra, loaded by whoever uses it
    except ImportError:
        raise ConfigError(f"{user} needs the package redis: pip install 'aiodoo[redis]'") from None
    if int(redis.__version__.partition(".")[0]) < 8:
        raise ConfigError(
            f"{user} needs the package redis in version 8 or later, and here is {redis.__version__}: "
            "pip install 'aiodoo[redis]'"
        )
    try:
        redis.asyncio.ConnectionPool.from_url(url).make_connection()  # type: ignore[no-untyped-call]
    except (ValueError, TypeError) as error:  # TypeError: an option that the client does not know
        raise ConfigError(f"the URL that {user} was given is not valid: {type(error).__name__}") from None


def _client(url: str) -> redis.asyncio.Redis:
    import redis.asyncio  # noqa: PLC0415  # as above
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=None,
        socket_timeout=ANSWER,
        socket_connect_timeout=ANSWER,
        retry=Retry(NoBackoff(), 0),
        decode_responses=False,
    )
    return redis.asyncio.Redis.from_pool(pool)


@attrs.define(eq=False)
class Server:
    """A server, for the accounts of one event loop.

    A command is sent again while the server is away, so each must have the same effect when it is carried out twice.
    """

    _url: str
    name: str
    """What messages call the ledger."""
    _wait: float
    """Seconds for which a command is sent again while the server is away."""
    commands: int = attrs.field(default=0, init=False)
    """The number of commands that were sent, including retries."""
    users: set[object] = attrs.field(factory=set, init=False)
    _process: int = attrs.field(factory=os.getpid, init=False)
    _client: redis.asyncio.Redis | None = attrs.field(default=None, init=False)

    async def run(
        self, clock: Clock, script: Script, keys: Sequence[str], *values: bytes | str | float
    ) -> Any:
        """Run a script.

        Raises:
            QuotaUnavailable: the server is away, or cannot write.
            ConfigError: it refuses the command.
        """
        command = "EVALSHA", script.digest, len(keys), *keys, *values
        return (await self._retried(clock, [command], script))[0]

    async def read(self, clock: Clock, commands: Sequence[tuple[bytes | str | float, ...]]) -> list[Any]:
        """Send commands in one round trip and return their results.

        Raises:
            QuotaUnavailable, ConfigError: as for `run`.
        """
        return await self._retried(clock, commands, None)

    def busy(self) -> Busy:
        """Return what to raise when others are always faster."""
        return Busy(
            QuotaUnavailable(
                f"{self.name} was too busy with other processes for {BUSY_LIMIT:.0f} s; nothing was sent. Try again later."
            )
        )

    async def close(self) -> None:
        """Close the connections; the next command opens them again."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
            await client.connection_pool.disconnect()

    async def _retried(
        self, clock: Clock, commands: Sequence[tuple[bytes | str | float, ...]], script: Script | None
    ) -> list[Any]:
        from redis.exceptions import NoScriptError, RedisError  # noqa: PLC0415  # as above

        begun, pause = clock.monotonic(), FIRST_PAUSE
        while True:
            try:
                return await self._send(commands)
            except NoScriptError:
                if script is None:
                    raise
                # The text instead of the digest; the server then knows both.
                commands = [("EVAL", script.text, *commands[0][2:])]
                continue
            except (RedisError, OSError) as error:
                why = error
            if not is_away(why):
                raise ConfigError(f"{self.name} refused a command ({why}); nothing was sent") from None
            if clock.monotonic() + pause - begun >= self._wait:
                raise QuotaUnavailable(
                    f"{self.name} has been away for {self._wait:g} s: {why_away(why)}; nothing was sent. Try again when "
                    "it is back; nothing is sent without it, as other hosts would not know"
                ) from None
            await clock.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _send(self, commands: Sequence[tuple[bytes | str | float, ...]]) -> list[Any]:
        if self._client is None:
            self._client = _client(self._url)
        self.commands += len(commands)
        if len(commands) == 1:
            return [await self._client.execute_command(*commands[0])]  # type: ignore[no-untyped-call]
        async with self._client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            return list(await pipeline.execute())


def why_away(error: BaseException) -> str:
    """Return why a server is away, from the error of the connection or the answer; no text of the URL is repeated."""
    from redis import exceptions  # noqa: PLC0415  # as above

    if isinstance(error, exceptions.ResponseError):
        return f"it answers {str(error).partition(' ')[0]}"
    cause = error.__cause__ or error.__context__ or error
    causes: dict[type[BaseException], str] = {
        socket.gaierror: "its host name cannot be resolved",
        ssl.SSLCertVerificationError: f"its certificate is not trusted ({getattr(cause, 'verify_message', '')})",
        ssl.SSLError: "there is no TLS with it; a server without TLS has redis://",
        TimeoutError: f"it did not answer within {ANSWER:g} s",
        exceptions.TimeoutError: f"it did not answer within {ANSWER:g} s",
    }
    for kind, reason in causes.items():
        if isinstance(cause, kind):
            return reason
    if isinstance(cause, OSError) and cause.errno is not None:
        return f"it cannot be connected to ({os.strerror(cause.errno)})"
    return "it closed the connection; a server with TLS has rediss://"


def is_away(error: Exception) -> bool:
    """Return whether a command may succeed later."""
    from redis import exceptions  # noqa: PLC0415  # as above

    if isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError):
        return False
    if isinstance(error, exceptions.ResponseError):
        away = exceptions.ReadOnlyError, exceptions.OutOfMemoryError, exceptions.TryAgainError
        return isinstance(error, away) or str(error).startswith(AWAY)
    return isinstance(
        error, exceptions.ConnectionError | exceptions.TimeoutError | exceptions.ClusterError | OSError
    )
