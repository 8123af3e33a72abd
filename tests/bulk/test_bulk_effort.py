"""What big runs cost, counted in function calls, as these do not depend on the machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bulk_world import config, finished_run, world
from effort import calls
from simulated import SimulatedClock, simulate

import aiodoo
from aiodoo.bulk.journal import JournaledRun
from aiodoo.bulk.run_progress import total_forecast
from aiodoo.bulk.verifying import verify
from aiodoo.facts import Facts
from aiodoo.operations import Create, Operation, Update
from aiodoo.operations.forecast import forecast_team
from aiodoo.operations.tracked import Stage, Status, TrackedOperation
from aiodoo.quota import Limits
from aiodoo.sandbox import Box

PACKAGE = str(Path(aiodoo.__file__).parent)


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


def calls_of_aiodoo(work: Callable[[], object]) -> int:
    """Count the calls of aiodoo's own functions, without those of the sandbox."""
    return calls(work, within=PACKAGE, but=f"{PACKAGE}/sandbox")


@pytest.mark.parametrize(
    ("updates", "journaled", "most"),
    [(False, False, 540), (False, True, 630), (True, False, 1590), (True, True, 1850)],
    ids=["creates", "journaled creates", "updates", "journaled updates"],
)
def test_an_operation_of_a_run_calls_few_functions(
    tmp_path: Path,
    updates: bool,  # noqa: FBT001
    journaled: bool,  # noqa: FBT001
    most: int,
) -> None:
    """Each of 100 operations over ten teams calls few functions of aiodoo; the bounds are a fifth above what is there."""
    counted = 0

    async def main(clock: SimulatedClock) -> None:
        nonlocal counted
        async with world(clock, organizations=10, webhooks_per_team=10) as (doo, box):
            operations: list[Operation] = [
                Update(team, item["id"], description="moved")
                if updates
                else Create(team, config(f"new {item['id']}"))
                for team in box.teams
                for item in box.live(team)
            ]
            path = tmp_path / "journal" if journaled else None
            report = await doo.bulk.run(operations, journal=path)
            assert report.counts()["applied"] == 100

    counted = calls_of_aiodoo(lambda: simulate(main))
    assert counted / 100 < most


def test_what_is_written_at_the_same_time_shares_a_commit(tmp_path: Path) -> None:
    """100 creates over ten teams, of which each has an intent and a result to write, take fewer commits than two each."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=10, latency=lambda chance: chance.uniform(0.02, 0.1)) as (
            doo,
            box,
        ):
            operations = [Create(team, config(f"new {number}")) for team in box.teams for number in range(10)]
            await doo.bulk.run(operations, journal=tmp_path / "journal")

    simulate(main)
    assert len((tmp_path / "journal").read_bytes().splitlines()) < 150


@pytest.mark.parametrize("count", [verified, run, added_up])
def test_four_times_the_size_takes_about_four_times_the_calls(count: Callable[[int], int]) -> None:
    """A verification, a run over many teams and the sum of its forecasts take calls by the size, not by its square."""
    assert count(80) < 5 * count(20)
