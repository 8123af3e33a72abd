"""Serves a box over HTTP on 127.0.0.1, for tests, benchmarks and experiments."""

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
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar, Unpack

from aiohttp import web

from aiodoo.sandbox import control, page
from aiodoo.sandbox.answers import Data
from aiodoo.sandbox.backend import Organization
from aiodoo.sandbox.box import Box
from aiodoo.sandbox.carrier import carry
from aiodoo.sandbox.courier import Deliveries
from aiodoo.sandbox.jsontext import dumps, loads
from aiodoo.sandbox.listener import HOST, Listener
from aiodoo.sandbox.log import Log
from aiodoo.sandbox.options import BoxOptions, SandboxOptions
from aiodoo.sandbox.wire import Answer, Request

if TYPE_CHECKING:
    from aiodoo.sandbox.connecting import Options, Session

logger = logging.getLogger("aiodoo.sandbox")

P = ParamSpec("P")
S = TypeVar("S", bound="Sandbox")
T = TypeVar("T")

_ACCEPTING = 4  # iterations of the loop until the server knows of a new connection, and closes it at shutdown
_PATIENCE = 0.01  # seconds before an answer in flight is cancelled when the sandbox closes


def _locked(method: Callable[Concatenate[Box, P], T]) -> Callable[Concatenate[Sandbox, P], T]:
    """Return a method of `Box` as a method of `Sandbox`, at the present time of its clock."""

    @wraps(method)
    def call(self: Sandbox, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self._lock:
            self.box.advance(self._now())
            return method(self.box, *args, **kwargs)

    return call


class Sandbox:
    """A box that is served on 127.0.0.1 while the context is open.

    All attributes and methods are thread-safe.

    Parameters:
        box: the box to serve; by default one with `options` (epoch: the current time, unless `settings` are given).
        port: the port to listen on; 0 selects a free one.
        clock: returns seconds on the box's clock; by default it shows 0 when the server starts.
        keepalive_timeout: seconds after which an idle connection is closed.
        control: serve control messages of other processes on a second port (see `control_url`); a text is the bearer
            token that they need, True generates one.
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
        self.deliveries = Deliveries(self.box, self._lock, self._now)
        self._page = page.Page(self)
        self._servers: list[web.Server] = []
        self._listeners: list[Listener] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._refusing = False
        self._answering: set[web.RequestHandler] = set()
        self._ending: asyncio.TimerHandle | None = None

    def session(self, **options: Unpack[Options]) -> Session:
        """Return an `aiodoo.Session` with the URL, the credentials and the limits of this sandbox.

        Parameters:
            options: as for `aiodoo.Session`; they take precedence.
        """
        from aiodoo.sandbox.connecting import connect  # noqa: PLC0415  # only this loads the SDK

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
        self.deliveries.open()
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
        await self.deliveries.close()
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
        if url.raw_path == "/":
            return self._show(request, body)
        asked = Request(request.method, url.raw_path, url.query, request.headers, body)
        self._answering.add(request.protocol)
        try:
            response = await carry(self._ask(asked), request)
        except ConnectionRefusedError:
            # The connection is accepted already, so it can only be closed without an answer.
            response = await carry(Answer(503, drop="before_answer"), request)
        finally:
            self._answering.discard(request.protocol)
        if self._refusing:
            response.force_close()
        return response

    def _show(self, request: web.BaseRequest, body: bytes) -> web.Response:
        if not self._page.is_for_us(request.headers.get("Host", "")):
            return web.Response(status=421, text="this page is for this machine only")
        if request.method == "POST":
            if not self._page.act(body):
                return web.Response(status=403, text="the form is not of this page; load it again")
            return web.Response(status=303, headers={"Location": "/"})
        return web.Response(text=self._page.html(), content_type="text/html", headers=page.HEADERS)

    async def _control(self, request: web.BaseRequest) -> web.Response:
        given = request.headers.get("Authorization", "")
        if not secrets.compare_digest(given.encode(), f"Bearer {self.control_token}".encode()):
            return _reply(401, {"error": "the control token is missing or wrong"})
        try:
            return _reply(200, {"result": control.execute(self, loads(await request.read()))})
        except ValueError as error:
            return _reply(400, {"error": str(error)})

    def _ask(self, request: Request) -> Answer:
        with self._lock:
            answer = self.box.handle(request, self._now())
        if not self.box.outbox.is_empty:
            self.deliveries.look()  # an initialization adds some
        return answer

    def _now(self) -> float:
        return self.box.now if self._clock is None else max(self.box.now, self._clock())

    # Read-only facts

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
    def is_answering(self) -> bool:
        """Whether a request is being answered at the moment."""
        return bool(self._answering)

    @property
    def log(self) -> Log:
        """The log of every request and every change."""
        return self.box.log

    # Arrangements and inspection, which are those of the box

    add_key = _locked(Box.add_key)
    add_webhook = _locked(Box.add_webhook)
    foreign_create = _locked(Box.foreign_create)
    foreign_edit = _locked(Box.foreign_edit)
    foreign_delete = _locked(Box.foreign_delete)
    foreign_replace = _locked(Box.foreign_replace)
    before = _locked(Box.before)
    after = _locked(Box.after)
    when = _locked(Box.when)
    let_lists_lag = _locked(Box.let_lists_lag)
    give_id_again = _locked(Box.give_id_again)
    revoke_tokens = _locked(Box.revoke_tokens)
    script = _locked(Box.script)
    live = _locked(Box.live)
    count = _locked(Box.count)
    digest = _locked(Box.digest)

    def refuse_connections(self, seconds: float | None = None) -> None:
        """Refuse connections from now on, for `seconds` or until `accept_connections`.

        The port stays reserved. Idle connections are closed immediately, the others after their answer.
        """
        self._call_in_loop(lambda: self._refuse(seconds))

    def accept_connections(self) -> None:
        """Accept connections again, on the same port."""
        self._call_in_loop(self._accept)

    def reset(self) -> None:
        """Restore the initial state, with the same port and API keys."""
        self.accept_connections()
        with self._lock:
            self.box.advance(self._now())
            self.box.reset()
            self.deliveries.reset()

    # The port

    def _call_in_loop(self, do: Callable[[], None]) -> None:
        """Call a function in the event loop's thread and wait for it."""
        if self._loop is None:
            raise RuntimeError("the sandbox is not open")
        if threading.get_ident() == self._thread:
            do()
            return
        done: Future[None] = Future()

        def call() -> None:
            try:
                do()
            except BaseException as error:  # noqa: BLE001  # raised in the waiting thread
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


def _reply(status: int, content: Data) -> web.Response:
    return web.Response(status=status, body=dumps(content), content_type="application/json")


@contextmanager
def serve(box: Box | None = None, **options: Unpack[SandboxOptions]) -> Iterator[Sandbox]:
    """Run a sandbox in a thread with its own event loop, for synchronous tests.

    Parameters:
        box, options: as for `Sandbox`.
    """
    with in_thread(Sandbox(box, **options)) as sandbox:
        yield sandbox


@contextmanager
def in_thread(sandbox: S) -> Iterator[S]:
    """Serve a sandbox in a thread with its own event loop while the context is open."""
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
        announce: called once with the sandbox when it listens.
        options: as for `Sandbox`.
    """
    async with Sandbox(port=port, organizations=organizations, seed=seed, **options) as sandbox:
        if announce is not None:
            announce(sandbox)
        await asyncio.get_running_loop().create_future()
