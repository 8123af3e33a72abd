"""Runs that are asked to stop, or cancelled, in simulated time: little is left live twice, and what is left is named."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from bulk_world import Judge, config, world
from simulated import SimulatedClock, simulate

from aiodoo import ConfigError, Limits, Progress, Report, TeamClaimed
from aiodoo.events import LeftLive
from aiodoo.operations import Create, Operation, Replace, Update
from aiodoo.sandbox import Box, Fault, classic

LIMITS = Limits(per_second=20, per_day=None)
WHOLE = os.environ.get("AIODOO_WHOLE") == "1"


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
    for number in range(1, 30, 1 if WHOLE else 4):

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


def test_it_counts_the_requests_that_stopping_takes(caplog: pytest.LogCaptureFixture) -> None:
    """Whenever it is asked to stop, what it says is what it sends, save for what had just left."""
    caplog.set_level(logging.INFO, logger="aiodoo.bulk")
    for seconds in range(2, 30):

        async def main(clock: SimulatedClock, seconds: int = seconds) -> int:
            limits = Limits(per_second=2, per_day=None)
            async with world(clock, limits=limits, organizations=6, webhooks_per_team=4) as (doo, box):
                operations = [
                    Update(team, item["id"], description="moved")
                    for team in box.teams
                    for item in box.live(team)
                ]
                stop = asyncio.Event()
                run = asyncio.create_task(doo.bulk.run(operations, stop=stop))
                await clock.sleep(seconds + 0.3)
                before = box.log.total
                stop.set()
                await run
                assert sum(len(box.live(team)) for team in box.teams) == len(operations)
                return box.log.total - before

        caplog.clear()
        sent = simulate(main)
        (told,) = [record.message for record in caplog.records if record.message.startswith("stopping")]
        number = re.search(r"stopping: (\w+) requests? leave", told)
        said = 0 if number is None else 1 if number[1] == "one" else int(number[1])
        assert abs(said - sent) <= 1, (seconds, told, sent)


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


@pytest.mark.parametrize("form", ["generator", "function"])
def test_asked_while_the_operations_are_read(form: str, tmp_path: Path) -> None:
    """An async iterable, or an async function, that lists teams is broken off at once; nothing is begun."""

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=1, per_day=None)
        async with world(clock, limits=limits, organizations=9, webhooks_per_team=2) as (doo, box):

            async def updates() -> AsyncIterator[Operation]:
                async for webhook in doo.webhooks.list(*box.teams):
                    yield Update(webhook.team_id, webhook.id, description="moved")

            async def found() -> list[Operation]:
                return [operation async for operation in updates()]

            stop = asyncio.Event()
            asyncio.get_running_loop().call_later(3.5, stop.set)
            operations = updates() if form == "generator" else found
            report = await doo.bulk.run(operations, journal=tmp_path / "j", stop=stop)
            assert 3.4 < clock.monotonic() < 3.6
            assert box.count("list") == box.log.total - box.count("token") > 0
            assert report.stopped_because == "it was asked to stop"
            assert not report.all_read
            assert not report.complete
            assert report.counts()["not_started"] == len(report)
            assert bool(len(report)) is (form == "generator"), "what was read until then"
            assert not (tmp_path / "j").exists(), "the same script begins the run later"
            sent = box.log.total
            await clock.sleep(60)
            assert box.log.total == sent
            assert len(asyncio.all_tasks()) == 1
            assert (await doo.bulk.run(updates, journal=tmp_path / "j")).counts()["applied"] == 18

    simulate(main)


@pytest.mark.parametrize("journaled", [False, True])
def test_asked_while_another_run_is_waited_for(tmp_path: Path, *, journaled: bool) -> None:
    """The run that waits returns at once, and says for whom it has waited; the other goes on."""

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=1, per_day=None)
        async with world(clock, limits=limits, organizations=1, webhooks_per_team=10) as (doo, box):
            operations = [Update("111", item["id"], description="moved") for item in box.live("111")]
            first = asyncio.create_task(doo.bulk.run(operations))
            await clock.sleep(2.0)
            stop = asyncio.Event()
            asyncio.get_running_loop().call_later(7.9, stop.set)
            path = tmp_path / "j" if journaled else None
            report = await doo.bulk.run(
                [Create("111", config("new"))], journal=path, on_claimed="wait", stop=stop
            )
            assert 9.8 < clock.monotonic() < 10.0
            assert not first.done()
            assert report.counts()["not_started"] == 1
            assert isinstance(report.outcomes[0].error, TeamClaimed)
            assert not report.complete
            assert report.all_read
            assert path is None or not path.exists()
            assert (await first).counts()["applied"] == 10
            assert len(box.live("111")) == 10
            assert len(asyncio.all_tasks()) == 1
            assert (await doo.bulk.run([Create("111", config("new"))], journal=path)).complete

    simulate(main)


def test_asked_while_a_resume_reads_secrets(tmp_path: Path) -> None:
    """A run that goes on and reads a list for a secret is stopped at once, and can be gone on with."""

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=1, per_day=None)
        async with world(clock, limits=limits, organizations=1, webhooks_per_team=0) as (doo, box):
            for name in "abc":
                box.add_webhook("111", classic(name, client_secret=secrets.token_hex(8)))
            webhooks = await doo.webhooks.list("111").collect()
            operations = [Replace(each.team_id, each.id, each.copy(name="moved")) for each in webhooks]
            stop, path = asyncio.Event(), tmp_path / "j"
            stop.set()
            await doo.bulk.run(operations, journal=path, stop=stop)
            sent, again = box.log.total, asyncio.Event()
            began = clock.monotonic()
            asyncio.get_running_loop().call_later(0.01, again.set)
            report = await doo.bulk.resume(path, stop=again)
            assert clock.monotonic() - began < 0.02, "the list takes longer"
            assert box.log.total <= sent + 1
            assert report.counts()["not_started"] == 3
            assert report.stopped_because == "it was asked to stop"
            assert (await doo.bulk.resume(path)).counts()["applied"] == 3

    simulate(main)
