"""Prints a plan to standard output, in the form that was asked for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from aiodoo.cli.context import Context
from aiodoo.cli.dry_run import forecast_record
from aiodoo.cli.terminal.plan_output import print_markdown, print_plan

if TYPE_CHECKING:
    from aiodoo.desired import Plan, PlannedChange


def show_plan(settings: Context, profile: str, plan: Plan, cost: str) -> None:
    """Print a plan; JSON lines have its changes before it."""
    if settings.output == "markdown" and not settings.fields:
        print_markdown(plan, sys.stdout, cost=cost)
    elif settings.output == "table" and not settings.fields:
        print_plan(plan, sys.stdout, cost=cost)
    elif settings.output == "jsonl":
        add_plan(settings, profile, plan, main="plan")
    else:
        changes = [{"kind": "change", **_change(profile, each)} for each in plan]
        settings.show("plan", {**_plan(profile, plan), "changes": changes})
    sys.stdout.flush()


def add_plan(settings: Context, profile: str, plan: Plan, *, main: str) -> None:
    """Print the changes of a plan and then the plan, as records of a list; --fields chooses from the main kind."""
    with settings.sheet(main) as sheet:
        for change in plan:
            sheet.add(_change(profile, change), kind="change")
        sheet.add(_plan(profile, plan), kind="plan")


def _plan(profile: str, plan: Plan) -> dict[str, Any]:
    return {
        "profile": profile,
        "file": plan.file,
        "digest": plan.digest,
        "counts": plan.counts(),
        "forecast": {"kind": "forecast", **forecast_record(profile, plan.cost)},
        "new_hosts": list(plan.new_hosts),
        "problems": [
            {"team_id": problem.team_id, "about": problem.says, "line": problem.line}
            for problem in plan.problems
        ],
    }


def _change(profile: str, change: PlannedChange) -> dict[str, Any]:
    planned = change.to_dict()
    return {
        "profile": profile,
        **{name: planned[name] for name in ("team_id", "webhook_id", "name", "may_widen", "line", "fields")},
        "operation": change.kind,
        "status": "applied",
        "reason": change.why,
    }
