"""One process of somebody: the call that it makes, how it is killed or stopped, and what the person is told."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

import attrs
from dying_process import MortalWorker
from people_seen import Process, Run
from people_world import ID, LONGEST, Act, Life, World

from aiodoo import Report, Session
from aiodoo.errors import (
    DooError,
)
from aiodoo.operations import Operation


@attrs.frozen
class Told:
    """What a person is told: a report, an error, or nothing from a process that was killed."""

    report: Report | None = None
    error: DooError | None = None
    undo: tuple[Operation, ...] = ()
    killed: bool = False


async def carry_out(world: World, act: Act, who: str) -> Told:
    """Start a process for what a person does, and see it to its end."""
    life, run = world.life, act.run
    assert run is not None
    over = run.ended or run.given_up
    gone = act.path is not None and over and not act.path.exists()
    if act.what == "run" and (gone or (act.path is None and run.reports)):
        # Without a journal, or after that of a run that is over has been moved, it is another run.
        run = Run(list(run.operations))
        world.judge.runs.append(run)
        act = attrs.evolve(act, run=run)
        if act.path is not None:
            world.by_path[act.path] = run
    if act.path is None or not world.busy[act.path]:
        # Without a journal it knows nothing of what an earlier process has seen.
        run.begin_anew(world.judge.begun_by(run) if act.path is not None else ())
    world.processes += 1
    process = Process(f"process {world.processes} of {who}", run)
    life.acts[act.what] += 1
    world.tell(
        f"{process.name}: {act.what} {act.path.name if act.path else ''} ({len(run.operations)} operations)"
    )
    worker = MortalWorker(
        life.chance.randrange(1, 60) if life.happens("kill", 0.25) else None,
        after_it=life.chance.random() < 0.5,
    )
    stop = asyncio.Event()
    doo = world.session(process, worker)
    if act.path is not None:
        world.by_path.setdefault(act.path, run)
        world.busy[act.path] += 1
    task = asyncio.create_task(one_call(doo, act, run, stop, life))
    try:
        killed = await live_through(world, task, worker, stop)
    finally:
        if act.path is not None:
            world.busy[act.path] -= 1
    await doo.aclose()
    return judge_end(world, process, act, task, killed=killed)


async def one_call(doo: Session, act: Act, run: Run, stop: asyncio.Event, life: Life) -> Any:
    """Make the call that an act is."""
    options: dict[str, Any] = {"stop": stop} if "stop" in OPTIONS and "stop" in life.events else {}
    bulk: Any = doo.bulk
    match act.what:
        case "run":
            return await bulk.run(run.operations, journal=act.path, **options)
        case "resume":
            return await bulk.resume(act.path, **options)
        case "abandon":
            return await bulk.abandon(journal=act.path)
        case "report":
            return await bulk.report(act.path)
        case "verify":
            return await bulk.verify(act.path)
        case "undo":
            return await bulk.undo(act.path)
        case _:
            raise AssertionError(act.what)


OPTIONS = frozenset(getattr(__import__("aiodoo.bulk.options").bulk.options.RunOptions, "__annotations__", ()))


async def live_through(
    world: World, task: asyncio.Task[Any], worker: MortalWorker, stop: asyncio.Event
) -> bool:
    """Wait for a process; let it be killed, cancelled or stopped. Return whether it was killed."""
    life, chance = world.life, world.life.chance
    died = asyncio.create_task(worker.died.wait())
    end = next((each for each in ("cancel", "stop") if life.happens(each, 0.3)), None)
    if worker.dies_at is None and life.happens("kill", 0.25):
        end = "kill"
    after = chance.choice([0.2, 1, 5, 60, 600]) * chance.random()
    await asyncio.wait({task, died}, timeout=after if end else LONGEST, return_when=asyncio.FIRST_COMPLETED)
    if not task.done() and (end == "kill" or died.done()):
        worker.die()
        # A dead process waits for nobody.
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        died.cancel()
        worker.kill(torn=chance.choice([None, None, chance.randrange(1, 3000)]))
        world.tell("... killed")
        return True
    if not task.done() and end == "cancel":
        world.tell("... cancelled")
        task.cancel()
    elif not task.done() and end == "stop":
        world.tell("... asked to stop")
        stop.set()
    await asyncio.wait({task, died}, timeout=LONGEST, return_when=asyncio.FIRST_COMPLETED)
    if not task.done() and died.done():
        worker.die()
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        worker.kill()
        world.tell("... killed")
        return True
    died.cancel()
    if not task.done():
        life.faults.append("a call does not end")
        task.cancel()
        await asyncio.wait({task}, timeout=60)
    return False


def judge_end(world: World, process: Process, act: Act, task: asyncio.Task[Any], *, killed: bool) -> Told:
    """Take down what a person is told."""
    life, run = world.life, process.run
    if killed:
        if not task.cancelled():
            task.exception()
        if act.path is None:
            run.excused = "killed without a journal"
        return Told(killed=True)
    if task.cancelled():
        if act.path is None:
            run.excused = "cancelled without a journal"
        return Told(killed=True)
    error = task.exception()
    if isinstance(error, DooError):
        notes = " ".join([str(error), *getattr(error, "__notes__", ())])
        life.told.update(ID.findall(notes))
        life.acts[type(error).__name__] += 1
        world.tell(f"... {type(error).__name__}: {error}"[:300])
        return Told(error=error)
    if error is not None:
        where = traceback.extract_tb(error.__traceback__)[-1]
        life.faults.append(f"escaped: {type(error).__name__}: {error} ({where.name}, line {where.lineno})")
        world.tell(f"... {life.faults[-1]}")
        return Told()
    result = task.result()
    run.given_up = run.given_up or act.what == "abandon"
    if isinstance(result, Report):
        run.reports.append(result)
        counts = {status: many for status, many in result.counts().items() if many}
        world.tell(f"... {counts} resume_at={result.resume_at} {result.stopped_because or ''}")
        return Told(report=result)
    world.tell(f"... {result}"[:200])
    return Told(undo=getattr(result, "operations", ()))
