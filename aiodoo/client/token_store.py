"""Where a token is kept beside the session that fetched it, so that others on the same API key need not fetch their own."""

from __future__ import annotations

from typing import Protocol

import attrs

from aiodoo.secret import Secret


class TokenStore(Protocol):
    """Keeps one token for each account; a session asks it before it asks doo.

    A store may forget a token at any time: another one is fetched then. It keeps a secret, so that what it keeps must
    not be readable by anybody else.
    """

    async def load(self, account: str) -> Secret | None:
        """Return the account's token; None if there is none."""

    async def save(self, account: str, token: Secret) -> None:
        """Keep a token that doo has just given out, in place of an older one."""

    async def discard(self, account: str, token: Secret) -> None:
        """Forget a token that doo has refused, unless a newer one has taken its place."""


@attrs.define
class MemoryTokens:
    """A `TokenStore` in memory, for the sessions of one program: they fetch one token, and replace a refused one once."""

    _tokens: dict[str, Secret] = attrs.field(factory=dict, init=False, repr=False)

    async def load(self, account: str) -> Secret | None:
        """Return the account's token; None if there is none."""
        return self._tokens.get(account)

    async def save(self, account: str, token: Secret) -> None:
        """Keep a token in place of an older one."""
        self._tokens[account] = token

    async def discard(self, account: str, token: Secret) -> None:
        """Forget a token that doo has refused, unless a newer one has taken its place."""
        if self._tokens.get(account) == token:
            del self._tokens[account]
