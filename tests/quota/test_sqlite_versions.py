"""Ledgers that were written before are read: what they have counted, promised and claimed holds."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from ledger_kills import LIMITS, OLD, first_version
from simulated import SimulatedClock, simulate
from sqlite_world import MachineClock, ledger_path, simulated_ledger

from aiodoo.clock import Clock
from aiodoo.errors import RateLimited
from aiodoo.quota import Lane, Limits, Permits
from aiodoo.quota.exchange import Ask
from aiodoo.quota.living_runs import LivingOnHost
from aiodoo.quota.sqlite_file import LedgerFile
from aiodoo.quota.sqlite_rows import APPLICATION

VERSION_2 = Path(__file__).with_name("ledger_version_2.sql")
"""A ledger of version 2 that an earlier aiodoo has written; see the test."""
AT = 4.25
"""When it was written, in seconds since its clock began at 1000."""


def write_version_2(path: Path) -> None:
    """Write the ledger of version 2."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(VERSION_2.read_text())
        database.execute(f"PRAGMA application_id = {APPLICATION}")
        database.execute("PRAGMA user_version = 2")
    path.chmod(0o600)


def test_a_ledger_of_version_2_goes_on_where_it_was():
    """Five requests are counted and one has no end yet; the key is paused, and a run has two teams and two requests."""

    async def main(_: SimulatedClock, path: Path) -> None:
        clock = MachineClock()
        await asyncio.sleep(AT)
        account = simulated_ledger(path).open(
            account="5d41402abc4b2a76", limits=Limits(per_second=2, per_day=10, reserve=0.2), clock=clock
        )
        await account.refresh()
        assert account.used == 6
        assert account.left(Lane.FRONT) == 2
        assert account.left(Lane.BULK) == 0
        assert account.eta(1, Lane.FRONT) == 1033.25
        assert account.eta(4, Lane.FRONT) == 87400.75
        assert f"{account.resume_at(Lane.BULK)}" == "2026-03-03 09:00:00.250001+00:00"
        (claim,) = await account.claims()
        assert (claim.run, claim.teams, claim.journal) == (
            "0123456789abcdef",
            ("111", "112"),
            "/move.journal",
        )
        with pytest.raises(RateLimited):
            await account.acquire(Lane.FRONT, Permits(8), give_up_at=clock.monotonic() + 5)
        slot = await account.acquire(Lane.FRONT, Permits(8))
        assert clock.monotonic() == 1033.25
        slot.answered(0.25)
        await account.refresh()
        assert account.used == 7
        await account.close()

    with ledger_path() as path:
        write_version_2(path)
        simulate(lambda clock: main(clock, path))


def test_a_ledger_of_version_1_is_taken_over(tmp_path: Path):
    """Its requests, which were one list, become rows, and count."""
    path = tmp_path / "quota.db"
    first_version(path)
    path.chmod(0o600)
    file = LedgerFile(path, LivingOnHost(path))
    reply = file.exchange("a", LIMITS, Clock(), [], Ask("holder", Lane.FRONT))
    assert reply.number is not None
    assert len(reply.ends) == OLD
    assert reply.state.day.used(Clock().monotonic()) == OLD + 1
    file.close()
