"""What a run keeps in memory: its operations and how they ended, and the lists of the teams that it is at."""

from __future__ import annotations

import gc
import tracemalloc

import pytest
from bulk_world import world
from simulated import SimulatedClock, simulate

import aiodoo
from aiodoo import Limits, WebhookConfiguration
from aiodoo.operations import Operation, Update

LIMITS = Limits(per_second=20, per_day=None, concurrency=4)


@pytest.mark.parametrize("teams", [8, 40])
def test_the_lists_of_teams_that_are_done_are_not_kept(teams: int) -> None:
    """However many teams there are, no more listed webhooks are alive than those of the teams that are worked on."""

    async def main(clock: SimulatedClock) -> None:
        alive = []
        async with world(clock, limits=LIMITS, organizations=teams, webhooks_per_team=10) as (doo, box):
            operations: list[Operation] = [
                Update(team, item["id"], name="moved") for team in box.teams for item in box.live(team)
            ]
            async with doo.bulk.stream(operations) as run:
                done = 0
                async for _ in run:
                    done += 1
                    if done % 40 == 0:
                        alive.append(_listed())
            assert run.report().counts()["applied"] == 10 * teams
        # Each team that is at work has its latest list, of up to twice ten, and what its updates were copied from.
        assert max(alive) <= LIMITS.concurrency * 40

    simulate(main)


def _listed() -> int:
    gc.collect()
    return sum(type(each) is WebhookConfiguration for each in gc.get_objects())


def test_an_operation_costs_some_kilobytes() -> None:
    """Five times the operations take no more than five times the memory, and each of them less than 3 KiB."""

    async def kept(clock: SimulatedClock, teams: int) -> float:
        folder = str(aiodoo.__path__[0])
        ours = [
            tracemalloc.Filter(True, f"{folder}/{room}/*") for room in ("bulk", "steps", "models", "protocol")
        ]
        async with world(clock, limits=LIMITS, organizations=teams, webhooks_per_team=10) as (doo, box):
            operations: list[Operation] = [
                Update(team, item["id"], name="moved") for team in box.teams for item in box.live(team)
            ]
            async with doo.bulk.stream(operations) as run:
                async for _ in run:
                    pass
                gc.collect()
                found = tracemalloc.take_snapshot().filter_traces(ours)
                return sum(trace.size for trace in found.traces) / len(operations)

    each = []
    for teams in (6, 30):
        tracemalloc.start()
        try:
            each.append(simulate(lambda clock, teams=teams: kept(clock, teams)))
        finally:
            tracemalloc.stop()
    assert each[1] <= 1.1 * each[0]
    assert each[1] < 3 * 1024
