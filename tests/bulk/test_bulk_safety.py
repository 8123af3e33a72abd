"""When a run stops by itself, in simulated time."""

from __future__ import annotations

from bulk_world import Judge, config, world
from simulated import SimulatedClock, simulate

from aiodoo import UnstableListing
from aiodoo.operations import Create, Delete, Operation, Update
from aiodoo.sandbox import Fault


def test_three_failing_teams_in_a_row_stop_the_run() -> None:
    """One or two failing teams do not stop the others; three in a row do, and the report says why."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=20) as (doo, box):
            wrong = {"112", "113", "116", "117", "118"}
            operations = [Create(f"9{team}" if team in wrong else team, config("new")) for team in box.teams]
            report = await doo.bulk.run(operations)
            assert not report.complete
            assert report.stopped_because == "3 teams in a row failed, the last of them 9118"
            counts = report.counts()
            assert counts["failed"] == 5
            assert counts["applied"] + counts["not_started"] == 15
            assert counts["not_started"] > 0

    simulate(main)


def test_the_first_team_goes_alone() -> None:
    """With canary=True nothing is sent for another team before the first one is done."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=2) as (doo, box):
            operations: list[Operation] = [
                Update(team, item["id"], description="moved") for team in box.teams for item in box.live(team)
            ]
            judge = Judge(box, operations)
            report = await doo.bulk.run(operations, canary=True)
            assert report.counts()["applied"] == 6
            judge.as_wanted()
            teams = [request.team for request in box.log.requests if request.kind != "token"]
            assert teams[:7] == ["111"] * 7
            assert "111" not in teams[7:]

    simulate(main)


def test_a_first_team_that_is_not_as_wanted_ends_the_run() -> None:
    """The others are not started, and the report says why."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=1) as (doo, box):
            operations = [Create("999", config("new")), *(Create(team, config("new")) for team in box.teams)]
            report = await doo.bulk.run(operations, canary=True)
            assert report.counts()["failed"] == 1
            assert report.counts()["not_started"] == 3
            assert report.stopped_because == "team 999, which went first, is not as wanted"
            assert box.count("create") == 0

    simulate(main)


def test_a_list_that_shrank_stops_its_team() -> None:
    """When most of a team's webhooks are missing from a later list, nothing is concluded from it and nothing deleted."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=2, webhooks_per_team=10) as (doo, box):
            empty = b'{"_links":{},"_embedded":{"webhooks":[]},"page_count":1,"page_size":25,"total_items":0,"page":1}'
            box.script(Fault("replaced", on="list", team="111", nth=2, times=None, status=200, body=empty))
            first, second, *_ = (item["id"] for item in box.live("111"))
            operations = [
                Update("111", first, description="moved"),
                Delete("111", second),
                *(Update("112", item["id"], description="moved") for item in box.live("112")),
            ]
            report = await doo.bulk.run(operations)
            update, delete, *others = report
            assert update.status == "unfinished"
            assert delete.status == "failed"
            assert isinstance(update.error, UnstableListing)
            assert "shows 0 of 10" in str(update.error)
            assert {outcome.status for outcome in others} == {"applied"}
            assert box.count("delete") == 10
            assert len(box.live("111")) == 11

    simulate(main)


def test_a_list_that_is_short_once_is_read_again() -> None:
    """One bad reading costs half a minute and a request, no more."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=5) as (doo, box):
            empty = b'{"_links":{},"_embedded":{"webhooks":[]},"page_count":1,"page_size":25,"total_items":0,"page":1}'
            box.script(Fault("replaced", on="list", nth=2, status=200, body=empty))
            operations = [Update("111", item["id"], description="moved") for item in box.live("111")]
            judge = Judge(box, operations)
            report = await doo.bulk.run(operations)
            assert report.counts()["applied"] == 5
            assert judge.requests() == judge.expected_requests() + 1
            assert 30 < clock.monotonic() < 40

    simulate(main)
