"""A server for `overhead.py` that answers with fixed bytes, faster than any client asks.

It reads no more of a request than where it ends, and runs in a process of its own. A slow server flatters every
client, as the loops of the client then wait and do less at a time.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable

import orjson
from overhead_machine import pin

from aiodoo.sandbox import Box, Request, graphql

TEAM = "111"
ITEMS = 25
"""How many webhooks, or whatever a peer lists, each page has."""


def doo_bodies() -> dict[str, bytes]:
    """Let the sandbox write one answer of each kind, once: a token, a page, and the answer to a create."""
    box = Box(organizations=1, webhooks_per_team=ITEMS, plan=None)
    headers = {"x-api-key": box.api_key, "Content-Type": "application/json"}
    login = {
        "client_id": box.client_id,
        "client_secret": box.client_secret,
        "grant_type": "client_credentials",
    }
    token = box.handle(Request("POST", "/v1/oauth", {}, headers, orjson.dumps(login)), 0.0).body
    headers["Authorization"] = f"Bearer {orjson.loads(token)['data']['access_token']}"
    path = f"/v1/team/{TEAM}/webhooks"
    page = box.handle(Request("GET", path, {}, headers, b""), 0.0).body
    created = box.handle(Request("POST", path, {}, headers, orjson.dumps(graphql())), 0.0).body
    return {"POST /v1/oauth": token, f"GET {path}": page, f"POST {path}": created}


def peer_bodies() -> dict[str, bytes]:
    """Return a list of 25 in the form of each peer's own service."""
    moment = "2026-01-01T00:00:00Z"
    svix = {
        "iterator": "end",
        "prevIterator": None,
        "done": True,
        "data": [
            {
                "id": f"ep_{n}",
                "url": f"https://crm.example/doo/{n}",
                "description": "CRM",
                "version": 1,
                "createdAt": moment,
                "updatedAt": moment,
                "metadata": {},
            }
            for n in range(ITEMS)
        ],
    }
    models = {
        "object": "list",
        "data": [{"id": f"m-{n}", "object": "model", "created": 1, "owned_by": "doo"} for n in range(ITEMS)],
    }
    hooks = [
        {
            "type": "Repository",
            "id": n,
            "name": "web",
            "active": True,
            "events": ["push"],
            "config": {"url": f"https://crm.example/doo/{n}", "content_type": "json", "insecure_ssl": "0"},
            "updated_at": moment,
            "created_at": moment,
            "url": f"https://crm.example/{n}",
            "test_url": f"https://crm.example/{n}/test",
            "ping_url": f"https://crm.example/{n}/pings",
            "deliveries_url": f"https://crm.example/{n}/deliveries",
            "last_response": {"code": None, "status": "unused", "message": None},
        }
        for n in range(ITEMS)
    ]
    stripe = {
        "object": "list",
        "has_more": False,
        "url": "/v1/webhook_endpoints",
        "data": [
            {
                "id": f"we_{n}",
                "object": "webhook_endpoint",
                "api_version": None,
                "application": None,
                "created": 1,
                "description": "CRM",
                "enabled_events": ["charge.succeeded"],
                "livemode": False,
                "metadata": {},
                "status": "enabled",
                "url": f"https://crm.example/doo/{n}",
            }
            for n in range(ITEMS)
        ],
    }
    return {
        f"GET /api/v1/app/{TEAM}/endpoint": orjson.dumps(svix),
        "GET /v1/models": orjson.dumps(models),
        "GET /repos/doo/crm/hooks": orjson.dumps(hooks),
        "GET /v1/webhook_endpoints": orjson.dumps(stripe),
    }


class Fixed(asyncio.Protocol):
    """Answers each request on a connection with the bytes for its method and path."""

    def __init__(self, answers: dict[bytes, bytes]) -> None:
        self._answers = answers
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._write: Callable[[bytes], None] = transport.write

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            at = head.lower().find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            method, target, _ = head.split(b" ", 2)
            self._write(self._answers[method + b" " + target.partition(b"?")[0]])


async def serve() -> None:
    """Answer until standard input ends; say first where, and how large a page is."""
    bodies = {**doo_bodies(), **peer_bodies()}
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
    answers = {key.encode(): head.format(len(body)).encode() + body for key, body in bodies.items()}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Fixed(answers), "127.0.0.1", 0)
    page = len(bodies[f"GET /v1/team/{TEAM}/webhooks"])
    print(json.dumps([server.sockets[0].getsockname()[1], page]), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    pin("server")
    asyncio.run(serve())
