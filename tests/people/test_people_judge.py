"""What the judge of lives takes for the same run, and what for another one."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from dying_process import MortalWorker, folder
from people import one_life
from people_process import carry_out
from people_seen import Process
from people_world import Act
from simulated import SimulatedClock, simulate
from test_people_exhaustive import Scene


async def begun_again_without_a_journal(clock: SimulatedClock, where: Path) -> list[str]:
    """Cut a run off after its lists, edit what it is to replace, and run the same again."""
    scene = Scene(clock, where, 25, "newest_first")
    process = Process("the first", scene.run)
    doo = scene.world.session(process, MortalWorker())
    run = asyncio.create_task(doo.bulk.run(scene.run.operations, grace=0.0))
    await clock.sleep(0.3)
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    await doo.aclose()
    replaced = scene.run.operations[2].webhook_id  # type: ignore[union-attr]
    assert scene.run.first[replaced] == scene.world.judge.live[replaced].digest
    ids = [item["id"] for item in scene.world.box.live("111")]
    scene.do("edit", ids.index(replaced))
    await carry_out(scene.world, Act("run", scene.run), "the first")
    assert replaced not in scene.world.judge.live
    return scene.world.judge.faults


async def begun_again_after_it_was_given_up(clock: SimulatedClock, where: Path) -> tuple[list[str], int]:
    """Kill a run, move its journal away, give it up, and run the same at the old place."""
    scene = Scene(clock, where, 25, "newest_first")
    await scene.killed(MortalWorker(14))
    moved = where / "moved"
    shutil.move(scene.path, moved)
    scene.world.by_path[moved] = scene.run
    await clock.sleep(3600)
    await carry_out(scene.world, Act("abandon", scene.run, moved), "somebody")
    await scene.judged()
    return scene.world.life.faults, scene.world.judge.count(("111", "made"))


def test_without_a_journal_nothing_is_known_of_what_an_earlier_process_has_seen() -> None:
    """A script that is started again without a journal replaces what it finds, whoever has edited that since."""
    with folder() as where:
        assert not simulate(lambda clock: begun_again_without_a_journal(clock, where))


def test_a_run_after_one_that_was_given_up_is_another_one() -> None:
    """What both of them create is wanted twice, as whoever has given up the first one has asked for it twice."""
    with folder() as where:
        faults, made = simulate(lambda clock: begun_again_after_it_was_given_up(clock, where))
    assert not faults
    assert made == 2


def test_a_delete_that_doo_carries_out_late_was_decided_when_it_was_sent() -> None:
    """Somebody takes a replacement away right before the delete of its old one is sent, which doo carries out 34 s later."""
    life = one_life(40385)
    assert not life.faults
    assert life.raced
