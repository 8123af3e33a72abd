"""The events, orders and attendees that a sandbox knows, and the payloads that hooks make of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from aiodoo.sandbox.answers import Data
from aiodoo.sandbox.jsontext import dumps, loads

_PLACEHOLDER = re.compile(r"%[A-Z_]+%")
_PLURALS = {
    "event": "events",
    "order": "orders",
    "attendee": "attendees",
    "contact": "contacts",
    "invitee": "invitees",
}
_HAPPENINGS = {
    "event": ("created", "updated", "removed"),
    "order": ("created", "updated", "removed", "cancelled"),
    "attendee": ("pending", "validated", "cancelled", "checkin"),
}


def resource_of(hook_type: str) -> str:
    """Return the resource of a hook type: `events` for `event_created`."""
    noun = str(hook_type).partition("_")[0]
    if noun not in _PLURALS:
        raise ValueError(f"{hook_type} is no hook type of one of {', '.join(_PLURALS.values())}")
    return _PLURALS[noun]


def hook_types() -> list[str]:
    """Return the hook types that doo's pages name."""
    return [f"{noun}_{what}" for noun, happenings in _HAPPENINGS.items() for what in happenings]


class Items:
    """Items by resource and id; each is a JSON object with an `id`."""

    def __init__(self) -> None:
        self._items: dict[str, dict[str, Data]] = {}

    def put(self, resource: str, item: Data) -> str:
        """Add an item, or replace the one with its id; return the id as text."""
        if not isinstance(item, dict) or not isinstance(item.get("id"), int | str):
            raise ValueError("an item is an object with an id")  # noqa: TRY004  # the value is wrong
        try:
            dumps(item)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"an item is an object that JSON can express: {error}") from None
        number = str(item["id"])
        self._items.setdefault(resource, {})[number] = dict(item)
        return number

    def all(self, resource: str) -> list[Data]:
        """Return the items of a resource, in the order in which they were added."""
        return list(self._items.get(resource, {}).values())

    def payload(self, hook: Mapping[str, Any], resource: str, item: Data) -> Any:
        """Return what a hook delivers about an item: the answer to its query, or the item itself without an origin."""
        origin = hook.get("origin")
        if not isinstance(origin, Mapping):
            return dict(item)
        body = _fill(str(origin.get("body", "")), resource, item)
        try:
            request = loads(body.encode())
            return {"data": self._answer(request)}
        except (ValueError, TypeError, KeyError) as error:
            return {"errors": [{"message": str(error)}], "data": None}

    def _answer(self, request: Mapping[str, Any]) -> Data:
        try:
            from graphql import GraphQLError, parse  # noqa: PLC0415  # only deliveries need it
        except ImportError:
            raise RuntimeError(
                "hooks with a GraphQL origin need graphql-core: pip install 'aiodoo[sandbox]'"
            ) from None
        try:
            definitions: tuple[Any, ...] = tuple(parse(request["query"]).definitions)
        except GraphQLError as error:
            raise ValueError(error.message) from None
        operations = [each for each in definitions if each.kind == "operation_definition"]
        fragments = {each.name.value: each for each in definitions if each.kind == "fragment_definition"}
        name = request.get("operationName")
        chosen = next(
            (each for each in operations if name is None or (each.name and each.name.value == name)), None
        )
        if chosen is None:
            raise ValueError(f"there is no operation {name}")
        variables = request.get("variables") or {}
        return {
            _key(field): _select(field, self._root(field, variables), fragments)
            for field in _fields(chosen, fragments)
        }

    def _root(self, field: Any, variables: Mapping[str, Any]) -> Data | None:
        """Return the item that a field of the query's root names by its argument `id`."""
        from graphql import value_from_ast_untyped  # noqa: PLC0415  # as above

        resource = _PLURALS.get(field.name.value)
        for argument in field.arguments or ():
            if argument.name.value == "id":
                wanted = value_from_ast_untyped(argument.value, dict(variables))
                return self._items.get(resource or "", {}).get(str(wanted))
        return None


def _fields(node: Any, fragments: Mapping[str, Any], inside: frozenset[str] = frozenset()) -> Iterator[Any]:
    """Yield the selected fields of a node, those of its fragments included; an item counts as of any type."""
    for each in node.selection_set.selections:
        if each.kind == "field":
            yield each
        elif each.kind == "inline_fragment":
            yield from _fields(each, fragments, inside)
        elif (name := each.name.value) not in fragments or name in inside:
            raise ValueError(f"there is no fragment {name}, or it contains itself")
        else:
            yield from _fields(fragments[name], fragments, inside | {name})


def _select(field: Any, found: Any, fragments: Mapping[str, Any]) -> Any:
    """Return the selected fields of an object; those that it lacks are null."""
    if field.selection_set is None or found is None:
        return found
    if isinstance(found, list):
        return [_select(field, each, fragments) for each in found]
    if not isinstance(found, Mapping):
        return None
    return {
        _key(each): _select(each, found.get(each.name.value), fragments) for each in _fields(field, fragments)
    }


def _key(field: Any) -> str:
    return str(field.alias.value if field.alias else field.name.value)


def _fill(body: str, resource: str, item: Data) -> str:
    """Replace placeholders such as `%EVENT_ID%` by ids; those that nothing is known of stay."""
    noun = next(singular for singular, plural in _PLURALS.items() if plural == resource)
    known = {f"%{noun.upper()}_ID%": item["id"]}
    for other in ("event_id", "order_id", "organization_id"):
        if isinstance(item.get(other), int | str):
            known.setdefault(f"%{other.upper()}%", item[other])
    return _PLACEHOLDER.sub(lambda found: str(known.get(found[0], found[0])), body)
