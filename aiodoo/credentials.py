"""The API key and client credentials of an account, and the account name and fingerprint key derived from them."""

from __future__ import annotations

import hashlib
import hmac
from functools import cached_property

import attrs

from aiodoo.checks import plain_text
from aiodoo.errors import ConfigError
from aiodoo.secret import Secret

ENVIRONMENT = {"api_key": "DOO_API_KEY", "client_id": "DOO_CLIENT_ID", "client_secret": "DOO_CLIENT_SECRET"}
"""Environment variables for the credentials; like DOO_BASE_URL, they take precedence over a profile."""


@attrs.frozen
class Owner:
    """Whose data a session reads and writes, as journals, claims, plans and records of readings name it.

    Attributes:
        account: the account; see `Credentials.account_name`.
        key: the key for fingerprints of secrets.
        base_url: the base URL of the service.
    """

    account: str
    key: bytes = attrs.field(repr=False)
    base_url: str


@attrs.frozen(kw_only=True, repr=False)
class Credentials:
    """An API key, and the client credentials for fetching a token ("Authorization")."""

    api_key: Secret
    client_id: Secret
    client_secret: Secret

    @classmethod
    def checked(
        cls, *, api_key: str | Secret, client_id: str | Secret, client_secret: str | Secret
    ) -> Credentials:
        """Return valid credentials.

        Raises:
            ConfigError: one of them is empty, or cannot be the value of a header.
        """
        return cls(
            api_key=check_key(api_key, "API key"),
            client_id=check_key(client_id, "client id"),
            client_secret=check_key(client_secret, "client secret"),
        )

    @cached_property
    def account_name(self) -> str:
        """The name of the account in ledgers, from which the API key cannot be derived."""
        return hmac.new(self._key, b"aiodoo quota account", hashlib.sha256).hexdigest()[:32]

    def token_name(self, base_url: str) -> str:
        """Return the name of a token in token stores: of this client at this URL, and from which neither can be derived."""
        client = f"aiodoo token\n{base_url}\n{self.client_id.reveal()}".encode()
        return hmac.new(self._key, client, hashlib.sha256).hexdigest()[:32]

    def owner(self, base_url: str) -> Owner:
        """Return whose data it is that is read and written with them, at the service with this base URL."""
        return Owner(self.account_name, self.fingerprint_key, base_url)

    @cached_property
    def fingerprint_key(self) -> bytes:
        """The key for fingerprints of secrets, which cannot be computed without the API key."""
        return hmac.new(self._key, b"aiodoo fingerprints", hashlib.sha256).digest()

    @property
    def _key(self) -> bytes:
        return self.api_key.reveal().encode()


def check_key(value: str | Secret, what: str) -> Secret:
    """Return a valid API key, client id or client secret.

    Raises:
        ConfigError: it is empty, has control or non-ASCII characters, or is surrounded by spaces.
    """
    text = value.reveal() if isinstance(value, Secret) else plain_text(value)
    if not isinstance(text, str) or not text:
        raise ConfigError(f"the {what} is empty or not text; nothing was sent.")
    if text != text.strip():
        raise ConfigError(f"the {what} has spaces or line breaks around it; cut them off. Nothing was sent.")
    if not text.isascii() or not text.isprintable():
        raise ConfigError(f"the {what} has control or non-ASCII characters; nothing was sent.")
    return Secret.of(value)
