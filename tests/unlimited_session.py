"""A session on a sandbox without limits, and what the tests of doo's resources ask of both."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiodoo import AddWebhook, Clock, Hook, Limits, Session, WebhookConfiguration
from aiodoo.sandbox import Sandbox

UNLIMITED = Limits(per_second=None, per_day=None, concurrency=64)


class Impatient(Clock):
    """The machine's clock; waits of random length are as short as they can be."""

    __slots__ = ()

    def uniform(self, low: float, high: float) -> float:  # noqa: ARG002
        """Return the lower end."""
        return low


def session(box: Sandbox, **options: Any) -> Session:
    """A session with a sandbox that keeps no limits and does not wait between two tries."""
    given: dict[str, Any] = {
        "api_key": box.api_key,
        "client_id": box.client_id,
        "client_secret": box.client_secret,
        "base_url": box.url,
        "limits": UNLIMITED,
        "clock": Impatient(),
    }
    return Session(**(given | options))


@asynccontextmanager
async def practice(**options: Any) -> AsyncIterator[tuple[Session, Sandbox]]:
    """A session and its sandbox; the options are the sandbox's."""
    async with Sandbox(**({"plan": None} | options)) as box, session(box) as doo:
        yield doo, box


def config(name: str = "crm", endpoint: str = "https://crm.example/doo", **fields: Any) -> AddWebhook:
    """A small webhook configuration."""
    return AddWebhook(name=name, hooks=[Hook(type="event_created", endpoint=endpoint)], **fields)


def ids(webhooks: Iterable[WebhookConfiguration]) -> list[str]:
    """The ids of webhooks."""
    return [webhook.id for webhook in webhooks]


def listed(box: Sandbox, *teams: str) -> list[str]:
    """The ids that the teams really have, team by team, in the order in which the sandbox lists them."""
    return [item["id"] for team in teams or box.teams for item in reversed(box.live(team))]


async def shown(webhooks: AsyncIterable[WebhookConfiguration]) -> list[str]:
    """The ids that an iterator shows."""
    return [webhook.id async for webhook in webhooks]


def asked(box: Sandbox) -> list[tuple[str | None, int]]:
    """Which page of which team was asked for, in the order of arrival."""
    return [(each.team, int(each.page or 1)) for each in box.log.requests if each.kind == "list"]


def kinds(box: Sandbox) -> list[str]:
    """What was asked for, token requests apart, in the order of arrival."""
    return [each.kind for each in box.log.requests if each.kind != "token"]


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that no event tells."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


def open_sockets() -> int:
    """How many sockets of this process are open."""
    return sum(is_socket(each) for each in Path("/proc/self/fd").iterdir())


def is_socket(descriptor: Path) -> bool:
    """Whether a file descriptor, if it is still open, is that of a socket."""
    try:
        return descriptor.readlink().name.startswith("socket:")
    except FileNotFoundError:
        return False


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """See that what is done inside leaves no task, no socket and nothing unclosed behind."""
    tasks, sockets = asyncio.all_tasks(), open_sockets()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield
        await asyncio.sleep(0)
        gc.collect()
    assert asyncio.all_tasks() == tasks
    assert open_sockets() == sockets
    assert [str(each.message) for each in warned] == []
