from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aiodoo import AddWebhook, Authentication, ClientCredentials, ConfigError, Facts, Hook, Secret
from aiodoo.protocol import requests
from aiodoo.protocol.wire import Kind

FACTS = Facts()
SECRET = secrets.token_hex(16)
HOOK = Hook(type="event_created", endpoint="https://crm.example/doo")


def test_a_token_is_asked_for_in_json_and_without_a_token() -> None:
    """The three fields of "Authorization", and the API key alone in the headers."""
    request = requests.token("doo", Secret(SECRET))
    assert (request.kind, request.method, request.path, request.bearer) == (
        Kind.TOKEN,
        "POST",
        "/oauth",
        False,
    )
    assert json.loads(request.body) == {
        "client_id": "doo",
        "client_secret": SECRET,
        "grant_type": "client_credentials",
    }


def test_organizations_are_asked_for_as_documented() -> None:
    """The first page is asked for without a number."""
    request = requests.organizations()
    assert (request.method, request.path) == ("GET", "/organizers/current/organizations")
    assert (request.page, request.body, request.bearer) == (None, b"", True)
    assert requests.organizations(1).page is None
    assert requests.organizations(2).page == 2


def test_a_list_is_asked_for_page_by_page() -> None:
    """Only pages after the first carry their number."""
    first, second = requests.list_webhooks("111"), requests.list_webhooks("111", 2)
    assert (first.kind, first.method, first.path) == (Kind.LIST, "GET", "/team/111/webhooks")
    assert (first.team_id, first.page, second.page, second.path) == ("111", None, 2, first.path)


def test_a_create_carries_the_whole_object() -> None:
    """The body is the configuration in clear; it shows in no repr."""
    login = Authentication(
        endpoint="https://crm.example/t", credentials=ClientCredentials(client_secret=Secret(SECRET))
    )
    config = AddWebhook(name="crm", hooks=[HOOK], authentication=login)
    request = requests.create("111", config)
    assert (request.kind, request.method, request.path) == (Kind.CREATE, "POST", "/team/111/webhooks")
    assert json.loads(request.body) == config.to_dict(secrets="reveal")
    assert SECRET not in repr(request)


def test_a_create_that_doo_could_only_refuse_is_not_written() -> None:
    """The checks run before there is anything to send."""
    with pytest.raises(ConfigError, match="hooks is empty"):
        requests.create("111", AddWebhook(name="crm", hooks=[]))


@pytest.mark.parametrize("bearer", [True, False])
def test_a_delete_names_the_webhook_only(bearer: bool) -> None:  # noqa: FBT001
    """The path has no team; whether the token goes with it is a setting."""
    request = requests.delete("12", Facts(delete_sends_bearer=bearer), team_id="111")
    assert (request.kind, request.method, request.path) == (Kind.DELETE, "DELETE", "/webhooks/12")
    assert (request.webhook_id, request.team_id, request.bearer, request.body) == ("12", "111", bearer, b"")


BAD_IDS = ["", ".", "..", "a/b", "%2e%2e", "5#f", "5?x", "12\r\nX: y", "\u0663", "a" * 65, None, True, 1.5]


@pytest.mark.parametrize("bad", BAD_IDS)
def test_no_request_is_made_of_a_bad_id(bad: Any) -> None:
    """An id that is none never becomes part of a path or body."""
    config = AddWebhook(name="crm", hooks=[HOOK])
    for ask in (
        lambda: requests.list_webhooks(bad),
        lambda: requests.create(bad, config),
        lambda: requests.delete(bad, FACTS),
        lambda: requests.initialize(bad, organization_id=7, facts=FACTS),
        lambda: requests.initialize("events", organization_id="a/b" if bad is None else bad, facts=FACTS),
        lambda: requests.initialize(
            "events", organization_id=7, webhook_configuration_id="a/b" if bad is None else bad, facts=FACTS
        ),
    ):
        with pytest.raises(ConfigError):
            ask()


@pytest.mark.parametrize("page", [0, -1, True, 1.0, "2"])
def test_no_request_is_made_of_a_bad_page(page: Any) -> None:
    """Pages count from 1."""
    with pytest.raises(ConfigError, match="page"):
        requests.list_webhooks("111", page)


def initialized(resource: str = "events", **given: Any) -> dict[str, Any]:
    """Return the body of an initialization."""
    facts = given.pop("facts", FACTS)
    request = requests.initialize(resource, **{"organization_id": 7, "event_id": 8} | given, facts=facts)
    body: dict[str, Any] = json.loads(request.body)
    return body


