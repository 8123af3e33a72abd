"""Sends one wire request over aiohttp, without retries, redirects or cookies."""

from __future__ import annotations

import asyncio
import errno
import math
import os
import platform
import select
import socket
import ssl as tls
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError, HttpProcessingError
from yarl import URL

from aiodoo.checks import can_be_host, plain_text
from aiodoo.client.exchange import Exchange, Transport
from aiodoo.clock import Clock
from aiodoo.doo_warnings import Line, UnverifiedConnection
from aiodoo.errors import SESSION_CLOSED, BodyTooLarge, ConfigError, DooError, ProtocolError, TransportError
from aiodoo.protocol.decoding import MAX_BODY
from aiodoo.protocol.wire import Answer, Request
from aiodoo.version import VERSION

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

__all__ = ["Exchange", "HttpTransport", "TlsRefused", "Transport"]

KEEPALIVE = 2.0
"""Seconds after which an idle connection is not reused, so that a close by the server is not taken for a lost answer."""

USER_AGENT = f"aiodoo/{VERSION} aiohttp/{aiohttp.__version__} Python/{platform.python_version()}"
"""The default `User-Agent`."""

_UNVERIFIED = (
    "ssl= has a context that does not check certificates, or whose they are: whoever is between can read the API key and "
    "every secret. Load your own authority into ssl.create_default_context(cafile=...) instead"
)


class TlsRefused(TransportError):
    """TLS failed, or the certificate is not trusted; a retry does not help."""


