"""The receiver: routes doo's requests to handlers, independent of the web framework."""

from __future__ import annotations

import inspect
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from aiodoo.checks import (
    check_base_url,
    check_flag,
    check_id,
    check_kind,
    check_seconds,
    is_count,
    plain_text,
)
from aiodoo.clock import Clock
from aiodoo.errors import ConfigError
from aiodoo.models.add_webhook import AddWebhook
from aiodoo.models.authentication import ACCESS_TOKEN, Authentication, ClientCredentials
from aiodoo.models.hook import Hook
from aiodoo.receiver import exchange, subscription
from aiodoo.receiver.backlog import Backlog
from aiodoo.receiver.delivery import Delivery, parse
from aiodoo.receiver.duplicates import Duplicates, content_key
from aiodoo.receiver.exchange import ReceivedRequest, ReceiverAnswer
from aiodoo.receiver.handling import ANSWERS, Handling
from aiodoo.receiver.payloads import reader
from aiodoo.receiver.routes import Handler, KeyFunction, Route, check_path
from aiodoo.receiver.storage import STORAGE_METHODS, MemoryStorage, Storage, StoredDelivery, reason
from aiodoo.receiver.tokens import TokenIssuer
from aiodoo.secret import Secret

if TYPE_CHECKING:
    from aiohttp import web

    from aiodoo.receiver.asgi import ASGIApplication

logger = logging.getLogger("aiodoo.receiver")

MEBIBYTE = 1 << 20

H = TypeVar("H", bound=Handler)


