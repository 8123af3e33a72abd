"""A session on a box of its own in simulated time, and files of desired state."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from simulated import SimulatedClock
from simulated_doo import BoxTransport

from aiodoo import AddWebhook, Facts, Limits, Session
from aiodoo.offload import InlineWorker
from aiodoo.sandbox import Box

UNLIMITED = Limits(per_second=None, per_day=None)

CRM = """\
aiodoo: 1
manage:
  name_prefix: "crm: "
teams: all
variables:
  host: crm.example
webhooks:
  - name: "crm: events"
    hooks:
      - type: event_created
        endpoint: https://${host}/${team.id}/events
  - name: "crm: orders"
    teams: [111]
    hooks:
      - type: order_created
        endpoint: https://${host}/orders
        query: "query ($id: ID!) {order(id: $id) {id}}"
        variables: {id: "%ORDER_ID%"}
"""


@asynccontextmanager
async def world(
    clock: SimulatedClock, *, facts: Facts | None = None, limits: Limits = UNLIMITED, **settings: Any
) -> AsyncIterator[tuple[Session, Box]]:
    """Open a session on a box; its lists show scope, and the session knows that."""
    box = Box(**({"plan": None, "latency": 0.05, "echo_scope": True} | settings))
    async with session(clock, box, facts=facts, limits=limits) as doo:
        yield doo, box


def session(
    clock: SimulatedClock, box: Box, *, facts: Facts | None = None, limits: Limits = UNLIMITED
) -> Session:
    """Return a session whose network is the box."""
    return Session(
        api_key=box.api_key,
        client_id=box.client_id,
        client_secret=box.client_secret,
        limits=limits,
        facts=facts or Facts(list_echoes_scope=True),
        clock=clock,
        transport=BoxTransport(box, clock),
        worker=InlineWorker(),
    )


def declare(folder: Path, text: str | dict[str, Any], name: str = "doo.yaml") -> Path:
    """Write a file of desired state; JSON is YAML too."""
    path = folder / name
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return path


def contents(box: Box, team: str) -> list[dict[str, Any]]:
    """Return what a team holds, without ids, in an order of its own."""
    found = [{name: value for name, value in item.items() if name != "id"} for item in box.live(team)]
    return sorted(found, key=lambda item: json.dumps(item, sort_keys=True))


def sent(config: AddWebhook) -> dict[str, Any]:
    """Return what doo stores for it."""
    return config.to_dict(secrets="reveal")


def changing(box: Box) -> int:
    """Count the creates and deletes that arrived."""
    return sum(request.kind in {"create", "delete"} for request in box.log.requests)