@pytest.mark.parametrize(
    ("resource", "scope"),
    [
        ("events", "organization_id"),
        ("contacts", "organization_id"),
        ("orders", "event_id"),
        ("attendees", "event_id"),
        ("invitees", "event_id"),
    ],
)
def test_a_known_resource_needs_its_scope(resource: str, scope: str) -> None:
    """Doo's page says for each resource which id must be there."""
    request = requests.initialize(resource, **{scope: "12345"}, facts=FACTS)  # type: ignore[arg-type]
    assert (request.kind, request.method, request.path) == (
        Kind.INITIALIZE,
        "POST",
        f"/webhooks/init/{resource}",
    )
    assert json.loads(request.body) == {scope: 12345}
    with pytest.raises(ConfigError, match=f"{resource} needs {scope}="):
        requests.initialize(resource, facts=FACTS)


def test_an_unknown_resource_is_doos_to_judge() -> None:
    """Doo may add resources; nothing is known of what they need."""
    assert requests.initialize("tickets", facts=FACTS).path == "/webhooks/init/tickets"


@pytest.mark.parametrize(
    ("given", "sent"), [("7", 7), (7, 7), ("007", "007"), ("a7", "a7"), ("9" * 40, int("9" * 40)), ("0", 0)]
)
def test_scope_ids_are_numbers_where_they_can_be(given: Any, sent: Any) -> None:
    """Doo's examples print them as JSON numbers; nothing is lost in making them so."""
    assert initialized(organization_id=given)["organization_id"] == sent


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (FACTS.time_zone, "2021-07-25 09:00:00"),
        (ZoneInfo("Europe/Berlin"), "2021-07-25 10:00:00"),
        (UTC, "2021-07-25 08:00:00"),
    ],
)
def test_times_are_told_in_doos_zone(zone: Any, text: str) -> None:
    """A time with any zone is sent in the zone that the facts say, CET all year by default."""
    moment = datetime(2021, 7, 25, 4, 0, 0, 999999, tzinfo=timezone(timedelta(hours=-4)))
    body = initialized(last_updated_after=moment, last_updated_before=moment, facts=Facts(time_zone=zone))
    assert (body["last_updated_after"], body["last_updated_before"]) == (text, text)


@pytest.mark.parametrize("moment", [datetime(2021, 7, 25), "2021-07-25 09:00:00"])  # noqa: DTZ001
def test_times_without_a_zone_are_refused(moment: Any) -> None:
    """Nobody knows what a naive time means."""
    with pytest.raises(ConfigError, match="last_updated_after must be a datetime with a time zone"):
        initialized(last_updated_after=moment)


def test_types_are_forwarded_as_spelled() -> None:
    """Whether doo wants `on_` here is not documented, so both spellings go through, always as a list."""
    assert initialized(webhook_types=("on_event_created", "order_created"))["webhook_type"] == [
        "on_event_created",
        "order_created",
    ]
    assert initialized(webhook_types="event_created")["webhook_type"] == ["event_created"]


@pytest.mark.parametrize("types", [[], [""], [None], ""])
def test_no_types_is_not_all_types(types: Any) -> None:
    """An empty choice is a mistake, as leaving it out would mean everything."""
    with pytest.raises(ConfigError, match="webhook_types"):
        initialized(webhook_types=types)


@pytest.mark.parametrize("rate", [0, -1, 1.5, "50", True])
def test_a_rate_is_at_least_one(rate: Any) -> None:
    """Doo documents a minimum and disagrees with itself on the maximum, which is therefore not checked."""
    with pytest.raises(ConfigError, match="max_rate_per_min"):
        initialized(max_rate_per_min=rate)
    assert initialized(max_rate_per_min=1000)["max_rate_per_min"] == 1000


@pytest.mark.parametrize("webhook_id", ["12", 12])
def test_a_configuration_can_be_named(webhook_id: str | int) -> None:
    """The configuration's id is sent as text, and kept for reports."""
    request = requests.initialize(
        "events", organization_id=7, webhook_configuration_id=webhook_id, facts=FACTS
    )
    assert json.loads(request.body)["webhook_configuration_id"] == "12"
    assert request.webhook_id == "12"


def test_headers_are_those_of_doos_examples() -> None:
    """Every request names its type and carries the API key; the token goes along where it is wanted."""
    key, token = Secret(secrets.token_hex(8)), Secret(secrets.token_hex(8))
    assert requests.headers(requests.list_webhooks("111"), key, token) == {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "x-api-key": key.reveal(),
        "Authorization": f"Bearer {token.reveal()}",
    }
    assert "Authorization" not in requests.headers(requests.token("doo", SECRET), key, token)
    without = requests.delete("12", Facts(delete_sends_bearer=False))
    assert "Authorization" not in requests.headers(without, key, token)