class HttpTransport:
    """Sends requests over HTTP or HTTPS below one base URL.

    Args:
        base_url: such as `https://rest.doo.net/v1`, without a trailing slash.
        timeout: the seconds for one wire request, connecting included.
        connect: the seconds for connecting: name resolution, TCP and TLS.
        proxy: the URL of an HTTP proxy. Proxies of the environment and .netrc are ignored.
        ssl: an `ssl.SSLContext` or `aiohttp.Fingerprint`; a context that does not verify causes a warning.
        clock: the clock for the times of an `Exchange`.
        user_agent: the `User-Agent`; by default the versions of aiodoo, aiohttp and Python.

    Raises:
        ConfigError: the proxy, `ssl=` or the `User-Agent` is not valid.
    """

    ends_in_time = True
    """A request ends with a `TimeoutError` at `Exchange.ends_at`."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float = 60.0,
        connect: float = 10.0,
        proxy: str | None = None,
        ssl: tls.SSLContext | aiohttp.Fingerprint | None = None,
        clock: Clock | None = None,
        user_agent: str | None = None,
    ) -> None:
        user_agent = plain_text(user_agent)
        if user_agent is not None and not _is_header_text(user_agent):
            raise ConfigError("user_agent must be printable ASCII text; nothing was sent")
        if not isinstance(ssl, tls.SSLContext | aiohttp.Fingerprint | None):
            raise ConfigError("ssl= takes an ssl.SSLContext; verifying certificates cannot be turned off")
        if isinstance(ssl, tls.SSLContext) and not (ssl.verify_mode and ssl.check_hostname):
            Line.of_caller().warn(_UNVERIFIED, UnverifiedConnection)
        proxy = plain_text(proxy)
        if proxy is not None and not _is_proxy(proxy):
            raise ConfigError("proxy= must look like http://proxy.example:8080; nothing was sent")
        self._base_url = base_url
        self._host = URL(base_url).authority
        # One timeout ends a request that takes too long, and one that is in flight when the transport is closed.
        self._total = timeout
        self._timeout = aiohttp.ClientTimeout(total=None, connect=connect)
        self._proxy, self._proxy_headers = _proxy(proxy)
        self._ssl = ssl
        self._now = (clock or Clock()).monotonic
        self._user_agent = user_agent or USER_AGENT
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._under_way: set[asyncio.Timeout] = set()

    async def send(self, request: Request, headers: Mapping[str, str], trip: Exchange) -> Answer:
        """Send one wire request and return the whole answer."""
        session = self._session
        if session is None or self._closed:
            session = self._open()
        url = self._base_url + request.path
        if request.page is not None:
            url = f"{url}?page={request.page}"
        elif request.query:
            url = f"{url}?{request.query}"
        current = _trip.set(trip)
        # What is left for the call may be less than what a wire request may take.
        left = math.inf if trip.ends_at is None else max(0.0, trip.ends_at - self._now())
        ending = asyncio.timeout(min(self._total, left))
        self._under_way.add(ending)
        try:
            async with ending:
                response = await session.request(
                    request.method,
                    URL(url, encoded=True),
                    headers=headers,
                    data=request.body or None,
                    allow_redirects=False,
                    proxy=self._proxy,
                    proxy_headers=self._proxy_headers,
                )
                trip.first_byte = self._now()
                try:
                    # An unread body can be neither too large nor incomplete.
                    unread = request.kind.needs_no_body and 200 <= response.status < 300
                    body = b"" if unread else await _body(response)
                finally:
                    response.release()
            return Answer(status=response.status, headers=response.headers, body=body)
        except DooError:
            raise
        except Exception as error:  # noqa: BLE001  # aiohttp raises many classes
            if left <= self._total and ending.expired() and not self._closed:
                raise TimeoutError from None
            failure = self._failure(_Closing() if self._closed and ending.expired() else error, trip)
        finally:
            self._under_way.discard(ending)
            _trip.reset(current)
        # Raised outside of the handler to have no context, which would hold headers.
        raise failure

    async def close(self) -> None:
        """Close all connections; requests in flight end with a `TransportError`."""
        self._closed = True
        # Without this, aiohttp leaves requests that connect or read a body waiting for their timeout.
        under_way, self._under_way = self._under_way, set()
        for ending in under_way:
            if not ending.expired():  # one that has expired ends its request in the next turn
                ending.reschedule(asyncio.get_running_loop().time())
        if self._session is not None:
            await self._session.close()
            # A closing TLS transport closes its socket in the next iteration of the event loop.
            await asyncio.sleep(0)

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise ConfigError(SESSION_CLOSED)
        # asyncio reads into blocks of 256 KiB, and glibc gives the end of its heap back to the system after each of them,
        # unless a larger block that was freed has taught it to keep that much: 38 us of a page went into page faults.
        bytes(1 << 20)
        self._session = aiohttp.ClientSession(
            connector=_Connector(
                self._now,
                keepalive_timeout=KEEPALIVE,
                limit=0,
                ssl=True if self._ssl is None else self._ssl,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": self._user_agent},
            timeout=self._timeout,
            trust_env=False,
        )
        return self._session

    def _failure(self, error: Exception, trip: Exchange) -> DooError:
        if trip.sent is None:
            unreachable = _is_unreachable(error)
            refused = isinstance(error, _TLS_ERRORS) and not unreachable
            kind = TlsRefused if refused else TransportError
            return kind(
                f"no connection to {self._host}: {_reason(error)}; nothing was sent",
                sent=False,
                unreachable=unreachable,
                lasting=refused or (isinstance(error, aiohttp.ClientHttpProxyError) and not unreachable),
            )
        if isinstance(error, _MALFORMED) or isinstance(error.__cause__, ContentEncodingError):
            return ProtocolError(f"the answer from {self._host} is not valid HTTP")
        return TransportError(f"no usable answer from {self._host}: {_reason(error)}", sent=True)


def _is_header_text(text: object) -> bool:
    """Return whether a value is text that can be the value of a header."""
    return isinstance(text, str) and bool(text.strip()) and text.isascii() and text.isprintable()


def _is_proxy(url: object) -> bool:
    """Return whether a value is the URL of an HTTP proxy."""
    try:
        found = URL(url) if isinstance(url, str) else URL()
        return found.scheme in {"http", "https"} and can_be_host(found.raw_host or "") and bool(found.port)
    except ValueError:
        return False


def _proxy(url: str | None) -> tuple[URL | None, dict[str, str] | None]:
    """Split a proxy's URL into the URL without credentials and an Authorization header, in Latin-1 if possible, else UTF-8."""
    found = None if url is None else URL(url)
    if found is None or found.user is None:
        return found, None
    if ":" in found.user:
        error = ConfigError(
            "the user name in the URL must not hold a colon: HTTP has one after it; nothing was sent"
        )
        error.add_note("It is the URL that proxy= was given.")
        raise error
    given = f"{found.user}:{found.password or ''}"
    encoded = b64encode(given.encode("latin1" if max(map(ord, given)) < 256 else "utf-8"))
    return found.with_user(None), {"Authorization": f"Basic {encoded.decode()}"}


