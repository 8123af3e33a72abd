"""Every crash point, every pair of them, every fault at every request, and every await at which a run can be cancelled.

The scene is three webhooks, two of them twins, and a create. By default each test takes an even sample; `AIODOO_WHOLE=1`
takes everything.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, TypeVar, get_args

import anyio
import pytest
from bulk_world import config, content, session
from dying_process import MortalWorker, folder, until_dead
from judging_sandbox import WatchedBox, Witness
from simulated import SimulatedClock, SimulatedLoop, simulate

from aiodoo import Limits, Report
from aiodoo.operations import Create, Delete, Operation, Update
from aiodoo.sandbox import Fault
from aiodoo.sandbox.faults import FaultKind

T = TypeVar("T")

WHOLE = os.environ.get("AIODOO_WHOLE") == "1"
LIMITS = Limits(per_second=50, per_day=None)
REQUESTS = 9
"""Requests of the scene without faults, tokens apart."""

FAULTS = get_args(FaultKind)


def sample(cases: Iterable[T], every: int) -> Iterator[T]:
    """Give each of the cases, or one in so many."""
    for number, case in enumerate(cases):
        if WHOLE or number % every == every // 2:
            yield case


class Scene:
    """One team of three webhooks, two of them twins, what is to be done there, and who sees it."""

    def __init__(self, clock: SimulatedClock, path: Path) -> None:
        self.clock = clock
        self.path = path
        self.box = WatchedBox(plan=None, latency=0.05, organizations=1)
        ids = [self.box.add_webhook("111", content(config(name))) for name in ("twin", "twin", "other")]
        self.operations: list[Operation] = [
            Update("111", ids[0], description="moved"),
            Update("111", ids[1], description="moved"),
            Delete("111", ids[2]),
            Create("111", config("new")),
        ]
        self.witness = Witness(self.box, self.operations, {path: 0})

    @property
    def changes(self) -> int:
        """How many requests have arrived that change something."""
        return self.box.count("create") + self.box.count("delete")

    async def process(self, worker: MortalWorker) -> Report | None:
        """Let a process go on until it is done or dead."""
        doo = session(self.clock, self.box, limits=LIMITS, worker=worker)
        return await until_dead(worker, doo, doo.bulk.run(self.operations, journal=self.path, grace=0.0))

    async def judged(self) -> None:
        """Go on until it is done, once; judge what is there, and see that going on once more sends nothing."""
        async with session(self.clock, self.box, limits=LIMITS) as doo:
            report = await doo.bulk.run(self.operations, journal=self.path)
            assert report.complete, report.counts()
        sent = self.box.log.total
        async with session(self.clock, self.box, limits=LIMITS) as doo:
            assert (await doo.bulk.resume(self.path)).counts() == report.counts()
        assert self.box.log.total == sent
        await self.clock.sleep(3600)
        self.box.advance(self.clock.monotonic())
        rest = self.witness.at_rest(report.outcomes)
        assert (rest.lost, rest.doubled, rest.late) == (0, [], [])
        assert report.counts() == dict.fromkeys(report.counts(), 0) | {"applied": len(self.operations)}


def made(kind: str, nth: int) -> Fault:
    """Return a fault that befalls the n-th request that is not for a token."""
    details: dict[str, Any] = {"status": 200, "body": b"<html>"} if kind == "replaced" else {}
    return Fault(kind, on=("list", "create", "delete"), nth=nth, **details)  # type: ignore[arg-type]


async def killed(clock: SimulatedClock, deaths: list[tuple[int, bool]], *faults: Fault) -> int:
    """Kill one process after the other, each at its own piece of writing; return how many pieces the last one did."""
    with folder() as where:
        scene = Scene(clock, where / "journal")
        scene.box.script(*faults)
        done = 0
        for dies_at, after_it in deaths:
            worker = MortalWorker(dies_at, after_it=after_it)
            report = await scene.process(worker)
            done = worker.done
            if report is not None:
                break
        await scene.judged()
        return done


def pieces() -> int:
    """Return how many pieces of writing a run without a death does."""
    return simulate(lambda clock: killed(clock, [(10_000, False)]))


def test_each_durable_step_and_each_fault_at_each_request() -> None:
    """Killed before or after any piece of writing, with any fault at any request, a run is finished by one resume."""
    cases = product(range(1, pieces() + 1), [False, True], FAULTS, range(1, REQUESTS + 1))
    for step, after_it, kind, nth in sample(cases, 61):
        death, fault = (step, after_it), made(kind, nth)
        try:
            simulate(lambda clock, death=death, fault=fault: killed(clock, [death], fault))
        except AssertionError as error:
            raise AssertionError(f"killed at {step, after_it}, {kind} at request {nth}: {error}") from error


def test_all_pairs_of_crash_points() -> None:
    """The process that goes on is killed as well, at any of its own pieces of writing."""
    points = list(product(range(1, pieces() + 1), [False, True]))
    for pair in sample(product(points, points), 29):
        try:
            simulate(lambda clock, pair=pair: killed(clock, list(pair)))
        except AssertionError as error:
            raise AssertionError(f"killed at {pair}: {error}") from error


class TickingLoop(SimulatedLoop):
    """Calls somebody at a turn of the loop: between any two awaits that do not end at once there is one."""

    turns = 0
    at = -1
    call: Any = None

    def _run_once(self) -> None:
        self.turns += 1
        if self.turns == self.at and self.call is not None:
            self.call_soon(self.call)
        super()._run_once()


async def cancelled(clock: SimulatedClock, turn: int, how: str, grace: float) -> bool:
    """Cancel a run at a turn of the loop, then go on; return whether it was still at work."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, TickingLoop)
    with folder() as where:
        scene = Scene(clock, where / "journal")
        async with session(clock, scene.box, limits=LIMITS) as doo:

            async def run() -> Report:
                return await doo.bulk.run(scene.operations, journal=scene.path, grace=grace)

            ended = asyncio.create_task(_within(how, run, loop, loop.turns + turn))
            await asyncio.wait({ended})
        stopped = ended.cancelled() or ended.result() is None
        arrived = scene.changes
        await clock.sleep(0.2)
        assert grace == 0 or scene.changes == arrived, "a change arrived after the end"
        await scene.judged()
        return stopped


