"""Executes many changes: forecast, confirmation, journal, progress and report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aiodoo.cli import run_folders
from aiodoo.cli.context import Context
from aiodoo.cli.costs import cost_in_words
from aiodoo.cli.dry_run import show_operations
from aiodoo.cli.kept_runs import delete_old, folder, has_ended, summary_of
from aiodoo.cli.printed_outcomes import Outcomes
from aiodoo.cli.run_folders import RunFolder
from aiodoo.cli.terminal.exit_codes import DONE, FAILED, PARKED
from aiodoo.cli.terminal.output import counted
from aiodoo.cli.terminal.process import AT_ONCE, stop_signal
from aiodoo.cli.terminal.progress import Screen
from aiodoo.errors import DooError

if TYPE_CHECKING:
    from aiodoo import Forecast, Operation, Report, Session, Tenants, WebhookConfiguration

T = TypeVar("T")


async def carry_out(
    settings: Context,
    tenants: Tenants,
    forecasts: Mapping[str, Forecast],
    *,
    command: str,
    question: str,
    origin: str | None = None,
) -> int:
    """Show the cost, ask for confirmation, execute the operations with a journal, and return the exit code.

    Args:
        settings: the options of the command.
        tenants: the tenants, of which only those with a forecast are changed.
        forecasts: the forecast of each tenant, with its operations.
        command: the command that `aiodoo runs list` shows.
        question: the question to ask before anything is changed.
        origin: the name of the profile that a copy reads from.
    """
    wanted = {
        name: forecast
        for name, forecast in forecasts.items()
        if forecast.operations and (settings.dry_run or changes(forecast))
    }
    if not wanted:
        settings.talk.say("there is nothing to change.")
        Outcomes(settings, {}).finish({})
        return DONE
    await show_forecasts(settings, tenants, wanted)
    if not await settings.agreed(question):
        return DONE
    ended = await execute(
        settings,
        tenants,
        {name: forecast.operations for name, forecast in wanted.items()},
        command=command,
        baselines={name: forecast.baseline for name, forecast in wanted.items()},
        origin=origin,
    )
    return report(settings, *ended)


def changes(forecast: Forecast) -> bool:
    """Return whether a run would do anything: a webhook configuration that is there already is not made again."""
    return any(word != "unchanged" for word in forecast.counts)


async def forecast_of(doo: Session, operations: Sequence[Operation]) -> Forecast:
    """Read the teams and return the forecast of a run that gets what was read; costs a request a page of each team."""
    read = await doo.bulk.forecast(operations)
    if {operation.team_id for operation in operations} <= read.baseline.keys():
        return await doo.bulk.forecast(operations, baseline=read.baseline)
    return read


async def execute(
    settings: Context,
    tenants: Tenants,
    operations: Mapping[str, Sequence[Operation]],
    *,
    command: str,
    baselines: Mapping[str, Mapping[str, list[WebhookConfiguration]]] | None = None,
    origin: str | None = None,
    foreground: bool = False,
) -> tuple[dict[str, Report | DooError], dict[str, RunFolder], Outcomes]:
    """Execute operations with a journal and progress; return the reports, the folders of the runs and their output.

    With --no-record there is no journal, and the folders are deleted at the end, as those of a sandbox.

    Args:
        settings: the options of the command.
        tenants: the tenants, of which only those with operations are changed.
        operations: the operations of each tenant.
        command: the command that `aiodoo runs list` shows.
        baselines: the lists of each tenant's teams that were read before.
        origin: the name of the profile that a copy reads from.
        foreground: whether the runs cost and wait as single calls do.
    """
    with ExitStack() as stack:
        parent = folder_of_runs(settings, stack)
        runs = {
            name: run_folders.make(parent, command, profile_of(tenants, name), settings.config, origin=origin)
            for name in operations
        }
        screen, outcomes = Screen(settings.talk), Outcomes(settings, runs)

        async def run(name: str, doo: Session) -> Report:
            return await doo.bulk.run(
                operations[name],
                journal=None if settings.no_record else runs[name].journal,
                progress=partial(screen.follow, name),
                on_outcome=partial(outcomes.note, name),
                command=command.partition(" ")[0],
                stop=stop_signal(),
                grace=AT_ONCE,
                baseline=None if baselines is None else baselines[name],
                on_claimed="refuse",
                on_exhausted="park",
                foreground=foreground,
            )

        going = discarding_empty(tenants.each(run, only=operations), runs)
        return await with_progress(settings, going, runs, screen, outcomes), runs, outcomes


def single(
    settings: Context,
    reports: Mapping[str, Report | DooError],
    runs: Mapping[str, RunFolder],
    outcomes: Outcomes,
) -> int:
    """Print the result of a run with one operation: the id of its webhook configuration, or why there is none.

    Raises:
        DooError: the operation has failed.
    """
    [(name, ended)] = reports.items()
    if isinstance(ended, DooError):
        return report(settings, reports, runs, outcomes)
    [outcome] = ended
    if not outcome.status.fine and outcome.ended and outcome.error is not None:
        raise outcome.error
    if not outcome.status.fine and settings.is_table:
        return report(settings, reports, runs, outcomes)
    if settings.output == "jsonl":
        outcomes.finish({name: ended})
    else:
        show_single(settings, outcomes.record(name, outcome))
    if not outcome.status.fine:
        return _sum_up(settings, name, ended, runs[name])
    _say_what_follows(settings, ended, runs[name])
    _warn_of_widening(settings, [ended])
    return DONE


def show_single(settings: Context, record: Mapping[str, Any]) -> None:
    """Print the outcome of a command that changes one webhook configuration; a table shows where it is."""
    settings.show("outcome", record, cells={name: record[name] for name in ("team_id", "webhook_id")})


def profile_of(tenants: Tenants, name: str) -> str | None:
    """Return the name of a tenant's profile, or None."""
    profile = tenants.profiles.get(name)
    return None if profile is None else profile.name


