"""Which bodies are refused, by the rules doo's pages print."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest
from sandbox_asker import asker, read

from aiodoo.sandbox import classic, graphql

DELETED = object()


def _changed(content: Any, path: str, value: Any) -> Any:
    *way, last = [int(step) if step.isdecimal() else step for step in path.split(".")]
    inner = content
    for step in way:
        inner = inner[step]
    if value is DELETED:
        del inner[last]
    else:
        inner[last] = value
    return content


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", DELETED),
        ("name", ""),
        ("name", "x" * 256),
        ("name", 5),
        ("description", None),
        ("description", "x" * 256),
        ("event_id", ["5"]),
        ("hooks", DELETED),
        ("hooks", []),
        ("hooks", {"type": "event_created"}),
        ("hooks.1", "event_created"),
        ("hooks.1.type", DELETED),
        ("hooks.1.type", ""),
        ("hooks.1.type", "event_created_" + "0123456789abcdef" * 2),
        ("hooks.1.method", 1),
        ("hooks.1.endpoint", DELETED),
        ("hooks.1.endpoint", "crm.example/doo"),
        ("hooks.1.endpoint", "ftp://crm.example/doo"),
        ("hooks.1.endpoint", "https://"),
        ("hooks.1.endpoint", "https://[crm.example"),
        ("hooks.1.endpoint", "https://crm.example/" + "x" * 1000),
        ("hooks.1.origin", None),
        ("hooks.1.origin.endpoint", DELETED),
        ("hooks.1.origin.body", DELETED),
        ("hooks.1.origin.body", {"query": "{}"}),
        ("hooks.1.origin.body", "query { x }"),
        ("hooks.1.origin.body", "[]"),
        ("authentication", None),
        ("authentication.endpoint", DELETED),
        ("authentication.endpoint", "x"),
        ("authentication.credentials", DELETED),
        ("authentication.credentials.client_secret", DELETED),
        ("authentication.credentials.client_secret", None),
        ("authentication.header_format", ""),
        ("authentication.header_value_format", "Bearer"),
        ("authentication.header_value_format", "x" * 100 + "%ACCESS_TOKEN%"),
    ],
)
def test_create_refused(path: str, value: Any) -> None:
    """A webhook that breaks a rule is refused with 400 in doo's envelope, and nothing is created."""
    client = asker()
    answer = client.create("111", _changed(graphql(), path, value))
    assert (answer.status, read(answer)["response_status"]) == (400, 400)
    assert client.box.live("111") == []
    assert client.box.log.requests[-1].acted is False


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("description", DELETED),
        ("description", ""),
        ("name", "x" * 255),
        ("event_id", "5"),
        ("event_guide_id", 5),
        ("authentication", DELETED),
        ("authentication.header_value_format", "%ACCESS_TOKEN%"),
        ("hooks.0.type", "something_new"),
        ("hooks.0.endpoint", "http://crm.example:8080/a?b=c#d"),
    ],
)
def test_create_accepted(path: str, value: Any) -> None:
    """What the rules leave open is accepted."""
    assert asker().create("111", _changed(classic(), path, value)).status == 200


def test_settings_for_what_is_disputed() -> None:
    """A description may be required, and a listed suffix may be kept as if it were part of the type."""
    assert (
        asker(description_required=True).create("111", _changed(classic(), "description", DELETED)).status
        == 400
    )
    client = asker(suffixed_types="kept", type_suffix=False)
    type_ = "event_created_" + "0" * 32
    client.create("111", _changed(graphql(), "hooks.0.type", type_))
    assert client.list("111")["_embedded"]["webhooks"][0]["hooks"][0]["type"] == type_


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"NaN", b"[" * 5000, b"{}{}"])
@pytest.mark.parametrize("path", ["/oauth", "/team/111/webhooks", "/webhooks/init/events"])
def test_body_must_be_an_object(path: str, body: bytes) -> None:
    """A body that is not one JSON object is refused with 400."""
    assert asker().ask("POST", path, raw=body).status == 400


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_body_must_be_sent_as_json(kind: str | None) -> None:
    """A body sent as something else than JSON is refused with 400; parameters of the type do not matter."""
    client = asker()
    body = json.dumps(classic()).encode()
    assert client.ask("POST", "/team/111/webhooks", raw=body, headers={"Content-Type": kind}).status == 400
    kind = "Application/JSON; charset=utf-8"
    assert client.ask("POST", "/team/111/webhooks", raw=body, headers={"Content-Type": kind}).status == 200


def test_a_refusal_repeats_no_value() -> None:
    """The message of a refusal names the member, never what was in it."""
    secret = secrets.token_hex(600)
    answer = asker().create("111", _changed(classic(), "authentication.credentials.client_secret", [secret]))
    assert answer.status == 400
    assert b"client_secret" in answer.body
    assert secret.encode() not in answer.body


ORDERS = {"event_id": 12345}


@pytest.mark.parametrize(
    ("resource", "content", "status"),
    [
        ("events", {"organization_id": 7}, 200),
        ("contacts", {"organization_id": "7"}, 200),
        ("events", {"event_id": 7}, 400),
        ("orders", ORDERS, 200),
        ("attendees", ORDERS, 200),
        ("invitees", ORDERS, 200),
        ("orders", {"organization_id": 7}, 400),
        ("orders", {"event_id": "x"}, 400),
        ("orders", {"event_id": True}, 400),
        ("orders", {"event_id": None}, 400),
        ("orders", ORDERS | {"last_updated_after": "2021-03-25 09:00:00"}, 200),
        ("orders", ORDERS | {"last_updated_before": "2021-03-25T09:00:00"}, 400),
        ("orders", ORDERS | {"last_updated_before": "2021-3-25 9:00:00"}, 400),
        ("orders", ORDERS | {"last_updated_before": 5}, 400),
        ("orders", ORDERS | {"webhook_type": ["order_created", "on_order_updated"]}, 200),
        ("orders", ORDERS | {"webhook_type": "order_created"}, 400),
        ("orders", ORDERS | {"webhook_type": [1]}, 400),
        ("orders", ORDERS | {"webhook_configuration_id": "12"}, 200),
        ("orders", ORDERS | {"webhook_configuration_id": 12}, 400),
        ("orders", ORDERS | {"max_rate_per_min": 100}, 200),
        ("orders", ORDERS | {"max_rate_per_min": 0}, 400),
        ("orders", ORDERS | {"max_rate_per_min": "5"}, 400),
    ],
)
def test_initialization(resource: str, content: Any, status: int) -> None:
    """An initialization names the event or the organization its resource belongs to; the rest is optional."""
    assert asker().ask("POST", f"/webhooks/init/{resource}", content).status == status
