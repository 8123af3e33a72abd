"""The box on real HTTP: a server on 127.0.0.1 for tests, benchmarks and trying things out."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from aiodoo.sandbox.answers import Data
from aiodoo.sandbox.backend import Organization
from aiodoo.sandbox.box import Box
from aiodoo.sandbox.carrier import carry
from aiodoo.sandbox.faults import Fault
from aiodoo.sandbox.gateway import Plan
from aiodoo.sandbox.keys import Credentials
from aiodoo.sandbox.log import Log
from aiodoo.sandbox.wire import Answer, Operation, Request

logger = logging.getLogger("aiodoo.sandbox")

_HOST = "127.0.0.1"
_ACCEPTING = 4  # turns of the loop until a connection that just came is the server's, which then closes it
_PATIENCE = 0.01  # seconds that an answer on its way gets when the sandbox closes; then it is cancelled


class Sandbox:
    """A box that listens on 127.0.0.1 while the context is open.

    What it says of itself (`url`, credentials, `log`) and what tests arrange may be used from any thread.

    Parameters:
        box: the box to serve; if not given, one is made of `options`, at the machine's date unless they hold `settings`.
        port: where to listen; 0 takes a free port.
        clock: the box's clock in seconds; if not given, it starts at 0 when the server does.
        keepalive_timeout: seconds after which an idle connection is closed.
    """

    def __init__(
        self,
        box: Box | None = None,
        *,
        port: int = 0,
        clock: Callable[[], float] | None = None,
        keepalive_timeout: float = 75.0,
        **options: Any,
    ) -> None:
        if "settings" not in options:
            options.setdefault("epoch", float(int(time.time())))
        self.box = box or Box(**options)
        self.url = ""
        self._port = port
        self._clock = clock
        self._keepalive_timeout = keepalive_timeout
        self._lock = threading.Lock()
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> Self:
        if self._clock is None:
            start = time.monotonic() - self.box.now
            self._clock = lambda: time.monotonic() - start
        server = web.Server(
            self._handle,
            handler_cancellation=True,
            access_log=None,
            logger=logger,
            keepalive_timeout=self._keepalive_timeout,
        )
        self._runner = runner = web.ServerRunner(server, shutdown_timeout=_PATIENCE)
        await runner.setup()
        await web.TCPSite(runner, _HOST, self._port).start()
        self.url = f"http://{_HOST}:{runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            for _ in range(_ACCEPTING):
                await asyncio.sleep(0)
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        body = await request.read() if request.body_exists else b""
        url = request.rel_url
        asked = Request(request.method, url.raw_path, url.query, request.headers, body)
        return await carry(self._ask(asked), request)

    def _ask(self, request: Request) -> Answer:
        with self._lock:
            return self.box.handle(request, self._now())

    def _now(self) -> float:
        return self.box.now if self._clock is None else max(self.box.now, self._clock())

    # What a client may know

    @property
    def api_key(self) -> str:
        """The first API key."""
        return self.box.api_key

    @property
    def client_id(self) -> str:
        """The first API key's client id."""
        return self.box.client_id

    @property
    def client_secret(self) -> str:
        """The first API key's client secret."""
        return self.box.client_secret

    @property
    def teams(self) -> list[str]:
        """The ids of all teams."""
        return self.box.teams

    @property
    def organizations(self) -> list[Organization]:
        """All organizations."""
        return self.box.organizations

    @property
    def log(self) -> Log:
        """The truth: every request and every change."""
        return self.box.log

    # What a test arranges and asks; `Box` says what each does

    def add_key(self, plan: Plan | None = Plan(), **options: Any) -> Credentials:  # noqa: B008  # frozen
        """Add an API key with its own plan."""
        with self._lock:
            return self.box.add_key(plan, **options)

    def add_webhook(self, team: str, content: Data, *, webhook_id: str | None = None) -> str:
        """Put a webhook into a team as if it had always been there."""
        with self._lock:
            return self.box.add_webhook(team, content, webhook_id=webhook_id)

    def foreign_create(self, team: str, content: Data) -> str:
        """Let somebody else create a webhook now."""
        with self._lock:
            return self.box.foreign_create(team, content, now=self._now())

    def foreign_edit(self, webhook_id: str, content: Data) -> None:
        """Let somebody else change a webhook in place now."""
        with self._lock:
            self.box.foreign_edit(webhook_id, content, now=self._now())

    def foreign_delete(self, webhook_id: str) -> None:
        """Let somebody else delete a webhook now."""
        with self._lock:
            self.box.foreign_delete(webhook_id, now=self._now())

    def revoke_tokens(self) -> None:
        """End all access tokens."""
        with self._lock:
            self.box.revoke_tokens()

    def script(self, *faults: Fault) -> None:
        """Put faults at the end of what is to happen."""
        with self._lock:
            self.box.script(*faults)

    def live(self, team: str) -> list[Data]:
        """Return a team's webhooks as they are now, late changes included."""
        with self._lock:
            self.box.advance(self._now())
            return self.box.live(team)

    def count(self, kind: Operation | None = None, status: int | None = None) -> int:
        """Return how many requests of a kind, with a status, or both, have arrived."""
        with self._lock:
            return self.box.count(kind, status)

    def digest(self, content: Data) -> str:
        """Return the digest by which the log names content."""
        return self.box.digest(content)


@contextmanager
def serve(box: Box | None = None, **options: Any) -> Iterator[Sandbox]:
    """Run a sandbox in a thread and an event loop of its own, for tests of any framework.

    Parameters:
        box, options: as for `Sandbox`.
    """
    sandbox = Sandbox(box, **options)
    started: Future[Any] = Future()
    with ThreadPoolExecutor(1, thread_name_prefix="aiodoo-sandbox") as thread:
        ended: Future[Any] = thread.submit(lambda: asyncio.run(_serve(sandbox, started)))
        wait([started, ended], return_when=FIRST_COMPLETED)
        if ended.done():
            ended.result()
        loop, stop = started.result()
        try:
            yield sandbox
        finally:
            loop.call_soon_threadsafe(stop.set)
            ended.result()


async def _serve(sandbox: Sandbox, started: Future[Any]) -> None:
    stop = asyncio.Event()
    async with sandbox:
        started.set_result((asyncio.get_running_loop(), stop))
        await stop.wait()


async def run(
    *,
    port: int = 0,
    organizations: int = 12,
    seed: int = 0,
    announce: Callable[[Sandbox], None] | None = None,
    **options: Any,
) -> None:
    """Serve a sandbox until cancelled.

    Parameters:
        announce: called once with the sandbox when it listens, to say where and with which credentials.
        options: as for `Sandbox`.
    """
    async with Sandbox(port=port, organizations=organizations, seed=seed, **options) as sandbox:
        if announce is not None:
            announce(sandbox)
        await asyncio.get_running_loop().create_future()
