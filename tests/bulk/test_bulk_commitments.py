"""What a batch needs to finish is kept for it in the ledger: nobody parks with old and new both live because of others."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bulk_world import session
from simulated import SimulatedClock, simulate
from sqlite_world import ledger_path, simulated_ledger

from aiodoo import Limits
from aiodoo.errors import QuotaExhausted
from aiodoo.operations import Update
from aiodoo.quota import Memory
from aiodoo.sandbox import Box

LIMITS = Limits(per_second=10, per_day=100, reserve=0.1)


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_runs_on_one_ledger_never_park_with_both_live(tmp_path: Path, kind: str) -> None:
    """A task for each of 8 teams, side by side, and a person's calls between: no park leaves a pair."""

    async def main(clock: SimulatedClock, ledger: Any) -> int:
        box = Box(plan=None, latency=0.05, organizations=8, webhooks_per_team=12)
        parks = 0

        async def whole(team: str) -> None:
            nonlocal parks
            operations = [Update(team, item["id"], description="moved") for item in box.live(team)]
            async with session(clock, box, limits=LIMITS, quota=ledger()) as doo:
                while True:
                    report = await doo.bulk.run(operations, journal=tmp_path / f"{kind} {team}")
                    if report.complete:
                        return
                    parks += 1
                    assert len(box.live(team)) == 12, "parked with old and new both live"
                    assert report.resume_at is not None
                    await clock.sleep(max(1.0, (report.resume_at - clock.now()) / timedelta(seconds=1)))

        async def person() -> None:
            async with session(clock, box, limits=LIMITS, quota=ledger()) as doo:
                while True:
                    await clock.sleep(7200.0)
                    try:
                        await doo.organizations.active_team()
                    except QuotaExhausted:
                        continue

        asking = asyncio.create_task(person())
        await asyncio.gather(*(whole(team) for team in box.teams))
        asking.cancel()
        await asyncio.wait({asking})
        assert all(item["description"] == "moved" for team in box.teams for item in box.live(team))
        return parks

    if kind == "file":
        with ledger_path() as path:
            parks = simulate(lambda clock: main(clock, lambda: simulated_ledger(path)))
    else:
        shared = Memory()
        parks = simulate(lambda clock: main(clock, lambda: shared))
    assert parks >= 8


def test_a_person_may_not_use_what_a_run_needs_to_finish() -> None:
    """While old and new are both live, single calls are refused before they use up the last requests of the day."""

    async def main(clock: SimulatedClock) -> None:
        box = Box(plan=None, latency=0.05, organizations=1, webhooks_per_team=8)
        limits = Limits(per_second=2, per_day=40, reserve=0.1)
        async with session(clock, box, limits=limits, quota=Memory()) as doo:
            (team,) = box.teams
            operations = [Update(team, item["id"], description="moved") for item in box.live(team)]
            run = asyncio.create_task(doo.bulk.run(operations, on_exhausted="park"))
            refused = 0
            while len(box.live(team)) == 8:
                await clock.sleep(0.1)
            while not run.done():
                try:
                    await doo.organizations.active_team()
                except QuotaExhausted:
                    refused += 1
                    await clock.sleep(0.5)
            assert (await run).counts()["applied"] == 8
            assert refused

    simulate(main)
