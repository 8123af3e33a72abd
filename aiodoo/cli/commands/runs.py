"""`aiodoo runs`: list, show, resume, abandon, verify and undo the runs of earlier commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import attrs
from cyclopts import App, Parameter
from cyclopts.validators import Number

from aiodoo.cli import run_folders
from aiodoo.cli.commands.follow import follow_until_finished
from aiodoo.cli.commands.resume import resume
from aiodoo.cli.commands.undo import undo
from aiodoo.cli.completers import run_ids
from aiodoo.cli.context import ENVIRONMENT, Context, Given
from aiodoo.cli.kept_runs import (
    aged,
    all_states,
    folder,
    has_ended,
    record_of,
    refuse_sandbox,
    session_of,
    state_in_words,
    summary_of,
)
from aiodoo.cli.options import LastRun, Page, Switch
from aiodoo.cli.printed_outcomes import COLUMNS, journaled
from aiodoo.cli.run_folders import RunFolder
from aiodoo.cli.terminal.exit_codes import DONE, FAILED, WrongUsage
from aiodoo.cli.terminal.streams import is_narrow
from aiodoo.cli.terminal.table import Column
from aiodoo.errors import ConfigError, JournalError

if TYPE_CHECKING:
    from aiodoo.bulk import Verification
    from aiodoo.bulk.journal import OperationSummary

runs = App(
    name="runs",
    help="Runs of earlier commands: list, show, resume, abandon, verify or undo them.",
    help_format="plaintext",
)


@runs.command(name="list")
async def list_(*, settings: Given) -> int:
    """List all runs, the newest last; with --profile those of one profile. Costs no request.

    States: running, parked until the quota has room, stopped with Ctrl-C, interrupted, finished, abandoned, damaged.
    """
    run_id = Column("RUN", lambda record: record["run_id"], whole=True)
    columns: tuple[Column, ...] = (
        Column("STATE", state_in_words),
        Column("DONE", _done, whole=True),
        Column("AGE", _age, whole=True),
    )
    if is_narrow():
        columns = (Column("RUN, PROFILE, COMMAND", _in_a_few_lines), *columns)
    else:
        columns = (run_id, Column("PROFILE"), *columns, Column("COMMAND"))
    found, damaged = all_states(settings, run_folders.on_server())
    with attrs.evolve(settings, all_profiles=False).sheet("run", *columns) as sheet:
        for run, record in found:
            if settings.chooses(run.profile):
                sheet.add(record)
    if sheet.shows_nothing and not damaged:
        settings.talk.say("there are no runs.")
    return FAILED if damaged else DONE


def _in_a_few_lines(record: Mapping[str, Any]) -> str:
    return "\n".join(filter(None, (record["run_id"], record["profile"], record["command"])))


def _age(record: Mapping[str, Any]) -> str:
    seconds = (datetime.now(UTC) - datetime.fromisoformat(record["began"])).total_seconds()
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _done(record: Mapping[str, Any]) -> str | None:
    if record["done"] is None:
        return None
    begun = f" (+{record['begun']})" if record["begun"] else ""
    return f"{record['done']}/{record['operations']}{begun}"


@runs.command
async def show(
    run: LastRun = None,
    *,
    follow: Switch = False,
    report: Page = None,
    settings: Given,
) -> int:
    """Show the state of a run, also of one that is running. Costs no request.

    A table shows the operations that are not done; the other forms of output show all.

    Parameters
    ----------
    follow
        Show its progress until it is finished; Ctrl-C does not stop the run.
    """
    kept = run_folders.find(folder(), run)
    settings.check_profiles(kept.profile)
    seen = summary_of(kept)
    if follow:
        seen = await follow_until_finished(settings, kept, seen)
    if report is not None:
        from aiodoo.cli.pages import write_run  # noqa: PLC0415  # not for most

        write_run(settings, report, kept, seen)
    record, lines = record_of(kept, seen), () if seen is None else seen.lines
    settings = attrs.evolve(settings, all_profiles=False)
    if settings.is_table:
        counts = ", ".join(f"{number} {word.replace('_', ' ')}" for word, number in record["counts"].items())
        cells = {
            **record,
            "counts": counts,
            "operations": None,
            "done": None,
            "begun": None,
            "stopped_because": None,
        }
        settings.show("run", record, cells=cells)
        if settings.output == "table":
            lines = tuple(line for line in lines if not line.status.fine)
        if lines and not settings.fields:
            print()
            _show_outcomes(settings, kept, lines)
    elif settings.output == "jsonl":
        if not settings.fields:
            _show_outcomes(settings, kept, lines)
        settings.show("run", record)
    else:
        inside = [{"kind": "outcome", **journaled(kept, line)} for line in lines]
        settings.show("run", {**record, "outcomes": inside})
    return DONE


def _show_outcomes(settings: Context, run: RunFolder, lines: Sequence[OperationSummary]) -> None:
    with settings.sheet("outcome", *COLUMNS) as sheet:
        for line in lines:
            sheet.add(journaled(run, line))


@runs.command
async def abandon(run: LastRun = None, *, settings: Given) -> int:
    """Abandon a run that will not be resumed, so that others may work on its teams. Undoes nothing, costs no request."""
    from aiodoo.bulk.journal import DamagedJournal  # noqa: PLC0415  # --help does without

    refuse_sandbox(settings)
    kept, unread = run_folders.find(folder(), run), False
    try:
        seen = summary_of(kept)
    except JournalError:
        # If the ledger knows the run, it can be abandoned without its journal.
        seen, unread = None, True
    finished = seen is not None and seen.finished
    if seen is not None and seen.half_done and not seen.abandoned:
        _say_half_done(settings, kept.id, seen.half_done)
    then = (
        "Its journal cannot be read, so nothing of it can be reported or undone."
        if unread
        else "It can be reported, verified and undone then, but not resumed."
    )
    if not await settings.agreed(f"Abandon {kept.id}? {then}"):
        return DONE
    async with session_of(settings, kept) as (_, doo):
        try:
            claim = await doo.bulk.abandon(journal=kept.journal)
        except DamagedJournal:
            # No run in the ledger has this journal, so no team is claimed.
            kept.note_given_up()
            settings.talk.say(
                f"{kept.id} was abandoned. It had no claim any more; its journal is damaged.",
                level="success",
                run=kept.id,
            )
            return DONE
    done = "had finished; its claims are released" if finished else "was abandoned"
    settings.talk.say(f"{kept.id} {done}.", level="success", run=kept.id)
    if claim.unread is not None:
        kept.note_given_up()
        _say_unread(settings, kept.id, claim.teams)
    return DONE


def _say_half_done(settings: Context, run: str, count: int) -> None:
    settings.talk.say(
        f"{count} of its operations were begun and are not done. aiodoo runs verify {run} names what is live twice, "
        f"and aiodoo runs undo {run} undoes it; aiodoo runs resume {run} would finish them.",
        level="warning",
        run=run,
        half_done=count,
    )


def _say_unread(settings: Context, run: str, teams: Sequence[str]) -> None:
    settings.talk.say(
        f"{run}: its journal cannot be read, so it is not known what was done in team {', '.join(teams)}. "
        "aiodoo webhooks list shows what is there: some may be there twice, with what the run wanted and as they were. "
        "Delete one of each two, then plan, or give the same command again.",
        level="warning",
        run=run,
        teams=list(teams),
    )


@runs.command
async def verify(run: LastRun = None, *, settings: Given) -> int:
    """Read all teams of a run again and name each difference from what it wanted. Changes nothing.

    The exit code is 1 if there is one. Costs a request for each page, twice that for teams of several pages.
    """
    refuse_sandbox(settings)
    kept = run_folders.find(folder(), run)
    async with session_of(settings, kept, reads=True) as (_, doo):
        found = await doo.bulk.verify(kept.journal)
    columns = (
        Column("TEAM", lambda record: record["team_id"], whole=True),
        Column("WEBHOOK", lambda record: record["webhook_id"], whole=True),
        Column("FINDING"),
    )
    with attrs.evolve(settings, all_profiles=False).sheet("difference", *columns) as sheet:
        for record in _differences(found):
            before = "" if record["operation"] is None else f"{record['operation']}: "
            named = {"profile": kept.profile or ENVIRONMENT, "run_id": kept.id}
            sheet.add({**named, **record}, {"finding": f"{before}{record['about']}"})
    if found.secret_unknown:
        settings.talk.say(
            f"{kept.id}: {len(found.secret_unknown)} client secrets are not available and were not compared.",
            level="warning",
            run=kept.id,
        )
    settings.talk.say(
        f"{kept.id}: everything is as it left it."
        if found.clean
        else f"{kept.id}: not everything is as the run wanted it.",
        level="success" if found.clean else "error",
        run=kept.id,
    )
    if not found.clean and (seen := summary_of(kept)) is not None and not (seen.finished or seen.abandoned):
        settings.talk.say(
            f"it is not finished; resume it with: aiodoo runs resume {kept.id}", level="warning", run=kept.id
        )
    return DONE if found.clean else FAILED


def _differences(found: Verification) -> list[dict[str, Any]]:
    differences = [
        {
            "team_id": each.outcome.operation.team_id,
            "webhook_id": each.webhook_ids[0]
            if each.webhook_ids
            else getattr(each.outcome.operation, "webhook_id", None),
            "webhook_ids": list(each.webhook_ids),
            "operation": each.outcome.operation.word,
            "about": each.finding,
        }
        for each in found.differences
    ]
    unread: list[dict[str, Any]] = [
        {
            "team_id": each.team_id,
            "webhook_id": None,
            "webhook_ids": [],
            "operation": None,
            "about": f"it could not be read: {each.error}",
        }
        for each in found.unread
    ]
    return [*differences, *unread]


@runs.command
async def delete(
    runs: Annotated[list[str] | None, Parameter(negative="", completer=run_ids)] = None,
    /,
    *,
    older_than: Annotated[float | None, Parameter(validator=Number(gte=0))] = None,
    settings: Given,
) -> int:
    """Delete the records of finished and abandoned runs, which cannot be verified or undone any more then.

    Costs no request. A run that is not finished is not deleted; abandon it first.

    Parameters
    ----------
    runs
        Their ids or the beginnings of them.
    older_than
        All that began more than so many days ago, in place of ids.
    """
    import shutil  # noqa: PLC0415  # --help does without

    names = runs or []
    if bool(names) == (older_than is not None):
        raise WrongUsage("name runs, or use --older-than DAYS.")
    refuse_sandbox(settings)
    if older_than is None:
        chosen = [run_folders.find(folder(), name) for name in dict.fromkeys(names)]
    else:
        chosen = [run for run in aged(folder(), older_than) if settings.chooses(run.profile)]
    ended = [run for run in chosen if has_ended(run)]
    if older_than is None and len(ended) < len(chosen):
        kept = next(run for run in chosen if run not in ended)
        raise ConfigError(
            f"{kept.id} is not finished; nothing was deleted. Resume it with: aiodoo runs resume {kept.id}; or abandon it "
            f"with: aiodoo runs abandon {kept.id}"
        )
    if any(run.shared is not None for run in ended):
        raise ConfigError(
            f"the journal of {names[0]} is on a server, and other hosts may need it; nothing was deleted. Delete it with "
            "`await journal.delete()`"
        )
    if not ended:
        settings.talk.say("there is no run to delete.")
        return DONE
    number = "one run" if len(ended) == 1 else f"{len(ended)} runs"
    if not await settings.agreed(f"Delete the records of {number}?"):
        return DONE
    for run in ended:
        try:
            shutil.rmtree(run.folder)
        except FileNotFoundError:
            continue  # another process deletes it
        except OSError as error:
            raise ConfigError(f"{run.folder} cannot be deleted: {error.strerror or error}") from None
    settings.talk.say(
        f"the records of {number} were deleted.", level="success", runs=[run.id for run in ended]
    )
    return DONE


runs.command(resume)
runs.command(undo)