async def with_progress(
    settings: Context, going: Awaitable[T], runs: Mapping[str, RunFolder], screen: Screen, outcomes: Outcomes
) -> T:
    """Wait for runs and show their progress; if they are stopped, print their outcomes and how to resume them.

    Raises:
        CancelledError: they were stopped by a signal or cancelled, and are not finished.
    """
    import asyncio  # noqa: PLC0415  # --help does without

    stop = stop_signal()
    if stop is not None:
        stop.by_person += [run.note_stopped for run in runs.values()]
    try:
        with screen:
            ended = await going
    except asyncio.CancelledError:
        try:
            outcomes.finish_cancelled()
        finally:
            _say_how_to_resume(settings, runs)
        raise
    reports = _reports_of(ended, runs).values()
    if stop is not None and stop.is_set() and not all(outcome.ended for each in reports for outcome in each):
        try:
            if not settings.is_table:
                outcomes.finish(_reports_of(ended, runs))
        finally:
            _say_what_was_sent(settings, runs, ended)
            _say_how_to_resume(settings, runs)
        raise asyncio.CancelledError
    return ended


def _say_what_was_sent(settings: Context, runs: Mapping[str, RunFolder], ended: object) -> None:
    """Print the requests of stopped runs, and whether anything is live twice."""
    for name, report in _reports_of(ended, runs).items():
        run = runs[name]
        total, twice = report.requests.total, len(report.both_live)
        message = (
            f"{twice} may be live twice, which aiodoo runs verify {run.id} names"
            if twice
            else "nothing is live twice"
        )
        settings.talk.say(
            f"{name}: {counted(total, 'request')} in all; {message}.",
            begin="\r",
            run=run.id,
            requests=total,
            twice=twice,
        )


def _reports_of(ended: object, runs: Mapping[str, RunFolder]) -> dict[str, Report]:
    """Return the reports of several runs, or the one of a single run, by name."""
    from aiodoo import Report  # noqa: PLC0415  # --help does without

    reports = ended if isinstance(ended, Mapping) else dict.fromkeys(runs, ended)
    return {name: report for name, report in reports.items() if isinstance(report, Report)}


def _say_how_to_resume(settings: Context, runs: Mapping[str, RunFolder]) -> None:
    stop = stop_signal()
    if stop is not None:
        stop.explained = True
    for run in runs.values():
        if settings.keeps_records and _has_begun(run) and not has_ended(run):
            settings.talk.say(f"resume it with: aiodoo runs resume {run.id}", begin="\r", run=run.id)


async def discarding_empty(going: Awaitable[T], runs: Mapping[str, RunFolder]) -> T:
    """Wait for new runs, then delete the folders of those that have not written a journal."""
    import shutil  # noqa: PLC0415  # --help does without

    try:
        return await going
    finally:
        for run in runs.values():
            if not _has_begun(run):
                shutil.rmtree(run.folder, ignore_errors=True)


def _has_begun(run: RunFolder) -> bool:
    try:
        return summary_of(run) is not None
    except DooError:
        # A journal that cannot be read may still be needed.
        return True


def folder_of_runs(settings: Context, stack: ExitStack) -> Path:
    """Return the folder of all runs; for a sandbox, or without a record, it is a temporary one."""
    import tempfile  # noqa: PLC0415  # --help does without

    if not settings.keeps_records:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aiodoo-runs-")))
    delete_old(folder())
    return folder()


