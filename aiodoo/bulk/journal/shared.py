"""Journals on a server, for runs that another host may resume.

The lines are those of a journal file, one for each commit. A process that opens a journal gets a number one higher than
the last one had, and the server refuses writes with an older number. While a process has the journal open it renews a
lease; a process that is killed or frozen lets it run out.
"""

from __future__ import annotations

import io
import logging
import math
import os
import re
import socket
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Self, TypeVar

import attrs
from anyio import to_thread

from aiodoo.bulk.journal import lines, refusals
from aiodoo.bulk.journal.server import Away, Held, Key, Refused, Server
from aiodoo.bulk.journal.store import Content, JournalStore, Row
from aiodoo.checks import check_seconds, printable
from aiodoo.clock import Clock
from aiodoo.errors import ConfigError, JournalError, JournalWriteFailed

logger = logging.getLogger("aiodoo.bulk")

T = TypeVar("T")

AT_ONCE = 256
"""The most rows of a new journal in one line."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between two attempts while a server is away; each pause is twice as long as the one before."""

_NAME = re.compile(r"[A-Za-z0-9._~%+@=-]+(/[A-Za-z0-9._~%+@=-]+)*")


@attrs.frozen
class SharedJournal(ABC):
    """A journal on a server, or with an empty name all of them; `journals / "a" / "b"` is the one named `a/b`.

    Args:
        url: the URL of the server.
        name: the name of the journal.
        patience: seconds to wait for a server that is away, before a run stops.
        lease: seconds after which the journal of a killed or frozen process can be opened by another one.
    """

    url: str = attrs.field(repr=False)
    name: str = ""
    patience: float = attrs.field(default=15.0, kw_only=True)
    lease: float = attrs.field(default=30.0, kw_only=True)

    def __attrs_post_init__(self) -> None:
        check_seconds(self.patience, "patience")
        check_seconds(self.lease, "lease", least=0.1)
        if self.name and (len(self.name) > 500 or _NAME.fullmatch(self.name) is None):
            raise ConfigError(
                "the name of a journal on a server must be 1 to 500 of the characters A-Z a-z 0-9 . _ ~ % + @ = -, "
                "in parts with / between them; nothing was sent"
            )
        self._shown_url()

    def __truediv__(self, name: str) -> Self:
        return attrs.evolve(self, name=f"{self.name}/{name}" if self.name else name)

    def __str__(self) -> str:
        return f"{self._shown_url()}/{self.name}"

    @abstractmethod
    def _shown_url(self) -> str:
        """Return the URL without user, password and options.

        Raises:
            ConfigError: it is no such URL, or the server's client is not installed.
        """

    @abstractmethod
    def _server(self) -> Server:
        """Return the server, not connected yet."""

    def store(self, *, key: bytes | None = None, clock: Clock | None = None) -> JournalStore:
        """Return the store of the journal.

        Args:
            key: the key of its lines' hashes; without it they are not checked, and nothing can be written.
            clock: the time of its lines.
        """
        if not self.name:
            raise ConfigError("name the journal on its server, as in journals / 'move'; nothing was sent")
        return SharedStore(self, self._server(), key=key, clock=clock or Clock())

    async def names(self) -> list[str]:
        """Return the names of the journals below this name, sorted; costs no request.

        Raises:
            JournalError: the server cannot be used.
        """
        below = f"{self.name}/" if self.name else ""
        return sorted(name for name in await to_thread.run_sync(self.begun) if name.startswith(below))

    async def delete(self) -> None:
        """Delete the journal, whose run can then be neither reported nor resumed.

        Raises:
            JournalLocked: a process has it open.
            JournalError: the server cannot be used.
        """

        def delete() -> bool:
            with self._connected() as server:
                return server.delete(self.name)

        if not await to_thread.run_sync(delete):
            raise refusals.in_use(self, "another process")

    def begun(self) -> dict[str, datetime]:
        """Return when each journal on the server was created (UTC), by name; blocks."""
        with self._connected() as server:
            return {name: datetime.fromtimestamp(begun, UTC) for name, begun in server.begun().items()}

    @contextmanager
    def _connected(self) -> Iterator[Server]:
        server = self._server()
        try:
            yield server
        except (Away, Refused) as error:
            raise JournalError(f"the journals at {self._shown_url()} cannot be used: {error}") from None
        finally:
            server.close()


