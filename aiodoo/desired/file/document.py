"""The format of a file of desired state as classes; the JSON Schema is generated from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NewType

import attrs

from aiodoo.models import HOOK_TYPES
from aiodoo.models.authentication import ACCESS_TOKEN
from aiodoo.models.hook import GRAPHQL

Word = NewType("Word", str)
"""A text that may be an int in the file."""


def _describe(text: str, **more: Any) -> dict[str, Any]:
    return {"description": text, **more}


def _unknown() -> Any:
    text = "Fields that aiodoo does not know, which are sent as they are. A credential in them is a reference as above."
    return attrs.field(factory=dict, metadata=_describe(text))


@attrs.frozen(kw_only=True)
class Manage:
    """Which webhook configurations are managed by this file: give one of the first three. Others are never changed."""

    all: bool = attrs.field(default=False, metadata=_describe("true for all of them, whatever their names."))
    name_prefix: str | None = attrs.field(
        default=None, metadata=_describe("Those whose name starts with this text. Every declared name must.")
    )
    marker: str | None = attrs.field(
        default=None,
        metadata=_describe(
            "Those whose description contains this text. It is added to the declared descriptions."
        ),
    )
    ignore: tuple[Word, ...] = attrs.field(
        default=(), metadata=_describe("Those with these ids are not managed, whatever else is said here.")
    )


@attrs.frozen(kw_only=True)
class Exclude:
    """Teams to exclude."""

    ids: tuple[Word, ...] = attrs.field(default=(), metadata=_describe("These team ids."))
    organizations: tuple[str, ...] = attrs.field(
        default=(),
        metadata=_describe("The teams of organizations with these names; * ? and [...] are wildcards."),
    )
    organization_ids: tuple[Word, ...] = attrs.field(
        default=(), metadata=_describe("The teams of the organizations with these ids.")
    )


@attrs.frozen(kw_only=True)
class Selection(Exclude):
    """The teams that any of these keys selects, without the excluded ones."""

    all: bool = attrs.field(
        default=False, metadata=_describe("All teams that doo names; in a webhook, all teams of this file.")
    )
    exclude: Exclude = attrs.field(factory=Exclude, metadata=_describe("The teams to exclude."))


@attrs.frozen(kw_only=True)
class DeclaredOrigin:
    """The GraphQL request whose answer is the payload of a hook, in doo's own form."""

    body: str = attrs.field(metadata=_describe("A JSON document {operationName, variables, query} as text."))
    endpoint: str = attrs.field(default=GRAPHQL, metadata=_describe("The URL that doo sends it to."))
    method: str = "POST"
    unknown: Mapping[str, Any] = _unknown()


@attrs.frozen(kw_only=True)
class DeclaredHook:
    """One trigger: a type of occurrence, and the URL that doo calls for it."""

    type: str = attrs.field(
        metadata=_describe("Such as event_created, without a leading on_.", known=HOOK_TYPES)
    )
    endpoint: str = attrs.field(metadata=_describe("The URL that doo calls."))
    method: str = "POST"
    query: str | None = attrs.field(
        default=None, metadata=_describe("A GraphQL query whose answer is the payload; or give origin.")
    )
    variables: Mapping[str, Any] | None = attrs.field(
        default=None,
        metadata=_describe("Variables of the query; doo fills in placeholders such as %EVENT_ID%."),
    )
    operation_name: str | None = attrs.field(
        default=None, metadata=_describe("The operation to run if the query has several.")
    )
    origin: DeclaredOrigin | None = None
    unknown: Mapping[str, Any] = _unknown()


@attrs.frozen(kw_only=True)
class DeclaredCredentials:
    """The client credentials that doo sends to the token URL."""

    client_secret: str = attrs.field(
        metadata=_describe(
            "A reference: ${secret:env:NAME}, ${secret:file:PATH}, ${secret:here:NAME} for one under secrets, or "
            "${secret:listed} for the one that doo lists already.",
            pattern=r"\$\{",
        )
    )
    client_id: str = "doo"
    unknown: Mapping[str, Any] = _unknown()


@attrs.frozen(kw_only=True)
class DeclaredAuthentication:
    """The OAuth server from which doo fetches a token before it calls a hook."""

    endpoint: str = attrs.field(metadata=_describe("The token URL."))
    credentials: DeclaredCredentials
    grant_type: str = "client_credentials"
    header_format: str = "Authorization"
    header_value_format: str = f"Bearer {ACCESS_TOKEN}"
    unknown: Mapping[str, Any] = _unknown()


def _name(declared: Declared) -> str:
    return declared.name


@attrs.frozen(kw_only=True)
class Declared:
    """A webhook configuration that each of its teams should have."""

    name: str = attrs.field(
        metadata=_describe("The name, which also identifies the listed webhook that it replaces.")
    )
    hooks: tuple[DeclaredHook, ...] = attrs.field(
        metadata=_describe("The triggers, each with the URL that doo calls.", least=1)
    )
    teams: Selection = attrs.field(
        default=Selection(all=True), metadata=_describe("A selection of the file's teams; all if omitted.")
    )
    description: str | None = attrs.field(
        default=attrs.Factory(_name, takes_self=True),
        metadata=_describe("The name if omitted; null for none."),
    )
    event_id: Word | None = attrs.field(default=None, metadata=_describe("The event that it is limited to."))
    event_guide_id: Word | None = attrs.field(
        default=None, metadata=_describe("The event guide whose events it is limited to.")
    )
    authentication: DeclaredAuthentication | None = None
    as_listed: bool = attrs.field(
        default=False,
        metadata=_describe("true for an old one that doo lists and that breaks the rules for new ones."),
    )
    unknown: Mapping[str, Any] = _unknown()


@attrs.frozen(kw_only=True)
class Document:
    """The webhook configurations that teams should have."""

    aiodoo: Literal[1] = attrs.field(metadata=_describe("The version of this format."))
    manage: Manage
    teams: Selection = attrs.field(
        metadata=_describe("The teams that this file manages: all, a list of ids, or a selection.")
    )
    variables: Mapping[str, Word] = attrs.field(
        factory=dict,
        metadata=_describe(
            "Values for ${name}; team.id, organization.id and organization.name are predefined."
        ),
    )
    secrets: Mapping[str, Any] = attrs.field(
        factory=dict,
        metadata=_describe(
            "Client secrets for ${secret:here:NAME}, in clear: one a line, in double quotes. Keep such a file to yourself."
        ),
    )
    webhooks: tuple[Declared, ...]
