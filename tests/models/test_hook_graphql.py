from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiodoo import ConfigError, Hook

ENDPOINT = "https://crm.example/doo"


def test_a_graphql_hook_carries_its_query_escaped() -> None:
    """The request is written as one text, in the order of doo's example."""
    hook = Hook.graphql(
        "event_created",
        endpoint=ENDPOINT,
        query="query ($eventId: ID!) {event(id: $eventId) { id title }}",
        variables={"eventId": "%EVENT_ID%"},
    )
    assert hook.origin is not None
    assert hook.origin.endpoint == "https://gql.doo.net"
    assert hook.origin.method == "POST"
    assert hook.origin.body == (
        '{"operationName":null,"variables":{"eventId":"%EVENT_ID%"},'
        '"query":"query ($eventId: ID!) {event(id: $eventId) { id title }}"}'
    )


def test_a_type_loses_the_prefix_of_doos_table() -> None:
    """Doo's table prints types with `on_`; its object wants them without."""
    assert Hook.graphql("on_event_created", endpoint=ENDPOINT, query="{a}").type == "event_created"


@given(query=st.text(min_size=1).filter(str.strip), name=st.none() | st.text())
def test_any_query_survives_the_escaping(query: str, name: str | None) -> None:
    """Quotes, line breaks and any script come out of the body as they went in."""
    hook = Hook.graphql("t", endpoint=ENDPOINT, query=query, operation_name=name)
    assert hook.origin is not None
    assert json.loads(hook.origin.body) == {"operationName": name, "variables": {}, "query": query}


@pytest.mark.parametrize(
    "variables", [{"a": date(2026, 1, 1)}, {"a": float("nan")}, {"a": b"x"}, {"a": object()}, {"a": (1,)}]
)
def test_variables_that_are_not_json_are_refused(variables: dict[str, Any]) -> None:
    """What JSON cannot say is not turned into something else in silence."""
    with pytest.raises(ConfigError, match="variables"):
        Hook.graphql("t", endpoint=ENDPOINT, query="{a}", variables=variables)


def test_an_empty_query_is_refused() -> None:
    """A GraphQL hook without a query cannot be meant."""
    with pytest.raises(ConfigError, match="query"):
        Hook.graphql("t", endpoint=ENDPOINT, query=" ")


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"type": None}, "type must be text"),
        ({"query": None}, "query must be text"),
        ({"query": b"{a}"}, "query must be text"),
        ({"variables": 5}, "variables must be a mapping"),
        ({"variables": [("a", 1)]}, "variables must be a mapping"),
        ({"operation_name": 5}, "operation_name must be text"),
    ],
)
def test_an_argument_of_another_kind_is_refused(changed: dict[str, Any], match: str) -> None:
    """By its name, with an error of ours."""
    with pytest.raises(ConfigError, match=match):
        Hook.graphql(**{"type": "t", "endpoint": ENDPOINT, "query": "{a}"} | changed)


def test_a_base_type_is_told_from_a_suffixed_one() -> None:
    """Lists append 32 hex digits to the type of a hook with an origin, and to no other."""
    suffix = "_92bd9a53281981160c955e339304b3e5"
    graphql = Hook.graphql("event_created" + suffix, endpoint=ENDPOINT, query="{a}")
    assert graphql.base_type == "event_created"
    assert Hook(type="event_created" + suffix, endpoint=ENDPOINT).base_type == "event_created" + suffix
    assert Hook.graphql("event_created", endpoint=ENDPOINT, query="{a}").base_type == "event_created"
