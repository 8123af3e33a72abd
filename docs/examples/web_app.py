"""A web app in front of doo: it lists and creates webhooks, and moves them to another host in the background.

Start it as often as you like, for one API key: the processes share the quota, and one of them runs the job at a time.

    DOO_API_KEY=... DOO_CLIENT_ID=... DOO_CLIENT_SECRET=... python web_app.py [PORT]

GET  /teams/111/webhooks?page=2     one page, for one request to doo
PUT  /teams/111/webhooks            {"name": ..., "hooks": [...]}: the id of an equal one, or of a new one
POST /move                          {"teams": [...], "old": "a.example", "new": "b.example"}: starts the job
GET  /move                          its progress
GET  /quota                         the day's quota, used and left, over all processes
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

import aiodoo

JOURNALS = Path(os.environ.get("MOVE_JOURNALS", "."))
"""The folder for the journals of jobs that have not ended."""
SETTLE = float(os.environ.get("MOVE_SETTLE", "130"))
"""Seconds for which doo may still act on a request whose answer was lost; against the sandbox 0."""
DEADLINE = 20.0
"""Seconds that a person waits for an answer."""

STATUSES: dict[type[aiodoo.DooError], int] = {
    aiodoo.NotFound: 404,
    aiodoo.NotCopyable: 409,
    aiodoo.TeamClaimed: 409,
    aiodoo.JournalError: 409,
    aiodoo.ConfigError: 400,
    aiodoo.InvalidRequest: 400,
    aiodoo.QueueFull: 503,
    aiodoo.QuotaExhausted: 503,
    aiodoo.RateLimited: 503,
    aiodoo.UnstableListing: 503,
    aiodoo.DeadlineExceeded: 504,
}
"""The first that fits; a class stands before those that it is a subclass of. Any other error is a 502."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def journal_of(teams: list[str], old: str, new: str) -> Path:
    """Return the journal of a job: the same job is resumed from it, and any other one has its own.

    A run that is resumed does not look at `operations`, so with one journal for all jobs another job would not be done.
    """
    job = json.dumps([sorted(set(teams)), old, new])
    return JOURNALS / f"move-{hashlib.sha256(job.encode()).hexdigest()[:16]}.journal"


class Move:
    """The job in the background; at most one in this process."""

    def __init__(self, doo: aiodoo.Session) -> None:
        self._doo = doo
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.state: dict[str, Any] = {"state": "none"}

    def start(self, teams: list[str], old: str, new: str) -> None:
        """Start it, unless it is running."""
        if self._task is not None and not self._task.done():
            raise web.HTTPConflict(text="the job is running")
        self._task = asyncio.create_task(self._run(teams, old, new))

    async def _run(self, teams: list[str], old: str, new: str) -> None:
        self.state = {"state": "running"}
        journal = journal_of(teams, old, new)

        async def operations() -> AsyncIterator[aiodoo.Operation]:
            """List what has to be changed; not called when the run is resumed from its journal."""
            async for webhook in self._doo.background().webhooks.list(teams):
                if any(f"//{old}/" in hook.endpoint for hook in webhook.hooks):
                    yield aiodoo.Update(webhook.team_id, webhook.id, hosts={old: new})

        try:
            report = await self._doo.bulk.run(
                operations,
                journal=journal,
                settle=SETTLE,
                stop=self._stop,
                stop_within=20.0,
                progress=self._show,
            )
        except aiodoo.DooError as error:
            self.state = {"state": "failed", "error": str(error)}
        else:
            state = "done" if report.complete else "unfinished"
            if report.complete:
                # Whoever asks for the same job again wants it done again, and not the report of this one.
                await asyncio.to_thread(journal.unlink, missing_ok=True)
            self.state = {"state": state, "counts": report.counts(), "resumed": report.resumed}

    def _show(self, progress: aiodoo.Progress) -> None:
        self.state = {"state": "running", "done": progress.done, "total": progress.total}

    async def close(self) -> None:
        """Stop it in order: nothing stays live twice, and the journal has the rest."""
        self._stop.set()
        if self._task is not None:
            await self._task


DOO = web.AppKey("DOO", aiodoo.Session)
MOVE = web.AppKey("MOVE", Move)


async def connected(app: web.Application) -> AsyncIterator[None]:
    """Keep one session for the life of the process. `from_env` shares the quota of this host."""
    async with aiodoo.Session.from_env(deadline=DEADLINE) as doo:
        app[DOO], app[MOVE] = doo, Move(doo)
        yield
        await app[MOVE].close()


@web.middleware
async def report_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with the error's message, which holds no secret."""
    try:
        return await handler(request)
    except aiodoo.DooError as error:
        status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 502)
        return web.json_response({"error": str(error)}, status=status)


async def list_webhooks(request: web.Request) -> web.Response:
    """Return one page: no state is kept between two pages, so any process can answer."""
    try:
        number = int(request.query.get("page", "1"))
    except ValueError:
        raise web.HTTPBadRequest(text="page is a number") from None
    page = await request.app[DOO].webhooks.page(request.match_info["team"], number)
    items = [
        {"id": webhook.id, "name": webhook.name, "endpoints": [hook.endpoint for hook in webhook.hooks]}
        for webhook in page.items
    ]
    return web.json_response({"webhooks": items, "next": page.next_number})


async def content_of(request: web.Request) -> Any:
    """Return the JSON of a request's body."""
    try:
        return await request.json()
    except ValueError:
        raise web.HTTPBadRequest(text="the body must be JSON") from None


async def ensure_webhook(request: web.Request) -> web.Response:
    """Return the id of a webhook like this one, which is created if there is none; sent twice, it creates one."""
    config = aiodoo.AddWebhook.from_dict(await content_of(request))
    webhook_id = await request.app[DOO].webhooks.ensure(request.match_info["team"], config)
    return web.json_response({"id": webhook_id})


async def start_move(request: web.Request) -> web.Response:
    """Start the job."""
    match await content_of(request):
        case {"teams": [_, *_] as teams, "old": str(old), "new": str(new)}:
            request.app[MOVE].start([str(team) for team in teams], old, new)
        case _:
            raise web.HTTPBadRequest(text='the body must be {"teams": [...], "old": "...", "new": "..."}')
    return web.json_response({"state": "running"}, status=202)


async def show_move(request: web.Request) -> web.Response:
    """Return the state of the job."""
    return web.json_response(request.app[MOVE].state)


async def show_quota(request: web.Request) -> web.Response:
    """Return what is used and left of the day's quota."""
    usage = await request.app[DOO].quota.usage()
    return web.json_response({"used": usage.used, "left": usage.left, "left_for_bulk": usage.left_for_bulk})


def make_app() -> web.Application:
    """Return the application."""
    app = web.Application(middlewares=[report_errors])
    app.cleanup_ctx.append(connected)
    app.add_routes(
        [
            web.get("/teams/{team}/webhooks", list_webhooks),
            web.put("/teams/{team}/webhooks", ensure_webhook),
            web.post("/move", start_move),
            web.get("/move", show_move),
            web.get("/quota", show_quota),
        ]
    )
    return app


async def main(port: int) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(make_app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    host, bound = runner.addresses[0][:2]
    print(f"http://{host}:{bound}", flush=True)
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else 0))
