"""Ledgers in files for simulated time, clocks that are set and machines that restart, and callers of every kind."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import attrs
from hypothesis import strategies as st
from simulated import START, SimulatedClock

from aiodoo.offload import InlineWorker
from aiodoo.quota import Account, Lane, Permits, SQLite

MEMORY = Path("/dev/shm")  # noqa: S108  # where there is one, the simulations need not wait for a disk


_made: list[SQLite] = []


@contextlib.contextmanager
def ledger_path() -> Iterator[Path]:
    """Make a folder for a ledger; close what simulated processes left open, and remove it."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        try:
            yield Path(folder) / "quota.db"
        finally:
            while _made:
                running = _made.pop()._running
                if running is not None:
                    running[1].close()


def simulated_ledger(path: Path) -> SQLite:
    """Return the ledger as a process of its own would have it, in simulated time."""
    ledger = SQLite(path, worker=InlineWorker)
    _made.append(ledger)
    return ledger


class MachineClock(SimulatedClock):
    """The clocks of a machine that may restart: another name, and a monotonic clock that begins anew."""

    __slots__ = ("_name", "_shift")

    def __init__(self, *, name: str = "first run", shift: float = 1000.0) -> None:
        super().__init__()
        self._name = name
        self._shift = shift

    def monotonic(self) -> float:
        """Return the loop's time as this run of the machine has it."""
        return super().monotonic() + self._shift

    def now(self) -> datetime:
        """Return the wall clock's time, which does not depend on the run."""
        return START + timedelta(seconds=self.monotonic() - self._shift) + self.ahead

    def boot(self) -> str:
        """Return the run's name."""
        return self._name


@attrs.frozen
class Errand:
    """One caller: when it asks, how long the ways take, what becomes of it, and whose it is."""

    asks: float
    there: float
    back: float
    fate: str
    lane: Lane
    session: int


FATES = ["answered", "answered", "lost", "refused", "given back", "leaves the queue", "forgotten"]


def errands(
    *, sessions: int, fates: list[str] = FATES, lanes: list[Lane] | None = None
) -> st.SearchStrategy[list[Errand]]:
    """Return up to 40 callers of several Sessions within half a minute."""
    ways = st.one_of(st.floats(0, 4.999), st.floats(0, 0.3))
    one = st.builds(
        Errand,
        st.one_of(st.just(0.0), st.floats(0, 30)),
        ways,
        ways,
        st.sampled_from(fates),
        st.sampled_from(lanes or list(Lane)),
        st.integers(0, sessions - 1),
    )
    return st.lists(one, min_size=1, max_size=40)


@attrs.define
class Log:
    """What happened: grants, arrivals at doo, and pauses from when to when."""

    grants: list[float] = attrs.field(factory=list)
    arrivals: list[float] = attrs.field(factory=list)
    pauses: list[tuple[float, float]] = attrs.field(factory=list)


async def do(account: Account, clock: SimulatedClock, permits: Permits, log: Log, errand: Errand) -> None:
    """Be one caller."""
    await asyncio.sleep(errand.asks)
    if errand.fate == "leaves the queue":
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(errand.there):
                (await account.acquire(errand.lane, permits)).give_back()
        return
    slot = await account.acquire(errand.lane, permits)
    if errand.fate == "given back":
        await asyncio.sleep(errand.there / 10)
        slot.give_back()
        return
    begun = clock.monotonic()
    log.grants.append(begun)
    await asyncio.sleep(errand.there)
    log.arrivals.append(clock.monotonic())
    if errand.fate == "forgotten":
        # As if the process had been killed; its permits would have been too.
        permits.release()
        return
    if errand.fate == "lost":
        slot.lost()
        return
    await asyncio.sleep(errand.back)
    refused = errand.fate == "refused"
    if refused:
        account.pause(2.5, slot=slot)
        log.pauses.append((clock.monotonic(), clock.monotonic() + 2.5))
    slot.answered(clock.monotonic() - begun, refused=refused)
