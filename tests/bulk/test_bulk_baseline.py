"""A list that the caller has read takes the place of a run's first reading of a team; in simulated time."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from bulk_world import Judge, config, session, world
from dying_process import MortalWorker
from simulated import SimulatedClock, simulate

from aiodoo import ConfigError, Limits, Report, Session, TeamClaimed
from aiodoo.operations import Create, Delete, Ensure, Operation, Update
from aiodoo.sandbox import Box
from aiodoo.walk import Collected


def updates(box: Box) -> list[Operation]:
    """Update everything."""
    return [Update(team, item["id"], name="moved") for team in box.teams for item in box.live(team)]


async def collected(doo: Session, box: Box) -> dict[str, Collected]:
    """Read every team."""
    return {team: await doo.webhooks.list(team, stable=True).collect() for team in box.teams}


def test_what_is_collected_is_a_list_that_knows_when_it_was_read() -> None:
    """Team by team, also if several are collected at once; it is compared and copied as a list is."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=3, page_size=2) as (doo, box):
            now = clock.now()
            webhooks = await doo.webhooks.list("111", "112", stable=True).collect()
            assert isinstance(webhooks, list)
            assert webhooks == list(webhooks) == [each async for each in doo.webhooks.list("111", "112")]
            assert webhooks.reads.keys() == {"111", "112"}
            assert (webhooks.stable, webhooks.pages) == (True, 4)
            assert webhooks.read_at is not None
            assert 0 <= (webhooks.read_at - now).total_seconds() < 1
            assert {each.id for each in webhooks.reads["112"].webhooks} == {
                item["id"] for item in box.live("112")
            }
            assert copy.copy(webhooks) == webhooks
            assert copy.copy(webhooks).reads == webhooks.reads
            assert not (await doo.webhooks.list("111").collect()).stable
            walk = doo.webhooks.list("111", "112", stable=True)
            await anext(walk)
            assert (await walk.collect()).reads.keys() == {"112"}, "something of 111 was shown before"

    simulate(main)


def test_what_is_collected_is_pickled_as_its_members_are() -> None:
    """Without secrets, which are not pickled, it comes back equal, with how it was read."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=0) as (doo, box):
            box.foreign_create("111", config("a").to_dict(), now=clock.monotonic())
            webhooks = await doo.webhooks.list("111", stable=True).collect()
            again = pickle.loads(pickle.dumps(webhooks))  # noqa: S301  # our own
            assert len(again) == 1
            assert again == webhooks
            assert again.reads == webhooks.reads
            report = await doo.bulk.run(updates(box), baseline={"111": again})
            assert (report.counts()["applied"], report.requests.lists) == (1, 2)

    simulate(main)


def test_a_run_with_a_fresh_baseline_saves_its_first_reading(tmp_path: Path) -> None:
    """2,200 requests instead of 2,300 for 1,000 updates over 100 teams of 10, and the forecast says so."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=10, webhooks_per_team=10) as (doo, box):
            operations, baseline = updates(box), await collected(doo, box)
            judge, sent = Judge(box, operations), box.log.total
            without = await doo.bulk.forecast(operations)
            assert without.requests.total == 230
            assert box.log.total - sent == 10
            sent = box.log.total
            forecast = await doo.bulk.forecast(operations, baseline=baseline)
            assert box.log.total == sent
            report = await doo.bulk.run(operations, baseline=baseline, journal=tmp_path / "journal")
            assert report.counts()["applied"] == 100
            assert report.requests == forecast.requests
            assert report.forecast is not None
            assert report.forecast.requests == forecast.requests
            assert forecast.requests.total == box.log.total - sent == 220
            judge.nothing_lost()
            judge.as_wanted()

    simulate(main)


