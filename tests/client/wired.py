"""A client on a sandbox, on a raw server or in simulated time, and the requests that tests send with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

from aiodoo.client.client import Client
from aiodoo.client.recent_changes import RecentChanges
from aiodoo.client.transport import HttpTransport, Transport
from aiodoo.clock import Clock
from aiodoo.credentials import Credentials as Checked
from aiodoo.events import Event, Listeners, Stats
from aiodoo.facts import Facts
from aiodoo.models import AddWebhook, Hook, Page
from aiodoo.protocol import answers, requests
from aiodoo.protocol.wire import Answer
from aiodoo.quota import Limits, Memory, Permits
from aiodoo.quota.event_loop_claims import with_claims

TEAM = "111"
UNLIMITED = Limits(per_second=None, per_day=None)
CONFIG = AddWebhook(name="crm", hooks=[Hook(type="event_created", endpoint="https://crm.example/doo")])


class Impatient(Clock):
    """The machine's clock; waits of random length are as short as they can be."""

    __slots__ = ()

    def uniform(self, low: float, high: float) -> float:  # noqa: ARG002
        """Return the lower end."""
        return low


class Credentials(Protocol):
    """Whatever has an API key and client credentials."""

    api_key: Any
    client_id: Any
    client_secret: Any


def client_of(
    credentials: Credentials,
    transport: Transport,
    *,
    clock: Clock | None = None,
    limits: Limits = UNLIMITED,
    facts: Facts | None = None,
    deadline: float | None = 120.0,
    on_event: Callable[[Event], object] | None = None,
    stats: Stats | None = None,
    **options: Any,
) -> Client:
    """A client with its own ledger; unless told otherwise it keeps no limits and waits for nothing."""
    clock = clock or Impatient()
    checked = Checked.checked(
        api_key=credentials.api_key, client_id=credentials.client_id, client_secret=credentials.client_secret
    )
    facts, account = facts or Facts(), Memory().open(account=checked.account_name, limits=limits, clock=clock)
    return Client(
        transport=transport,
        account=account,
        claims=with_claims(account),
        holds=[],
        permits=Permits(limits.concurrency),
        credentials=checked,
        token_name=checked.token_name(""),
        clock=clock,
        facts=facts,
        deadline=deadline,
        listeners=Listeners(on_event),
        stats=stats or Stats(),
        changes=RecentChanges(facts),
        **options,
    )


@asynccontextmanager
async def wired(
    credentials: Credentials,
    *,
    url: str | None = None,
    timeout: float = 60.0,  # noqa: ASYNC109  # of one wire request
    **options: Any,
) -> AsyncIterator[Client]:
    """A client over HTTP that is closed at the end; to the sandbox whose credentials these are, or to `url`."""
    base_url = url or getattr(credentials, "url", "")
    client = client_of(credentials, HttpTransport(base_url, timeout=timeout), **options)
    try:
        yield client
    finally:
        await client.close()


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that no event tells."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def create(client: Client, **options: Any) -> str:
    """Create a webhook configuration; return its id."""
    return await client.call(requests.create(TEAM, CONFIG), answers.read_created, **options)


async def delete(client: Client, webhook_id: str = "12", **options: Any) -> None:
    """Delete a webhook configuration."""
    await client.call(requests.delete(webhook_id, Facts()), answers.read_deleted, **options)


async def list_page(client: Client, **options: Any) -> Page:
    """Read the first page of a team."""
    return await client.call(requests.list_webhooks(TEAM), _read_page, **options)


async def initialize(client: Client, **options: Any) -> int:
    """Have everything sent again."""
    request = requests.initialize("events", organization_id=70_001, facts=Facts())
    return await client.call(request, answers.read_initialized, **options)


def _read_page(answer: Answer) -> Page:
    return answers.read_page(answer, TEAM, 1)
