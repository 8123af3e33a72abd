"""The file's thread: while another process holds the file the event loop goes on."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aiodoo.clock import Clock
from aiodoo.errors import ConfigError, DeadlineExceeded, DooError
from aiodoo.quota import Account, Lane, Limits, Permits, SQLite, exchange, sqlite_file

FRONT = Lane.FRONT

HOLDER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
database.execute("ROLLBACK")
"""


@contextlib.asynccontextmanager
async def held(path: Path) -> AsyncIterator[asyncio.Event]:
    """Have another process hold the file until the event is set, or the end."""
    pipe = asyncio.subprocess.PIPE
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(path), stdin=pipe, stdout=pipe
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    await holder.stdout.readline()
    release = asyncio.Event()

    async def let_go() -> None:
        await release.wait()
        await holder.communicate(b"\n")

    task = asyncio.create_task(let_go())
    try:
        yield release
    finally:
        release.set()
        await task


@pytest.fixture
async def account(tmp_path: Path) -> AsyncIterator[Account]:
    """Return an account whose file is open."""
    account = SQLite(tmp_path / "quota.db").open(account="a", limits=Limits(per_second=None), clock=Clock())
    await call(account)
    yield account
    await account.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("aiodoo-quota")]


async def call(account: Account, **how: float) -> None:
    """Do one request that is answered at once."""
    slot = await account.acquire(FRONT, Permits(8), **how)
    slot.answered(0.0)


async def test_the_loop_goes_on_while_the_file_is_held(account: Account):
    """A call waits for the other process; a task that ticks meanwhile does not notice."""
    async with held(account.connection.ledger.path) as release:
        waiting = asyncio.create_task(call(account))
        for _ in range(50):
            await asyncio.sleep(0.01)
        assert not waiting.done()
        release.set()
        await waiting
    assert account.used == 2


async def test_a_call_tries_for_as_long_as_it_may(account: Account, monkeypatch: pytest.MonkeyPatch):
    """That the thread's patience with a lock is over does not end the caller's."""
    monkeypatch.setattr(sqlite_file, "BUSY", 0.02)
    other = SQLite(account.connection.ledger.path).open(
        account="a", limits=Limits(per_second=None), clock=Clock()
    )
    async with held(account.connection.ledger.path) as release:
        waiting = asyncio.create_task(call(other))
        await asyncio.sleep(0.5)
        assert not waiting.done()
        release.set()
        await waiting
    await other.close()


async def test_a_call_gives_up_in_time_though_the_file_is_held(account: Account):
    """Its last instant does not wait for the other process; nothing is left of it."""
    async with held(account.connection.ledger.path) as release:
        with pytest.raises(DeadlineExceeded, match="nothing was sent"):
            await call(account, give_up_at=account.clock.monotonic() + 0.1)
        release.set()
    await call(account)
    assert account.used == 2


async def test_a_call_is_cancelled_at_once_though_the_file_is_held(account: Account):
    """What the thread is granted afterwards is given back."""
    async with held(account.connection.ledger.path) as release:
        waiting = asyncio.create_task(call(account))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        release.set()
    await call(account)
    assert account.used == 2


async def test_a_file_that_nobody_lets_go_of_is_an_error(account: Account, monkeypatch: pytest.MonkeyPatch):
    """After a while all who wait hear it; nothing was sent, and later calls try again."""
    monkeypatch.setattr(exchange, "BUSY_LIMIT", 0.2)
    monkeypatch.setattr(sqlite_file, "BUSY", 0.05)
    other = SQLite(account.connection.ledger.path).open(
        account="a", limits=Limits(per_second=None), clock=Clock()
    )
    async with held(account.connection.ledger.path):
        for error in await asyncio.gather(*(call(other) for _ in range(3)), return_exceptions=True):
            assert isinstance(error, DooError)
            assert "another process has held" in str(error)
            assert "nothing was sent" in str(error)
        with pytest.raises(ConfigError, match="another process has held"):
            await other.claims()
    await call(other)
    assert other.used == 2
    await other.close()


