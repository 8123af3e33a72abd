"""Commitments: the requests of a day that a run needs to finish what it has begun."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aiodoo.clock import Clock
from aiodoo.quota import Limits, Memory, SQLite
from aiodoo.quota.account import LedgerAccount
from aiodoo.quota.claims import Given
from aiodoo.quota.hold import Hold
from aiodoo.quota.updates import Claimed

SINCE = datetime(2026, 11, 2, tzinfo=UTC)
CLAIMED = Claimed(run="r", base_url="doo", teams=("1",), journal=None, command=None, who="me", since=SINCE)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_commitment_is_given_although_another_team_changes_it_meanwhile(
    kind: str, tmp_path: Path
) -> None:
    """All teams of a run share one commitment; who asked is told whether the day had room, not what came later."""
    ledger = Memory() if kind == "memory" else SQLite(tmp_path / "quota.db")
    account = ledger.open(account="a", limits=Limits(per_second=100, per_day=1000), clock=Clock())
    assert isinstance(account, LedgerAccount)
    given = await account.say(CLAIMED)
    assert isinstance(given, Given)
    hold = Hold.of("r", given, account)
    asked = asyncio.create_task(hold.commit(20))
    await asyncio.sleep(0)
    hold.keep(25)
    assert await asked
    assert hold.committed == 25
    refused = asyncio.create_task(hold.commit(2000))
    await asyncio.sleep(0)
    hold.keep(30)
    assert not await refused
    assert hold.committed == 30
    await account.close()
