"""The authentication of a webhook configuration, by which doo fetches a token from the customer's server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from aiodoo.models.endpoints import shown_repr
from aiodoo.models.secret_fields import guard_credentials, guard_extra, is_fixed
from aiodoo.models.texts import Listed, MadeFromList, text
from aiodoo.secret import Secret

ACCESS_TOKEN = "%ACCESS_TOKEN%"  # noqa: S105  # doo's placeholder for one


def _secret(value: str | Secret) -> Secret:
    return Secret.of(value)


def _shown_value(value: object) -> str:
    return "'***'" if isinstance(value, str) and is_fixed(value) else repr(value)


@attrs.frozen(kw_only=True)
class ClientCredentials(MadeFromList):
    """The client credentials that doo sends to `Authentication.endpoint` ("Webhook configuration object").

    Attributes:
        client_secret: a str becomes a Secret. Empty if it was read from a list that shows none.
        client_id: `doo` in doo's current pages.
        extra: fields that aiodoo does not know; kept and sent. Each value becomes a Secret.
    """

    client_secret: Secret = attrs.field(converter=_secret)
    client_id: str = attrs.field(default="doo", converter=text)
    extra: Mapping[str, Any] = attrs.field(factory=dict, converter=guard_credentials, repr=False, hash=False)


@attrs.frozen(kw_only=True)
class Authentication(MadeFromList):
    """The OAuth server from which doo fetches a token before it calls a hook ("Webhook configuration object").

    Attributes:
        endpoint: the token URL. It may hold credentials, so its repr omits user-info and query.
        credentials: the client credentials that doo sends.
        grant_type: always `client_credentials`.
        header_format: the name of the header that carries the token.
        header_value_format: the value of that header, with the placeholder `%ACCESS_TOKEN%`. A value without it is a
            secret, and its repr is `***`.
        extra: fields that aiodoo does not know; kept and sent.
    """

    _TEXTS: ClassVar[tuple[str, ...]] = (
        "endpoint",
        "grant_type",
        "header_format",
        "header_value_format",
    )
    endpoint: str = attrs.field(repr=shown_repr, converter=text)
    credentials: ClientCredentials
    grant_type: str = attrs.field(default="client_credentials", converter=text)
    header_format: str = attrs.field(default="Authorization", converter=text)
    header_value_format: str = attrs.field(
        default=f"Bearer {ACCESS_TOKEN}", repr=_shown_value, converter=text
    )
    extra: Mapping[str, Any] = attrs.field(factory=dict, converter=guard_extra, repr=False, hash=False)
    _listed: Listed = attrs.field(default=(), alias="_listed", eq=False, repr=False)