async def _within(how: str, run: Any, loop: TickingLoop, at: int) -> Report | None:
    """Run, and cancel it at a turn of the loop in one of three ways."""
    loop.at = at
    if how == "task":
        task = asyncio.create_task(run())
        loop.call = task.cancel
        await asyncio.wait({task})
        return None if task.cancelled() else task.result()
    if how == "scope":
        with anyio.CancelScope() as scope:
            loop.call = scope.cancel
            return await run()
        return None
    try:
        async with asyncio.timeout(None) as timeout:
            loop.call = lambda: None if timeout.expired() else timeout.reschedule(loop.time())
            return await run()
    except TimeoutError:
        return None


def simulate_turns(turn: int, how: str, grace: float) -> bool:
    """Cancel at a turn, in a loop that counts its own."""
    with asyncio.Runner(loop_factory=TickingLoop) as runner:
        return runner.run(cancelled(SimulatedClock(), turn, how, grace))


@pytest.mark.parametrize("grace", [0.0, 10.0])
@pytest.mark.parametrize("how", ["task", "scope", "timeout"])
def test_cancelled_at_every_await(how: str, grace: float) -> None:
    """Whenever and however it is cancelled, nothing is sent after the end, and one resume finishes."""
    turn, last = 1, 0
    stride = 1 if WHOLE else 5
    while turn < last + 40:
        try:
            if simulate_turns(turn, how, grace):
                last = turn
        except AssertionError as error:
            raise AssertionError(f"cancelled at turn {turn}: {error}") from error
        turn += stride
    assert last > 50
