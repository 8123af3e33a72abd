"""What a run does when the day's quota runs out, in simulated time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest
from bulk_world import Judge, config, session, world
from dying_process import folder
from simulated import SimulatedClock, simulate
from test_bulk_with_faults import some_operations

from aiodoo import Limits, Progress
from aiodoo.operations import Create, Update
from aiodoo.quota import Memory
from aiodoo.sandbox import Box, Fault, Plan

DAY = 86_400.0


def limited(per_day: int) -> dict[str, Any]:
    """Return limits and a plan that agree."""
    return {
        "limits": Limits(per_second=10, per_day=per_day, reserve=0.1),
        "plan": Plan(per_second=10, per_day=per_day, per_day_counting="sliding", counting="sliding_log"),
    }


def test_a_parked_run_returns_and_says_when_to_go_on() -> None:
    """With on_exhausted="park" the report is not complete, and nothing was begun that could not be finished."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=6, webhooks_per_team=10, **limited(100)) as (doo, box):
            operations = [
                Update(team, item["id"], description="moved") for team in box.teams for item in box.live(team)
            ]
            judge = Judge(box, operations)
            report = await doo.bulk.run(operations, on_exhausted="park")
            counts = report.counts()
            assert not report.complete
            assert counts["applied"] + counts["unfinished"] + counts["not_started"] == 60
            assert counts["applied"] >= 20
            assert report.resume_at is not None
            assert 0 < (report.resume_at - clock.now()).total_seconds() <= DAY + 10
            judge.nothing_lost()
            assert all(len(box.live(team)) == 10 for team in box.teams), "parked with old and new both live"
            assert box.count(status=429) == 0
            assert (await doo.quota.usage()).used <= 90

    simulate(main)


def test_a_waiting_run_goes_on_the_next_day() -> None:
    """With on_exhausted="wait" the run sleeps until there is room, tells what it waits for, and finishes."""

    async def main(clock: SimulatedClock) -> None:
        told: list[Progress] = []
        async with world(clock, organizations=6, webhooks_per_team=10, **limited(100)) as (doo, box):
            operations = [
                Update(team, item["id"], description="moved") for team in box.teams for item in box.live(team)
            ]
            judge = Judge(box, operations)
            report = await doo.bulk.run(operations, progress=told.append)
            assert report.counts()["applied"] == 60
            # The team that had to wait for its batch is looked at again: a day is too long to build on.
            assert judge.requests() == judge.expected_requests() + 1, (
                "a day's end must not make batches smaller"
            )
            judge.nothing_lost()
            judge.as_wanted()
            assert DAY < clock.monotonic() < 2 * DAY
            assert box.count(status=429) == 0
            assert any("the day's quota until" in (progress.waiting_for or "") for progress in told)

    simulate(main)


@pytest.mark.parametrize("per_day", [17, 18, 29, 50])
def test_a_run_waits_until_there_is_room_for_what_it_waits_for(per_day: int) -> None:
    """It goes on at the time that it has named, and does not wait for another second again and again."""

    async def main(clock: SimulatedClock) -> None:
        told: list[str] = []

        def note(progress: Progress) -> None:
            if not told or told[-1] != progress.waiting_for:
                told.append(progress.waiting_for or "")

        limits = Limits(per_second=100, per_day=per_day)
        async with world(clock, organizations=30, webhooks_per_team=1, limits=limits) as (doo, box):
            moved = [Update(team, box.live(team)[0]["id"], description="moved") for team in box.teams]
            assert (await doo.bulk.run(moved, progress=note)).counts()["applied"] == 30
        days = clock.monotonic() / DAY
        waits = sum("the day's quota until" in text for text in told)
        each_day = (limits.per_day_for_bulk or 0) // 6  # a team's requests, with one that is kept free
        assert days <= 30 / each_day + 1
        assert waits <= 4 * (days + 1)

    simulate(main)


@pytest.mark.parametrize("seed", range(10))
def test_random_work_over_days(seed: int) -> None:
    """Whatever the operations are, a day of 60 requests after the other finishes them within the limits."""

    async def main(clock: SimulatedClock) -> None:
        async with world(
            clock,
            seed=seed,
            organizations=4,
            webhooks_per_team=lambda place: 4 * place,
            page_size=7,
            **limited(60),
        ) as (doo, box):
            operations = some_operations(box, random.Random(seed))
            judge = Judge(box, operations)
            report = await doo.bulk.run(operations)
            assert report.complete
            judge.nothing_lost()
            judge.as_wanted()
            assert box.count(status=429) == 0

    simulate(main, seed=seed)


