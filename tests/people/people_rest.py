"""How a life ends: people end what they began, or not; then what is live is held against what is wanted and named."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from dying_process import MortalWorker
from people_judge import Judge
from people_process import carry_out
from people_seen import Name, Process, Run
from people_world import DAY, ID, Act, World

from aiodoo import Outcome, Report
from aiodoo.bulk.verification import Verification
from aiodoo.errors import (
    QuotaExhausted,
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
        if run.ended:
            continue
        if way == "abandon":
            await carry_out(world, Act("abandon", run, path), "the last")
        elif way != "leave":
            for _ in range(8):
                told = await carry_out(world, Act("resume", run, path), "the last")
                if isinstance(told.error, SecretsNeeded):
                    told = await carry_out(world, Act("run", run, path), "the last")
                if told.report is None or run.ended:
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
    verified, seen = await what_verify_tells(world)
    alone = [{id(run)} for run in seen]
    reported = what_is_reported(world)
    life.faults += judge.faults
    judge.faults = life.faults
    judge.kept()
    excuses: dict[Name, str] = {}
    for run in judge.runs:
        if run.excused:
            excuses |= dict.fromkeys(names_of(run, judge), run.excused)
    for name, (many, there) in judge.surplus().items():
        ids = ", ".join(each.webhook_id for each in there)
        if len(reported[name]) >= many:
            life.named += many
            if len(verified[name]) < many and judge.touched[name] in alone:
                life.faults.append(f"verify tells of {len(verified[name])} of {many} of {name}: {ids}")
        elif name in excuses:
            life.excused[excuses[name]] += many
        elif sum(each.edited_at is not None for each in there) >= many:
            life.excused["edited by somebody else since"] += many
        elif judge.lag and judge.provided(name):
            life.excused["provided by several runs while lists lagged"] += many
        else:
            life.faults.append(f"doubled: {many} of {name} too many, {len(reported[name])} reported: {ids}")


def names_of(run: Run, judge: Judge) -> set[Name]:
    """Return what a run is about."""
    return {
        judge.names.get(each.webhook_id, ("", ""))
        if hasattr(each, "webhook_id")
        else (each.team_id, each.config.name)  # type: ignore[union-attr]
        for each in run.operations
    }


async def _verified(world: World, run: Run, path: Path) -> Verification:
    async with world.session(Process("the judge", run), MortalWorker()) as doo:
        try:
            return await doo.bulk.verify(path)
        except QuotaExhausted:
            await world.clock.sleep(DAY)
            return await doo.bulk.verify(path)


def what_is_reported(world: World) -> dict[Name, set[Any]]:
    """Return what reports and errors tell of that did not end well, by what it is about.

    What was skipped leaves nothing behind, unless it says so with the id of what is live.
    """
    judge = world.judge
    told: dict[Name, set[Any]] = defaultdict(set)
    for id_ in judge.standing_for(world.life.told):
        told[judge.names[id_]].add(id_)
    for place, run in enumerate(judge.runs):
        for number, outcome in enumerate(run.reports[-1] if run.reports else ()):
            about = _name_of(outcome, judge)
            if outcome.status in {"unfinished", "unknown", "failed"}:
                told[about].add((place, number))
            elif not outcome.status.fine:
                told[about] |= judge.standing_for(ID.findall(f"{outcome.reason} {outcome.error}"))
            else:
                # What it has made is as wanted; another one that it names may be one too many.
                own = judge.standing_for([outcome.webhook_id or ""])
                told[about] |= judge.standing_for(ID.findall(outcome.reason or "")) - own
    return told


def _name_of(outcome: Outcome, judge: Judge) -> Name:
    operation = outcome.operation
    for id_ in (getattr(operation, "webhook_id", None), outcome.webhook_id):
        if id_ in judge.names:
            return judge.names[id_]
    return operation.team_id, operation.config.name if hasattr(operation, "config") else ""


async def what_verify_tells(world: World) -> tuple[dict[Name, set[str]], list[Run]]:
    """Return the webhooks that `verify` names, by what they are about, and the runs whose journals can be read.

    Takes down the reports of these.
    """
    judge = world.judge
    told: dict[Name, set[str]] = defaultdict(set)
    runs = []
    reports: dict[int, list[Report]] = defaultdict(list)
    for path, run in list(world.by_path.items()):
        answer = await carry_out(world, Act("report", run, path), "the judge")
        if answer.report is None:
            continue
        reports[id(run)].append(answer.report)
        seen = await _verified(world, run, path)
        runs.append(run)
        world.tell(f"verify {path.name}: {seen}")
        for difference in seen.differences:
            if difference.what in {"both_live", "extra", "still_there", "changed"}:
                for id_ in set(difference.webhook_ids) & judge.live.keys():
                    told[judge.names[id_]].add(id_)
    for run in judge.runs:
        # The journal of a run may have been copied, and only one of the files been gone on with.
        run.reports += sorted(reports[id(run)], key=lambda report: -report.counts()["not_started"])[-1:]
    return told, runs
