"""Answers are lost, late or wrong, and runs are cut off: planning and applying again still leads to what is declared.

`AIODOO_DESIRED_SEEDS=200 pytest tests/desired/test_desired_with_faults.py` tries more.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from desired_world import CRM, contents, declare, session
from simulated import SimulatedClock, simulate

from aiodoo import DooError, Session
from aiodoo.desired import Plan
from aiodoo.sandbox import Box, FaultRates

SEEDS = int(os.environ.get("AIODOO_DESIRED_SEEDS", "8"))
RATES = FaultRates(
    lost_before=0.05,
    lost_after=0.08,
    late=0.04,
    error_acted=0.03,
    error_not_acted=0.03,
    slow=0.03,
    delete_ignored=0.1,
    on=("list", "create", "delete"),
    until=500.0,
)


def populate(box: Box, chance: Random) -> None:
    """Put webhooks of the file's into every team: outdated ones, twins, and some that are declared no more."""
    for team in box.teams:
        for number in range(chance.randrange(4)):
            name = f"crm: {chance.choice(['events', 'old'])}"
            hook = {"type": "event_created", "method": "POST", "endpoint": f"https://old.example/{number}"}
            box.add_webhook(team, {"name": name, "hooks": [hook]})


async def apply(doo: Session, plan: Plan, journal: Path, chance: Random) -> None:
    """Apply a plan, perhaps cut off and gone on with."""
    deletes = plan.counts()["delete"]
    going = asyncio.ensure_future(
        doo.desired.apply(plan, journal=journal, allow_net_deletes=deletes, grace=0.5)
    )
    if chance.random() < 0.4:
        await asyncio.wait({going}, timeout=chance.uniform(0.1, 3.0))
        going.cancel()
    await asyncio.wait({going})
    if going.cancelled():
        await doo.desired.apply(plan, journal=journal, allow_net_deletes=deletes)
    else:
        going.result()


async def come_to_rest(clock: SimulatedClock, box: Box, file: Path, chance: Random) -> None:
    """Plan and apply, each time as a new process would, until there is nothing left to do and no fault to come."""
    for turn in range(10):
        with suppress(DooError):
            async with session(clock, box) as doo:
                plan = await doo.desired.plan(file, prune=True)
                if not plan and not plan.problems and clock.monotonic() > RATES.until:
                    return
                await apply(doo, plan, file.parent / f"run {turn}", chance)
        # A create in doubt may still land; only then is a new plan conclusive.
        await asyncio.sleep(200)
    raise AssertionError("it never came to rest")


@pytest.mark.parametrize("seed", range(SEEDS))
def test_planning_and_applying_until_nothing_is_left(tmp_path: Path, seed: int) -> None:
    """Whatever fails on the way, each team ends with exactly what is declared, and with the foreign ones it had."""

    async def main(clock: SimulatedClock) -> None:
        chance = Random(seed)
        box = Box(plan=None, latency=0.05, echo_scope=True, webhooks_per_team=1, rates=RATES, seed=seed)
        foreign = {team: box.live(team) for team in box.teams}
        populate(box, chance)
        await come_to_rest(clock, box, declare(tmp_path, CRM), chance)
        for team in box.teams:
            names = [item["name"] for item in contents(box, team) if item["name"].startswith("crm: ")]
            assert sorted(names) == (["crm: events", "crm: orders"] if team == "111" else ["crm: events"])
            assert [item for item in box.live(team) if item in foreign[team]] == foreign[team]

    simulate(main, seed=seed)
