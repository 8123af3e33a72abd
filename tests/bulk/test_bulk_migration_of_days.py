"""A migration of days in small: several processes, one ledger, restarts; `week.py` lives through the whole one."""

from __future__ import annotations

import asyncio
import contextlib

from bulk_world import Judge, session
from migration_of_days import Week, migrate
from simulated import SimulatedClock, simulate

from aiodoo import Limits, Progress, QuotaExhausted, Session
from aiodoo.operations import Operation, Update
from aiodoo.quota import Memory
from aiodoo.sandbox import Box, Plan


def test_days_of_work_within_the_limits() -> None:
    """Four processes, killed five times a day, finish within 2 % of the least time and are never refused."""
    # Eleven teams end well before the third day's last request; what restarts read again must not begin a fourth.
    week = Week(teams=11, restarts_a_day=5.0, limits=Limits(per_second=1, per_day=120))
    result = simulate(lambda clock: migrate(clock, week))
    assert result.refused == 0, result
    assert result.requests <= 1.25 * result.needed, result
    assert result.seconds <= 1.02 * result.minimum, result


async def use_up_the_day(doo: Session) -> None:
    """Ask until nothing is left."""
    with contextlib.suppress(QuotaExhausted):
        while True:
            await doo.organizations.active_team()


def test_a_run_rests_when_others_have_used_what_it_kept() -> None:
    """A waiting run whose day somebody with another ledger has used up sleeps until there is room, and does not spin."""

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=20, per_day=60, reserve=0.0)
        plan = Plan(per_second=20, per_day=60, counting="sliding_log", per_day_counting="sliding")
        box = Box(plan=plan, latency=0.05, organizations=2, webhooks_per_team=10)
        operations: list[Operation] = [
            Update(team, item["id"], description="moved") for team in box.teams for item in box.live(team)
        ]
        judge = Judge(box, operations)
        async with session(clock, box, limits=limits, quota=Memory()) as doo:
            async with session(clock, box, limits=limits, quota=Memory()) as others:
                steps = 0

                def count(_: Progress) -> None:
                    nonlocal steps
                    steps += 1
                    if steps > 1000:
                        run.cancel()

                run = asyncio.create_task(doo.bulk.run(operations, progress=count))
                await clock.sleep(0.4)
                await use_up_the_day(others)
                turns = 0
                while not run.done():
                    turns += 1
                    await asyncio.wait({run}, timeout=3600)
            assert steps <= 1000, "it spins"
            assert run.result().counts()["applied"] == 20
            assert turns < 60
        judge.nothing_lost()
        judge.as_wanted()
        assert box.count(status=429) < 30, "it asks about once an hour whether doo's day has room"

    simulate(main)
