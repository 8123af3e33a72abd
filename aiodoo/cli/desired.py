"""`aiodoo plan` and `aiodoo apply`: what a file declares, and what has to be done for it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from aiodoo.cli.plans import as_record, as_whole, print_plan
from aiodoo.cli.running import DONE, FAILED, PENDING, WrongUsage
from aiodoo.cli.settings import Given, Settings
from aiodoo.cli.showing import as_json, print_yaml

if TYPE_CHECKING:
    from aiodoo import Session
    from aiodoo.desired import Plan

FILE = Path("doo.yaml")

Variables = Annotated[list[str] | None, Parameter(name="--var", negative="")]
Prune = Annotated[bool, Parameter(negative="", show_default=False)]


def plan(
    file: Path = FILE,
    *,
    out: Path | None = None,
    prune: Prune = False,
    variables: Variables = None,
    settings: Given,
) -> int:
    """Show what has to be done so that doo has what a file declares, and what that costs. Changes nothing.

    Exits with 4 if anything has to be done. Costs two requests, and one for each of the file's teams.

    Parameters
    ----------
    file
        The YAML file that declares webhook configurations.
    out
        Write the plan into this file, for `aiodoo apply`.
    prune
        Also delete what belongs to the file and is not declared in it.
    variables
        NAME=VALUE, which wins over the file's variables; may be given several times.
    """
    return settings.run(_plan(settings, file, out, variables or (), prune=prune))


async def _plan(
    settings: Settings, file: Path, out: Path | None, variables: Sequence[str], *, prune: bool
) -> int:
    async with settings.session() as doo:
        made = await _made(doo, settings, file, variables, prune=prune)
        if out is not None:
            await doo.desired.write(made, out)
    _show(settings, made)
    if out is not None:
        settings.talk.say(f"carry it out with: aiodoo apply {out}", plan=str(out))
    if made:
        return PENDING
    return FAILED if made.problems else DONE


async def _made(
    doo: Session, settings: Settings, file: Path, variables: Sequence[str], *, prune: bool
) -> Plan:
    """Make a plan, and say what it leaves out; what is wrong with the file is said line by line."""
    made = await doo.desired.plan(file, variables=_pairs(variables), prune=prune)
    for problem in made.problems:
        settings.talk.say(f"team {problem.team_id}: {problem.says}", level="error", team_id=problem.team_id)
    return made


def _show(settings: Settings, made: Plan) -> None:
    match settings.output:
        case "table":
            print_plan(made, sys.stdout)
        case "jsonl":
            for change in made:
                print(as_json(as_record(change), indent=None))
        case "json":
            print(as_json(as_whole(made)))
        case "yaml":
            print_yaml(as_whole(made))
    sys.stdout.flush()


def _pairs(given: Sequence[str]) -> dict[str, str]:
    pairs = dict(each.split("=", 1) for each in given if "=" in each)
    if len(pairs) != len(given):
        raise WrongUsage("--var takes NAME=VALUE, each name once.")
    return pairs