@pytest.mark.parametrize("kind", ["update", "delete"])
@pytest.mark.parametrize("how", ["at once", "a minute later", "by another session"])
def test_a_baseline_of_several_pages_knows_its_pages(kind: str, how: str) -> None:
    """Within a minute nothing of it is read again; later, or if another session has read it, the pages that matter."""

    async def main(clock: SimulatedClock) -> None:
        async with (
            world(clock, organizations=1, webhooks_per_team=30, page_size=10) as (doo, box),
            session(clock, box) as other,
        ):
            baseline = await collected(other if how == "by another session" else doo, box)
            if how == "a minute later":
                await clock.sleep(61)
            ids = [item["id"] for item in box.live("111")[20:22]]
            operations: list[Operation] = [
                Update("111", each, name="moved") if kind == "update" else Delete("111", each) for each in ids
            ]
            judge, lists = Judge(box, operations), box.count("list")
            report = await doo.bulk.run(operations, baseline=baseline)
            assert report.counts()["applied"] == 2
            # A stable list confirms the deletes; updates are looked at once more, with what takes their places.
            expected = 6 + (2 if kind == "update" else 0) + (how != "at once")
            assert box.count("list") - lists == expected
            judge.nothing_lost()
            judge.as_wanted()

    simulate(main)


async def grown_old(_doo: Session, _box: Box, clock: SimulatedClock) -> None:
    """Let it become too old."""
    await clock.sleep(601)


async def changed(doo: Session, _box: Box, _clock: SimulatedClock) -> None:
    """Change the team by the same session."""
    await doo.webhooks.create("111", config("x"))


@pytest.mark.parametrize("spoil", [grown_old, changed])
def test_a_baseline_that_is_not_to_be_trusted_is_not_used(
    spoil: Callable[[Session, Box, SimulatedClock], Awaitable[Any]],
) -> None:
    """After ten minutes, or after this session has changed the team, the run reads for itself."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=3) as (doo, box):
            baseline, operations = await collected(doo, box), updates(box)
            await spoil(doo, box, clock)
            report = await doo.bulk.run(operations, baseline=baseline)
            assert report.requests.lists == 3
            # And after that run it shows what is gone.
            assert (await doo.bulk.run(operations, baseline=baseline)).counts()["skipped"] == 3

    simulate(main)


def test_what_is_no_whole_reading_is_not_used() -> None:
    """One that was not read stable, and one of another account."""

    async def main(clock: SimulatedClock) -> None:
        async with (
            world(clock, organizations=1, webhooks_per_team=3) as (doo, box),
            world(clock, organizations=1, webhooks_per_team=3) as (other, _),
        ):
            operations = updates(box)
            for webhooks in (
                await doo.webhooks.list("111").collect(),
                await other.webhooks.list("111", stable=True).collect(),
            ):
                assert (await doo.bulk.forecast(operations, baseline={"111": webhooks})).requests.lists == 3

    simulate(main)


def test_a_forecast_takes_a_list_that_is_too_old_for_a_run() -> None:
    """It asks doo for nothing, and counts the reading that the run makes then."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=3) as (doo, box):
            baseline, operations = await collected(doo, box), updates(box)
            fresh = await doo.bulk.forecast(operations, baseline=baseline)
            await clock.sleep(601)
            asked = box.log.total
            forecast = await doo.bulk.forecast(operations, baseline=baseline)
            assert (box.log.total, forecast.requests.lists) == (asked, fresh.requests.lists + 1)
            report = await doo.bulk.run(operations, baseline=forecast.baseline)
            assert report.requests == forecast.requests

    simulate(main)


def test_a_forecast_says_what_is_read_again_as_a_baseline_grows_old() -> None:
    """At one request a second, most teams are begun when what was read of them no longer permits a create."""

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=1, per_day=None)
        async with world(clock, limits=limits, organizations=40, webhooks_per_team=5) as (doo, box):
            operations, baseline = updates(box), await collected(doo, box)
            forecast = await doo.bulk.forecast(operations, baseline=baseline)
            report = await doo.bulk.run(operations, baseline=baseline)
            assert report.forecast is not None
            # A second list of each team confirms what was deleted; at first all but a few are read.
            assert report.requests.lists > 2.5 * len(box.teams)
            for foretold in (forecast, report.forecast):
                assert abs(foretold.requests.total - report.requests.total) <= 0.03 * report.requests.total

    simulate(main)


