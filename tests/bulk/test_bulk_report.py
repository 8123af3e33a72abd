"""What a journal tells of its run is what the run told, over all of its processes; in simulated time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import attrs
from bulk_world import Judge, config, session, world
from simulated import SimulatedClock, simulate

from aiodoo import Limits, Report, Session
from aiodoo.operations import Create, Operation, Update
from aiodoo.sandbox import Box, Fault, Plan

DAY = Limits(per_second=20, per_day=40, reserve=0)
PLAN = Plan(per_second=20, per_day=40, counting="sliding_log", per_day_counting="sliding")
SEVEN = ("applied", "unchanged", "skipped", "failed", "unknown", "unfinished", "not_started")


def updates(box: Box) -> list[Operation]:
    """Update everything."""
    return [Update(team, item["id"], name="moved") for team in box.teams for item in box.live(team)]


async def same_in_the_journal(doo: Session, path: Path, report: Report) -> None:
    """The journal tells all that the report does."""
    told = await doo.bulk.report(path)
    assert [str(outcome) for outcome in told] == [str(outcome) for outcome in report]
    assert attrs.evolve(told, outcomes=report.outcomes) == report


def test_a_parked_runs_report_stays_in_its_journal(tmp_path: Path) -> None:
    """When to go on, what it costs in all and what was sent so far; over every day that it takes."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, limits=DAY, plan=PLAN, organizations=6, webhooks_per_team=3) as (doo, box):
            operations, path = updates(box), tmp_path / "journal"
            judge = Judge(box, operations)
            forecast = await doo.bulk.forecast(operations)
            report = await doo.bulk.run(operations, journal=path)
            days = 1
            while not report.complete:
                assert report.resume_at is not None
                await same_in_the_journal(doo, path, report)
                await clock.sleep((report.resume_at - clock.now()).total_seconds())
                report = await doo.bulk.resume(path)
                days += 1
            assert days > 1
            assert report.resume_at is None
            await same_in_the_journal(doo, path, report)
            # Each day reads one list more than the formula: that of the team in which the day before has ended.
            assert report.forecast == forecast
            assert forecast.requests.total == judge.expected_requests()
            assert forecast.requests.total < report.requests.total <= forecast.requests.total + days

    simulate(main)


def test_a_run_that_goes_on_is_not_told_as_parked(tmp_path: Path) -> None:
    """As soon as it has written something down, what its last process had ended with is past."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, limits=DAY, plan=PLAN, organizations=6, webhooks_per_team=3) as (doo, box):
            path = tmp_path / "journal"
            report = await doo.bulk.run(updates(box), journal=path)
            assert report.resume_at is not None
            await clock.sleep((report.resume_at - clock.now()).total_seconds())
            run = asyncio.create_task(doo.bulk.resume(path))
            await clock.sleep(0.5)
            assert not run.done()
            assert (await doo.bulk.report(path)).resume_at is None
            await run

    simulate(main)


def test_when_to_look_once_more_is_not_forgotten(tmp_path: Path) -> None:
    """A create was in doubt in an earlier process: whoever asks later is told as well from when on to verify."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=2) as (doo, box):
            operations, path = [Create(team, config("new")) for team in box.teams], tmp_path / "journal"
            box.script(Fault("lost_after", on="create"))
            begun = clock.now()
            report = await doo.bulk.run(operations, journal=path)
            assert report.recheck_at is not None
            assert timedelta(hours=1) <= report.recheck_at - begun < timedelta(hours=1, minutes=5)
            await same_in_the_journal(doo, path, report)
            assert (await doo.bulk.resume(path)).recheck_at == report.recheck_at

    simulate(main)


def test_why_it_stopped_is_not_forgotten(tmp_path: Path) -> None:
    """A run that was stopped by many failing teams says so to whoever asks later."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=6, webhooks_per_team=1) as (doo, box):
            operations: list[Operation] = [Update(f"9{number}", "1", name="moved") for number in range(4)]
            operations += updates(box)
            report = await doo.bulk.run(operations, journal=tmp_path / "journal", canary=True)
            assert report.stopped_because is not None
            assert not report.complete
            await same_in_the_journal(doo, tmp_path / "journal", report)

    simulate(main)


def test_what_a_running_run_has_begun_is_in_progress(tmp_path: Path) -> None:
    """A create on its way alarms nobody: it is neither unknown nor unfinished, until the run has ended."""

    async def main(clock: SimulatedClock) -> None:
        async with (
            world(clock, organizations=2, webhooks_per_team=2) as (doo, box),
            session(clock, box) as other,
        ):
            journal = tmp_path / "journal"
            box.script(Fault("slow", on="create", seconds=5.0, times=None))
            operations: list[Operation] = [
                Create("111", config("a")),
                Update("112", str(box.live("112")[0]["id"]), name="moved"),
            ]
            async with doo.bulk.stream(operations, journal=journal) as run:
                await clock.sleep(2.0)
                assert box.count("create") == 2
                for report in (run.report(), await other.bulk.report(journal)):
                    assert [outcome.status for outcome in report] == ["in_progress", "in_progress"]
                    assert not any(outcome.ended for outcome in report)
                    assert "2 operations: 2 in_progress;" in repr(report)
                    assert report.counts() == dict.fromkeys(SEVEN, 0) | {"in_progress": 2}
                async for _ in run:
                    pass
            for report in (run.report(), await other.bulk.report(journal)):
                assert report.counts() == dict.fromkeys(SEVEN, 0) | {"applied": 2}

    simulate(main)


def test_a_run_that_was_cut_off_says_what_is_unknown(tmp_path: Path) -> None:
    """Once nobody is at work on it, a create that has left is in doubt."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=2) as (doo, box):
            journal = tmp_path / "journal"
            box.script(Fault("slow", on="create", seconds=500.0))
            async with doo.bulk.stream([Create("111", config("a"))], journal=journal, grace=0.0) as run:
                await clock.sleep(2.0)
                assert run.report().counts()["unknown"] == 0
            for report in (run.report(), await doo.bulk.report(journal)):
                assert report.counts() == dict.fromkeys(SEVEN, 0) | {"unknown": 1}

    simulate(main)
