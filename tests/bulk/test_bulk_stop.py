"""Runs that are asked to stop, or cancelled, in simulated time: little is left live twice, and what is left is named."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest
from bulk_world import Judge, config, world
from simulated import SimulatedClock, simulate

from aiodoo import ConfigError, Limits, Progress, Report
from aiodoo.events import LeftLive
from aiodoo.operations import Create, Operation, Update
from aiodoo.sandbox import Box, Fault

LIMITS = Limits(per_second=20, per_day=None)


def work(box: Box) -> list[Operation]:
    """Return updates of all there is, and a create in each team."""
    updates: list[Operation] = [
        Update(team, item["id"], description="moved") for team in box.teams for item in box.live(team)
    ]
    return updates + [Create(team, config("new")) for team in box.teams]


def doubled(judge: Judge) -> int:
    """Return how many updated webhooks are live twice."""
    box = judge.box
    return sum(len(box.live(team)) for team in box.teams) - sum(
        len(judge.before[team]) + any(item["name"] == "new" for item in box.live(team)) for team in box.teams
    )


def test_asked_to_stop_at_any_instant(tmp_path: Path) -> None:
    """Whenever it is asked to, a run returns with nothing live twice, and going on ends it."""
    for number in range(1, 30, 2):

        async def main(clock: SimulatedClock, number: int = number) -> None:
            async with world(clock, limits=LIMITS, organizations=4, webhooks_per_team=12) as (doo, box):
                operations = work(box)
                judge = Judge(box, operations)
                stop = asyncio.Event()
                path = tmp_path / f"j{number}"
                run = asyncio.create_task(doo.bulk.run(operations, journal=path, stop=stop))
                await clock.sleep(number * 0.25)
                begun = clock.monotonic()
                stop.set()
                report = await run
                assert clock.monotonic() - begun < 5.0
                late = [
                    each for each in box.log.requests if each.kind == "create" and each.time > begun + 0.1
                ]
                assert not late, "a create left after it was asked to stop"
                assert doubled(judge) == 0
                assert not report.both_live
                assert report.stopped_because == (None if report.complete else "it was asked to stop")
                assert sum(report.counts().values()) == len(operations)
                sent = box.log.total
                await clock.sleep(200)
                assert box.log.total == sent, "something was sent after the end"
                done = await doo.bulk.resume(path)
                judge.nothing_lost()
                judge.as_wanted()
                assert done.complete
                assert done.counts()["applied"] == len(operations)

        simulate(main)


@pytest.mark.parametrize("how", ["stop", "cancel"])
def test_what_cannot_be_finished_in_time_is_named(
    how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """At one request a second ten seconds are not enough: the pairs that stay are in the log, in events and in the report."""
    events: list[Any] = []

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=1, per_day=None)
        async with world(
            clock, limits=limits, organizations=4, webhooks_per_team=12, on_event=events.append
        ) as (doo, box):
            operations = work(box)
            judge = Judge(box, operations)
            stop = asyncio.Event()
            path = tmp_path / "j"
            shown: list[Progress] = []
            run = asyncio.create_task(
                doo.bulk.run(operations, journal=path, stop=stop, stop_within=10.0, progress=shown.append)
            )
            while doubled(judge) < 15:
                await clock.sleep(1.0)
            begun, before = clock.monotonic(), doubled(judge)
            if how == "stop":
                stop.set()
                report = await run
            else:
                run.cancel()
                with pytest.raises(asyncio.CancelledError) as caught:
                    await run
                report = await doo.bulk.report(path)
            assert 9.0 < clock.monotonic() - begun < 10.1
            left = doubled(judge)
            assert 0 < left <= before - 6, "the grace was used"
            assert len(report.both_live) == left
            assert not report.complete
            ids = {(each.operation.webhook_id, each.webhook_id) for each in report.both_live}
            told = {(event.old_id, event.new_id) for event in events if isinstance(event, LeftLive)}
            assert told == ids
            words = " ".join(record.message for record in caplog.records if record.levelname == "WARNING")
            assert all(old in words and new in words for old, new in ids)
            if how == "cancel":
                assert all(old in caught.value.__notes__[0] for old, _ in ids)
            assert shown[-1].stopping is not None
            assert shown[-1].stopping in str(shown[-1])
            done = await doo.bulk.resume(path)
            judge.nothing_lost()
            judge.as_wanted()
            assert done.complete

    simulate(main)


def test_a_run_that_left_both_live_is_not_complete() -> None:
    """Somebody edits an old webhook meanwhile: both stay, the report names them, and is not complete."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=2) as (doo, box):
            operations = [Update("111", item["id"], description="moved") for item in box.live("111")]
            stored = {name: value for name, value in box.live("111")[0].items() if name != "id"}
            edited = box.live("111")[0]["id"]
            box.after("create", lambda: box.foreign_edit(edited, stored | {"description": "theirs"}), nth=2)
            report = await doo.bulk.run(operations)
            assert report.counts()["skipped"] == report.counts()["applied"] == 1
            assert all(outcome.ended for outcome in report)
            assert not report.complete
            (left,) = report.both_live
            assert (left.operation.webhook_id, left.status) == (edited, "skipped")
            assert {edited, left.webhook_id} <= {item["id"] for item in box.live("111")}

    simulate(main)


