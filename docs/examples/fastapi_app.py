"""A FastAPI app that reads from doo and receives what doo sends.

    DOO_API_KEY=... DOO_CLIENT_ID=... DOO_CLIENT_SECRET=... DOO_HOOK_SECRET=... python fastapi_app.py [PORT]

GET  /teams/111/webhooks?page=2     one page, for one request to doo
PUT  /teams/111/subscription        subscribes this app; a second call changes nothing
GET  /events                        the events that doo has told of since the start
POST /doo/...                       for doo alone
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

import aiodoo
from aiodoo.receiver import Delivery, Event, Receiver, SQLiteStorage

BASE_URL = os.environ.get("APP_URL", "http://127.0.0.1:8000")
"""Where doo reaches this app."""
DEADLINE = 20.0
"""Seconds that a person waits for an answer."""

receiver = Receiver(
    client_secrets=aiodoo.Secret.from_env("DOO_HOOK_SECRET"),
    storage=SQLiteStorage(os.environ.get("RECEIVER_FILE", "receiver.sqlite")),
    acknowledge_first=True,
    deduplicate=300,
)
events: dict[str, str | None] = {}


@receiver.on(
    "event_created",
    query="query ($id: ID!) { event(id: $id) { id title } }",
    variables={"id": "%EVENT_ID%"},
    payload=Event,
)
async def created(delivery: Delivery) -> None:
    """Remember an event; an app of yours writes it into its database."""
    events[delivery.payload.id] = delivery.payload.title


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep one session open, and handle stored deliveries, for as long as the app runs."""
    async with aiodoo.Session.from_env(deadline=DEADLINE) as doo, receiver.working():
        app.state.doo = doo
        yield


app = FastAPI(lifespan=lifespan)
app.mount("/doo", receiver.asgi())


@app.exception_handler(aiodoo.DooError)
async def answer_error(_: Request, error: Exception) -> JSONResponse:
    """Say what doo said; the page on web apps has a table of statuses."""
    status = (
        404 if isinstance(error, aiodoo.NotFound) else 400 if isinstance(error, aiodoo.ConfigError) else 502
    )
    return JSONResponse({"error": str(error)}, status)


@app.get("/teams/{team}/webhooks")
async def list_webhooks(request: Request, team: str, page: int = 1) -> dict[str, Any]:
    """Answer with one page of a team's list."""
    found = await request.app.state.doo.webhooks.page(team, page)
    return {"names": [webhook.name for webhook in found.items], "next": found.next_number}


@app.put("/teams/{team}/subscription")
async def subscribe(request: Request, team: str) -> dict[str, Any]:
    """Make doo call this app."""
    doo = request.app.state.doo
    base_url = f"{BASE_URL}/doo"
    webhook_id = await doo.webhooks.ensure(team, receiver.webhook(base_url, name="fastapi_app"))
    return {"id": webhook_id, "ok": (await receiver.check(doo, team, base_url=base_url)).ok}


@app.get("/events")
async def list_events() -> dict[str, str | None]:
    """Answer with the events that are known."""
    return events


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