async def test_what_is_said_while_the_file_is_held_is_written_down_later(account: Account):
    """A pause begins when doo asked for it, though nobody could be told then."""
    slot = await account.acquire(FRONT, Permits(8))
    async with held(account.connection.ledger.path):
        account.pause(1000.0, slot=slot)
        asked = account.clock.monotonic()
        slot.answered(0.1, refused=True)
        await asyncio.sleep(0.2)
    other = SQLite(account.connection.ledger.path).open(
        account="a", limits=Limits(per_second=None), clock=Clock()
    )
    while other.eta(1, FRONT) < asked + 500:
        with contextlib.suppress(DooError):
            await call(other, give_up_at=asked + 900)
    assert other.eta(1, FRONT) == pytest.approx(asked + 1000, abs=0.05)
    await other.close()


async def test_what_is_said_outlives_a_cancelled_question(account: Account, monkeypatch: pytest.MonkeyPatch):
    """A pause is written down though whoever asked for the usage has gone away while the file was held."""
    monkeypatch.setattr(sqlite_file, "BUSY", 0.02)
    monkeypatch.setattr(exchange, "BUSY_AGAIN", 1000.0)
    other = SQLite(account.connection.ledger.path).open(
        account="a", limits=Limits(per_second=None), clock=Clock()
    )
    slot = await other.acquire(FRONT, Permits(8))
    async with held(account.connection.ledger.path):
        slot.answered(0.1)
        other.pause(1000.0)
        asked = other.clock.monotonic()
        asking = asyncio.create_task(other.refresh())
        await asyncio.sleep(0.5)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    await other.close()
    await account.refresh()
    assert account.eta(1, FRONT) == pytest.approx(asked + 1000, abs=0.05)


async def test_a_session_can_be_closed_while_the_file_is_held(
    account: Account, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """Its last words are given up after a while, with a warning: patience will say them."""
    monkeypatch.setattr(sqlite_file, "BUSY", 0.05)
    other = SQLite(account.connection.ledger.path).open(
        account="a", limits=Limits(per_second=None), clock=Clock()
    )
    slot = await other.acquire(FRONT, Permits(8))
    async with held(account.connection.ledger.path):
        slot.lost()
        await other.close()
    assert "freed by patience" in caplog.text


async def test_each_event_loop_may_have_sessions_on_the_same_ledger(tmp_path: Path):
    """A ledger can be shared by threads; a Session cannot."""
    ledger = SQLite(tmp_path / "quota.db")
    account = ledger.open(account="a", limits=Limits(per_second=None), clock=Clock())
    await call(account)
    used, refused = [], []

    async def elsewhere() -> None:
        with pytest.raises(ConfigError, match="another event loop"):
            await call(account)
        refused.append(True)
        own = ledger.open(account="a", limits=Limits(per_second=None), clock=Clock())
        await call(own)
        used.append(own.used)
        await own.close()

    thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
    thread.start()
    await asyncio.to_thread(thread.join)
    assert (used, refused) == ([2], [True])
    await call(account)
    assert account.used == 3
    await account.close()
    assert ledger._running is None


async def test_the_file_stays_open_until_its_last_session_is_closed(tmp_path: Path):
    """Sessions of a process share the ledger's thread."""
    ledger = SQLite(tmp_path / "quota.db")
    accounts = [ledger.open(account=name, limits=Limits(), clock=Clock()) for name in "abc"]
    for account in accounts:
        await call(account)
    running = ledger._running
    for account in accounts:
        assert ledger._running is running
        await account.close()
    assert ledger._running is None


def test_a_script_may_run_one_event_loop_after_another(tmp_path: Path):
    """A Session that was not closed serves the next loop too."""
    account = SQLite(tmp_path / "quota.db").open(account="a", limits=Limits(per_second=None), clock=Clock())

    async def last() -> None:
        await call(account)
        await account.close()

    asyncio.run(call(account))
    asyncio.run(last())
    assert account.used == 2


def test_a_closed_file_is_whole_in_itself(tmp_path: Path):
    """After the last Session nothing is beside the file, and any SQLite can read it."""

    async def main() -> None:
        account = SQLite(tmp_path / "quota.db").open(account="a", limits=Limits(), clock=Clock())
        await call(account)
        await account.close()

    asyncio.run(main())
    assert [entry.name for entry in tmp_path.iterdir()] == ["quota.db"]
    database = sqlite3.connect(tmp_path / "quota.db")
    assert database.execute("SELECT count(*) FROM record").fetchone() == (2,)
    database.close()
