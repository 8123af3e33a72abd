"""Builds the requests to doo and their headers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from aiodoo.checks import MOST, check_id, is_count, is_text, plain_text
from aiodoo.errors import ConfigError
from aiodoo.facts import Facts
from aiodoo.models import RESOURCES, AddWebhook, check, check_config
from aiodoo.models.copying import unsuffixed
from aiodoo.protocol.wire import Kind, Request
from aiodoo.secret import Secret

_FACTS = Facts()


def token(client_id: str | Secret, client_secret: str | Secret) -> Request:
    """Build the request for a token ("Authorization")."""
    body = {
        "client_id": Secret(client_id).reveal(),
        "client_secret": Secret(client_secret).reveal(),
        "grant_type": "client_credentials",
    }
    return Request(
        kind=Kind.TOKEN, method="POST", path="/oauth", body=msgspec.json.encode(body), bearer=False
    )


def organizations(page: int | None = None) -> Request:
    """Build the request for the organizations and teams of the account ("Get all organizations and teams")."""
    return Request(
        kind=Kind.ORGANIZATIONS,
        method="GET",
        path="/organizers/current/organizations",
        page=_page(page or 1),
    )


def list_webhooks(team_id: str | int, page: int = 1) -> Request:
    """Build the request for one page of a team's list ("List webhook configurations")."""
    return next_list_page(check_id(team_id, "team id"), _page(page) or 1)


def next_list_page(team_id: str, page: int) -> Request:
    """Build the same request for a team id and a number that were checked.

    The first page is requested without `?page=`, as doo's pages show it.
    """
    return Request(
        kind=Kind.LIST,
        method="GET",
        path=f"/team/{team_id}/webhooks",
        page=page if page > 1 else None,
        team_id=team_id,
    )


def create(
    team_id: str | int, config: AddWebhook, facts: Facts = _FACTS, *, is_checked: bool = False
) -> Request:
    """Build the request for a new webhook configuration ("Create webhook configuration").

    The rules of `models.rules` are not checked here; the callers do so when they receive the configuration.

    Args:
        team_id: the team that the webhook configuration belongs to.
        config: its content.
        facts: has the suffix of listed types, which is not sent.
        is_checked: whether the caller has just checked the configuration, with these facts.

    Raises:
        ConfigError: the configuration cannot be sent.
    """
    team_id = check_id(team_id, "team id")
    config = unsuffixed(check_config(config), facts.type_suffix)
    if not is_checked:
        check(config)  # pyright: ignore[reportArgumentType]  # takes a field with a converter for a descriptor
    return Request(
        kind=Kind.CREATE,
        method="POST",
        path=f"/team/{team_id}/webhooks",
        body=msgspec.json.encode(config.to_dict(secrets="reveal")),
        team_id=team_id,
    )


def delete(webhook_id: str | int, facts: Facts, *, team_id: str | None = None) -> Request:
    """Build the request that deletes a webhook configuration ("Remove webhook configuration").

    Args:
        webhook_id: the id as listed.
        facts: says whether the request carries the token.
        team_id: the team of the webhook configuration, for messages and events; it is not sent.
    """
    webhook_id = check_id(webhook_id)
    return Request(
        kind=Kind.DELETE,
        method="DELETE",
        path=f"/webhooks/{webhook_id}",
        team_id=team_id,
        webhook_id=webhook_id,
        bearer=facts.delete_sends_bearer,
    )


def initialize(
    resource: str,
    *,
    facts: Facts,
    organization_id: str | int | None = None,
    event_id: str | int | None = None,
    last_updated_after: datetime | None = None,
    last_updated_before: datetime | None = None,
    webhook_types: Iterable[str] | None = None,
    webhook_configuration_id: str | int | None = None,
    max_rate_per_min: int | None = None,
) -> Request:
    """Build the request that makes doo send a webhook for each existing item ("Webhook initialization").

    Args:
        resource: such as `events`; an unknown one is sent unchanged.
        facts: has the time zone in which doo reads times.
        organization_id: required for events and contacts.
        event_id: required for orders, attendees and invitees.
        last_updated_after: only items updated after this time, to the second; must be timezone-aware.
        last_updated_before: only items updated before this time, to the second; must be timezone-aware.
        webhook_types: only these types, sent unchanged; None for all of the resource.
        webhook_configuration_id: only this configuration; None for all.
        max_rate_per_min: the maximum of webhooks that doo sends in a minute, at least 1.

    Raises:
        ConfigError: an id that the resource requires is missing, or an argument is invalid.
    """
    resource = check_id(resource, "resource")
    scope = {"organization_id": organization_id, "event_id": event_id}
    needed = RESOURCES.get(resource)
    if needed is not None and scope[needed] is None:
        raise ConfigError(f"initializing {resource} needs {needed}=; nothing was sent.")
    body: dict[str, Any] = {name: _number(value, name) for name, value in scope.items() if value is not None}
    if last_updated_after is not None:
        body["last_updated_after"] = _time(last_updated_after, facts, "last_updated_after")
    if last_updated_before is not None:
        body["last_updated_before"] = _time(last_updated_before, facts, "last_updated_before")
    if webhook_types is not None:
        body["webhook_type"] = _types(webhook_types)
    if webhook_configuration_id is not None:
        body["webhook_configuration_id"] = check_id(webhook_configuration_id)
    if max_rate_per_min is not None:
        body["max_rate_per_min"] = _rate(max_rate_per_min)
    return Request(
        kind=Kind.INITIALIZE,
        method="POST",
        path=f"/webhooks/init/{resource}",
        body=msgspec.json.encode(body),
        webhook_id=body.get("webhook_configuration_id"),
    )


def headers(request: Request, api_key: Secret, token: Secret | None = None) -> dict[str, str]:
    """Return the headers of a request, with its credentials in clear."""
    named = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "x-api-key": api_key.reveal(),
    }
    if request.bearer and token is not None:
        named["Authorization"] = f"Bearer {token.reveal()}"
    return named


def _page(number: int) -> int | None:
    if type(number) is not int or not 1 <= number <= MOST:
        raise ConfigError("a page number must be 1 or more; nothing was sent.")
    return number if number > 1 else None


def _number(value: str | int, name: str) -> str | int:
    """Return an id as an int if it is one, as in the examples of "Webhook initialization"."""
    text = check_id(value, name)
    return int(text) if text.isdigit() and str(int(text)) == text else text


def _time(moment: datetime, facts: Facts, name: str) -> str:
    if not isinstance(moment, datetime) or moment.utcoffset() is None:
        raise ConfigError(f"{name} must be a datetime with a time zone; nothing was sent.")
    return moment.astimezone(facts.time_zone).strftime("%Y-%m-%d %H:%M:%S")


def _types(types: Iterable[str]) -> list[str]:
    given = [types] if isinstance(types, str) else list(types) if isinstance(types, Iterable) else []
    named = [plain_text(name) for name in given]
    if not named or not all(
        is_text(name) and name.isprintable() and name.split() == [name] for name in named
    ):
        raise ConfigError(
            "webhook_types must name at least one type, without spaces and line breaks; leave it out for all. Nothing was sent."
        )
    return named


def _rate(rate: int) -> int:
    if type(rate) is not int or not is_count(rate):
        raise ConfigError("max_rate_per_min must be a whole number, 1 or more; nothing was sent.")
    return rate
