"""What the sandbox delivers, to whom, and how often; without a network, in the box's own time."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from aiodoo.sandbox import Box, control, serve


def hook(
    type_: str, endpoint: str = "http://127.0.0.1:9/x", query: str | None = None, **variables: str
) -> dict[str, Any]:
    """Return a hook, with an origin if there is a query."""
    made: dict[str, Any] = {"type": type_, "method": "POST", "endpoint": endpoint}
    if query is not None:
        body = json.dumps({"operationName": None, "variables": variables, "query": query})
        made["origin"] = {"method": "POST", "endpoint": "https://gql.doo.net", "body": body}
    return made


def box(*hooks: dict[str, Any], **content: Any) -> Box:
    """Return a box whose first team has one webhook with these hooks."""
    made = Box(organizations=2, plan=None)
    made.add_webhook("111", {"name": "app", "hooks": list(hooks), **content})
    return made


QUERY = "query ($id: ID!) { event(id: $id) { id name: title place { city } } }"


def test_a_query_selects_what_is_delivered() -> None:
    """Placeholders become ids, aliases are kept, and fields that the item lacks are null."""
    made = box(hook("event_created", query=QUERY, id="%EVENT_ID%"))
    [delivery] = made.fire(
        "event_created", {"id": 7, "title": "Fair", "seats": 3, "place": {"city": "Bonn", "zip": 1}}
    )
    assert delivery.payload == {"data": {"event": {"id": 7, "name": "Fair", "place": {"city": "Bonn"}}}}
    [other] = made.fire("event_created", {"id": 8})
    assert other.payload == {"data": {"event": {"id": 8, "name": None, "place": None}}}


@pytest.mark.parametrize(
    "query",
    [
        "query ($id: ID!) { event(id: $id) { ...Names } } fragment Names on Event { id title }",
        "query ($id: ID!) { event(id: $id) { id ... on Event { title } } }",
        "query ($id: ID!) { ...All } fragment All on Query { event(id: $id) { id title } }",
    ],
)
def test_a_query_may_have_fragments(query: str) -> None:
    """Their fields are selected as if they stood in their place."""
    [delivery] = box(hook("event_created", query=query, id="%EVENT_ID%")).fire(
        "event_created", {"id": 7, "title": "Fair"}
    )
    assert delivery.payload == {"data": {"event": {"id": 7, "title": "Fair"}}}


@pytest.mark.parametrize(
    ("query", "answered"),
    [
        ("{ event(id: {a: 1}) { id } }", {"event": None}),
        ("{ event { id } events { id } }", {"event": None, "events": None}),
        ("{ event(id: 7) { ...Lost } }", None),
        ("{ event(id: 7) { ...Round } } fragment Round on Event { ...Round }", None),
    ],
)
def test_a_query_that_finds_nothing_is_answered_all_the_same(query: str, answered: Any) -> None:
    """Nothing is raised to whoever fires the event or asks for an initialization."""
    [delivery] = box(hook("event_created", query=query)).fire("event_created", {"id": 7})
    assert delivery.payload["data"] == answered


@pytest.mark.parametrize("query", ["query {", "", "nothing"])
def test_a_query_that_is_none_is_answered_with_errors(query: str) -> None:
    """As a GraphQL server does: `data` is null."""
    [delivery] = box(hook("event_created", query=query)).fire("event_created", {"id": 7})
    assert delivery.payload["data"] is None
    assert delivery.payload["errors"]


def test_what_cannot_be_answered_delivers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without graphql-core the message names the extra, and no other hook is fired in part."""
    monkeypatch.setitem(sys.modules, "graphql", None)
    made = box(hook("event_created"), hook("event_created", query=QUERY, id="%EVENT_ID%"))
    with pytest.raises(RuntimeError, match=r"aiodoo\[sandbox\]"):
        made.fire("event_created", {"id": 7})
    assert made.outbox.deliveries == []


