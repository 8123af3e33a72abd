"""Hooks, the triggers of a webhook configuration, and the origins of their payloads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import NoneType
from typing import Any, ClassVar, Self, TypedDict, Unpack

import attrs
import msgspec

from aiodoo.checks import check_kind, plain_text
from aiodoo.errors import ConfigError
from aiodoo.facts import Facts
from aiodoo.models.endpoints import shown_repr
from aiodoo.models.secret_fields import guard_extra
from aiodoo.models.texts import Listed, MadeFromList, plain_data, text
from aiodoo.models.vocabulary import HookType

GRAPHQL = "https://gql.doo.net"
"""The endpoint of an origin: doo's GraphQL API."""

_TYPE_SUFFIX = Facts().type_suffix


def _type(value: HookType | str) -> str:
    return text(value)


@attrs.frozen(kw_only=True)
class Origin(MadeFromList):
    """The GraphQL request whose answer is the payload of a hook ("Webhook configuration object").

    Attributes:
        body: a JSON document `{operationName, variables, query}` as text.
        endpoint: the URL that doo sends the request to.
        method: always POST.
        extra: fields that aiodoo does not know; kept and sent.
    """

    _TEXTS: ClassVar[tuple[str, ...]] = ("body", "endpoint", "method")
    body: str = attrs.field(repr=False, converter=text)
    endpoint: str = attrs.field(default=GRAPHQL, repr=shown_repr, converter=text)
    method: str = attrs.field(default="POST", converter=text)
    extra: Mapping[str, Any] = attrs.field(factory=dict, converter=guard_extra, repr=False, hash=False)
    _listed: Listed = attrs.field(default=(), alias="_listed", eq=False, repr=False)


class HookChanges(TypedDict, total=False):
    """The fields that `Hook.copy` can change; the others keep their values."""

    type: HookType | str
    endpoint: str
    method: str
    origin: Origin | None
    extra: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class Hook(MadeFromList):
    """One trigger: a type of occurrence, and the URL that doo calls for it ("Webhook configuration object").

    Attributes:
        type: such as `event_created`, without the `on_` of doo's table. Lists append a suffix if there is an origin;
            see `base_type`. A type that is not in `aiodoo.models.HOOK_TYPES` causes a warning, as it may be new.
        endpoint: the URL that doo calls. It may hold credentials, so its repr omits user-info and query.
        method: POST in doo's current pages; earlier ones also had GET, PUT, PATCH and DELETE.
        origin: the request that makes the payload; None for doo's default payload.
        extra: fields that aiodoo does not know; kept and sent.
    """

    _TEXTS: ClassVar[tuple[str, ...]] = ("type", "endpoint", "method")
    type: str = attrs.field(converter=_type)
    endpoint: str = attrs.field(repr=shown_repr, converter=text)
    method: str = attrs.field(default="POST", converter=text)
    origin: Origin | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, converter=guard_extra, repr=False, hash=False)
    _listed: Listed = attrs.field(default=(), alias="_listed", eq=False, repr=False)

    @property
    def base_type(self) -> str:
        """The type without the suffix that lists append to the types of hooks with an origin."""
        if self.origin is None:
            return self.type
        suffix = next((each for each in self._listed if isinstance(each, re.Pattern)), _TYPE_SUFFIX)
        return suffix.sub("", self.type)

    def copy(self, **changes: Unpack[HookChanges]) -> Self:
        """Return a copy with changes; all other fields are kept, including those that aiodoo does not know.

        Args:
            **changes: any of `type endpoint method origin extra`.

        Raises:
            ConfigError: a change has an unknown name.
        """
        if unknown := sorted(set(changes) - set(HookChanges.__annotations__)):
            raise ConfigError(
                f"cannot change {', '.join(unknown)} of a hook; the changes are "
                f"{', '.join(HookChanges.__annotations__)}. Nothing was sent."
            )
        return attrs.evolve(self, **changes)

    @classmethod
    def graphql(
        cls,
        type: HookType | str,  # noqa: A002  # doo's word
        *,
        endpoint: str,
        query: str,
        variables: Mapping[str, Any] | None = None,
        operation_name: str | None = None,
    ) -> Self:
        """Return a hook whose payload is the answer to a GraphQL query.

        Args:
            type: such as `event_created`; a leading `on_` is removed, as doo's object has none.
            endpoint: the URL that doo calls.
            query: a GraphQL query for https://gql.doo.net.
            variables: the variables of the query; doo fills in placeholders such as `%EVENT_ID%`.
            operation_name: the operation to run if the query has several.

        Raises:
            ConfigError: the query is empty, an argument has the wrong type, or JSON cannot hold the variables.
        """
        check_kind(type, "type", str, "text")
        check_kind(query, "query", str, "text")
        query, operation_name, variables = text(query), plain_text(operation_name), plain_data(variables)
        check_kind(variables, "variables", (Mapping, NoneType), "a mapping, or None")
        check_kind(operation_name, "operation_name", (str, NoneType), "text, or None")
        if not query.strip():
            raise ConfigError("query is empty; a GraphQL hook needs one. Nothing was sent.")
        request = {"operationName": operation_name, "variables": dict(variables or {}), "query": query}
        body = ""
        try:
            body = msgspec.json.encode(request).decode()
            faithful = msgspec.json.decode(body) == request
        except (TypeError, ValueError, RecursionError):
            faithful = False
        if not faithful:
            raise ConfigError("variables cannot be written as JSON; give plain data. Nothing was sent.")
        return cls(type=text(type).removeprefix("on_"), endpoint=endpoint, origin=Origin(body=body))
