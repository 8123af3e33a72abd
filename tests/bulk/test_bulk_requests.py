"""What a run costs, read off the sandbox's log and held against the formula that is written by hand."""

from __future__ import annotations

import random

import pytest
from bulk_world import Judge, config, world
from simulated import SimulatedClock, simulate
from test_bulk_with_faults import KINDS, some_operations

from aiodoo import Limits
from aiodoo.operations import Create, Update
from aiodoo.sandbox import FaultRates, Plan


@pytest.mark.parametrize("page_size", [7, 25])
@pytest.mark.parametrize("seed", range(15))
def test_without_faults_the_requests_are_the_formula_and_the_forecast(seed: int, page_size: int) -> None:
    """For random teams and operations the log, the report and both forecasts agree, and cost no more than the formula."""

    async def main(clock: SimulatedClock) -> None:
        chance = random.Random(seed)
        sizes = [chance.randrange(0, 40) for _ in range(4)]
        async with world(
            clock, seed=seed, organizations=4, webhooks_per_team=sizes.__getitem__, page_size=page_size
        ) as (doo, box):
            operations = some_operations(box, chance)
            forecast = await doo.bulk.forecast(operations)
            judge = Judge(box, operations)
            before = judge.requests()
            report = await doo.bulk.run(operations)
            assert report.counts()["applied"] == len(operations)
            assert judge.requests() - before == report.requests.total <= judge.expected_requests()
            assert report.requests == report.forecast.requests == forecast.requests
            judge.nothing_lost()
            judge.as_wanted()

    simulate(main, seed=seed)


@pytest.mark.parametrize("seed", range(20))
def test_with_faults_the_requests_are_bounded(seed: int) -> None:
    """For random teams, operations and faults the log has at most 1.10 x the formula and three requests a fault."""

    async def main(clock: SimulatedClock) -> None:
        chance = random.Random(seed)
        rates = FaultRates(**dict.fromkeys(KINDS, chance.choice([0.003, 0.01])))
        async with world(
            clock,
            seed=seed,
            rates=rates,
            organizations=4,
            webhooks_per_team=lambda place: 3 + 5 * place,
            page_size=7,
        ) as (doo, box):
            operations = some_operations(box, chance)
            judge = Judge(box, operations)
            await doo.bulk.run(operations)
            faults = sum(request.fault is not None for request in box.log.requests)
            assert judge.requests() <= 1.10 * judge.expected_requests() + 3 * faults

    simulate(main, seed=seed)


def test_a_run_uses_the_limit_while_it_has_work() -> None:
    """At 20 a second and 100 ms round trips a run of 300 updates keeps at least 95 % of the quota busy."""

    async def main(clock: SimulatedClock) -> None:
        plan = Plan(per_second=20, per_day=None, counting="sliding_log")
        async with world(
            clock,
            limits=Limits(per_second=20, per_day=None),
            plan=plan,
            organizations=15,
            webhooks_per_team=20,
            latency=0.1,
        ) as (doo, box):
            operations = [
                Update(team, item["id"], description="moved") for team in box.teams for item in box.live(team)
            ]
            begun = clock.monotonic()
            report = await doo.bulk.run(operations)
            took = clock.monotonic() - begun
            assert report.counts()["applied"] == 300
            assert box.count(status=429) == 0
            assert report.requests.total / 20 / took >= 0.95

    simulate(main)


def test_one_team_uses_the_limit_too() -> None:
    """Creates of one team are on their way side by side, not one after the other."""

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=20, per_day=None)
        async with world(clock, limits=limits, latency=0.3, organizations=1) as (doo, _):
            operations = [Create("111", config(f"w{number}")) for number in range(300)]
            begun = clock.monotonic()
            report = await doo.bulk.run(operations)
            assert report.counts()["applied"] == 300
            assert report.requests.total / 20 / (clock.monotonic() - begun) >= 0.9

    simulate(main)
