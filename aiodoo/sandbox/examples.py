"""The two webhook configurations of doo's list examples, as a client posts them."""

from __future__ import annotations

import secrets
from typing import Any

from aiodoo.sandbox.jsontext import dumps

CLASSIC_TYPES = (
    "event_created",
    "event_removed",
    "event_updated",
    "order_created",
    "order_removed",
    "order_updated",
    "order_cancelled",
)


def classic(
    name: str = "My Test Webhook",
    *,
    description: str = "Webhook for testing all the hook types",
    endpoint: str = "https://crm.example/doo",
    client_secret: str | None = None,
) -> dict[str, Any]:
    """Return a configuration with the seven classic hooks, which all call one endpoint with doo's default payload.

    Parameters:
        client_secret: the secret that doo sends to the token endpoint; random by default.
    """
    hooks = [{"type": type_, "method": "POST", "endpoint": endpoint} for type_ in CLASSIC_TYPES]
    return _configuration(name, description, hooks, endpoint, client_secret)


def graphql(
    name: str = "My GraphQL Webhook",
    *,
    description: str = "Webhook for testing hook types with GraphQL body",
    endpoint: str = "https://crm.example/doo",
    client_secret: str | None = None,
) -> dict[str, Any]:
    """Return a configuration with two hooks whose payload is defined by a GraphQL query.

    Parameters:
        client_secret: the secret that doo sends to the token endpoint; random by default.
    """
    hooks = [
        {
            "type": type_,
            "method": "POST",
            "endpoint": endpoint,
            "origin": {"method": "POST", "endpoint": "https://gql.doo.net", "body": _query(operation)},
        }
        for type_, operation in (
            ("event_created", "EventCreatedShort"),
            ("event_updated", "EventUpdatedShort"),
        )
    ]
    return _configuration(name, description, hooks, endpoint, client_secret)


def _query(operation: str) -> str:
    query = f"query {operation}($id: ID!) {{\n event(id: $id) {{\n title\n }}\n}}\n"
    return dumps({"operationName": operation, "variables": {"id": "%EVENT_ID%"}, "query": query}).decode()


def _configuration(
    name: str, description: str, hooks: list[dict[str, Any]], endpoint: str, client_secret: str | None
) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "hooks": hooks,
        "authentication": {
            "grant_type": "client_credentials",
            "endpoint": endpoint,
            "credentials": {"client_id": "doo", "client_secret": client_secret or secrets.token_hex(16)},
            "header_format": "Authorization",
            "header_value_format": "Bearer %ACCESS_TOKEN%",
        },
    }
