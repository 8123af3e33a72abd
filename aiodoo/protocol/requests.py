"""How each request to doo is written. Nothing here is sent."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from aiodoo.checks import check_id, is_count, is_text, plain_text
from aiodoo.errors import ConfigError
from aiodoo.facts import Facts
from aiodoo.models import RESOURCES, AddWebhook, check, check_config
from aiodoo.models.copying import unsuffixed
from aiodoo.protocol.wire import Kind, Request
from aiodoo.secret import Secret

_FACTS = Facts()


def token(client_id: str | Secret, client_secret: str | Secret) -> Request:
    """Ask for a token ("Authorization")."""
    body = {
        "client_id": Secret(client_id).reveal(),
        "client_secret": Secret(client_secret).reveal(),
        "grant_type": "client_credentials",
    }
    return Request(
        kind=Kind.TOKEN, method="POST", path="/oauth", body=msgspec.json.encode(body), bearer=False
    )


def organizations(page: int | None = None) -> Request:
    """Ask for the organizations and teams of the account ("Get all organizations and teams")."""
    return Request(
        kind=Kind.ORGANIZATIONS,
        method="GET",
        path="/organizers/current/organizations",
        page=_page(page or 1),
    )


def list_webhooks(team_id: str | int, page: int = 1) -> Request:
    """Ask for one page of a team's webhook configurations ("List webhook configurations").

    The first page is asked for without a page number, as doo's pages show it.
    """
    team_id = check_id(team_id, "team id")
    return Request(
        kind=Kind.LIST, method="GET", path=f"/team/{team_id}/webhooks", page=_page(page), team_id=team_id
    )


def create(team_id: str | int, config: AddWebhook, facts: Facts = _FACTS) -> Request:
    """Ask for a new webhook configuration ("Create webhook configuration").

    What a person wrote was checked where it came in; here only what cannot be sent at all is refused.

    Args:
        team_id: the team that gets it.
        config: its content.
        facts: the suffix that lists append to types, which is not sent back.

    Raises:
        ConfigError: it cannot be sent.
    """
    team_id = check_id(team_id, "team id")
    config = unsuffixed(check_config(config), facts.type_suffix)
    check(config)
    return Request(
        kind=Kind.CREATE,
        method="POST",
        path=f"/team/{team_id}/webhooks",
        body=msgspec.json.encode(config.to_dict(secrets="reveal")),
        team_id=team_id,
    )


def delete(webhook_id: str | int, facts: Facts, *, team_id: str | None = None) -> Request:
    """Ask doo to delete a webhook configuration ("Remove webhook configuration").

    Args:
        webhook_id: which.
        facts: whether the token goes with it.
        team_id: the team it belongs to, for reports only; doo does not want to know.
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
    """Ask doo to call the hooks for everything that exists already ("Webhook initialization").

    Args:
        resource: such as `events`; one that is not known here is sent as it is.
        facts: the time zone in which doo reads times.
        organization_id: needed for events and contacts.
        event_id: needed for orders, attendees and invitees.
        last_updated_after: only items updated after this time, to the second; needs a time zone.
        last_updated_before: only items updated before this time, to the second; needs a time zone.
        webhook_types: only these types, sent as they are spelled; None for all of the resource.
        webhook_configuration_id: only this configuration; None for all.
        max_rate_per_min: the most calls that doo makes in a minute, 1 or more.

    Raises:
        ConfigError: an id that the resource needs is missing, or an argument cannot be sent.
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
    """Return the headers that a request goes with."""
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
    if type(number) is not int or not is_count(number):
        raise ConfigError("a page number must be 1 or more; nothing was sent.")
    return number if number > 1 else None


def _number(value: str | int, name: str) -> str | int:
    """Return an id as doo's examples print it here: a number, if it is one."""
    text = check_id(value, name)
    return int(text) if text.isdigit() and str(int(text)) == text else text


def _time(moment: datetime, facts: Facts, name: str) -> str:
    if not isinstance(moment, datetime) or moment.utcoffset() is None:
        raise ConfigError(f"{name} must be a datetime with a time zone; nothing was sent.")
    return moment.astimezone(facts.time_zone).strftime("%Y-%m-%d %H:%M:%S")


def _types(types: Iterable[str]) -> list[str]:
    given = [types] if isinstance(types, str) else list(types) if isinstance(types, Iterable) else []
    named = [plain_text(name) for name in given]
    if not named or not all(is_text(name) and name.strip() for name in named):
        raise ConfigError(
            "webhook_types must name at least one type; leave it out for all. Nothing was sent."
        )
    return named


def _rate(rate: int) -> int:
    if type(rate) is not int or not is_count(rate):
        raise ConfigError("max_rate_per_min must be a whole number, 1 or more; nothing was sent.")
    return rate
