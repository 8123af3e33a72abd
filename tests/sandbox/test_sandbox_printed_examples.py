"""doo's two printed list examples, which the box must be able to answer with, member for member."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest
from sandbox_asker import asker

from aiodoo.sandbox import Settings, classic, graphql

SECRET = secrets.token_hex(16)
ENDPOINT = "https://requestb.in/123"

AUTHENTICATION = {
    "grant_type": "client_credentials",
    "endpoint": ENDPOINT,
    "credentials": {"client_id": "doo", "client_secret": SECRET},
    "header_format": "Authorization",
    "header_value_format": "Bearer %ACCESS_TOKEN%",
}

FIRST = {
    "_links": {
        "self": {"href": "https://integration.doo.net/team/111/webhooks?page=1"},
        "first": {"href": "https://integration.doo.net/team/111/webhooks"},
        "last": {"href": "https://integration.doo.net/team/111/webhooks?page=1"},
    },
    "_embedded": {
        "webhooks": [
            {
                "id": "38cc7e8d-d107-11e7-bde8-0206116776d1",
                "name": "My Test Webhook",
                "description": "Webhook for testing all the hook types",
                "hooks": [
                    {"type": "event_created", "method": "POST", "endpoint": ENDPOINT},
                    {"type": "event_removed", "method": "POST", "endpoint": ENDPOINT},
                    {"type": "event_updated", "method": "POST", "endpoint": ENDPOINT},
                    {"type": "order_created", "method": "POST", "endpoint": ENDPOINT},
                    {"type": "order_removed", "method": "POST", "endpoint": ENDPOINT},
                    {"type": "order_updated", "method": "POST", "endpoint": ENDPOINT},
                    {"type": "order_cancelled", "method": "POST", "endpoint": ENDPOINT},
                ],
                "authentication": AUTHENTICATION,
                "_links": {
                    "self": {"href": "https://api.doo.net/v1/webhooks/38cc7e8d-d107-11e7-bde8-0206116776d1"}
                },
            }
        ]
    },
    "page_count": 1,
    "page_size": 25,
    "total_items": 5,
    "page": 1,
}

SECOND = {
    "_links": {
        "self": {"href": "https://api.staging1.doo.net/v1/team/111/webhooks?page=1"},
        "first": {"href": "https://api.staging1.doo.net/v1/team/111/webhooks"},
        "last": {"href": "https://api.staging1.doo.net/v1/team/111/webhooks?page=1"},
    },
    "_embedded": {
        "webhooks": [
            {
                "id": "04266663-6684-a883-66b2-cfa3e7572d33",
                "name": "My GraphQL Webhook",
                "description": "Webhook for testing hook types with GraphQL body",
                "hooks": [
                    {
                        "type": "event_created_92bd9a53281981160c955e339304b3e5",
                        "method": "POST",
                        "endpoint": ENDPOINT,
                        "origin": {
                            "method": "POST",
                            "endpoint": "https://gql.doo.net",
                            "body": (
                                '{"operationName":"EventCreatedShort","variables":{"id":"%EVENT_ID%"},"query":'
                                '"query EventCreatedShort($id: ID!) {\\n event(id: $id) {\\n title\\n }\\n}\\n"}'
                            ),
                        },
                    },
                    {
                        "type": "event_updated_2104384af7e8434f0058ed57163b6f33",
                        "method": "POST",
                        "endpoint": ENDPOINT,
                        "origin": {
                            "method": "POST",
                            "endpoint": "https://gql.doo.net",
                            "body": (
                                '{"operationName":"EventUpdatedShort","variables":{"id":"%EVENT_ID%"},"query":'
                                '"query EventUpdatedShort($id: ID!) {\\n event(id: $id) {\\n title\\n }\\n}\\n"}'
                            ),
                        },
                    },
                ],
                "authentication": AUTHENTICATION,
                "_links": {"self": {"href": "https://api.staging1.doo.net/v1/team/111/webhooks"}},
            }
        ]
    },
    "page_count": 1,
    "page_size": 7,
    "total_items": 1,
    "page": 1,
}

SETTINGS = {
    "first": Settings(
        public_host="https://integration.doo.net",
        backend_host="https://api.doo.net",
        list_links="no_v1",
        item_links="api_host",
        page_size=25,
        total_items=lambda _: 5,
    ),
    "second": Settings(
        backend_host="https://api.staging1.doo.net",
        list_links="other_host",
        item_links="collection",
        page_size=7,
        type_suffix=lambda _, hook: (
            "92bd9a53281981160c955e339304b3e5",
            "2104384af7e8434f0058ed57163b6f33",
        )[hook],
    ),
}


@pytest.mark.parametrize(
    ("name", "printed", "posted"),
    [("first", FIRST, classic), ("second", SECOND, graphql)],
    ids=["first", "second"],
)
def test_printed_example(name: str, printed: dict[str, Any], posted: Any) -> None:
    """A list of one posted example is what doo prints: every member, every value, in the order printed."""
    client = asker(settings=SETTINGS[name])
    webhook_id = printed["_embedded"]["webhooks"][0]["id"]
    client.box.add_webhook("111", posted(endpoint=ENDPOINT, client_secret=SECRET), webhook_id=webhook_id)
    answer = client.ask("GET", "/team/111/webhooks")
    assert answer.status == 200
    assert json.dumps(json.loads(answer.body)) == json.dumps(printed)


@pytest.mark.parametrize(
    ("name", "printed", "posted"),
    [("first", FIRST, classic), ("second", SECOND, graphql)],
    ids=["first", "second"],
)
def test_printed_example_with_ids_of_the_box(name: str, printed: dict[str, Any], posted: Any) -> None:
    """Created over the wire, it differs from the printed one in its id alone, and in where that id is repeated."""
    client = asker(settings=SETTINGS[name])
    created = json.loads(client.create("111", posted(endpoint=ENDPOINT, client_secret=SECRET)).body)
    expected = json.dumps(printed).replace(printed["_embedded"]["webhooks"][0]["id"], created["data"])
    assert json.dumps(client.list("111")) == expected


@pytest.mark.parametrize("make", [classic, graphql])
def test_examples_get_random_secrets(make: Any) -> None:
    """An example made without a client secret gets one that nobody has."""
    assert len({json.dumps(make()["authentication"]["credentials"]) for _ in range(10)}) == 10