def test_only_hooks_of_the_type_team_and_event_deliver() -> None:
    """A webhook that is limited to an event hears of no other; another team's or type's hook does not deliver."""
    made = box(hook("order_created"), hook("event_created"), event_id="7")
    made.add_webhook("112", {"name": "other", "hooks": [hook("order_created")]})
    assert len(made.fire("order_created", {"id": 1, "event_id": 7})) == 2
    assert [each.type for each in made.fire("order_created", {"id": 1, "event_id": 7}, team="111")] == [
        "order_created"
    ]
    assert made.fire("order_created", {"id": 1, "event_id": 8}, team="111") == []
    assert made.fire("attendee_pending", {"id": 1, "event_id": 7}) == []


def test_what_is_not_answered_with_200_is_tried_ten_times() -> None:
    """At the times that the pause says; then it is dead."""
    made = Box(organizations=1, plan=None, delivery_pause=lambda failures: 2.0**failures)
    made.add_webhook("111", {"name": "app", "hooks": [hook("event_created")]})
    [delivery] = made.fire("event_created", {"id": 7}, now=1.0)
    times = []
    while (due := made.outbox.next_due()) is not None:
        assert made.outbox.take(due - 0.5) is None
        taken = made.outbox.take(due)
        assert taken is delivery
        times.append(due)
        made.outbox.end(delivery, 204, due)
    assert (delivery.state, delivery.attempts) == ("dead", [204] * 10)
    assert times[:4] == [1.0, 3.0, 7.0, 15.0]


def test_nothing_leaves_this_machine() -> None:
    """Neither a delivery nor the secrets of a token request, unless the host is named."""
    outside = hook("event_created", "https://crm.example/x")
    [delivery] = box(outside).fire("event_created", {"id": 7})
    assert delivery.state == "not_sent"
    login = {"endpoint": "https://crm.example/token", "grant_type": "client_credentials", "credentials": {}}
    [delivery] = box(hook("event_created"), authentication=login).fire("event_created", {"id": 7})
    assert delivery.state == "not_sent"
    named = Box(organizations=1, plan=None, delivers_to={"crm.example"})
    named.add_webhook("111", {"name": "app", "hooks": [outside]})
    [delivery] = named.fire("event_created", {"id": 7})
    assert delivery.state == "waiting"


@pytest.mark.parametrize(
    ("hook_type", "item"),
    [
        ("event_created", {}),
        ("event_created", []),
        ("event_created", {"id": 1, "title": "\ud800"}),
        ("event_created", {"id": 1, "when": object()}),
        ("nothing_created", {"id": 1}),
    ],
)
def test_what_cannot_happen_is_refused(hook_type: str, item: Any) -> None:
    """An item has an id and can be sent as JSON, and a type belongs to a resource."""
    with pytest.raises(ValueError, match=r"an item is|is no hook type"):
        box().fire(hook_type, item)


def test_a_reset_forgets_deliveries() -> None:
    """An attempt that is in flight then is not noted."""
    made = box(hook("event_created"))
    [delivery] = made.fire("event_created", {"id": 7})
    assert made.outbox.take(0.0) is delivery
    made.reset()
    made.outbox.end(delivery, 200, 1.0)
    assert (made.outbox.deliveries, made.outbox.is_empty, delivery.attempts) == ([], True, [])


def test_without_the_package_for_queries_another_process_is_told_which(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is an extra, which a plain installation lacks."""
    monkeypatch.setitem(sys.modules, "graphql", None)
    with serve(organizations=1, plan=None) as sandbox:
        sandbox.add_webhook("111", {"name": "app", "hooks": [hook("event_created", query=QUERY)]})
        with pytest.raises(ValueError, match="graphql-core"):
            control.execute(sandbox, {"do": "fire", "hook_type": "event_created", "item": {"id": 7}})


def test_another_process_fires_and_asks() -> None:
    """By control messages; no answer holds a secret."""
    with serve(organizations=1, plan=None, delivery_pause=0.0) as sandbox:
        sandbox.add_webhook("111", {"name": "app", "hooks": [hook("event_created")]})
        [made] = control.execute(sandbox, {"do": "fire", "hook_type": "event_created", "item": {"id": 7}})
        assert (made["number"], made["type"]) == (1, "event_created")
        sandbox.deliveries.wait(60)
        [made] = control.execute(sandbox, {"do": "deliveries"})
        assert (made["state"], made["attempts"]) == ("dead", ["no answer"] * 10)