def test_an_ensure_does_not_build_on_an_old_baseline() -> None:
    """What somebody has made meanwhile would be there twice: after a minute the team is read."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1) as (doo, box):
            baseline = await collected(doo, box)
            await clock.sleep(61)
            box.foreign_create("111", config("a").to_dict(), now=clock.monotonic())
            report = await doo.bulk.run([Ensure("111", config("a"))], baseline=baseline)
            assert report.counts()["unchanged"] == 1
            assert (await doo.bulk.run([Create("111", config("b"))], baseline=baseline)).requests.lists == 0

    simulate(main)


def test_somebody_elses_edit_since_the_baseline_is_not_deleted() -> None:
    """Whoever has read it, what was changed since is left alone."""

    async def main(clock: SimulatedClock) -> None:
        async with (
            world(clock, organizations=1, webhooks_per_team=3) as (doo, box),
            session(clock, box) as reader,
        ):
            baseline, operations = await collected(reader, box), updates(box)
            edited = operations[1].webhook_id  # type: ignore[union-attr]
            box.foreign_edit(edited, config("mine").to_dict(), now=clock.monotonic())
            report = await doo.bulk.run(operations, baseline=baseline)
            assert report.counts()["applied"] == 2
            assert report.outcomes[1].status == "skipped"
            assert edited in {item["id"] for item in box.live("111")}

    simulate(main)


def test_two_scripts_with_one_baseline_at_once(tmp_path: Path) -> None:
    """The second one is told who has the teams; doo is away for two seconds meanwhile, and everything moves once."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=2, webhooks_per_team=3) as (doo, box):
            operations, baseline = updates(box), await collected(doo, box)
            judge = Judge(box, operations)
            box.before("create", lambda: box.refuse_connections(2.0), nth=2)
            runs = [doo.bulk.run(operations, baseline=baseline, journal=tmp_path / name) for name in "ab"]
            one, other = await asyncio.gather(*runs, return_exceptions=True)
            assert isinstance(one, Report)
            assert one.counts()["applied"] == 6
            assert isinstance(other, TeamClaimed)
            judge.nothing_lost()
            judge.as_wanted()

    simulate(main)


def test_a_script_that_is_begun_again_with_the_same_baseline(tmp_path: Path) -> None:
    """What it had read before it was killed is of another time: its journal tells more, and nothing is done twice."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=2, webhooks_per_team=3) as (doo, box):
            operations, baseline = updates(box), await collected(doo, box)
            judge, path = Judge(box, operations), tmp_path / "journal"
            worker = MortalWorker(8)
            async with session(clock, box, worker=worker) as killed:
                run = asyncio.create_task(
                    killed.bulk.run(operations, baseline=baseline, journal=path, grace=0.0)
                )
                await worker.died.wait()
                worker.die()
                run.cancel()
                await asyncio.gather(run, return_exceptions=True)
                worker.kill()
            assert box.count("create") > 0
            assert box.count("delete") < 6
            report = await doo.bulk.run(operations, baseline=baseline, journal=path, moved=True)
            assert report.counts()["applied"] == 6
            judge.nothing_lost()
            judge.as_wanted()

    simulate(main)


@pytest.mark.parametrize(
    ("baseline", "match"),
    [
        ([], None),
        ({"111": []}, "is a list, and not what collect"),
        ([1], "baseline is what doo.webhooks.list"),
        ({"": Collected()}, "team id"),
    ],
)
def test_what_is_no_baseline_is_refused(baseline: Any, match: str | None) -> None:
    """By run and by forecast, with nothing sent; nothing at all is as good as none."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            if match is None:
                assert (await doo.bulk.run([], baseline=baseline)).complete
                return
            for call in (doo.bulk.run, doo.bulk.forecast):
                with pytest.raises(ConfigError, match=match):
                    await call([Create("111", config("a"))], baseline=baseline)
            assert box.log.total == 0

    simulate(main)
