"""What the tests of jobs share."""

from __future__ import annotations

from aiodoo import AddWebhook, Authentication, ClientCredentials, Hook, Secret

HOOKS = [Hook(type="event_created", endpoint="https://new.example/doo")]


def with_secret(secret: str | Secret) -> AddWebhook:
    """Return something to create that has a secret."""
    credentials = ClientCredentials(client_secret=secret)
    authentication = Authentication(endpoint="https://new.example/token", credentials=credentials)
    return AddWebhook(name="new", hooks=HOOKS, authentication=authentication)
