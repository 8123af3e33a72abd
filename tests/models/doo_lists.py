"""List answers for tests: doo's two printed examples, and any list that Hypothesis can think of."""

from __future__ import annotations

import json
import os
import secrets
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from aiodoo import WebhookConfiguration
from aiodoo.models.secret_fields import find_secrets, guard, is_mask
from aiodoo.protocol.answers import read_page
from aiodoo.protocol.wire import Answer

FUZZ_EXAMPLES = int(os.environ.get("AIODOO_FUZZ_EXAMPLES", "300"))
"""How many examples a fuzz test tries. Before a release:

AIODOO_FUZZ_EXAMPLES=200000 pytest tests/protocol/test_protocol_fuzz.py --timeout 0
"""

patient = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
"""For tests whose examples take long to draw, on machines that may be slow."""

SECRET = secrets.token_hex(16)
ENDPOINT = "https://requestb.in/123"


def authentication(secret: Any = SECRET) -> dict[str, Any]:
    """Return an authentication as lists show it."""
    return {
        "grant_type": "client_credentials",
        "endpoint": ENDPOINT,
        "credentials": {"client_id": "doo", "client_secret": secret},
        "header_format": "Authorization",
        "header_value_format": "Bearer %ACCESS_TOKEN%",
    }


def links(base: str) -> dict[str, Any]:
    """Return the links of a list, as wrong as doo's examples print them."""
    return {
        "self": {"href": f"{base}/team/111/webhooks?page=1"},
        "first": {"href": f"{base}/team/111/webhooks"},
        "last": {"href": f"{base}/team/111/webhooks?page=1"},
    }


def first_example() -> dict[str, Any]:
    """Return "Response example 1": seven plain hooks, and counters that do not add up."""
    types = (
        "event_created",
        "event_removed",
        "event_updated",
        "order_created",
        "order_removed",
        "order_updated",
        "order_cancelled",
    )
    webhook_id = "38cc7e8d-d107-11e7-bde8-0206116776d1"
    item = {
        "id": webhook_id,
        "name": "My Test Webhook",
        "description": "Webhook for testing all the hook types",
        "hooks": [{"type": name, "method": "POST", "endpoint": ENDPOINT} for name in types],
        "authentication": authentication(),
        "_links": {"self": {"href": f"https://api.doo.net/v1/webhooks/{webhook_id}"}},
    }
    return {
        "_links": links("https://integration.doo.net"),
        "_embedded": {"webhooks": [item]},
        "page_count": 1,
        "page_size": 25,
        "total_items": 5,
        "page": 1,
    }


def second_example() -> dict[str, Any]:
    """Return "Response example 2": two GraphQL hooks with suffixed types."""
    item = {
        "id": "04266663-6684-a883-66b2-cfa3e7572d33",
        "name": "My GraphQL Webhook",
        "description": "Webhook for testing hook types with GraphQL body",
        "hooks": [
            _graphql("event_created_92bd9a53281981160c955e339304b3e5", "EventCreatedShort"),
            _graphql("event_updated_2104384af7e8434f0058ed57163b6f33", "EventUpdatedShort"),
        ],
        "authentication": authentication(),
        "_links": {"self": {"href": "https://api.staging1.doo.net/v1/team/111/webhooks"}},
    }
    return {
        "_links": links("https://api.staging1.doo.net/v1"),
        "_embedded": {"webhooks": [item]},
        "page_count": 1,
        "page_size": 7,
        "total_items": 1,
        "page": 1,
    }


def _graphql(hook_type: str, operation: str) -> dict[str, Any]:
    query = f"query {operation}($id: ID!) {{\n event(id: $id) {{\n title\n }}\n}}\n"
    body = {"operationName": operation, "variables": {"id": "%EVENT_ID%"}, "query": query}
    return {
        "type": hook_type,
        "method": "POST",
        "endpoint": ENDPOINT,
        "origin": {
            "method": "POST",
            "endpoint": "https://gql.doo.net",
            "body": json.dumps(body, separators=(",", ":")),
        },
    }


def answer(body: Any, status: int = 200, **headers: str) -> Answer:
    """Return an answer with this body: bytes as they are, anything else as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"Content-Type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return Answer(status=status, headers=CIMultiDict(named), body=content)


def page_of(*items: Any, **counters: Any) -> dict[str, Any]:
    """Return a list page with these items."""
    return {"_embedded": {"webhooks": list(items)}, "page": 1, "page_count": 1, "page_size": 25} | counters


def listed(item: dict[str, Any], team_id: str = "111") -> WebhookConfiguration:
    """Return one listed item, read as every list is."""
    page = read_page(answer(page_of(item)), team_id, 1)
    assert page.faults == ()
    return page.items[0]


texts = st.text(max_size=12)
words = st.text("abcdefghijklmnop_äß€😀", min_size=1, max_size=10)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=4,
)
# Names that no known field has, whatever Hypothesis comes up with.
unknown_fields = st.dictionaries(words.map(lambda word: f"x_{word}"), json_values, max_size=2)
hosts = st.sampled_from(["crm.example", "CRM.example", "crm.example:8443", "other.example", "gql.doo.net"])
endpoints = st.builds(
    "https://{}{}{}".format,
    st.sampled_from(["", "user:word@"]),
    hosts,
    st.sampled_from(["", "/a", "/b?x=1#y"]),
)
types = st.sampled_from(["event_created", "order_removed", "attendee_checkin", "something_new"])
suffixes = st.text("0123456789abcdef", min_size=32, max_size=32).map(lambda text: f"_{text}")


@st.composite
def hook_items(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a hook as a list shows it: with an origin, its type is suffixed."""
    hook = {"type": draw(types), "method": "POST", "endpoint": draw(endpoints)} | draw(unknown_fields)
    if draw(st.booleans()):
        hook["type"] += draw(suffixes)
        hook["origin"] = {"method": "POST", "endpoint": draw(endpoints), "body": '{"query":"{a}"}'} | draw(
            unknown_fields
        )
    elif draw(st.booleans()):
        hook["origin"] = None
    return hook


@st.composite
def authentications(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an authentication as a list shows it, with unknown fields at both depths."""
    login = authentication(secrets.token_hex(8)) | {"endpoint": draw(endpoints)} | draw(unknown_fields)
    login["credentials"] |= draw(unknown_fields.filter(_shows_no_mask))
    return login


def _shows_no_mask(fields: dict[str, Any]) -> bool:
    """Return whether none of these credentials looks like a mask, such as `...`, with which nothing can be copied."""
    found = find_secrets(guard({"authentication": {"credentials": fields}}))
    return not any(is_mask(secret) for secret in found.values())


@st.composite
def items(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an item of a list with unknown fields at every depth, nulls and any text."""
    return {
        "id": draw(st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)),
        "name": draw(texts),
        "hooks": draw(st.lists(hook_items(), min_size=1, max_size=3)),
        "_links": {"self": {"href": "https://api.doo.net/v1/webhooks/x"}},
        **draw(unknown_fields),
        **draw(st.fixed_dictionaries({}, optional={
            "description": st.none() | texts,
            "authentication": st.none() | authentications(),
            "event_id": st.none() | st.integers(1, 10**6) | texts,
            "event_guide_id": st.none() | texts,
        })),
    }  # fmt: skip