class SharedStore:
    """A `JournalStore` on a server.

    Args:
        journal: its name, and how long to wait.
        server: keeps its lines.
        key: the key of its lines' hashes; without it they are not checked, and nothing can be written.
        clock: the time of its lines.
    """

    def __init__(self, journal: SharedJournal, server: Server, *, key: bytes | None, clock: Clock) -> None:
        self._journal = journal
        self._server = server
        self._secret = key
        self._clock = clock
        self._chain = lines.Chain(key, b"")
        holder = f"the process {os.getpid()} of {printable(socket.gethostname())}#{uuid.uuid4().hex}"
        self._key = Key(name=journal.name, holder=holder, lease=journal.lease)
        self._closed = threading.Event()
        self._renewing: threading.Thread | None = None
        self._renewed_at = -math.inf

    @property
    def locator(self) -> str:
        """The URL without user and password, with the name."""
        return str(self._journal)

    @property
    def number(self) -> int:
        """The number of the last line on the server."""
        return self._chain.number

    @property
    def may_be_taken(self) -> bool:
        """Whether the lease may have run out, as this process or its machine stood still, or the server was away."""
        return _now() - self._renewed_at >= self._journal.lease

    def open(self) -> Content | None:
        """Take the journal up with a higher fencing number and return its content, or None if there is none.

        Raises:
            JournalLocked: another process has it open.
            JournalMismatch: a newer version of aiodoo wrote it.
            JournalError: it is damaged, or the server cannot be used.
        """
        try:
            with self._named_errors():
                number = self._holding(lambda: self._server.take(self._key))
                if number is None:
                    return None
                self._hold(number)
                found, content = self._read()
                self._chain = found.chain
                return content
        except BaseException:  # after any error it is free
            self.close()
            raise

    def begin(self, run_id: str, rows: Sequence[Row]) -> None:
        """Create the journal with its first rows.

        Raises:
            JournalLocked: another run has started there meanwhile.
            JournalWriteFailed: it could not be created.
        """
        chain = lines.Chain(self._secret, lines.head(run_id))
        first = [lines.head(run_id)]
        for begin in range(0, len(rows), AT_ONCE):
            line, chain = self._line(chain, rows[begin : begin + AT_ONCE])
            first.append(line)
        with self._not_written():
            if not self._holding(lambda: self._server.begin(self._key, run_id, first)):
                raise refusals.in_use(self.locator, "another run")
            self._chain = chain
            self._hold(1)

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows, all or none; they are durable when this returns.

        A line whose acknowledgement was lost is looked for before it is written again.

        Raises:
            JournalWriteFailed: they were not written: the server is away, or another process has taken the journal up.
        """
        line, chain = self._line(self._chain, rows)
        with self._not_written():
            if not self._key.number:
                raise Refused("it is not open")
            self._holding(lambda: self._server.append(self._key, chain.number, line))
        self._chain = chain

    def read(self) -> Content:
        """Return the content, also while a run writes to it.

        Raises:
            JournalMismatch: a newer version of aiodoo wrote it.
            JournalError: it cannot be read.
        """
        with self._named_errors(), self._unless_open():
            return self._read()[1]

    def owner(self) -> str | None:
        """Return the process that has it open, as text; None if none has."""
        with suppress(Away, Refused), self._unless_open():
            holder = self._server.holder(self._journal.name)
            return None if holder is None else _shown(holder)
        return None

    def close(self) -> None:
        """End the lease and close the connection."""
        self._closed.set()
        if self._renewing is not None:
            self._renewing.join()
            self._renewing = None
        if self._key.number:
            # If it cannot be told, the lease runs out.
            with suppress(Away, Refused):
                self._server.free(self._key)
            self._key = attrs.evolve(self._key, number=0)
        self._server.close()

    def _line(self, chain: lines.Chain, rows: Sequence[Row]) -> tuple[bytes, lines.Chain]:
        line, chain, _ = chain.line(
            lines.encoded(rows), lambda: self._clock.now().timestamp(), size=0, roomy=False
        )
        return line, chain

    def _read(self) -> tuple[lines.Reading, Content]:
        found = self._waiting(lambda: self._server.read(self._journal.name))
        if found is None:
            raise Refused("there is no such journal")
        reading = lines.read(io.BytesIO(found), self._secret)
        if reading.torn or "run" not in reading.rows:
            raise lines.Unsound("it does not hold every operation")
        return reading, Content(
            rows=reading.rows,
            number=reading.chain.number,
            run_id=reading.run_id,
            forged_at=reading.forged_at,
        )

    def _hold(self, number: int) -> None:
        self._key = attrs.evolve(self._key, number=number)
        self._closed.clear()
        self._renewing = threading.Thread(target=self._renew, name="aiodoo-journal", daemon=True)
        self._renewing.start()

    def _renew(self) -> None:
        while not self._closed.wait(self._journal.lease / 3):
            begun = _now()
            try:
                if self._server.renew(self._key):
                    self._renewed_at = begun
            except (Away, Refused) as error:
                logger.warning("the lease of the journal %s was not renewed: %s", self.locator, error)

    def _holding(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, which begins the lease anew; called again while the server is away."""
        begun = 0.0

        def timed() -> T:
            nonlocal begun
            begun = _now()
            return work()

        done = self._waiting(timed)
        self._renewed_at = begun
        return done

    def _waiting(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, called again while the server is away."""
        begun, pause = time.monotonic(), FIRST_PAUSE
        while True:
            try:
                return work()
            except Away as error:
                if time.monotonic() + pause - begun >= self._journal.patience:
                    raise Away(
                        f"its server has been away for {self._journal.patience:g} s: {error}"
                    ) from None
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    @contextmanager
    def _unless_open(self) -> Iterator[None]:
        """Close the connection afterwards, if the journal is not open."""
        try:
            yield
        finally:
            if not self._key.number:
                self._server.close()

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except Held as error:
            raise refusals.in_use(self.locator, _shown(str(error))) from None
        except (Away, Refused) as error:
            raise refusals.not_opened(self.locator, error) from None
        except lines.Unsound as error:
            raise refusals.DamagedJournal(self.locator, error) from None
        except lines.Newer as error:
            raise refusals.newer(self.locator, error) from None

    @contextmanager
    def _not_written(self) -> Iterator[None]:
        try:
            yield
        except (Away, Refused) as error:
            raise JournalWriteFailed(
                f"the journal {self.locator} could not be written ({error}); nothing more was sent. Run again with the same "
                "journal, once its server can be used and no other process has it"
            ) from None


def _now() -> float:
    """Return the seconds of a clock that goes on while the machine is suspended, where there is one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _shown(holder: str) -> str:
    return printable(holder.partition("#")[0])
