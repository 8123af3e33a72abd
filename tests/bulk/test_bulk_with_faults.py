"""Runs in simulated time while doo loses answers, acts late, fails, limits and lags: judged by the sandbox's log."""

from __future__ import annotations

import random

import pytest
from bulk_world import Judge, config, world
from simulated import SimulatedClock, simulate

from aiodoo import Session
from aiodoo.operations import Create, Delete, Operation, Replace, Update
from aiodoo.sandbox import Box, FaultRates

KINDS = (
    "lost_before", "lost_after", "late", "error_acted", "error_not_acted", "delete_ignored", "reset", "slow", "stale",
    "truncated", "too_many", "envelope_lie",
)  # fmt: skip
# A token refused twice in a row ends a run, so that fault has a test of its own.


def some_operations(box: Box, chance: random.Random) -> list[Operation]:
    """Draw creates, updates, replaces and deletes over all teams, twins among them."""
    operations: list[Operation] = []
    for team in box.teams:
        for item in box.live(team):
            match chance.randrange(5):
                case 0 | 1:
                    operations.append(Update(team, item["id"], description="moved"))
                case 2:
                    operations.append(Replace(team, item["id"], config(f"twin {chance.randrange(2)}")))
                case 3:
                    operations.append(Delete(team, item["id"]))
        operations += [
            Create(team, config(f"twin {chance.randrange(2)}")) for _ in range(chance.randrange(4))
        ]
    chance.shuffle(operations)
    return operations


async def one_run(clock: SimulatedClock, seed: int, rates: FaultRates) -> None:
    """Let one run go through a storm of faults, and judge it."""
    chance = random.Random(seed)
    settings = {"organizations": 3, "webhooks_per_team": lambda position: 2 + 3 * position, "page_size": 7}
    async with world(clock, seed=seed, rates=rates, **settings) as (doo, box):
        await judged_run(doo, box, some_operations(box, chance))


async def judged_run(doo: Session, box: Box, operations: list[Operation]) -> None:
    """Run and judge."""
    judge = Judge(box, operations)
    report = await doo.bulk.run(operations)
    box.advance(box.now + 3600)
    judge.nothing_lost()
    judge.report_agrees(report)
    live, wanted = judge.at_rest()
    off = len(operations) - report.counts()["applied"] - report.counts()["unchanged"]
    assert (wanted - live).total() <= off, "lost"
    assert (live - wanted).total() <= off, "doubled"


@pytest.mark.parametrize("seed", range(100))
def test_nothing_is_lost_or_doubled_in_a_storm(seed: int) -> None:
    """With every fault at 2 % each no webhook is ever missing and none is doubled beyond what the report names."""
    rates = FaultRates(**dict.fromkeys(KINDS, 0.02))
    simulate(lambda clock: one_run(clock, seed, rates), seed=seed)


@pytest.mark.parametrize("kind", KINDS)
def test_one_kind_of_fault_at_a_high_rate(kind: str) -> None:
    """Each fault alone, befalling one request in five: nothing lost, nothing doubled."""
    for seed in range(4):
        simulate(lambda clock, seed=seed: one_run(clock, seed, FaultRates(**{kind: 0.2})), seed=seed)