async def show_forecasts(
    settings: Context, tenants: Tenants, wanted: Mapping[str, Forecast], *, foreground: bool = False
) -> None:
    """Print what the operations of each tenant do and cost, in a dry run each of them; costs no request."""
    for name, forecast in wanted.items():
        operations = forecast.operations
        kinds = Counter(operation.word for operation in operations)
        what = ", ".join(counted(number, word) for word, number in kinds.items())
        teams = len({operation.team_id for operation in operations})
        ended = ", ".join(
            f"{number} would {'fail' if word == 'failed' else f'be {word}'}"
            for word, number in forecast.counts.items()
            if word != "applied"
        )
        cost = await cost_in_words(tenants[name], forecast, foreground=foreground)
        settings.talk.say(
            f"{name}: {what} in {counted(teams, 'team')}; {cost}{'; ' + ended if ended else ''}.",
            profile=name,
            requests=forecast.requests.total,
            seconds=forecast.seconds,
            days=forecast.days,
            counts=forecast.counts,
        )
    if settings.dry_run:
        show_operations(settings, tenants, wanted)


def report(
    settings: Context,
    reports: Mapping[str, Report | DooError],
    runs: Mapping[str, RunFolder],
    outcomes: Outcomes,
) -> int:
    """Print the reports of runs and return the exit code; a table shows only operations that did not succeed."""
    for name, ended in reports.items():
        if isinstance(ended, DooError) and settings.keeps_records and runs[name].folder.exists():
            settings.talk.say(
                f"{name}: not finished; resume it with: aiodoo runs resume {runs[name].id}",
                level="warning",
                run=runs[name].id,
            )
    found, code = settings.sorted_out(reports)
    codes = {code}
    try:
        outcomes.finish(found)
    finally:
        for name, ended in found.items():
            codes.add(_sum_up(settings, name, ended, runs[name]))
        _warn_of_widening(settings, found.values())
    return FAILED if FAILED in codes else max(codes)


def _sum_up(settings: Context, name: str, ended: Report, run: RunFolder) -> int:
    """Print how a run ended and what to do next; return its exit code."""
    counts = {word: number for word, number in ended.counts().items() if number}
    statuses = ", ".join(f"{number} {word.replace('_', ' ')}" for word, number in counts.items())
    fine = all(outcome.status.fine for outcome in ended)
    ending = "success" if fine else "error"
    level = ending if ended.resume_at is None else "warning"
    settings.talk.say(
        f"{name}: {statuses}; {counted(ended.requests.total, 'request')}.",
        level=level,
        run=run.id,
        counts=counts,
        requests=ended.requests.total,
    )
    if ended.replayed:
        when = "" if ended.ended_at is None else f" at {ended.ended_at:%Y-%m-%d %H:%M:%S} UTC"
        settings.talk.say(f"{name}: it had ended{when}; nothing was sent now.", run=run.id, replayed=True)
    if ended.stopped_because:
        settings.talk.say(f"{name}: stopped: {ended.stopped_because}", level="error")
    _say_what_follows(settings, ended, run)
    if ended.resume_at is not None:
        return PARKED
    return DONE if fine else FAILED


def _say_what_follows(settings: Context, ended: Report, run: RunFolder) -> None:
    """Print what is left to do after a run, and what it cannot know."""
    if settings.no_record and not all(outcome.ended for outcome in ended):
        settings.talk.say(
            "it is not finished, and leaves no record; the same command does what is left.",
            level="warning",
            run=run.id,
        )
    if settings.keeps_records and not all(outcome.ended for outcome in ended):
        when = "" if ended.resume_at is None else f", from {ended.resume_at:%Y-%m-%d %H:%M:%S} UTC on,"
        settings.talk.say(
            f"it is not finished; resume it{when} with: aiodoo runs resume {run.id}",
            level="warning",
            run=run.id,
        )
    if settings.keeps_records and ended.recheck_at is not None:
        settings.talk.say(
            f"after {ended.recheck_at:%Y-%m-%d %H:%M:%S} UTC, look for late duplicates with: "
            f"aiodoo runs verify {run.id}",
            run=run.id,
        )


def _warn_of_widening(settings: Context, reports: Iterable[Report]) -> None:
    """Say how many copies may reach more events, if the command has not warned of it before."""
    if number := sum(len(ended.scope_unknown) for ended in reports):
        copies = (
            "one copy may reach more events than its original did"
            if number == 1
            else f"{number} copies may reach more events than their originals did"
        )
        settings.say_once(
            "widening",
            f"{copies}, because doo's list may not show what limits a webhook configuration.",
            level="warning",
        )
