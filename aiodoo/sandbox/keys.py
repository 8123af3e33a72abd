"""API keys, client credentials and access tokens."""

from __future__ import annotations

import hashlib
import math

import attrs

from aiodoo.sandbox.gateway import Meter


@attrs.frozen
class Credentials:
    """The credentials of a client; `key_id` is the name of the API key in the log."""

    api_key: str = attrs.field(repr=False)
    client_id: str
    client_secret: str = attrs.field(repr=False)
    key_id: str = "key-1"


@attrs.define
class Key:
    """An API key, its meter, and the ids of the organizations that it has access to (None means all)."""

    credentials: Credentials
    meter: Meter
    organizations: frozenset[str] | None = None

    def sees(self, organization: str) -> bool:
        """Return whether the key has access to an organization."""
        return self.organizations is None or organization in self.organizations


class Entropy:
    """Derives all secrets of a box from one root, so that a box with a given root is reproducible."""

    def __init__(self, root: bytes) -> None:
        self._root = hashlib.blake2b(root).digest()

    def text(self, purpose: str, characters: int = 40) -> str:
        """Return a secret in hex; equal purposes give equal secrets."""
        return hashlib.blake2b(purpose.encode(), key=self._root).hexdigest()[:characters]

    def digest(self, content: bytes) -> str:
        """Return a keyed digest, which reveals nothing about the content without the root."""
        return hashlib.blake2b(content, key=self._root, digest_size=16).hexdigest()


class Tokens:
    """The valid access tokens."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._issued = 0
        self._live: dict[str, tuple[str, float]] = {}

    def issue(self, key_id: str, now: float, lifetime: float | None, *, only: bool) -> str:
        """Return a new token of 40 hex digits; `only` revokes the key's earlier ones."""
        if only:
            self._live = {token: life for token, life in self._live.items() if life[0] != key_id}
        self._issued += 1
        token = self._entropy.text(f"token {self._issued}")
        self._live[token] = (key_id, math.inf if lifetime is None else now + lifetime)
        return token

    def good(self, authorization: str | None, key_id: str, now: float) -> bool:
        """Return whether an Authorization header has a valid token of a key."""
        scheme, _, token = (authorization or "").partition(" ")
        owner, end = self._live.get(token, ("", -math.inf))
        return scheme == "Bearer" and owner == key_id and now < end

    def revoke(self) -> None:
        """Revoke all tokens."""
        self._live.clear()
