"""What a file of desired state says: the format, as classes. The JSON Schema is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NewType

import attrs

from aiodoo.models import HOOK_TYPES
from aiodoo.models.authentication import ACCESS_TOKEN
from aiodoo.models.hook import GRAPHQL

Word = NewType("Word", str)
"""A text; a whole number in the file will do."""


def _says(text: str, **more: Any) -> dict[str, Any]:
    return {"says": text, **more}


@attrs.frozen(kw_only=True)
class Manage:
    """Which webhook configurations belong to this file: one of the two. All others are never touched."""

    name_prefix: str | None = attrs.field(
        default=None, metadata=_says("Those whose name begins so. Every name declared here must.")
    )
    marker: str | None = attrs.field(
        default=None,
        metadata=_says(
            "Those whose description holds this text. It is added to the descriptions declared here."
        ),
    )


@attrs.frozen(kw_only=True)
class Exclude:
    """Teams to leave out."""

    ids: tuple[Word, ...] = attrs.field(default=(), metadata=_says("These team ids."))
    organizations: tuple[str, ...] = attrs.field(
        default=(),
        metadata=_says("The teams of organizations with these names; * ? and [...] are wildcards."),
    )
    organization_ids: tuple[Word, ...] = attrs.field(
        default=(), metadata=_says("The teams of the organizations with these ids.")
    )


@attrs.frozen(kw_only=True)
class Selection(Exclude):
    """Teams: whatever any of these names, less what is excluded."""

    all: bool = attrs.field(
        default=False, metadata=_says("Every team that doo names (of this file, in a webhook).")
    )
    exclude: Exclude = attrs.field(factory=Exclude, metadata=_says("Less these."))


@attrs.frozen(kw_only=True)
class DeclaredOrigin:
    """The GraphQL request that doo makes to build a hook's payload, in doo's own form."""

    body: str = attrs.field(
        metadata=_says("A JSON document {operationName, variables, query}, written as one text.")
    )
    endpoint: str = attrs.field(default=GRAPHQL, metadata=_says("Where doo sends it."))
    method: str = "POST"


@attrs.frozen(kw_only=True)
class DeclaredHook:
    """One trigger: what happens at doo, and the URL to tell about it."""

    type: str = attrs.field(metadata=_says("Such as event_created, without on_ before it.", known=HOOK_TYPES))
    endpoint: str = attrs.field(metadata=_says("The URL that doo calls."))
    method: str = "POST"
    query: str | None = attrs.field(
        default=None, metadata=_says("A GraphQL query whose answer is the payload; or give origin.")
    )
    variables: Mapping[str, Any] | None = attrs.field(
        default=None, metadata=_says("The query's variables; doo fills in placeholders such as %EVENT_ID%.")
    )
    operation_name: str | None = attrs.field(
        default=None, metadata=_says("Which operation of the query to run, if it holds several.")
    )
    origin: DeclaredOrigin | None = None


@attrs.frozen(kw_only=True)
class DeclaredCredentials:
    """What doo logs in with."""

    client_secret: str = attrs.field(
        metadata=_says(
            "A reference: ${secret:env:NAME}, ${secret:file:PATH}, or ${secret:listed} for the one that doo has already.",
            pattern=r"\$\{",
        )
    )
    client_id: str = "doo"


@attrs.frozen(kw_only=True)
class DeclaredAuthentication:
    """The OAuth server that doo asks for a token before it calls a hook."""

    endpoint: str = attrs.field(metadata=_says("The token URL."))
    credentials: DeclaredCredentials
    grant_type: str = "client_credentials"
    header_format: str = "Authorization"
    header_value_format: str = f"Bearer {ACCESS_TOKEN}"


def _name(declared: Declared) -> str:
    return declared.name


@attrs.frozen(kw_only=True)
class Declared:
    """A webhook configuration that each of its teams is to have."""

    name: str = attrs.field(
        metadata=_says("What people call it. What is listed under this name is what it replaces.")
    )
    hooks: tuple[DeclaredHook, ...] = attrs.field(
        metadata=_says("What happens at doo, each with the URL to tell about it.", least=1)
    )
    teams: Selection = attrs.field(
        default=Selection(all=True), metadata=_says("Which of the file's teams; all of them if left out.")
    )
    description: str | None = attrs.field(
        default=attrs.Factory(_name, takes_self=True), metadata=_says("The name if left out; null for none.")
    )
    event_id: Word | None = attrs.field(default=None, metadata=_says("Limits it to one event."))
    event_guide_id: Word | None = attrs.field(
        default=None, metadata=_says("Limits it to the events made with one guide.")
    )
    authentication: DeclaredAuthentication | None = None


@attrs.frozen(kw_only=True)
class Document:
    """Which webhook configurations doo is to have."""

    aiodoo: Literal[1] = attrs.field(metadata=_says("The version of this format."))
    manage: Manage
    teams: Selection = attrs.field(
        metadata=_says("The teams that this file looks after: all, a list of ids, or a selection.")
    )
    variables: Mapping[str, Word] = attrs.field(
        factory=dict,
        metadata=_says(
            "Texts for ${name}; team.id, organization.id and organization.name are there already."
        ),
    )
    webhooks: tuple[Declared, ...]
