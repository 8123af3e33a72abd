"""doo's token requests, and the tokens that it sends with each delivery ("Authorization request")."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl

import attrs

from aiodoo.checks import check_kind, check_seconds
from aiodoo.errors import ConfigError
from aiodoo.models.authentication import ACCESS_TOKEN
from aiodoo.receiver.exchange import UNAUTHORIZED, ReceivedRequest, ReceiverAnswer
from aiodoo.receiver.storage import Storage
from aiodoo.secret import Secret

_LONGEST_TOKEN = 1024

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")


@attrs.frozen(kw_only=True)
class TokenIssuer:
    """Exchanges client credentials for tokens, and recognizes the tokens.

    Attributes:
        client_id: the id that doo sends.
        secrets: the secrets that are valid at present.
        header_format: the name of the header with the token.
        header_value_format: its value, with `%ACCESS_TOKEN%`.
        lifetime: seconds that a token is valid.
        storage: keeps digests of the tokens.
    """

    client_id: str
    secrets: Sequence[Secret] = attrs.field(repr=False)
    header_format: str
    header_value_format: str
    lifetime: float
    storage: Storage = attrs.field(repr=False)

    @classmethod
    def of(
        cls,
        *,
        client_id: str,
        secrets: str | Secret | Iterable[str | Secret],
        header_format: str,
        header_value_format: str,
        lifetime: float,
        storage: Storage,
    ) -> TokenIssuer:
        """Return an issuer with checked options.

        Raises:
            ConfigError: an option has the wrong type or value.
        """
        check_kind(client_id, "client_id", str, "text")
        if not client_id:
            raise ConfigError("client_id is empty")
        if not isinstance(header_format, str) or _HEADER_NAME.fullmatch(header_format) is None:
            raise ConfigError("header_format must be the name of a header, such as Authorization")
        if not isinstance(header_value_format, str) or header_value_format.count(ACCESS_TOKEN) != 1:
            raise ConfigError(f"header_value_format must be text that has {ACCESS_TOKEN} once")
        return cls(
            client_id=client_id,
            secrets=_valid_secrets(secrets),
            header_format=header_format,
            header_value_format=header_value_format,
            lifetime=check_seconds(lifetime, "token_lifetime", least=1.0),
            storage=storage,
        )

    async def answer(self, body: bytes, *, now: float) -> ReceiverAnswer:
        """Return a new token for valid credentials; all others get the same 401."""
        if not self._are_valid(body):
            return UNAUTHORIZED
        token = secrets.token_urlsafe(32)
        await self.storage.add_token(_digest(token), now=now, until=now + self.lifetime)
        return ReceiverAnswer.of(
            200,
            "OK",
            "The credentials are valid.",
            headers={"Cache-Control": "no-store"},
            access_token=token,
            token_type="Bearer",  # noqa: S106  # the name of a scheme
            expires_in=int(self.lifetime),
        )

    def _are_valid(self, body: bytes) -> bool:
        try:
            pairs = parse_qsl(
                body.decode("ascii"),
                keep_blank_values=True,
                strict_parsing=True,
                errors="strict",
                max_num_fields=20,
            )
        except ValueError:
            return False
        fields = dict(pairs)
        if len(fields) != len(pairs) or fields.get("grant_type") != "client_credentials":
            return False
        id_fits = _equal(fields.get("client_id", ""), self.client_id)
        # Every secret is compared, so that the time says nothing about which one is valid.
        secret_fits = [_equal(fields.get("client_secret", ""), each.reveal()) for each in self.secrets]
        return id_fits & any(secret_fits)

    async def admits(self, request: ReceivedRequest, *, now: float) -> bool:
        """Return whether a delivery has a valid token, in exactly one header."""
        values = request.values(self.header_format.lower())
        before, after = self.header_value_format.split(ACCESS_TOKEN, 1)
        if len(values) != 1 or len(values[0]) > _LONGEST_TOKEN:
            return False
        value = values[0]
        if not (value.startswith(before) and value.endswith(after) and len(value) > len(before) + len(after)):
            return False
        token = value[len(before) : len(value) - len(after)]
        return await self.storage.has_token(_digest(token), now=now)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass")
    )


def _valid_secrets(value: str | Secret | Iterable[str | Secret]) -> tuple[Secret, ...]:
    """Return the valid client secrets.

    Raises:
        ConfigError: there is none, or one is empty.
    """
    given = (
        (value,) if isinstance(value, str | Secret) else tuple(value) if isinstance(value, Iterable) else ()
    )
    found = tuple(Secret.of(each) for each in given)
    if not found or not all(found):
        raise ConfigError(
            "client_secrets must be one or several secrets, none of them empty, or None to receive without "
            "authentication"
        )
    return found
