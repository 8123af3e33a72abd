"""Cancelling a run, in simulated time: nothing more is sent, and what is on its way is learned."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from bulk_world import Judge, config, world
from simulated import SimulatedClock, simulate

from aiodoo import DooError, Limits, Session
from aiodoo.operations import Create, Operation, Update
from aiodoo.sandbox import Box, Fault, Sandbox

INSTANTS = range(0, 60, 1 if os.environ.get("AIODOO_WHOLE") == "1" else 2)
"""When a run is cancelled, in twentieths of a second."""


def work(box: Box) -> list[Operation]:
    """Return three updates and three creates in each team."""
    updates: list[Operation] = [
        Update(team, item["id"], description="moved") for team in box.teams for item in box.live(team)
    ]
    return updates + [Create(team, config(f"w{number}")) for team in box.teams for number in range(3)]


async def cancelled(doo: Session, operations: list[Operation], clock: SimulatedClock, after: float, how: str):
    """Cancel a streamed run in one of three ways; return the report that stays, and how long the end took."""
    stream = doo.bulk.stream(operations)
    begun = 0.0

    async def go() -> None:
        async with stream as run:
            async for _ in run:
                pass

    if how == "task":
        task = asyncio.create_task(go())
        await clock.sleep(after)
        begun = clock.monotonic()
        task.cancel()
        await asyncio.wait({task})
        ended_alone = not task.cancelled()
    elif how == "scope":
        begun = clock.monotonic() + after
        with anyio.move_on_after(after) as scope:
            await go()
        ended_alone = not scope.cancelled_caught
    else:
        begun = clock.monotonic() + after
        ended_alone = True
        try:
            async with asyncio.timeout(after):
                await go()
        except TimeoutError:
            ended_alone = False
    return stream.report(), clock.monotonic() - begun, ended_alone


@pytest.mark.parametrize("how", ["task", "scope", "timeout"])
def test_cancelled_at_any_instant(how: str) -> None:
    """Cancelled at any of 60 instants, of which one in two is tried unless `AIODOO_WHOLE=1`: nothing lost, nothing doubled, the report true, the next call works."""
    ends = 0
    for number in INSTANTS:

        async def main(clock: SimulatedClock, number: int = number) -> bool:
            limits = Limits(per_second=20, per_day=None)
            async with world(clock, limits=limits, webhooks_per_team=3, latency=0.2) as (doo, box):
                operations = work(box)
                judge = Judge(box, operations)
                report, took, ended_alone = await cancelled(doo, operations, clock, number * 0.05 + 0.01, how)
                assert took <= 10.5 or ended_alone
                await clock.sleep(0.2)  # a scan or a token request may be on its way, which nobody waits for
                sent = box.log.total
                await clock.sleep(200)
                assert box.log.total == sent, "something was sent after the end"
                judge.nothing_lost()
                judge.report_agrees(report)
                assert report.counts()["unknown"] == 0, "the grace was long enough to learn every outcome"
                live, wanted = judge.at_rest()
                off = sum(report.counts()[status] for status in ("unfinished", "not_started"))
                assert (live - wanted).total() <= off
                await doo.organizations.active_team()
                assert len(asyncio.all_tasks()) == 1
                return ended_alone

        ends += simulate(main)
    assert ends < len(INSTANTS) / 2, "most runs should have been cancelled in the middle"


def test_what_is_still_on_its_way_after_the_grace_is_unknown() -> None:
    """A create without an answer is waited for through the grace, then reported as unknown."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1) as (doo, box):
            box.script(Fault("reset", on="create", stage="no_answer"))
            operations: list[Operation] = [Create("111", config("a"))]
            report, took, _ = await cancelled(doo, operations, clock, 5.0, "task")
            assert 9.9 <= took <= 10.1
            assert report.counts()["unknown"] == 1

    simulate(main)


def test_a_second_cancel_stops_at_once() -> None:
    """Whoever cancels twice does not want to wait for the grace."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1) as (doo, box):
            box.script(Fault("reset", on="create", stage="no_answer"))
            task = asyncio.create_task(doo.bulk.run([Create("111", config("a"))]))
            await clock.sleep(5.0)
            task.cancel()
            await clock.sleep(1.0)
            task.cancel()
            begun = clock.monotonic()
            await asyncio.wait({task})
            assert task.cancelled()
            assert clock.monotonic() - begun < 0.1
            assert len(asyncio.all_tasks()) == 1

    simulate(main)


def test_cancelled_while_it_settles() -> None:
    """Nothing is on its way while a lost create settles, so a cancelled run ends at once; the create is unknown."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1) as (doo, box):
            box.script(Fault("lost_after", on="create"))
            report, took, _ = await cancelled(doo, [Create("111", config("a"))], clock, 60.0, "task")
            assert took < 0.1
            assert report.counts()["unknown"] == 1
            assert report.recheck_at is not None

    simulate(main)


def test_leaving_a_stream_early_stops_the_run() -> None:
    """After `break` nothing more is sent, and the report says what was not started."""

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=5, per_day=None)
        async with world(clock, limits=limits, organizations=1) as (doo, box):
            operations = [Create("111", config(f"w{number}")) for number in range(50)]
            async with doo.bulk.stream(operations) as run:
                async for _ in run:
                    break
            sent = box.log.total
            await clock.sleep(60)
            assert box.log.total == sent
            counts = run.report().counts()
            assert counts["applied"] == len(box.live("111")) < 20
            assert counts["applied"] + counts["not_started"] == 50

    simulate(main)


def test_a_cancelled_run_raises_what_cancelled_it() -> None:
    """Cancellation is never swallowed: after its grace the run ends as cancelled, not as done."""

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=5, per_day=None)
        async with world(clock, limits=limits, organizations=1) as (doo, box):
            operations = [Create("111", config(f"w{number}")) for number in range(50)]
            task = asyncio.create_task(doo.bulk.run(operations))
            await clock.sleep(3.0)
            task.cancel()
            await asyncio.wait({task})
            assert task.cancelled()
            assert 0 < len(box.live("111")) < 50

    simulate(main)


@pytest.mark.parametrize("after", [0, 2, 5, 9])
async def test_a_session_that_is_closed_while_its_run_goes_on(tmp_path: Path, after: int) -> None:
    """The run says so with an error of ours and lets go of its journal; another session goes on, and nothing is doubled."""
    async with Sandbox(plan=None) as box:

        def session(limits: Limits) -> Session:
            return Session(
                base_url=box.url,
                api_key=box.api_key,
                client_id=box.client_id,
                client_secret=box.client_secret,
                limits=limits,
            )

        operations = [Create(team, config(f"w{number}")) for team in box.teams for number in range(5)]
        async with session(Limits(per_second=50, per_day=None)) as doo:
            running = asyncio.ensure_future(doo.bulk.run(operations, journal=tmp_path / "run"))
            while box.count() < after:  # noqa: ASYNC110  # the box tells nobody
                await asyncio.sleep(0.002)
            await asyncio.sleep(0)
        with suppress(DooError):
            report = await running
            assert not report.complete
        async with session(Limits(per_second=None, per_day=None)) as doo:
            report = await doo.bulk.run(operations, journal=tmp_path / "run", settle=1.0)
            assert report.counts()["applied"] == 15
        assert [len(box.live(team)) for team in box.teams] == [5, 5, 5]
