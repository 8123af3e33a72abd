"""The endpoints of a receiver: one for each hook type, as doo's requests do not say their type."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import attrs

from aiodoo.errors import ConfigError
from aiodoo.models.hook import Hook
from aiodoo.receiver.delivery import Delivery

Handler: TypeAlias = Callable[[Delivery], Awaitable[object]]
"""An async function that handles one delivery; what it returns is not used."""

KeyFunction: TypeAlias = Callable[[Delivery], str | None]
"""A function that returns the same key for deliveries that are duplicates; None for one that has none."""

_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")


@attrs.frozen(kw_only=True)
class Route:
    """One hook type with its endpoint and handler.

    Attributes:
        type: the hook type, without `on_`.
        path: the path below the receiver's.
        handler: the async function.
        query: the GraphQL query of the payload; None for doo's default payload.
        variables: the variables of the query.
        operation_name: the operation to run if the query has several.
        read: reads the payload as the class that the handler wants.
        key: returns the key of duplicates.
    """

    type: str
    path: str
    handler: Handler
    query: str | None
    variables: Mapping[str, Any] | None
    operation_name: str | None
    read: Callable[[Any], Any]
    key: KeyFunction

    def hook(self, base_url: str) -> Hook:
        """Return the hook that makes doo call this endpoint."""
        endpoint = base_url + self.path
        if self.query is None:
            return Hook(type=self.type, endpoint=endpoint)
        return Hook.graphql(
            self.type,
            endpoint=endpoint,
            query=self.query,
            variables=self.variables,
            operation_name=self.operation_name,
        )


def check_path(path: object, name: str) -> str:
    """Return a path such as `/event_created`.

    Raises:
        ConfigError: it is not one.
    """
    if not isinstance(path, str) or _PATH.fullmatch(path) is None or {".", ".."} & set(path.split("/")):
        raise ConfigError(f"{name} must be a path such as /event_created")
    return path