class _Connector(aiohttp.TCPConnector):
    """A connector that records in the current `Exchange` when the connection is established.

    A used connection is closed instead of reused if the server has closed it or sent data since, which would be taken
    for the answer to the next request. A second connection for one wire request is refused, as aiohttp asks for it to
    send the request again after a lost connection.
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        keepalive_timeout: float,
        limit: int,
        ssl: tls.SSLContext | aiohttp.Fingerprint | bool,
    ) -> None:
        super().__init__(keepalive_timeout=keepalive_timeout, limit=limit, ssl=ssl)
        self._now = now
        self._listening: WeakKeyDictionary[ResponseHandler, Callable[[int], object]] = WeakKeyDictionary()

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # aiohttp's signature
    ) -> Connection:
        trip = _trip.get()
        if trip.sent is not None:
            raise aiohttp.ServerDisconnectedError
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if protocol is None:
                break
            listening = self._listening.get(protocol)
            if listening is None:
                self._listening[protocol] = _listening(connection)
                break
            # Anything that has come since its last answer, the end as well.
            if not protocol.should_close and not listening(0):
                break
            connection.close()
        trip.leave(self._now())
        return connection


def _listening(connection: Connection) -> Callable[[int], object]:
    """Return a function that tells whether the server has sent data that nobody has read, or closed the connection."""
    transport = connection.transport
    if transport is None or not hasattr(select, "poll"):  # Windows
        return _nothing_to_tell
    waiting = select.poll()
    waiting.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return waiting.poll


def _nothing_to_tell(_seconds: int) -> bool:
    return False


_trip: ContextVar[Exchange] = ContextVar("aiodoo.transport.trip")

_TLS_ERRORS = (
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ClientConnectorSSLError,
    aiohttp.ServerFingerprintMismatch,
)

_OF_THIS_MACHINE = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EACCES, errno.EPERM}
)
"""Causes on this machine for which no connection can be made, whatever the network."""

_OF_THE_NAME_SERVER = frozenset({3, 11, 12})
"""c-ares' error numbers, from aiodns, for a name server that fails, refuses connections or does not answer."""

_BUSY = frozenset({502, 503, 504})
"""Answers of a proxy that cannot reach the host at the moment."""

# aiohttp reports a malformed answer as a response error with a status that it made up.
_MALFORMED = (aiohttp.ClientResponseError, HttpProcessingError)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Read the decoded body, at most `MAX_BODY` bytes; aiohttp closes a connection with unread data."""
    content = response.content
    piece = await content.readany()
    pieces, size = [piece], len(piece)
    while size <= MAX_BODY and not content.at_eof():
        piece = await content.readany()
        pieces.append(piece)
        size += len(piece)
    if size <= MAX_BODY:
        return piece if len(pieces) == 1 else b"".join(pieces)
    raise BodyTooLarge(
        f"the answer's body is larger than {MAX_BODY >> 20} MiB; the rest was not read",
        status=response.status,
    )


class _Closing(Exception):
    """The session was closed before the answer was complete."""


def _is_unreachable(error: Exception) -> bool:
    """Return whether the cause of a failed connection may be temporary."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return error.status in _BUSY
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return _is_temporary(error.os_error)
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        # A host that accepts and closes the connection is a load balancer without a backend.
        return isinstance(error.os_error, tls.SSLEOFError | tls.SSLZeroReturnError)
    if isinstance(error, aiohttp.ClientConnectorError):
        # If several addresses fail in different ways there is no error number.
        return error.os_error.errno not in _OF_THIS_MACHINE
    return isinstance(error, TimeoutError | ConnectionError | aiohttp.ServerDisconnectedError)


def _is_temporary(error: OSError) -> bool:
    """Return whether the name server fails, in contrast to an unknown name."""
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_AGAIN
    cause = error.__cause__
    return cause is not None and bool(cause.args) and cause.args[0] in _OF_THE_NAME_SERVER


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "its name could not be resolved"),
    (aiohttp.ServerFingerprintMismatch, "its certificate has another fingerprint"),
    (_Closing, "the session was closed"),
    (TimeoutError, "the time for one request ran out"),
    (aiohttp.ServerDisconnectedError, "the connection was closed before the answer"),
    (aiohttp.ClientPayloadError, "the answer broke off"),
)


def _reason(error: Exception) -> str:
    """Describe an error without its text, which may quote headers or bytes of the answer."""
    for kind, words in _REASONS:
        if isinstance(error, kind):
            return words
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy refused with status {error.status}"
    if isinstance(error, RuntimeError) and "thread" in str(error):
        return "its name could not be looked up, as this process can't start new threads"
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(error, _TLS_ERRORS):
        cause = getattr(error, "certificate_error", cause)
        return f"TLS failed: {getattr(cause, 'verify_message', '') or getattr(cause, 'reason', '')}"
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno)
    return type(cause).__name__
