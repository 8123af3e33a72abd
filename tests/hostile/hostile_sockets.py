"""Listeners that do what no HTTP library would: hold still, hang up, speak first, show a certificate of the wrong kind."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import struct
import subprocess
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
from client.raw_server import RawServer, Reply, raw_server, writes
from hostile_world import Ends, Operation, check_end, good, has_token, length, outcome, session, written

from aiodoo import DooError, Session

PATHS = {
    "token": b"POST /v1/oauth ",
    "list": b"GET /v1/team/111/webhooks ",
    "create": b"POST /v1/team/111/webhooks ",
    "delete": b"DELETE /v1/webhooks/12 ",
}


def well(body: bytes) -> Reply:
    """A reply as it should be, on a connection that is kept."""
    return writes(b"HTTP/1.1 200 OK\r\n" + length(body) + b"\r\n\r\n" + body, close=False)


TEAM_ANSWER = well(written(active_team={"id": 111}))


def asked(server: RawServer, operation: Operation) -> int:
    """Return how many requests for an operation a server has seen."""
    return sum(each.startswith(PATHS[operation]) for each in server.heads)


async def play_raw(
    reply: Callable[[Operation], Reply],
    operation: Operation,
    ends: Ends,
    *,
    again: bool = True,
    **options: object,
) -> object:
    """As `hostile_world.play`, on a server of raw bytes: let an operation meet a reply as often as it may ask.

    `again` asks once more afterwards, when the server is well.
    """
    before = [] if operation == "token" else [well(good("token"))]
    after = [well(good("token")), TEAM_ANSWER] if operation == "token" else [well(good(operation))]
    if operation == "token" and ends.error is None:
        after = after[1:]
    replies = [*before, *[reply(operation)] * ends.sends, *after]
    async with raw_server(*replies) as server, session(server.url, **options) as doo:
        result = await outcome(doo, operation)
        check_end(result, operation, ends)
        assert asked(server, operation) == ends.sends
        if again:
            repeated = await outcome(doo, operation)
            assert not isinstance(repeated, DooError), repeated
    return result


async def first_request(doo: Session, operation: Operation) -> object:
    """Ask for an operation with the very first request, having a token already."""
    if operation != "token":
        has_token(doo)
    return await outcome(doo, operation)


@attrs.define
class Listener:
    """Where it listens, and what it has seen."""

    port: int = 0
    connections: int = 0
    received: bytes = b""


@asynccontextmanager
async def resetting() -> AsyncIterator[Listener]:
    """Accept every connection and reset it at once."""
    seen = Listener()

    def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    server = await asyncio.start_server(reset, "127.0.0.1", 0)
    seen.port = server.sockets[0].getsockname()[1]
    async with server:
        yield seen


@contextmanager
def black_hole(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Listen, accept nobody, and have no room left: whoever connects waits for ever."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as hole:
        hole.bind((host, port))
        hole.listen(0)
        port = hole.getsockname()[1]
        callers = [socket.socket(family) for _ in range(4)]
        try:
            for caller in callers:
                caller.setblocking(False)
                with suppress(BlockingIOError):
                    caller.connect((host, port))
            yield port
        finally:
            for caller in callers:
                caller.close()


@contextmanager
def handshaking(context: ssl.SSLContext) -> Iterator[Listener]:
    """Shake hands with whoever connects, with the alert that OpenSSL sends if it cannot, and hang up.

    In a thread: asyncio's own TLS server resets a connection whose handshake fails and says nothing.
    """
    seen = Listener()

    def serve() -> None:
        with suppress(OSError):
            while True:
                caller, _ = server.accept()
                seen.connections += 1
                with caller, suppress(OSError), context.wrap_socket(caller, server_side=True) as secure:
                    seen.received += secure.recv(65_536)

    with ThreadPoolExecutor(1) as thread, socket.create_server(("127.0.0.1", 0)) as server:
        seen.port = server.getsockname()[1]
        thread.submit(serve)
        try:
            yield seen
        finally:
            server.shutdown(socket.SHUT_RDWR)


_AUTHORITY = """
[ca]
default_ca = here
[here]
new_certs_dir = .
database = index.txt
serial = serial
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
x509_extensions = more
[any]
commonName = optional
[more]
authorityKeyIdentifier = keyid
[authority]
authorityKeyIdentifier = keyid
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
"""


class Authority:
    """A certificate authority in a directory, made with the openssl program."""

    def __init__(self, directory: Path) -> None:
        if shutil.which("openssl") is None:
            raise RuntimeError("these tests need the openssl program to make certificates; please install it")
        self._directory = directory
        (directory / "ca.cnf").write_text(_AUTHORITY)
        (directory / "index.txt").touch()
        (directory / "serial").write_text("01")
        # Python 3.13 is strict: an authority says what its key is for, and a certificate by which key it was signed.
        self._make_key(
            "root", "-x509", "-days", "2", "-addext", "keyUsage=critical,keyCertSign", out="root.pem"
        )

    @property
    def trusted(self) -> ssl.SSLContext:
        """What a client needs to trust this authority."""
        return ssl.create_default_context(cafile=str(self._directory / "root.pem"))

    def sign(
        self,
        name: str,
        *,
        by: str = "root",
        address: str = "IP:127.0.0.1",
        days: tuple[int, int] = (-1, 1),
        authority: bool = False,
    ) -> None:
        """Sign a certificate that is good from so many to so many days from now."""
        self._make_key(name, "-addext", f"subjectAltName={address}", out=f"{name}.csr")
        begin, end = (f"{datetime.now(UTC) + timedelta(days=each):%Y%m%d%H%M%SZ}" for each in days)
        self._openssl(
            *("ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", f"{by}.pem", "-keyfile", f"{by}.key"),
            *("-in", f"{name}.csr", "-out", f"{name}.pem", "-startdate", begin, "-enddate", end),
            *(("-extensions", "authority") if authority else ()),
        )

    def sign_itself(self, name: str) -> None:
        """Make a certificate that nobody else has signed."""
        self._make_key(
            name, "-x509", "-days", "1", "-addext", "subjectAltName=IP:127.0.0.1", out=f"{name}.pem"
        )

    def server(self, name: str, *, at_most: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """Return a server's context with one certificate and nothing of its chain."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        if at_most is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version = context.maximum_version = at_most
            context.set_ciphers("DEFAULT@SECLEVEL=0")
        return context

    def _make_key(self, name: str, *more: str, out: str) -> None:
        self._openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", f"{name}.key", "-out", out, "-subj", f"/CN={name}", *more),
        )

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self._directory, check=True, capture_output=True)  # noqa: S603, S607
