"""`aiodoo plan` and `aiodoo apply`: plan and apply the desired state in a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from aiodoo.cli import carry_out, run_folders
from aiodoo.cli.claimed_teams import refuse_claimed
from aiodoo.cli.context import Context, Given
from aiodoo.cli.costs import cost_in_words
from aiodoo.cli.kept_runs import summary_of
from aiodoo.cli.options import NetDeletes, Page, Seconds, Switch
from aiodoo.cli.plan_consent import Consent, warn
from aiodoo.cli.plans import add_plan, show_plan
from aiodoo.cli.printed_outcomes import Outcomes
from aiodoo.cli.run_folders import RunFolder
from aiodoo.cli.terminal.exit_codes import DONE, FAILED, PENDING, WrongUsage
from aiodoo.cli.terminal.plan_output import print_markdown, print_plan
from aiodoo.cli.terminal.process import AT_ONCE, lines, stop_signal
from aiodoo.cli.terminal.progress import Screen
from aiodoo.doo_warnings import UnknownHookType
from aiodoo.errors import ConfigError
from aiodoo.settling import SETTLE

if TYPE_CHECKING:
    from aiodoo import Report, Session
    from aiodoo.desired import Plan


FILE = Path("doo.yaml")
PLAN = Path("plan.json")

OutsideFiles = Annotated[bool, Parameter(negative="")]

Variables = Annotated[list[str] | None, Parameter(name="--var", negative="")]


async def plan(
    file: Path = FILE,
    *,
    out: Path | None = None,
    prune: Switch = False,
    variables: Variables = None,
    exit_code: Switch = False,
    outside_files: OutsideFiles = False,
    report: Page = None,
    settings: Given,
) -> int:
    """Show the changes that make doo's webhook configurations equal to a file, and their cost. Changes nothing.

    The exit code is 0 whether there are changes or not, and 1 if an entry of the file cannot be created or a team cannot
    be read. Costs one request, and a list of each of the file's teams.

    Parameters
    ----------
    file
        The YAML file that declares webhook configurations.
    out
        Write the plan to this file, for `aiodoo apply`.
    prune
        Delete managed webhook configurations that are not declared.
    variables
        NAME=VALUE, which overrides a variable of the file; may be given several times.
    exit_code
        Exit with 4 if there are changes, for scripts that look for drift.
    outside_files
        Allow secrets from files outside of the file's folder.
    """
    async with settings.tenants(only_one=True) as tenants:
        (name,) = tenants
        doo = tenants[name]
        made = await _made(doo, settings, file, variables or (), prune=prune, outside_files=outside_files)
        if out is not None:
            await doo.desired.write(made, out)
        cost = await cost_in_words(doo, made.cost)
    show_plan(settings, name, made, cost)
    _write_page(settings, report, made, cost)
    _print_problems(settings, made)
    if made.unmade:
        _say_not_applied(settings, made)
        return FAILED
    if out is not None:
        settings.talk.say(
            f"plan {made.digest[:12]}; carry it out with: {settings.again(f'aiodoo apply {out}', name)}",
            plan=str(out),
            digest=made.digest,
        )
    if made and exit_code:
        return PENDING
    return FAILED if made.problems else DONE


async def validate(
    file: Path = FILE,
    *,
    variables: Variables = None,
    outside_files: OutsideFiles = False,
    settings: Given,
) -> int:
    """Check a file of desired state, or of one webhook configuration, without asking doo. Costs no request.

    References to secrets are checked, and not read; teams are not compared with doo's.

    Parameters
    ----------
    file
        The YAML or JSON file.
    variables
        NAME=VALUE, which overrides a variable of the file; may be given several times.
    outside_files
        Allow secrets from files outside of the file's folder.
    """
    from aiodoo import desired  # noqa: PLC0415  # loads what --help can do without

    faults: list[str] = []
    try:
        hooks = desired.validate(file, variables=_pairs(variables or ()), outside_files=outside_files)
        settings.check_types(hooks, file=file)
        settings.talk.say(f"{file} is valid.", level="success")
    except (ConfigError, UnknownHookType) as error:
        faults = lines(error) if isinstance(error, ConfigError) else [str(error)]
        raise
    finally:
        if not settings.is_table or settings.fields:
            settings.show("validation", {"file": str(file), "valid": not faults, "faults": faults})
    return DONE


async def apply(
    file: Path = PLAN,
    *,
    allow_net_deletes: NetDeletes = None,
    allow_widening: Switch = False,
    prune: Switch = False,
    variables: Variables = None,
    outside_files: OutsideFiles = False,
    settle: Seconds = SETTLE,
    page: Annotated[Page, Parameter(name="--report")] = None,
    settings: Given,
) -> int:
    """Apply exactly a plan, or change nothing if the webhook configurations have changed since it was made.

    A plan that was stopped is resumed, and one that was applied is only reported. Costs what the plan says.

    Parameters
    ----------
    file
        The file that `aiodoo plan --out` wrote; or the YAML file, which is planned, shown and applied.
    allow_net_deletes
        With --yes: the exact number of webhook configurations that the plan may delete without a replacement.
    allow_widening
        With --yes: agree that replacements may reach more events than what they replace.
    prune
        With a YAML file: delete managed webhook configurations that are not declared.
    variables
        With a YAML file: NAME=VALUE, which overrides one of its variables; may be given several times.
    outside_files
        With a YAML file: allow secrets from files outside of its folder.
    settle
        Seconds for which a create whose answer was lost may still land; the run looks for it afterwards.
    """
    consent = Consent(allow_net_deletes, allow_widening)
    declared = file.suffix in {".yaml", ".yml"}
    if not declared and (prune or variables or outside_files):
        raise WrongUsage(
            "--prune, --var and --outside-files are for making a plan; this one is made already."
        )
    async with settings.tenants(only_one=True, changes=True) as tenants:
        (name,) = tenants
        doo = tenants[name]
        plan = await (
            _made(
                doo,
                settings,
                file,
                variables or (),
                prune=prune,
                outside_files=outside_files,
                changing=not settings.dry_run,
            )
            if declared
            else doo.desired.read(file)
        )
        # A person may think for long, and somebody else may change a team meanwhile: then the lists are read again.
        cost = await cost_in_words(doo, (plan.cost_now if settings.yes else None) or plan.cost)
        _show_first(settings, name, plan, cost)
        _write_page(settings, page, plan, cost)
        _print_problems(settings, plan)
        if plan.unmade:
            _say_not_applied(settings, plan)
            return FAILED
        if not plan:
            return _nothing_to_apply(settings, plan)
        with ExitStack() as stack:
            parent = carry_out.folder_of_runs(settings, stack)
            begun = _begun(plan, parent)
            if not await _is_agreed(settings, doo, plan, begun, consent):
                return DONE
            of_profile = carry_out.profile_of(tenants, name)
            run = begun or run_folders.make(
                parent, f"apply {file} {_mark(plan)}", of_profile, settings.config
            )
            report, code = await _applied(settings, name, doo, plan, run, is_new=begun is None, settle=settle)
            _write_page(settings, page, plan, cost, (run, report))
    if not plan.problems:
        return code
    settings.talk.say(
        "not everything that the file declares was applied; see the problems above.", level="error"
    )
    return code or FAILED


async def _is_agreed(
    settings: Context, doo: Session, plan: Plan, begun: RunFolder | None, consent: Consent
) -> bool:
    """Return whether a plan may be applied, or its run that was begun goes on; ask if nobody has said so."""
    if not settings.dry_run:
        changed = [team.id for team in plan.teams if team.changes]
        await refuse_claimed(doo, changed, own=None if begun is None else begun.journal)
    if begun is not None and _is_finished(begun, settings):
        return True
    consent.check(settings, plan)
    warn(settings, plan)
    return await settings.agreed("Apply this plan?")


async def _applied(
    settings: Context, name: str, doo: Session, plan: Plan, run: RunFolder, *, is_new: bool, settle: float
) -> tuple[Report, int]:
    """Apply a plan and report it; return the report and the exit code."""
    screen, outcomes = Screen(settings.talk), Outcomes(settings, {name: run})
    listed = _lists_of(doo)
    going = doo.desired.apply(
        plan,
        journal=None if settings.no_record else run.journal,
        allow_net_deletes=plan.counts()["delete"],
        allow_widening=True,
        progress=partial(screen.follow, name),
        on_outcome=partial(outcomes.note, name),
        on_read=partial(_show_read, screen),
        baseline=plan.baseline if settings.yes else {},
        settle=settle,
        stop=stop_signal(),
        grace=AT_ONCE,
        on_claimed="refuse",
        on_exhausted="park",
        command="apply",
    )
    going = carry_out.discarding_empty(going, {name: run} if is_new else {})
    report = await carry_out.with_progress(settings, going, {name: run}, screen, outcomes)
    _say_what_was_compared(settings, name, report, lists=_lists_of(doo) - listed)
    return report, carry_out.report(settings, {name: report}, {name: run}, outcomes)


def _lists_of(doo: Session) -> int:
    """Return how many list requests a session has sent."""
    from aiodoo.protocol.wire import Kind  # noqa: PLC0415  # loads what --help can do without

    return doo.stats.requests[Kind.LIST]


def _say_what_was_compared(settings: Context, name: str, report: Report, *, lists: int) -> None:
    """Say what was read beside the run, to see that nothing has changed since the plan was made."""
    more = lists - report.requests.lists
    if more > 0 and not report.resumed:
        requests = "one request" if more == 1 else f"{more} requests"
        settings.talk.say(
            f"{name}: {requests} more showed that nothing had changed since the plan.", requests=more
        )


def _nothing_to_apply(settings: Context, plan: Plan) -> int:
    if not settings.dry_run:
        Outcomes(settings, {}).finish({})
    return FAILED if plan.problems else DONE


def _show_first(settings: Context, name: str, plan: Plan, cost: str) -> None:
    """Print a plan before it is applied, to standard error; in Markdown, or in a dry run, also to standard output."""
    if settings.dry_run and not settings.is_table:
        add_plan(settings, name, plan, main="change")
    if settings.log_format == "text":
        print_plan(plan, sys.stderr, cost=cost)
    else:
        settings.talk.say(str(plan), counts=plan.counts(), requests=plan.cost.requests.total)
    if settings.output == "markdown":
        print_markdown(plan, sys.stdout, cost=cost)


def _mark(plan: Plan) -> str:
    """Return the text that identifies a plan in the command of its run."""
    return f"(plan {plan.digest[:12]})"


def _begun(plan: Plan, parent: Path) -> RunFolder | None:
    """Return the earlier run of a plan, unless it was abandoned; one without a journal may just be starting elsewhere."""
    for run in run_folders.all_of(parent):
        if run.command.endswith(_mark(plan)) and not run.given_up:
            seen = summary_of(run)
            if seen is not None and not seen.abandoned:
                return run
    return None


def _is_finished(run: RunFolder, settings: Context) -> bool:
    """Return whether an earlier run of the plan is finished, and say so."""
    seen = summary_of(run)
    finished = seen is not None and seen.finished
    state = "was applied already" if finished else "was begun already, and is resumed"
    settings.talk.say(f"this plan {state}: run {run.id}.", run=run.id)
    return finished


async def _made(
    doo: Session,
    settings: Context,
    file: Path,
    variables: Sequence[str],
    *,
    prune: bool,
    outside_files: bool,
    changing: bool = False,
) -> Plan:
    """Return the plan of a file; with `changing`, its teams must not be claimed by another run.

    Raises:
        ConfigError: the file is invalid; the message has a line for each fault.
        TeamClaimed: another run has claimed one of the teams; no team was read.
    """
    with Screen(settings.talk) as screen:
        return await doo.desired.plan(
            file,
            variables=_pairs(variables),
            outside_files=outside_files,
            prune=prune,
            on_teams=partial(refuse_claimed, doo) if changing else None,
            on_read=partial(_show_read, screen),
        )


def _write_page(
    settings: Context,
    path: Path | None,
    plan: Plan,
    cost: str,
    applied: tuple[RunFolder, Report] | None = None,
) -> None:
    """Write the page of a plan, and of the run that has applied it, if there is a path for it.

    Raises:
        ConfigError: it cannot be written.
    """
    if path is None:
        return
    from aiodoo.cli.pages import write_plan  # noqa: PLC0415  # loads what --help can do without

    write_plan(settings, path, plan, cost, applied)


def _print_problems(settings: Context, made: Plan) -> None:
    """Print the problems of a plan, after the plan, so that a long plan does not hide them."""
    for problem in made.problems:
        settings.talk.say(f"team {problem.team_id}: {problem.says}", level="error", team_id=problem.team_id)


def _say_not_applied(settings: Context, made: Plan) -> None:
    """Say that a plan with entries that cannot be created is not applied."""
    settings.talk.say(
        f"as that cannot be created, the plan is not applied, and nothing was changed. Correct {made.file} and plan again.",
        level="error",
    )


def _show_read(screen: Screen, read: int, teams: int) -> None:
    screen.show("reading", read, teams, "teams")


def _pairs(given: Sequence[str]) -> dict[str, str]:
    pairs = dict(each.split("=", 1) for each in given if "=" in each)
    if len(pairs) != len(given):
        raise WrongUsage("--var takes NAME=VALUE, each name once.")
    return pairs
