"""Stores that share a token between sessions on the same API key."""

from __future__ import annotations

from typing import Protocol

import attrs

from aiodoo.secret import Secret


class TokenStore(Protocol):
    """Stores one token for each account; a session loads it before it fetches one from doo.

    `MemoryTokens`, `FileTokens` and `RedisTokens` are such stores. One of your own may drop a token at any time: a new
    one is fetched then. Tokens are secrets, so a store must keep others from reading them. An exception is logged,
    without its text, and so is a value that is no token; the session does without the store.
    """

    async def load(self, account: str) -> Secret | None:
        """Return the account's token; None if there is none. May wait while another session fetches one."""

    async def save(self, account: str, token: Secret) -> None:
        """Store a token that was just fetched, in place of an older one."""

    async def discard(self, account: str, token: Secret) -> None:
        """Delete a token that doo has refused, unless a newer one is stored."""


@attrs.define
class MemoryTokens:
    """A `TokenStore` in memory, for the sessions of one process."""

    _tokens: dict[str, Secret] = attrs.field(factory=dict, init=False, repr=False)

    async def load(self, account: str) -> Secret | None:
        """Return the account's token; None if there is none."""
        return self._tokens.get(account)

    async def save(self, account: str, token: Secret) -> None:
        """Store a token in place of an older one."""
        self._tokens[account] = token

    async def discard(self, account: str, token: Secret) -> None:
        """Delete a token that doo has refused, unless a newer one is stored."""
        if self._tokens.get(account) == token:
            del self._tokens[account]
