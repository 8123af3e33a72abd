"""A store that shares tokens between the processes of many hosts, on a Redis or Valkey server, encrypted."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import Any

from aiodoo.checks import check_callback
from aiodoo.clock import Clock
from aiodoo.quota.redis_server import Script, Server, check_client, shown_url
from aiodoo.secret import Secret

KEPT = 30 * 86_400
"""Seconds after which the server forgets a token."""
FETCHING = 20.0
"""Seconds for which the others wait for the one that fetches a token."""
AGAIN = 0.1
"""Seconds after which they look again."""
AWAY = 2.0
"""Seconds for which a command is sent again while the server is away."""

LOAD = Script("""
local sealed = redis.call('GET', KEYS[1])
if sealed then return sealed end
local fetching = redis.call('GET', KEYS[2])
if fetching and fetching ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 1
""")
"""Returns the token; without one, 1 for who shall fetch it, and 0 for the others. Keys: token, who fetches it."""

SAVE = Script("""
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
redis.call('DEL', KEYS[2])
return 1
""")

DISCARD = Script("""
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
""")


class RedisTokens:
    """A `TokenStore` on a Redis or Valkey server, for all processes of any number of hosts.

    One process fetches a token, and the others wait for it, for up to 20 s; a token that doo has refused is replaced once.
    The server gets tokens only as `encrypt` returns them, and no API key. It forgets a token after 30 days. Costs no
    request. While the server is away for more than 2 s, or a token cannot be decrypted, that is logged and the session
    fetches a token itself. With a `Fernet` of the package cryptography:

        async with Session(..., token_store=RedisTokens(url, encrypt=fernet.encrypt, decrypt=fernet.decrypt)) as doo:
            ...

    Needs the extra `redis`.

    Parameters:
        url: the URL of the server: redis://, rediss:// for TLS, or unix://. It may contain a password, which is not shown.
        encrypt: encrypts bytes.
        decrypt: decrypts what `encrypt` has returned, in any process, and raises an exception for anything else.

    Raises:
        ConfigError: the URL is not valid, one of the functions is none, or the package redis is missing.
    """

    def __init__(
        self, url: str, *, encrypt: Callable[[bytes], bytes], decrypt: Callable[[bytes], bytes]
    ) -> None:
        self._name = f"the token store {shown_url(url, 'the token store')}"
        check_client(url, "RedisTokens")
        for name, function in (("encrypt", encrypt), ("decrypt", decrypt)):
            check_callback("" if function is None else function, name)
        self._url, self._encrypt, self._decrypt = url, encrypt, decrypt
        self._holder = secrets.token_hex(8)
        self._clock = Clock()

    def __repr__(self) -> str:
        return f"<RedisTokens {self._name.rpartition(' ')[2]!r}>"

    async def load(self, account: str) -> Secret | None:
        """Return the account's token; None if this process shall fetch one."""
        give_up_at = self._clock.monotonic() + FETCHING
        while True:
            found = await self._run(LOAD, account, self._holder, int(1000 * FETCHING))
            if isinstance(found, bytes):
                return self._opened(found)
            if found == 1 or self._clock.monotonic() >= give_up_at:
                return None
            await self._clock.sleep(AGAIN)

    async def save(self, account: str, token: Secret) -> None:
        """Store a token in place of an older one."""
        await self._run(SAVE, account, self._encrypt(token.reveal().encode()), KEPT)

    async def discard(self, account: str, token: Secret) -> None:
        """Delete a token that doo has refused, unless a newer one is stored."""
        found = await self._run(LOAD, account, self._holder, int(1000 * FETCHING))
        if isinstance(found, bytes) and self._opened(found) == token:
            await self._run(DISCARD, account, found)

    def _opened(self, sealed: bytes) -> Secret:
        return Secret(self._decrypt(sealed).decode())

    async def _run(self, script: Script, account: str, *values: bytes | str | float) -> Any:
        """Run a script over a connection of its own, as there are few, in any event loop."""
        name = f"aiodoo:{{{hashlib.sha256(f'aiodoo token {account}'.encode()).hexdigest()[:32]}}}"
        server = Server(self._url, self._name, AWAY)
        try:
            return await server.run(self._clock, script, (f"{name}:token", f"{name}:fetching"), *values)
        finally:
            await server.close()
