"""Runs that are killed at every durable step and at any instant, and go on from their journal; in simulated time."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from bulk_world import Judge, config, session
from mortal import MortalWorker
from simulated import SimulatedClock, simulate
from test_bulk_with_faults import KINDS, some_operations

from aiodoo import Limits, Outcome, Report
from aiodoo.operations import Create, Delete, Operation, Update
from aiodoo.sandbox import Box, FaultRates


async def killed_run(
    clock: SimulatedClock,
    box: Box,
    operations: list[Operation],
    path: Path,
    worker: MortalWorker,
    *,
    at: float | None = None,
) -> Report | None:
    """Run with a journal until the worker dies or time is up; return the report if neither came first."""
    doo = session(clock, box, limits=Limits(per_second=50, per_day=None), worker=worker)
    run = asyncio.create_task(doo.bulk.run(operations, journal=path, grace=0.0))
    died = asyncio.create_task(worker.died.wait() if at is None else clock.sleep(at))
    await asyncio.wait({run, died}, return_when=asyncio.FIRST_COMPLETED)
    died.cancel()
    report = run.result() if run.done() else None
    worker.dead = True
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    worker.kill()
    await doo.close()
    return report


async def resumed_until_done(
    clock: SimulatedClock, box: Box, operations: list[Operation] | None, path: Path
) -> Report:
    """Go on, at most three times, until the report is complete."""
    async with session(clock, box, limits=Limits(per_second=50, per_day=None)) as doo:
        for _ in range(3):
            if operations is None:
                report = await doo.bulk.resume(path)
            else:
                report = await doo.bulk.run(operations, journal=path)
            if report.complete:
                return report
    raise AssertionError(report.counts())


async def second_resume_changes_nothing(clock: SimulatedClock, box: Box, path: Path, report: Report) -> None:
    """A finished journal gives its report and sends nothing."""
    sent = box.log.total
    async with session(clock, box) as doo:
        told = [await doo.bulk.resume(path), await doo.bulk.report(path)]
    assert box.log.total == sent
    for again in told:
        assert [_told(outcome) for outcome in again] == [_told(outcome) for outcome in report]
        assert again.requests == report.requests


def _told(outcome: Outcome) -> tuple[Any, ...]:
    return outcome.operation, outcome.status, outcome.webhook_id, outcome.reason, str(outcome.error)


def twins_and_more(box: Box) -> list[Operation]:
    """Return operations on three webhooks, two of them twins, and a create."""
    first, second, third = (item["id"] for item in box.live("111"))
    return [
        Update("111", first, description="moved"),
        Update("111", second, description="moved"),
        Delete("111", third),
        Create("111", config("new")),
    ]


def new_box(**settings: Any) -> Box:
    """Return a box with one team of three webhooks, two of them twins."""
    box = Box(plan=None, latency=0.05, organizations=1, **settings)
    for _ in range(2):
        box.add_webhook("111", config("twin").to_dict(secrets="reveal"))
    box.add_webhook("111", config("other").to_dict(secrets="reveal"))
    return box


async def killed_and_resumed(
    clock: SimulatedClock,
    path: Path,
    deaths: list[tuple[int, bool]],
    rates: FaultRates | None = None,
    seed: int = 0,
) -> int:
    """Kill a run at the given durable steps, one process after the other; return how many pieces the last one did."""
    box = new_box(rates=rates, seed=seed)
    operations = twins_and_more(box)
    judge = Judge(box, operations)
    worker = MortalWorker()
    for dies_at, after_it in deaths:
        worker = MortalWorker(dies_at, after_it=after_it)
        if await killed_run(clock, box, operations, path, worker) is not None:
            break
    report = await resumed_until_done(clock, box, operations, path)
    box.advance(max(box.now, clock.monotonic()) + 3600)
    judge.nothing_lost()
    judge.report_agrees(report)
    if report.counts()["applied"] == len(operations):
        judge.as_wanted()
    live, wanted = judge.at_rest()
    off = len(operations) - report.counts()["applied"] - report.counts()["unchanged"]
    assert (wanted - live).total() <= off
    assert (live - wanted).total() <= off
    if rates is None:
        assert off == 0
    await second_resume_changes_nothing(clock, box, path, report)
    return worker.done


def pieces(tmp_path: Path) -> int:
    """Return how many durable pieces a run without a death does."""
    return simulate(lambda clock: killed_and_resumed(clock, tmp_path / "whole", [(10_000, False)]))


@pytest.mark.parametrize("after_it", [False, True])
def test_killed_at_each_durable_step(tmp_path: Path, after_it: bool) -> None:  # noqa: FBT001
    """Killed just before or just after each piece of writing: nothing lost, nothing doubled, one resume finishes."""
    steps = pieces(tmp_path)
    assert steps > 15
    for step in range(1, steps + 1):
        path = tmp_path / f"{step}"
        simulate(lambda clock, path=path, step=step: killed_and_resumed(clock, path, [(step, after_it)]))


def test_killed_twice_at_each_pair_of_steps(tmp_path: Path) -> None:
    """The process that goes on is killed as well, at each of its own first steps."""
    steps = pieces(tmp_path)
    for first in range(2, steps + 1, 2):
        for second in range(2, 14):
            path = tmp_path / f"{first}-{second}"
            deaths = [(first, True), (second, bool(second % 2))]
            simulate(lambda clock, path=path, deaths=deaths: killed_and_resumed(clock, path, deaths))


@pytest.mark.parametrize("kind", KINDS)
def test_killed_while_doo_fails(tmp_path: Path, kind: str) -> None:
    """A death in the middle of each kind of fault."""
    for step in range(3, 24, 3):
        rates = FaultRates(**{kind: 0.25})
        path = tmp_path / f"{kind}-{step}"
        simulate(
            lambda clock, path=path, step=step, rates=rates: killed_and_resumed(
                clock, path, [(step, False)], rates, step
            )
        )


@pytest.mark.parametrize("seed", range(40))
def test_killed_at_any_instant_in_a_storm(tmp_path: Path, seed: int) -> None:
    """Many teams, every fault, killed at random instants until it is done, with and without the operations at hand."""

    async def main(clock: SimulatedClock) -> None:
        chance = random.Random(seed)
        box = Box(
            plan=None,
            latency=0.05,
            seed=seed,
            page_size=7,
            webhooks_per_team=lambda position: 2 + 3 * position,
            rates=FaultRates(**dict.fromkeys(KINDS, 0.01)),
        )
        operations = some_operations(box, chance)
        judge = Judge(box, operations)
        path = tmp_path / "journal"
        for _ in range(4):
            if (
                await killed_run(clock, box, operations, path, MortalWorker(), at=chance.uniform(0.1, 4.0))
                is not None
            ):
                break
        report = await resumed_until_done(clock, box, operations if seed % 2 else None, path)
        box.advance(max(box.now, clock.monotonic()) + 3600)
        judge.nothing_lost()
        judge.report_agrees(report)
        live, wanted = judge.at_rest()
        off = len(operations) - report.counts()["applied"] - report.counts()["unchanged"]
        assert (wanted - live).total() <= off, "lost"
        assert (live - wanted).total() <= off, "doubled"
        await second_resume_changes_nothing(clock, box, path, report)

    simulate(main, seed=seed)
