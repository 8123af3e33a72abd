"""Journals on real servers, with a proxy between that loses answers, and processes that are killed while they write."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiodoo.bulk.journal import JournalStore, store_at
from aiodoo.bulk.journal.file import JournalFile
from aiodoo.bulk.journal.shared import SharedStore
from aiodoo.bulk.journal.store import Row
from aiodoo.journals import PostgreSQL, Redis, SharedJournal

KEY = b"k"
RUN = "0123456789abcdef"
LEASE = 0.4
"""Seconds after which a killed process has no journal any more."""
BEGUN: list[Row] = [
    *(("operation", str(number), {"is": "create", "text": "x" * 40}) for number in range(300)),
    ("run", "run", {"operations": 300}),
]
COMMITS = 4


def on_server(kind: str, urls: dict[str, str], **options: Any) -> SharedJournal:
    """Return the place of all journals on a server."""
    options = {"lease": LEASE, "patience": 1.0} | options
    if kind == "postgresql":
        return PostgreSQL(urls["procrastinate"], **options)
    return Redis(urls["streaq"], **options)


def store(journal: Path | SharedJournal) -> JournalStore:
    """Return the store of a journal that can be written."""
    return store_at(journal, key=KEY)


def begun(journal: Path | SharedJournal) -> JournalStore:
    """Return a new journal, open."""
    made = store(journal)
    assert made.open() is None
    made.begin(RUN, BEGUN)
    return made


def commit(number: int) -> list[Row]:
    """Return the rows of a commit."""
    return [("change", str(number), {"reason": "y" * (9000 if number % 3 == 1 else 100)})]


def die(journal: JournalStore) -> None:
    """Let a store end as a killed process does: what it holds is not given back, and its connections are cut."""
    if isinstance(journal, SharedStore):
        journal._closed.set()
        journal._server.close()
    elif isinstance(journal, JournalFile):
        journal.close()


def killed_at(journal: Path | SharedJournal, at: int, *, after: bool) -> int:
    """Let a process write, and kill it right before or after the given write; return how many it was told are kept."""
    told, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(tell)
        os.waitpid(child, 0)
        with os.fdopen(told, "rb") as pipe:
            return len(pipe.read())
    try:
        _write(journal, at, tell, after=after)
    finally:
        os._exit(1)


def _write(journal: Path | SharedJournal, at: int, tell: int, *, after: bool) -> None:
    made = store(journal)
    made.open()
    calls = [lambda: made.begin(RUN, BEGUN)]
    calls += [lambda number=number: made.append(commit(number)) for number in range(COMMITS)]
    for number, call in enumerate(calls):
        if number == at and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        call()
        if number == at:
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(tell, b".")


class Proxy:
    """Stands between a store and its server; loses answers, or lets nothing pass."""

    def __init__(self, kind: str, url: str, folder: Path) -> None:
        parts = urlsplit(url)
        if kind == "postgresql":
            server = Path(parse_qs(parts.query)["host"][0])
            self._to: Any = (socket.AF_UNIX, str(server / ".s.PGSQL.5432"))
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(folder / ".s.PGSQL.5432"))
            self.url = f"postgresql://postgres@/postgres?host={folder}"
        else:
            self._to = (socket.AF_INET, (parts.hostname, parts.port))
            self._listener = socket.socket()
            self._listener.bind(("127.0.0.1", 0))
            self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self._listener.listen()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.asked = 0
        """How often something was asked."""
        self.loses = 0
        """How many answers are lost from now on, each with its connection."""
        self.away = False
        self.silent = False
        """Whether nothing comes through, while all connections stay."""
        self.lost = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Let nothing pass from now on."""
        self.away = True
        for pair in self._pairs:
            _end(*pair)

    def close(self) -> None:
        """Stop."""
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.away:
                    client.close()
                    continue
                family, address = self._to
                server = socket.socket(family)
                server.connect(address)
                self._pairs.append((client, server))
                if self.away:  # since a moment ago
                    _end(client, server)
                for work in (self._asks, self._answers):
                    threading.Thread(target=work, args=(client, server), daemon=True).start()

    def _asks(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 16):
                self.asked += 1
                if not self.silent:
                    server.sendall(data)
        _end(client, server)

    def _answers(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                if self.loses:
                    self.loses -= 1
                    self.lost.set()
                    break
                client.sendall(data)
        _end(client, server)


def _end(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


@contextmanager
def between(kind: str, url: str, folder: Path) -> Iterator[Proxy]:
    """Run a proxy to a server."""
    way = Proxy(kind, url, folder)
    try:
        yield way
    finally:
        way.close()


@contextmanager
def proxy(
    kind: str, urls: dict[str, str], folder: Path
) -> Iterator[tuple[Proxy, Callable[..., SharedJournal]]]:
    """Run a proxy to a server; yield it and what makes places of journals behind it."""
    name = {"postgresql": "procrastinate", "valkey": "streaq"}[kind]
    with between(kind, urls[name], folder) as way:
        yield way, lambda **options: on_server(kind, {name: way.url}, **options)


def free_port() -> int:
    """Return a port that nobody listens on; the server's own choice is the same in processes that start one at once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
