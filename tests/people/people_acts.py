"""What people do next, whatever they were told, and what somebody else and the weather do meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
from pathlib import Path

import attrs
from people_account import Script
from people_process import Told, carry_out
from people_seen import Run
from people_world import Act, World

from aiodoo.errors import (
    JournalError,
    JournalLocked,
    JournalMismatch,
    SecretsNeeded,
    TeamClaimed,
)


async def person(world: World, script: Script, who: str, begins: float, path: Path | None) -> None:
    """Be somebody at a terminal, for a few commands."""
    chance = world.life.chance
    await world.clock.sleep(begins)
    run = world.by_path.get(path) if path else None
    act = Act("run", run or world.begin(script), path)
    for _ in range(chance.randrange(2, 7)):
        told = await carry_out(world, act, who)
        following = next_act(world, script, act, told)
        if following is None or not (following.run and following.run.operations):
            return
        await world.clock.sleep(following.wait)
        if following.path is not None and world.life.happens("file", 0.3):
            following = touch_file(world, following)
        act = following


def next_act(world: World, script: Script, act: Act, told: Told) -> Act | None:  # noqa: PLR0911
    """Draw what somebody does after what he was told."""
    chance, run, path = world.life.chance, act.run, act.path
    assert run is not None
    wait = chance.choice([0.1, 1, 30, 200, 4000])
    anew = Act("run", world.begin(script), world.new_path(), wait)
    again = Act("run", run, path, wait)
    resume = Act("resume", run, path, wait) if path else again
    none = Act("run", anew.run, None, wait)
    error, report = told.error, told.report
    if told.undo:
        undone = Run(list(told.undo))
        world.judge.runs.append(undone)
        return chance.choice([Act("run", undone, world.new_path(), wait), again, None])
    if isinstance(error, TeamClaimed) and error.journal is not None:
        theirs = Path(error.journal)
        other = world.by_path.get(theirs, run)
        return chance.choice(
            [again, Act("resume", other, theirs, wait), Act("abandon", other, theirs, wait), None]
        )
    if isinstance(error, SecretsNeeded | JournalLocked):
        return chance.choice([again, again, None])
    if isinstance(error, JournalMismatch):
        return chance.choice([resume, anew, None])
    if isinstance(error, JournalError):
        return chance.choice([anew, Act("abandon", run, path, wait), None])
    if report is not None and report.complete:
        if path is None:
            return chance.choice([None, None, none, anew])
        undo = Act("undo", run, path, wait)
        return chance.choice([None, None, None, again, anew, Act("verify", run, path, wait), resume, undo])
    if report is not None and report.resume_at is not None:
        later = (report.resume_at - world.clock.now()).total_seconds() + 1
        resume = attrs.evolve(resume, wait=max(wait, later) if chance.random() < 0.8 else wait)
    ways: list[Act | None] = [resume, resume, resume, again, again, anew, anew, none, None]
    if path:
        ways += [Act("verify", run, path, wait), Act("report", run, path, wait), Act("undo", run, path, wait)]
        ways += [Act("abandon", run, path, wait)] * 2
    return chance.choice(ways)


def touch_file(world: World, act: Act) -> Act:
    """Let something happen to a journal that nobody has open; return what is done after it."""
    chance, path = world.life.chance, act.path
    assert path is not None
    if world.busy[path] or not path.is_file():
        return act
    what = chance.choice(["copy", "move", "cut", "flip", "empty", "lock"])
    world.life.fired[f"file {what}"] += 1
    other = world.new_path()
    run = act.run
    assert run is not None
    match what:
        case "copy" | "move":
            (shutil.copy2 if what == "copy" else shutil.move)(path, other)
            world.by_path[other] = run
            run.journals.append(other)
            act = attrs.evolve(act, path=other)
        case "cut":
            size = path.stat().st_size
            os.truncate(path, chance.choice([chance.randrange(size + 1), size // 512 * 512]))
        case "empty":
            os.truncate(path, 0)
        case "flip":
            data = bytearray(path.read_bytes())
            if data:
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
                path.write_bytes(data)
        case _:
            file = path.open("rb")
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            asyncio.get_running_loop().call_later(chance.uniform(0, 100), file.close)
    if what in {"cut", "flip", "empty"}:
        run.excused = run.excused or f"its journal was spoilt ({what})"
    world.tell(f"the file {path.name}: {what}")
    return act


async def weather(world: World) -> None:
    """Let doo be out of reach now and then, and somebody else do things."""
    life, chance = world.life, world.life.chance
    for _ in range(chance.randrange(1, 5)):
        await world.clock.sleep(chance.choice([0.5, 3, 20, 150, 4000]) * chance.random())
        if life.calm:
            return
        if life.happens("outage", 0.6):
            seconds = 10 ** chance.uniform(-0.3, 3.55)
            world.tell(f"doo cannot be reached for {seconds:.1f} s")
            world.box.advance(world.clock.monotonic())
            world.box.refuse_connections(seconds)
        if life.events & {"edit", "delete", "replace"}:
            world.edit_something()


def arrange_moments(world: World) -> None:
    """Let somebody else act right between two requests."""
    life, chance = world.life, world.life.chance
    if "moment" not in life.events:
        return
    for _ in range(chance.randrange(1, 4)):
        side = chance.choice([world.box.before, world.box.after])
        side(chance.choice(["list", "create", "delete"]), world.edit_something, nth=chance.randrange(1, 12))