def test_it_says_what_stopping_takes(caplog: pytest.LogCaptureFixture) -> None:
    """Requests and seconds, in the log."""
    caplog.set_level(logging.INFO, logger="aiodoo.bulk")

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=1, per_day=None)
        async with world(clock, limits=limits, organizations=1, webhooks_per_team=10) as (doo, box):
            operations = [Update("111", item["id"], description="moved") for item in box.live("111")]
            stop = asyncio.Event()
            run = asyncio.create_task(doo.bulk.run(operations, stop=stop))
            box.after("create", stop.set, nth=6)
            await run
            assert len(box.live("111")) == 10

    simulate(main)
    told = [record.message for record in caplog.records if record.message.startswith("stopping")]
    assert len(told) == 1
    assert told[0].startswith(("stopping: 7 requests", "stopping: 8 requests")), told


@pytest.mark.parametrize("make", [asyncio.Event, anyio.Event, threading.Event])
def test_any_event_will_do(make: Any) -> None:
    """asyncio's, anyio's, or one of threads, which is looked at five times a second."""

    async def main(clock: SimulatedClock) -> Report:
        limits = Limits(per_second=5, per_day=None)
        async with world(clock, limits=limits, organizations=1) as (doo, _):
            stop = make()
            asyncio.get_running_loop().call_later(3.0, stop.set)
            report = await doo.bulk.run(
                [Create("111", config(f"w{number}")) for number in range(50)], stop=stop
            )
            assert clock.monotonic() < 4.0
            return report

    counts = simulate(main).counts()
    assert 10 < counts["applied"] < 20
    assert counts["applied"] + counts["not_started"] == 50


def test_asked_before_it_begins() -> None:
    """Nothing is sent."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1) as (doo, box):
            stop = asyncio.Event()
            stop.set()
            report = await doo.bulk.run([Create("111", config("new"))], stop=stop)
            assert report.counts()["not_started"] == 1
            assert box.log.total == 0

    simulate(main)


def test_it_waits_for_nothing_beyond_its_time() -> None:
    """An answer that does not come is not waited for; what became of its create is unknown."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1) as (doo, box):
            box.script(Fault("reset", on="create", stage="no_answer"))
            stop = asyncio.Event()
            run = asyncio.create_task(doo.bulk.run([Create("111", config("a"))], stop=stop, stop_within=5.0))
            await clock.sleep(2.0)
            stop.set()
            report = await run
            assert 6.9 < clock.monotonic() < 7.1
            assert report.counts()["unknown"] == 1
            assert report.recheck_at is not None

    simulate(main)


def test_a_cancellation_while_it_stops_takes_its_grace_at_most() -> None:
    """Who cancels a run that stops waits for its grace; who cancels twice waits no more."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1) as (doo, box):
            box.script(Fault("reset", on="create", stage="no_answer"))
            stop = asyncio.Event()
            run = asyncio.create_task(doo.bulk.run([Create("111", config("a"))], stop=stop, grace=3.0))
            await clock.sleep(2.0)
            stop.set()
            await clock.sleep(1.0)
            run.cancel()
            await asyncio.wait({run})
            assert run.cancelled()
            assert 5.9 < clock.monotonic() < 6.1
            assert len(asyncio.all_tasks()) == 1

    simulate(main)


def test_what_is_no_event_is_refused() -> None:
    """Before anything is sent."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            with pytest.raises(ConfigError, match="stop must be an event"):
                await doo.bulk.run([], stop=True)  # type: ignore[arg-type]
            assert box.log.total == 0

    simulate(main)


def test_an_event_that_fails_ends_the_run_in_order() -> None:
    """What the caller's own event raises is raised, and nothing is left live twice."""

    class Broken:
        def is_set(self) -> bool:
            return False

        async def wait(self) -> None:
            await asyncio.sleep(1.0)
            raise OSError("the pipe is gone")

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, limits=LIMITS, webhooks_per_team=12) as (doo, box):
            operations = work(box)
            judge = Judge(box, operations)
            with pytest.raises(OSError, match="the pipe is gone"):
                await doo.bulk.run(operations, stop=Broken())
            assert doubled(judge) == 0

    simulate(main)