def test_a_team_that_waits_goes_on_after_another_has_parked() -> None:
    """With one request at a time, a team whose create is in doubt still has its turn when the others have parked."""

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=None, per_day=10, reserve=0.0, concurrency=1)
        async with world(clock, limits=limits, organizations=4, webhooks_per_team=0) as (doo, box):
            box.script(Fault("lost_after", on="create"))
            first, *others = box.teams
            creates = [Create(team, config(f"w{number}")) for team in others for number in range(5)]
            report = await doo.bulk.run([Create(first, config("in doubt")), *creates], on_exhausted="park")
            assert report.outcomes[0].status in {"applied", "unknown"}
            assert report.counts()["applied"] >= 5
            assert report.resume_at is not None
            assert clock.monotonic() >= 130

    simulate(main)


@pytest.mark.parametrize(("per_day", "in_turn"), [(99, True), (400, False)])
def test_teams_go_one_after_the_other_where_a_day_is_for_one_of_them(per_day: int, in_turn: bool) -> None:  # noqa: FBT001
    """While a create is in doubt, its team keeps its place then; else the next team is begun meanwhile."""

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=None, per_day=per_day, reserve=0.0, concurrency=1)
        async with world(clock, limits=limits, organizations=2, webhooks_per_team=1) as (doo, box):
            box.script(Fault("lost_before", on="create"))
            moved = [Update(team, box.live(team)[0]["id"], description="moved") for team in box.teams]
            assert (await doo.bulk.run(moved)).counts()["applied"] == 2
            order = [request.team for request in box.log.requests if request.kind == "create"]
            # Of the first team's two creates the first is lost.
            assert (order == sorted(order)) is in_turn
            assert len(order) == 3

    simulate(main)


def test_two_runs_that_share_a_day_too_short_for_all_their_lists_both_end() -> None:
    """What is read of a list before the day is spent is read anew the next day, so teams go one after the other."""

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=5, per_day=100, reserve=0.05)
        box = Box(plan=None, latency=0.05, organizations=6, webhooks_per_team=24, page_size=2)
        ledger = Memory()

        async def whole(name: str, teams: Sequence[str]) -> int:
            creates = [Create(team, config(f"by {name}")) for team in teams]
            with folder() as where:
                for day in range(1, 10):
                    async with session(clock, box, limits=limits, quota=ledger) as doo:
                        report = await doo.bulk.run(creates, journal=where / "journal")
                    if report.complete:
                        return day
                    assert report.resume_at is not None
                    await clock.sleep((report.resume_at - clock.now()).total_seconds())
            raise AssertionError(f"the run {name} does not come to an end")

        days = await asyncio.gather(whole("one", box.teams[:3]), whole("another", box.teams[3:]))
        assert max(days) <= 4
        assert box.count("create", status=200) == 6

    simulate(main)


def test_an_unexpected_limit_exceeded_parks_the_run() -> None:
    """If doo says that the day is spent although our ledger knows otherwise, the run parks for an hour."""

    async def main(clock: SimulatedClock) -> None:
        plan = Plan(per_second=None, per_day=40, per_day_counting="sliding")
        limits = Limits(per_second=None, per_day=1000)
        async with world(clock, limits=limits, plan=plan, organizations=4, webhooks_per_team=10) as (
            doo,
            box,
        ):
            operations = [
                Update(team, item["id"], description="moved") for team in box.teams for item in box.live(team)
            ]
            judge = Judge(box, operations)
            report = await doo.bulk.run(operations, on_exhausted="park")
            assert not report.complete
            assert (report.resume_at - clock.now()).total_seconds() == pytest.approx(3600, abs=60)
            judge.nothing_lost()

    simulate(main)


def test_a_persons_call_goes_before_a_bulk_job() -> None:
    """At one a second a person waits two slots at most while a run has hundreds of requests to make."""

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=1, per_day=None)
        async with world(clock, limits=limits, organizations=5, webhooks_per_team=0, latency=0.1) as (
            doo,
            box,
        ):
            operations = [Create(team, config(f"w{number}")) for team in box.teams for number in range(40)]
            run = asyncio.create_task(doo.bulk.run(operations))
            await clock.sleep(20.3)
            for _ in range(5):
                begun = clock.monotonic()
                await doo.organizations.active_team()
                assert clock.monotonic() - begun <= 2.3
                await clock.sleep(7.7)
            report = await run
            assert report.counts()["applied"] == 200

    simulate(main)