class Receiver:
    """Receives doo's token requests and deliveries ("Webhook requests from doo to the external system").

    doo takes status 200 alone as success and sends anything else again, ten times at most; after that a delivery is in a
    dead letter queue that only doo's staff can see. A handler that returns is answered with 200; one that raises, or takes
    longer than `handler_timeout`, with 500.

    >>> receiver = Receiver(client_secrets="s3cret")
    >>> @receiver.on("event_created")
    ... async def created(delivery: Delivery) -> None:
    ...     print(delivery.data)
    >>> [hook.endpoint for hook in receiver.hooks("https://app.example/doo")]
    ['https://app.example/doo/event_created']

    doo signs nothing, so only TLS protects the content of a delivery.

    Args:
        client_secrets: the secret that doo sends to get a token; several while one replaces another, of which new
            subscriptions get the first. None receives deliveries without any authentication.
        client_id: the id that doo sends with it.
        token_path: the path of token requests, below the receiver's.
        token_lifetime: seconds that a token is valid.
        header_format: the name of the header that carries the token.
        header_value_format: the value of that header, with `%ACCESS_TOKEN%`.
        storage: keeps tokens, keys of handled deliveries and stored deliveries: `MemoryStorage()`, or
            `SQLiteStorage(path)` for several processes and for what has to survive a restart.
        deduplicate: seconds for which a handled delivery is remembered, so that an equal one is answered without its
            handler; None hands over every delivery. Two equal deliveries may be two occurrences, such as two updates of an
            event of which only the id is sent; a `key=` of `on` tells them apart.
        acknowledge_first: whether deliveries are stored and answered before they are handled. They are handled inside
            `async with receiver.working()`, at least once each; outside of it a `MemoryStorage` accepts none.
        attempts: how often a stored delivery is tried.
        workers: how many stored deliveries are handled at the same time.
        events: ids of events; deliveries that are about others are answered without a handler. A configuration without
            `event_id` covers all events of its organization. A delivery whose event is not found in its payload
            is handed over.
        handler_timeout: seconds after which a handler is cancelled.
        read_timeout: seconds within which a body has to arrive.
        max_body: bytes of the largest body that is accepted.
        clock: tells the time.

    Raises:
        ConfigError: an argument has the wrong type or value.
    """

    __slots__ = (
        "_backlog",
        "_clock",
        "_handling",
        "_issuer",
        "_read_timeout",
        "_routes",
        "_storage",
        "_token_path",
        "_workers",
        "acknowledge_first",
        "counts",
        "max_body",
    )

    def __init__(
        self,
        *,
        client_secrets: str | Secret | Iterable[str | Secret] | None,
        client_id: str = "doo",
        token_path: str = "/token",  # noqa: S107  # a path
        token_lifetime: float = 3600.0,
        header_format: str = "Authorization",
        header_value_format: str = f"Bearer {ACCESS_TOKEN}",
        storage: Storage | None = None,
        deduplicate: float | None = None,
        acknowledge_first: bool = False,
        attempts: int = 10,
        workers: int = 4,
        events: Collection[str | int] | None = None,
        handler_timeout: float = 20.0,
        read_timeout: float = 10.0,
        max_body: int = MEBIBYTE,
        clock: Clock | None = None,
    ) -> None:
        check_flag(acknowledge_first, "acknowledge_first")
        for name, value in (("attempts", attempts), ("workers", workers), ("max_body", max_body)):
            if not is_count(value):
                raise ConfigError(f"{name} must be a whole number, 1 or more")
        if events is not None and (isinstance(events, str) or not isinstance(events, Collection)):
            raise ConfigError("events must be a collection of event ids, not one")
        self.acknowledge_first = acknowledge_first
        self.max_body = max_body
        self.counts: Counter[str] = Counter()
        if storage is not None and not all(hasattr(storage, name) for name in STORAGE_METHODS):
            raise ConfigError(
                "storage must be a MemoryStorage, a SQLiteStorage, or have all methods of Storage"
            )
        self._storage: Storage = MemoryStorage() if storage is None else storage
        self._clock = Clock() if clock is None else clock
        timeout = check_seconds(handler_timeout, "handler_timeout", least=0.001)
        duplicates = None
        if deduplicate is not None:
            remembered = check_seconds(deduplicate, "deduplicate", least=1.0)
            duplicates = Duplicates(
                storage=self._storage, clock=self._clock, remembered=remembered, patience=timeout
            )
        self._handling = Handling(
            duplicates=duplicates,
            timeout=timeout,
            events=None if events is None else frozenset(check_id(each, "event id") for each in events),
        )
        self._read_timeout = check_seconds(read_timeout, "read_timeout", least=0.001)
        self._workers = workers
        self._token_path = check_path(token_path, "token_path")
        self._routes: dict[str, Route] = {}
        self._issuer = (
            None
            if client_secrets is None
            else TokenIssuer.of(
                client_id=client_id,
                secrets=client_secrets,
                header_format=header_format,
                header_value_format=header_value_format,
                lifetime=token_lifetime,
                storage=self._storage,
            )
        )
        self._backlog = Backlog(
            storage=self._storage,
            handling=self._handling,
            clock=self._clock,
            attempts=attempts,
            counts=self.counts,
            routes=self._routes,
        )

    def on(
        self,
        type: str,  # noqa: A002  # doo's word
        *,
        path: str | None = None,
        query: str | None = None,
        variables: Mapping[str, Any] | None = None,
        operation_name: str | None = None,
        payload: Callable[..., Any] | None = None,
        key: KeyFunction | None = None,
    ) -> Callable[[H], H]:
        """Return a decorator that registers an async function as the handler of a hook type.

        Args:
            type: such as `event_created`; a leading `on_` is removed.
            path: the path of its endpoint below the receiver's; `/` and the type if not given.
            query: the GraphQL query that makes the payload; doo's default payload without one.
            variables: the variables of the query; doo fills in placeholders such as `%EVENT_ID%`.
            operation_name: the operation to run if the query has several.
            payload: a class whose instance is `delivery.payload`: one of `aiodoo.receiver.Event`, `Order` and `Attendee`,
                one with a `from_data` class method, or any that cattrs can structure. A payload that does not fit is
                answered with 500.
            key: returns the key by which duplicates are recognized, or None for a delivery that has none; the content
                counts without it.

        Raises:
            ConfigError: the type or the path has a handler already, or an argument has the wrong type.
        """
        check_kind(type, "type", str, "text")
        if query is None and (variables is not None or operation_name is not None):
            raise ConfigError("variables and operation_name belong to a query; give it, too")
        if payload is not None and not callable(payload):
            raise ConfigError("payload must be a class")
        if key is not None and (not callable(key) or _is_async(key)):
            raise ConfigError("key must be a function that is not async, and returns a text or None")
        name = plain_text(type).removeprefix("on_")
        route_path = check_path(f"/{name}" if path is None else path, "path" if path is not None else "type")
        if any(each.type == name for each in self._routes.values()):
            raise ConfigError(f"{name} has a handler already")
        if route_path in self._routes or route_path == self._token_path:
            raise ConfigError(f"the path {route_path} is taken already")

        def register(handler: H) -> H:
            if not _is_async(handler):
                raise ConfigError("a handler must be an async function with one argument, the delivery")
            route = Route(
                type=name,
                path=route_path,
                handler=handler,
                query=query,
                variables=variables,
                operation_name=operation_name,
                read=reader(payload),
                key=content_key if key is None else key,
            )
            # The query is checked here, not when somebody subscribes.
            route.hook("https://stands-in.example")
            self._routes[route_path] = route
            return handler

        return register

    def hooks(self, base_url: str) -> tuple[Hook, ...]:
        """Return the hooks that make doo call this receiver, in the order of registration.

        Args:
            base_url: the public URL that the receiver is mounted at, such as `https://app.example/doo`.

        Raises:
            ConfigError: the URL is no https URL (or http at a loopback address), or no handler is registered.
        """
        if not self._routes:
            raise ConfigError("no handler is registered, so there is no hook to subscribe")
        base = check_base_url(base_url)
        return tuple(route.hook(base) for route in self._routes.values())

    def authentication(self, base_url: str) -> Authentication | None:
        """Return the authentication by which doo gets a token of this receiver; None if it asks for none."""
        if self._issuer is None:
            return None
        issuer = self._issuer
        return Authentication(
            endpoint=check_base_url(base_url) + self._token_path,
            credentials=ClientCredentials(client_id=issuer.client_id, client_secret=issuer.secrets[0]),
            header_format=issuer.header_format,
            header_value_format=issuer.header_value_format,
        )

    def webhook(self, base_url: str, *, name: str, event_id: str | int | None = None) -> AddWebhook:
        """Return the webhook configuration that subscribes all types of this receiver.

        Args:
            base_url: the public URL that the receiver is mounted at.
            name: the name of the configuration.
            event_id: the event that it is limited to.
        """
        return AddWebhook(
            name=name,
            event_id=None if event_id is None else check_id(event_id, "event id"),
            hooks=self.hooks(base_url),
            authentication=self.authentication(base_url),
        )

    async def check(
        self, doo: subscription.Lists, team: str | int, *, base_url: str
    ) -> subscription.SubscriptionCheck:
        """Compare the webhook configurations of a team with what this receiver serves.

        Costs one request per page of the team.

        Args:
            doo: a session, or a view of one.
            team: the team id.
            base_url: the public URL that the receiver is mounted at.
        """
        secrets = () if self._issuer is None else self._issuer.secrets
        return await subscription.check(
            doo.webhooks.list(team), self.hooks(base_url), self.authentication(base_url), secrets
        )

    async def respond(self, request: ReceivedRequest) -> ReceiverAnswer:
        """Answer one request; never raises but on cancellation."""
        try:
            answer = await self._answer(request)
        except Exception as error:  # noqa: BLE001  # the storage: doo sends it again
            logger.error("a request was not answered, as the storage failed (%s)", reason(error))  # noqa: TRY400
            answer = exchange.FAILED
        if answer.status not in {200, 500, 503}:
            self.counts["refused"] += 1
            logger.warning("answered %d to a request to %r", answer.status, request.path[:100])
        return answer

    async def _answer(self, request: ReceivedRequest) -> ReceiverAnswer:
        path = request.path.rstrip("/")
        is_token = path == self._token_path and self._issuer is not None
        route = self._routes.get(path)
        if route is None and not is_token:
            return exchange.NOT_FOUND
        if request.method != "POST":
            return exchange.ONLY_POST
        now = self._clock.now()
        if not is_token and self._issuer and not await self._issuer.admits(request, now=now.timestamp()):
            return exchange.UNAUTHORIZED
        body = await self._read(request)
        if isinstance(body, ReceiverAnswer):
            return body
        if route is None:
            assert self._issuer is not None  # noqa: S101  # said above
            self.counts["token"] += 1
            return await self._issuer.answer(body, now=now.timestamp())
        return await self._receive(route, body, now)

    async def _read(self, request: ReceivedRequest) -> bytes | ReceiverAnswer:
        lengths = request.values("content-length")
        if lengths and lengths[0].isdecimal() and int(lengths[0][:20]) > self.max_body:
            return exchange.TOO_LARGE
        try:
            with anyio.fail_after(self._read_timeout):
                body = await request.read(self.max_body)
        except Exception:  # noqa: BLE001  # too late, or the client has gone: each server has its own errors
            return exchange.INCOMPLETE
        return exchange.TOO_LARGE if len(body) > self.max_body else body

    async def _receive(self, route: Route, body: bytes, now: datetime) -> ReceiverAnswer:
        fits, data = parse(body)
        if not fits:
            return exchange.NOT_JSON
        if self.acknowledge_first:
            stored = StoredDelivery(type=route.type, body=body, received=now.timestamp())
            result = await self._backlog.store(stored)
        else:
            delivery = Delivery(type=route.type, data=data, received_at=now, body=body)
            result = await self._handling.handle(route, delivery)
        self.counts[result] += 1
        return ANSWERS[result]

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Handle stored deliveries while the context is open; at its end the storage is closed.

        What is being handled at the end is cancelled and handled again by whoever works next. It may be opened again, in
        another event loop, too.
        """
        async with self._backlog.working(self._workers if self.acknowledge_first else 0):
            yield

    async def failed(self) -> list[StoredDelivery]:
        """Return the stored deliveries that were tried `attempts` times in vain, the oldest first."""
        return await self._storage.failed()

    async def retry_failed(self) -> int:
        """Handle the failed deliveries again, and return their number."""
        count = await self._storage.retry_failed(now=self._clock.now().timestamp())
        self._backlog.notice()
        return count

    def asgi(self) -> ASGIApplication:
        """Return an ASGI application, for Starlette, FastAPI, Litestar, Quart or a server such as uvicorn."""
        from aiodoo.receiver.asgi import ASGIApplication  # noqa: PLC0415  # one of two skins

        return ASGIApplication(self)

    def application(self) -> web.Application:
        """Return an aiohttp application, for `add_subapp("/doo", receiver.application())`."""
        from aiodoo.receiver.aiohttp_application import application  # noqa: PLC0415  # one of two skins

        return application(self)


def _is_async(handler: object) -> bool:
    call = getattr(handler, "__call__", None)  # noqa: B004  # an object whose `__call__` is async counts
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call)
