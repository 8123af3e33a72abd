"""The box on real HTTP: a server on 127.0.0.1 for tests, benchmarks and trying things out."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
import warnings
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from aiohttp import web

from aiodoo.sandbox import control
from aiodoo.sandbox.answers import Data
from aiodoo.sandbox.backend import Organization
from aiodoo.sandbox.box import Box
from aiodoo.sandbox.carrier import carry
from aiodoo.sandbox.faults import Fault
from aiodoo.sandbox.gateway import Plan
from aiodoo.sandbox.jsontext import dumps, loads
from aiodoo.sandbox.keys import Credentials
from aiodoo.sandbox.listener import HOST, Listener
from aiodoo.sandbox.log import Log
from aiodoo.sandbox.options import BoxOptions, SandboxOptions
from aiodoo.sandbox.wire import Answer, Operation, Request

if TYPE_CHECKING:
    from aiodoo.sandbox.connecting import Options, Session

logger = logging.getLogger("aiodoo.sandbox")

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
        control: listen for other processes on a port of its own, so that they can arrange faults and ask for the log;
            a text is the token that they have to know, True makes one.
    """

    def __init__(
        self,
        box: Box | None = None,
        *,
        port: int = 0,
        clock: Callable[[], float] | None = None,
        keepalive_timeout: float = 75.0,
        control: bool | str = False,
        **options: Unpack[BoxOptions],
    ) -> None:
        if "settings" not in options:
            options.setdefault("epoch", float(int(time.time())))
        self.box = box or Box(**options)
        self.url = ""
        self._port = port
        self._clock = clock
        self._keepalive_timeout = keepalive_timeout
        self.control_url = ""
        self.control_token = control if isinstance(control, str) else secrets.token_hex(16) if control else ""
        self._lock = threading.RLock()
        self._servers: list[web.Server] = []
        self._listeners: list[Listener] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._refusing = False
        self._answering: set[web.RequestHandler] = set()
        self._ending: asyncio.TimerHandle | None = None

    def session(self, **options: Unpack[Options]) -> Session:
        """Return an `aiodoo.Session` with this sandbox: its URL, its credentials, and the limits of its plan.

        Parameters:
            options: as for `aiodoo.Session`; they win over all of that.
        """
        from aiodoo.sandbox.connecting import connect  # noqa: PLC0415  # loads the SDK, which nothing else here does

        return connect(
            self.box.plan,
            url=self.url,
            api_key=self.api_key,
            client_id=self.client_id,
            client_secret=self.client_secret,
            options=options,
        )

    async def __aenter__(self) -> Self:
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        if self._clock is None:
            start = time.monotonic() - self.box.now
            self._clock = lambda: time.monotonic() - start
        self.url = f"http://{HOST}:{await self._listen(self._handle, self._port)}/v1"
        if self.control_token:
            self.control_url = f"http://{HOST}:{await self._listen(self._control, 0)}"
        return self

    async def _listen(self, handler: Callable[[web.BaseRequest], Any], port: int) -> int:
        server = web.Server(
            handler,
            handler_cancellation=True,
            access_log=None,
            logger=logger,
            keepalive_timeout=self._keepalive_timeout,
        )
        listener = Listener(server)
        await listener.open(port)
        self._servers.append(server)
        self._listeners.append(listener)
        return listener.port

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ending is not None:
            self._ending.cancel()
        for _ in range(_ACCEPTING):
            await asyncio.sleep(0)
        for listener in self._listeners:
            await listener.close()
        for server in self._servers:
            server.pre_shutdown()
            await server.shutdown(_PATIENCE)
        self._servers, self._listeners, self._loop = [], [], None

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        body = await request.read() if request.body_exists else b""
        url = request.rel_url
        asked = Request(request.method, url.raw_path, url.query, request.headers, body)
        self._answering.add(request.protocol)
        try:
            response = await carry(self._ask(asked), request)
        except ConnectionRefusedError:
            # It is too late to refuse it, so nothing is said.
            response = await carry(Answer(503, drop="before_answer"), request)
        finally:
            self._answering.discard(request.protocol)
        if self._refusing:
            response.force_close()
        return response

    async def _control(self, request: web.BaseRequest) -> web.Response:
        given = request.headers.get("Authorization", "")
        if not secrets.compare_digest(given.encode(), f"Bearer {self.control_token}".encode()):
            return _told(401, {"error": "the control token is missing or wrong"})
        try:
            return _told(200, {"result": control.obey(self, loads(await request.read()))})
        except ValueError as error:
            return _told(400, {"error": str(error)})

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

    def foreign_replace(self, webhook_id: str, content: Data) -> str:
        """Let somebody else put a new webhook in the place of one now."""
        with self._lock:
            return self.box.foreign_replace(webhook_id, content, now=self._now())

    def before(self, operation: Operation, do: Callable[[], Any], **which: Any) -> None:
        """Do something right before a request is carried out, such as an edit by somebody else."""
        with self._lock:
            self.box.before(operation, do, **which)

    def after(self, operation: Operation, do: Callable[[], Any], **which: Any) -> None:
        """Do something right after a request was carried out."""
        with self._lock:
            self.box.after(operation, do, **which)

    def when(self, holds: Callable[[Log], bool], do: Callable[[], Any]) -> None:
        """Do something as soon as a condition on the log holds."""
        with self._lock:
            self.box.when(holds, do)

    def refuse_connections(self, seconds: float | None = None) -> None:
        """Refuse all connections from now on, for some seconds or until `accept_connections`.

        The port is closed and held. Idle connections are closed too; the others once they have their answer.
        """
        self._in_the_loop(lambda: self._refuse(seconds))

    def accept_connections(self) -> None:
        """Refuse connections no longer; the port is the same."""
        self._in_the_loop(self._accept)

    def let_lists_lag(self, seconds: float | Callable[[Random], float]) -> None:
        """Let lists show the state of some seconds ago from now on; 0 ends that."""
        with self._lock:
            self.box.let_lists_lag(seconds)

    def give_id_again(self, webhook_id: str) -> None:
        """Let the next webhook that is created get an id that another one had."""
        with self._lock:
            self.box.give_id_again(webhook_id)

    def reset(self) -> None:
        """Begin anew, as a fresh account on the same port with the same API keys."""
        self.accept_connections()
        with self._lock:
            self.box.advance(self._now())
            self.box.reset()

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

    # The port

    def _in_the_loop(self, do: Callable[[], None]) -> None:
        """Do something in the thread that serves, and wait for it."""
        if self._loop is None:
            raise RuntimeError("the sandbox is not open")
        if threading.get_ident() == self._thread:
            do()
            return
        done: Future[None] = Future()

        def call() -> None:
            try:
                do()
            except BaseException as error:  # noqa: BLE001  # it is whoever waits who has to hear of it
                done.set_exception(error)
            else:
                done.set_result(None)

        self._loop.call_soon_threadsafe(call)
        done.result()

    def _refuse(self, seconds: float | None) -> None:
        if self._ending is not None:
            self._ending.cancel()
        self._listeners[0].refuse()
        self._refusing = True
        for connection in self._servers[0].connections:
            if connection not in self._answering:
                connection.force_close()
        loop = asyncio.get_running_loop()
        self._ending = None if seconds is None else loop.call_later(seconds, self._accept)

    def _accept(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
        self._listeners[0].accept()
        self._refusing = False


def _told(status: int, content: Data) -> web.Response:
    return web.Response(status=status, body=dumps(content), content_type="application/json")


@contextmanager
def serve(box: Box | None = None, **options: Unpack[SandboxOptions]) -> Iterator[Sandbox]:
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


def run(**options: Any) -> Coroutine[Any, Any, None]:
    """Deprecated: `serve_forever`."""
    warnings.warn("sandbox.run() is deprecated; use serve_forever()", DeprecationWarning, stacklevel=2)
    return serve_forever(**options)


async def serve_forever(
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
