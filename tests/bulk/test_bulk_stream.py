"""A run that is read outcome by outcome, with a journal and without one; in simulated time."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bulk_world import Judge, config, work, world
from simulated import SimulatedClock, simulate

from aiodoo import ConfigError, JournalLocked, JournalMismatch, Limits, Outcome, SecretsNeeded, Session
from aiodoo.bulk.stream import Stream
from aiodoo.operations import Create, Operation, Update
from aiodoo.sandbox import Fault

SLOW = Limits(per_second=5, per_day=None)


async def read(doo: Session, operations: list[Operation], path: Path, most: int) -> list[Outcome]:
    """Read at most so many outcomes, then leave."""
    seen: list[Outcome] = []
    async with doo.bulk.stream(operations, journal=path) as run:
        async for outcome in run:
            seen.append(outcome)
            if len(seen) == most:
                break
    return seen


@pytest.mark.parametrize("most", range(1, 10))
def test_a_stream_goes_on_from_its_journal(tmp_path: Path, most: int) -> None:
    """Left in the middle, the next stream yields all outcomes, those of before first; nothing is lost or doubled."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, limits=SLOW, webhooks_per_team=3) as (doo, box):
            operations = work(box)
            judge = Judge(box, operations)
            path = tmp_path / "journal"
            seen = await read(doo, operations, path, most)
            before = await doo.bulk.report(path)
            assert not before.complete
            async with doo.bulk.stream(operations, journal=path) as run:
                again = [outcome async for outcome in run]
            report = run.report()
            assert report.resumed
            assert report.complete
            assert sorted(again, key=lambda outcome: operations.index(outcome.operation)) == list(report)
            ended = [outcome for outcome in before if outcome.status == "applied"]
            assert again[: len(ended)] == ended
            assert {str(outcome) for outcome in seen} <= {str(outcome) for outcome in ended}
            judge.nothing_lost()
            judge.as_wanted()
            judge.report_agrees(report)
            sent = box.log.total
            assert len(await read(doo, operations, path, 99)) == len(operations)
            assert box.log.total == sent, "a finished journal sends nothing"

    simulate(main)


def test_a_report_stays_after_a_cancellation(tmp_path: Path) -> None:
    """It is on the stream's object and in the journal, both say the same, and the journal is free at once."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, limits=SLOW, webhooks_per_team=3) as (doo, box):
            operations, path = work(box), tmp_path / "journal"
            stream = doo.bulk.stream(operations, journal=path)

            async def go() -> None:
                async with stream as run:
                    async for _ in run:
                        pass

            task = asyncio.create_task(go())
            await clock.sleep(4.0)
            task.cancel()
            await asyncio.wait({task})
            assert task.cancelled()
            report = stream.report()
            assert 0 < report.counts()["applied"] < len(operations)
            assert (await doo.bulk.report(path)).counts() == report.counts()
            assert (await doo.bulk.resume(path)).counts()["applied"] == len(operations)

    simulate(main)


def test_a_second_cancel_frees_the_journal_at_once(tmp_path: Path) -> None:
    """Whoever cancels twice waits for no grace, and the next run can have the journal."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1) as (doo, box):
            box.script(Fault("reset", on="create", stage="no_answer"))
            operations, path = [Create("111", config("a"))], tmp_path / "journal"
            task = asyncio.create_task(read(doo, operations, path, 9))
            await clock.sleep(5.0)
            task.cancel()
            await clock.sleep(1.0)
            with pytest.raises(JournalLocked):
                await doo.bulk.resume(path)
            task.cancel()
            begun = clock.monotonic()
            await asyncio.wait({task})
            assert task.cancelled()
            assert clock.monotonic() - begun < 0.1
            assert len(asyncio.all_tasks()) == 1
            assert (await doo.bulk.resume(path)).counts()["applied"] == 1
            assert len(box.live("111")) == 1

    simulate(main)


