"""API keys with their client credentials, and the tokens these are exchanged for."""

from __future__ import annotations

import hashlib
import math

import attrs

from aiodoo.sandbox.gateway import Meter


@attrs.frozen
class Credentials:
    """What a client needs to talk to the box, and the name under which the log knows the API key."""

    api_key: str = attrs.field(repr=False)
    client_id: str
    client_secret: str = attrs.field(repr=False)
    key_id: str = "key-1"


@attrs.define
class Key:
    """An API key: its credentials, its count, and the organizations it sees (None is all)."""

    credentials: Credentials
    meter: Meter
    organizations: frozenset[str] | None = None

    def sees(self, organization: str) -> bool:
        """Return whether an organization is one of this key's."""
        return self.organizations is None or organization in self.organizations


class Entropy:
    """Makes every secret of a box out of one, so that a box is random or, if that one is given, repeatable."""

    def __init__(self, root: bytes) -> None:
        self._root = hashlib.blake2b(root).digest()

    def text(self, purpose: str, characters: int = 40) -> str:
        """Return a secret in hex, always the same for a purpose."""
        return hashlib.blake2b(purpose.encode(), key=self._root).hexdigest()[:characters]

    def digest(self, content: bytes) -> str:
        """Return a digest that tells equal content from other content, and nothing else to who has not the root."""
        return hashlib.blake2b(content, key=self._root, digest_size=16).hexdigest()


class Tokens:
    """The access tokens that are good now."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._issued = 0
        self._live: dict[str, tuple[str, float]] = {}

    def issue(self, key_id: str, now: float, lifetime: float | None, *, only: bool) -> str:
        """Make a token of 40 hex digits; `only` ends the key's earlier ones."""
        if only:
            self._live = {token: life for token, life in self._live.items() if life[0] != key_id}
        self._issued += 1
        token = self._entropy.text(f"token {self._issued}")
        self._live[token] = (key_id, math.inf if lifetime is None else now + lifetime)
        return token

    def good(self, authorization: str | None, key_id: str, now: float) -> bool:
        """Return whether an Authorization header carries a live token of a key."""
        scheme, _, token = (authorization or "").partition(" ")
        owner, end = self._live.get(token, ("", -math.inf))
        return scheme == "Bearer" and owner == key_id and now < end

    def revoke(self) -> None:
        """End all tokens."""
        self._live.clear()
