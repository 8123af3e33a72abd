"""How a life ends: people end what they began, or not; then what is live is held against what is wanted and named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mortal import MortalWorker
from people_judge import Judge, Name, Process, Run
from people_process import carry_out
from people_world import DAY, Act, World

from aiodoo import Outcome, Report
from aiodoo.errors import (
    DooError,
    SecretsNeeded,
    UnstableListing,
)


async def settle_down(world: World) -> None:
    """Let the people end what they have begun, or give it up, or leave it."""
    chance = world.life.chance
    await world.clock.sleep(2 * DAY)
    world.box.let_lists_lag(0.0)
    for path, run in list(world.by_path.items()):
        way = chance.choice(["resume", "resume", "resume", "abandon", "leave"])
        if run.reports and run.reports[-1].complete:
            continue
        if way == "abandon":
            await carry_out(world, Act("abandon", run, path), "the last")
        elif way != "leave":
            for _ in range(8):
                told = await carry_out(world, Act("resume", run, path), "the last")
                if isinstance(told.error, SecretsNeeded):
                    told = await carry_out(world, Act("run", run, path), "the last")
                if told.report is None or told.report.complete:
                    break
                if stopped_by_others(told.report):
                    await carry_out(world, Act("abandon", run, path), "the last")
                    break
                await world.clock.sleep(DAY)
            else:
                world.life.faults.append(f"{path.name} does not come to an end")


def stopped_by_others(report: Report) -> bool:
    """Tell whether what is open stays so, because somebody else took much away from its team."""
    return any(isinstance(outcome.error, UnstableListing) and not outcome.ended for outcome in report)


async def judge_rest(world: World) -> None:
    """Hold what is live against what is wanted and what is named."""
    life, judge = world.life, world.judge
    await world.clock.sleep(3700)
    world.box.advance(world.clock.monotonic())
    judge.catch_up()
    told = await what_is_told(world)
    life.faults += judge.faults
    judge.faults = life.faults
    judge.kept()
    excuses: dict[Name, str] = {}
    for run in judge.runs:
        if run.excused:
            excuses |= dict.fromkeys(names_of(run, judge), run.excused)
    for name, (many, there) in judge.surplus().items():
        known = sum(named == name for named in told.values())
        if known >= many:
            life.named += many
        elif name in excuses:
            life.excused[excuses[name]] += many
        else:
            ids = ", ".join(each.webhook_id for each in there)
            life.faults.append(f"doubled: {many} of {name} too many, {known} named: {ids}")


def names_of(run: Run, judge: Judge) -> set[Name]:
    """Return what a run is about."""
    return {
        judge.names.get(each.webhook_id, ("", ""))
        if hasattr(each, "webhook_id")
        else (each.team_id, each.config.name)  # type: ignore[union-attr]
        for each in run.operations
    }


async def what_is_told(world: World) -> dict[Any, Name]:
    """Return all that reports, errors, `verify` and the ledger name, with the name of the webhook it is about."""
    judge = world.judge
    told: dict[Any, Name] = {id_: judge.names[id_] for id_ in world.life.told if id_ in judge.names}
    for path, run in list(world.by_path.items()):
        answer = await carry_out(world, Act("report", run, path), "the judge")
        if answer.report is not None:
            told |= await verified(world, run, path)
    for place, run in enumerate(judge.runs):
        for number, outcome in enumerate(run.reports[-1] if run.reports else ()):
            if outcome.status not in {"applied", "unchanged", "not_started"}:
                told[place, number] = _name_of(outcome, judge)
    return told


def _name_of(outcome: Outcome, judge: Judge) -> Name:
    operation = outcome.operation
    for id_ in (getattr(operation, "webhook_id", None), outcome.webhook_id):
        if id_ in judge.names:
            return judge.names[id_]
    return operation.team_id, operation.config.name if hasattr(operation, "config") else ""


async def verified(world: World, run: Run, path: Path) -> dict[Any, Name]:
    """Return the webhooks that `verify` names."""
    names = world.judge.names
    process = Process("the judge", run)
    async with world.session(process, MortalWorker()) as doo:
        try:
            seen = await doo.bulk.verify(path)
        except DooError as error:
            world.tell(f"verify {path.name}: {type(error).__name__}: {error}")
            return {}
    world.tell(f"verify {path.name}: {seen}")
    return {
        ("seen", id_): names[id_]
        for each in seen.differences
        if each.what not in {"missing", "not_done"}
        for id_ in each.webhook_ids[-1:]
        if id_ in names
    }
