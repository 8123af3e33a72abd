"""What big runs cost, counted in function calls, as these do not depend on the machine."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bulk_world import config, finished_run, world
from effort import calls
from simulated import SimulatedClock, simulate

from aiodoo.bulk.journal import JournaledRun
from aiodoo.bulk.run_progress import total_forecast
from aiodoo.bulk.verifying import verify
from aiodoo.facts import Facts
from aiodoo.operations import Create
from aiodoo.operations.forecast import forecast_team
from aiodoo.operations.tracked import Stage, Status, TrackedOperation
from aiodoo.quota import Limits
from aiodoo.sandbox import Box


def past_of(box: Box, size: int) -> JournaledRun:
    """Let a run have created so many webhooks in one team, and others as many of the same content."""
    changes = []
    for number in range(size):
        wanted = config(f"new {number}")
        made = box.add_webhook("111", wanted.to_dict(secrets="reveal"))
        box.add_webhook("111", wanted.to_dict(secrets="reveal"))
        change = TrackedOperation(number=number, operation=Create("111", wanted), new_id=made)
        change.stage, change.status = Stage.CREATED, Status.APPLIED
        changes.append(change)
    return finished_run(changes)


def verified(size: int) -> int:
    """Count the calls of verifying so many creates, each with an extra webhook beside it."""
    found = 0

    def work() -> None:
        nonlocal found

        async def main(clock: SimulatedClock) -> int:
            async with world(clock, organizations=1, page_size=250) as (doo, box):
                context = doo.bulk._context
                return len((await verify(context, past_of(box, size))).extra)

        found = simulate(main)

    counted = calls(work)
    assert found == size
    return counted


def run(teams: int) -> int:
    """Count the calls of a run of one create in each of so many teams, with all that the sandbox does."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=teams) as (doo, box):
            report = await doo.bulk.run([Create(team, config("new")) for team in box.teams])
            assert report.counts()["applied"] == teams

    return calls(lambda: simulate(main))


def added_up(teams: int) -> int:
    """Count the calls of adding the forecasts of so many teams to the sum, one after the other."""
    one = forecast_team("111", [Create("111", config("new"))], [], page_size=25, facts=Facts())

    def work() -> None:
        total = one
        for _ in range(teams):
            total = total_forecast((total, one), Limits())
        assert total.requests.total == (teams + 1) * one.requests.total

    return calls(work)


@pytest.mark.parametrize("count", [verified, run, added_up])
def test_four_times_the_size_takes_about_four_times_the_calls(count: Callable[[int], int]) -> None:
    """A verification, a run over many teams and the sum of its forecasts take calls by the size, not by its square."""
    assert count(80) < 5 * count(20)