def test_what_is_wrong_is_raised_on_entering(tmp_path: Path) -> None:
    """Bad operations, another run's journal or a missing secret: nothing is sent, and the journal is free again."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=1) as (doo, box):
            path = tmp_path / "journal"
            with pytest.raises(ConfigError, match="operation 0 is a str"):
                await read(doo, ["delete everything"], path, 1)
            secret = box.client_secret + "rotated"
            operations = [Update("111", box.live("111")[0]["id"], client_secret=secret)]
            async with doo.bulk.stream(operations, journal=path, grace=0.0):
                pass
            sent = box.log.total

            async def never() -> list[Operation]:
                raise AssertionError("a journal that goes on does not ask for operations")

            with pytest.raises(SecretsNeeded):
                async with doo.bulk.stream(never, journal=path):
                    pass
            with pytest.raises(JournalMismatch, match="other operations"):
                await read(doo, [Create("111", config("a"))], path, 1)
            with pytest.raises(ConfigError, match="once it was entered"):
                doo.bulk.stream(operations, journal=path).report()
            assert box.log.total == sent
            assert [outcome.status for outcome in await read(doo, operations, path, 9)] == ["applied"]

    simulate(main)


def test_it_parks_with_a_journal(tmp_path: Path) -> None:
    """As a run does: when the day is spent the iteration ends, and the report says when to go on."""

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=5, per_day=20, reserve=0.1)
        async with world(clock, limits=limits, webhooks_per_team=3) as (doo, box):
            operations, path = work(box), tmp_path / "journal"
            await read(doo, operations, path, 99)
            assert clock.monotonic() < 60
            async with doo.bulk.stream(operations, journal=path) as run:
                assert 0 < len([outcome async for outcome in run]) < len(operations)
            assert run.report().resume_at is not None

    simulate(main)


def test_a_canary_that_failed_is_looked_at_again(tmp_path: Path) -> None:
    """Going on with canary=True still does not begin the others while the first team is not as wanted."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            operations = [Create("999", config("new")), *(Create(team, config("new")) for team in box.teams)]
            path = tmp_path / "journal"
            for _ in range(2):
                report = await doo.bulk.run(operations, journal=path, canary=True)
                assert report.counts()["not_started"] == 3
                assert report.stopped_because == "team 999, which went first, is not as wanted"
            report = await doo.bulk.run(operations, journal=path)
            assert report.counts()["applied"] == 3
            assert report.stopped_because is None

    simulate(main)


def test_what_could_not_be_finished_is_gone_on_with(tmp_path: Path) -> None:
    """A team whose list could not be read ends as unfinished; once it can be, the same journal finishes it."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=2, webhooks_per_team=2) as (doo, box):
            operations, path = work(box), tmp_path / "journal"
            judge = Judge(box, operations)
            box.script(Fault("error_not_acted", on="list", team="111", nth=2, times=9))
            report = await doo.bulk.run(operations, journal=path)
            assert report.counts()["unfinished"] == 1
            assert not report.complete
            report = await doo.bulk.run(operations, journal=path)
            assert report.outcomes[0].status == "applied"
            assert report.complete
            judge.nothing_lost()

    simulate(main)


@pytest.mark.parametrize("way", ["another task", "in the order of entering", "the garbage collector"])
def test_a_stream_is_left_elsewhere(tmp_path: Path, way: str) -> None:
    """Whoever leaves it, the run stops, its journal is free, nobody else is cancelled, and it can be gone on with."""

    async def outcomes(doo: Session, operations: list[Operation], path: Path) -> AsyncIterator[Outcome]:
        async with doo.bulk.stream(operations, journal=path) as run:
            async for outcome in run:
                yield outcome

    async def leave(run: Stream) -> None:
        await run.__aexit__(None, None, None)

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, limits=SLOW, webhooks_per_team=3) as (doo, box):
            operations, path = work(box), tmp_path / "journal"
            judge = Judge(box, operations)
            if way == "another task":
                run = await doo.bulk.stream(operations, journal=path).__aenter__()
                await anext(run)
                await asyncio.create_task(leave(run))
            elif way == "in the order of entering":
                run = await doo.bulk.stream(operations, journal=path).__aenter__()
                await anext(run)
                async with doo.bulk.stream([], journal=tmp_path / "another"):
                    await leave(run)
            else:
                async for _ in outcomes(doo, operations, path):
                    break
                await clock.sleep(20.0)
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0
            assert asyncio.all_tasks() == {task}
            before = await doo.bulk.report(path)
            assert not before.complete
            assert (await doo.bulk.resume(path)).complete
            judge.nothing_lost()
            judge.as_wanted()

    simulate(main)


def test_a_stream_that_is_forgotten(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Entered and never left, it stops when nobody has it any more, says so, and its journal can be gone on with."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, limits=SLOW, webhooks_per_team=3) as (doo, box):
            operations, path = work(box), tmp_path / "journal"
            await (await doo.bulk.stream(operations, journal=path).__aenter__()).__anext__()
            gc.collect()
            await clock.sleep(20.0)
            assert len(asyncio.all_tasks()) == 1
            assert [message for message in caplog.messages if "was never left" in message]
            assert not (await doo.bulk.report(path)).complete
            assert (await doo.bulk.resume(path)).complete

    simulate(main)


def test_entering_that_is_cancelled(tmp_path: Path) -> None:
    """Cancelled at any moment of it, entering a stream leaves the journal free and no run behind."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, limits=SLOW, webhooks_per_team=3) as (doo, box):
            await doo.organizations.active_team()  # a token request would go on by itself
            operations, path, cancelled = work(box), tmp_path / "journal", 0
            for turns in range(12):
                stream = doo.bulk.stream(operations, journal=path, grace=0.0)
                task = asyncio.create_task(stream.__aenter__())
                for _ in range(turns):
                    await asyncio.sleep(0)
                cancelled += task.cancel()
                await asyncio.wait({task})
                if not task.cancelled():
                    await stream.__aexit__(None, None, None)
                assert len(asyncio.all_tasks()) == 1
                await clock.sleep(1.0)  # what was on its way arrives
                sent = box.log.total
                await clock.sleep(20.0)
                assert box.log.total == sent
            assert 0 < cancelled < 12

    simulate(main)
