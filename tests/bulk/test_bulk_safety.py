"""When a run stops by itself, in simulated time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest
from bulk_world import Judge, config, session, world
from simulated import SimulatedClock, simulate
from simulated_doo import BoxTransport

from aiodoo import UnstableListing
from aiodoo.client.transport import Exchange
from aiodoo.operations import Create, Delete, Operation, Update
from aiodoo.protocol.wire import Answer, Kind, Request
from aiodoo.sandbox import Box, Fault


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
            assert delete.status == "not_started"
            assert isinstance(update.error, UnstableListing)
            assert "shows 0 of 10" in str(update.error)
            # Whoever reads the report sees why, and what ends it if they are to be gone.
            assert update.reason == delete.reason == str(update.error)
            assert "give the run up" in update.reason
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


class FailingTransport(BoxTransport):
    """A program's own transport, which fails at what is created in one team."""

    async def send(self, request: Request, headers: Mapping[str, str], trip: Exchange) -> Answer:
        """Carry it, or fail."""
        if request.kind is Kind.CREATE and request.team_id == "112":
            raise LookupError("no way for it")
        return await super().send(request, headers, trip)


class FailingClock(SimulatedClock):
    """A program's own clock, which fails when a run rests."""

    __slots__ = ()

    async def wait(self, event: anyio.Event, seconds: float) -> bool:
        """Fail."""
        raise LookupError(f"no bell for {event} in {seconds} s")


def test_what_the_callers_own_transport_raises_ends_the_run_as_it_is(tmp_path: Path) -> None:
    """In no group; what is on its way in other teams is learned, and the journal goes on with both."""

    async def main(clock: SimulatedClock) -> None:
        box = Box(plan=None, latency=0.05)
        operations = [Create(team, config("new")) for team in box.teams]
        path = tmp_path / "journal"
        async with session(clock, box, transport=FailingTransport(box, clock)) as doo:
            with pytest.raises(LookupError, match="no way for it"):
                await doo.bulk.run(operations, journal=path)
            counts = (await doo.bulk.report(path)).counts()
            assert counts["applied"] == box.count("create") == 1
            assert counts["unknown"] + counts["unfinished"] + counts["not_started"] == 2
        async with session(clock, box) as doo:
            assert (await doo.bulk.resume(path)).counts()["applied"] == 3
            assert box.count("create") == 3

    simulate(main)


def test_what_the_callers_own_clock_raises_ends_the_run_as_it_is() -> None:
    """In no group either."""

    async def main(_: SimulatedClock) -> None:
        box = Box(plan=None, latency=0.05)
        box.script(Fault("lost_after", on="create"))
        async with session(FailingClock(), box) as doo:
            with pytest.raises(LookupError, match="no bell"):
                await doo.bulk.run([Create(team, config("new")) for team in box.teams])

    simulate(main)
