"""`aiodoo runs`: list, show, resume, abandon, verify and undo the runs of earlier commands."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import attrs
from cyclopts import App, Parameter

from aiodoo.cli import carry_out, run_folders
from aiodoo.cli.commands.follow import follow_until_finished
from aiodoo.cli.commands.undo import undo
from aiodoo.cli.context import Context, Given
from aiodoo.cli.kept_runs import (
    folder,
    record_of,
    refuse_sandbox,
    session_of,
    summary_of,
    unreadable,
)
from aiodoo.cli.options import RunId, Seconds, Several, Switch
from aiodoo.cli.run_folders import RunFolder
from aiodoo.cli.terminal.output import Column, show_one
from aiodoo.cli.terminal.process import AT_ONCE, DONE, FAILED, line, stop_signal
from aiodoo.cli.terminal.progress import Screen
from aiodoo.cli.typed_secrets import given_secrets, secret_for, still_needed
from aiodoo.cli.unfinished_runs import newest_unfinished
from aiodoo.errors import ConfigError, DooError, JournalError, SecretsNeeded
from aiodoo.settling import SETTLE

if TYPE_CHECKING:
    from aiodoo.bulk import Verification
    from aiodoo.bulk.journal import OperationSummary

runs = App(
    name="runs",
    help="Runs of earlier commands: list, show, resume, abandon, verify or undo them.",
    help_format="plaintext",
)


@runs.command(name="list")
def list_(*, settings: Given) -> int:
    """List all runs, the newest last. Costs no request."""
    return settings.run(_list(settings))


async def _list(settings: Context) -> int:
    columns = (
        Column("RUN", lambda record: record["id"], whole=True),
        Column("PROFILE"),
        Column("STATE"),
        Column("DONE", _done),
        Column("COMMAND"),
    )
    code = DONE
    with attrs.evolve(settings, all_profiles=False).sheet(*columns) as sheet:
        for run in run_folders.all_of(folder()):
            try:
                sheet.add(record_of(run, summary_of(run)))
            except DooError as error:
                sheet.add(unreadable(run))
                if not run.given_up:
                    settings.talk.say(f"{run.id}: {line(error)}", level="error", run=run.id)
                    code = FAILED
    if sheet.shows_nothing and not code:
        settings.talk.say("there are no runs.")
    return code


def _done(record: Mapping[str, Any]) -> str | None:
    return None if record["done"] is None else f"{record['done']}/{record['operations']}"


@runs.command
def show(
    run: RunId = None,
    *,
    follow: Switch = False,
    settings: Given,
) -> int:
    """Show the state of a run, also of one that is running. Costs no request.

    A table shows the operations that are not done; the other forms of output show all.

    Parameters
    ----------
    run
        Its id or the beginning of it; by default the last run.
    follow
        Show its progress until it is finished; Ctrl-C does not stop the run.
    """
    return settings.run(_show(settings, run, follow=follow))


async def _show(settings: Context, name: str | None, *, follow: bool) -> int:
    run = run_folders.find(folder(), name)
    seen = summary_of(run)
    if follow:
        seen = await follow_until_finished(settings, run, seen)
    record = record_of(run, seen)
    if settings.output != "table":
        lines = () if seen is None else seen.lines
        show_one(
            settings.output,
            {**record, "lines": [_line(line) for line in lines]},
        )
        return DONE
    counts = ", ".join(f"{number} {word.replace('_', ' ')}" for word, number in record["counts"].items())
    show_one("table", {**record, "counts": counts, "operations": None, "done": None})
    open_ = [] if seen is None else [line for line in seen.lines if not line.status.fine]
    if open_:
        print()
        columns = (
            Column("TEAM", lambda line: line["team_id"], whole=True),
            Column("WEBHOOK", lambda line: line["webhook_id"] or line["new_id"], whole=True),
            Column("WHAT", lambda line: line["word"]),
            Column("STATUS", lambda line: line["status"].value.replace("_", " ")),
            Column("REASON", lambda line: line["reason"] or line["error"]),
        )
        with attrs.evolve(settings, all_profiles=False).sheet(*columns) as sheet:
            for line in open_:
                sheet.add(attrs.asdict(line))
    return DONE


def _line(line: OperationSummary) -> dict[str, Any]:
    return {**attrs.asdict(line), "status": line.status.value, "stage": line.stage.value}


@runs.command
def resume(
    run: RunId = None,
    *,
    secret: Several = None,
    settle: Seconds = SETTLE,
    moved: Annotated[bool, Parameter(negative="")] = False,
    settings: Given,
) -> int:
    """Resume a run that was stopped, killed or parked; nothing is lost and nothing is done twice.

    Without an id this is the newest unfinished run of any command; other unfinished runs are named. If there is none,
    the exit code is 0.

    A secret that was typed is not stored; it is asked for again, and must be the same.

    Parameters
    ----------
    run
        Its id or the beginning of it; by default the newest unfinished run. A finished run is only reported.
    secret
        ID=env:NAME or ID=file:PATH, the secret that the run needs for the webhook configuration ID, so that it is not
        asked for; may be given several times.
    settle
        Seconds for which a create whose answer was lost may still land; the run looks for it afterwards. A sandbox that
        loses no answers needs 1.
    moved
        Confirm that the run's journal is the latest one and was only copied or moved, where nothing else shows it. Every
        create that may have been sent is looked for first.
    """
    return settings.run(_resume(settings, run, secret or [], settle, moved=moved))


async def _resume(
    settings: Context, name: str | None, pairs: list[str], settle: float, *, moved: bool
) -> int:
    refuse_sandbox(settings)
    if name is None:
        newest, code = newest_unfinished(settings)
        if newest is None:
            return code
        return await _resume_one(settings, newest, pairs, settle, moved=moved) or code
    return await _resume_one(settings, run_folders.find(folder(), name), pairs, settle, moved=moved)


async def _resume_one(
    settings: Context, run: RunFolder, pairs: list[str], settle: float, *, moved: bool
) -> int:
    seen = summary_of(run)
    if seen is not None and seen.abandoned:
        raise ConfigError(
            f"{run.id} was abandoned and cannot be resumed; nothing was sent. aiodoo runs verify {run.id} says what "
            f"is left of it, aiodoo runs undo {run.id} undoes that, and the same command begins a new run."
        )
    async with session_of(settings, run) as (profile, doo):
        record = record_of(run, seen)
        settings.talk.say(
            f"{run.id}: {run.command}; {record['done']} of {record['operations']} operations are done, with "
            f"{record['requests']} requests.",
            run=run.id,
        )
        if settings.dry_run:
            settings.talk.say("this was a dry run; nothing was changed.")
            return DONE
        screen = Screen(settings.talk)
        known = await given_secrets(pairs)
        going = doo.bulk.resume(
            run.journal,
            secrets=partial(secret_for, known),
            progress=partial(screen.follow, profile),
            settle=settle,
            moved=moved,
            stop=stop_signal(),
            grace=AT_ONCE,
        )
        try:
            report = await carry_out.with_progress(settings, going, {profile: run}, screen)
        except SecretsNeeded as needed:
            raise still_needed(needed, run.id) from None
    return carry_out.report(settings, {profile: report}, {profile: run})


@runs.command
def abandon(run: RunId = None, *, settings: Given) -> int:
    """Abandon a run that will not be resumed, so that others may work on its teams. Undoes nothing, costs no request.

    Parameters
    ----------
    run
        Its id or the beginning of it; by default the last run.
    """
    return settings.run(_abandon(settings, run))


async def _abandon(settings: Context, name: str | None) -> int:
    from aiodoo.bulk.journal import DamagedJournal  # noqa: PLC0415  # --help does without

    run, unread = run_folders.find(folder(), name), False
    try:
        seen = summary_of(run)
    except JournalError:
        # If the ledger knows the run, it can be abandoned without its journal.
        seen, unread = None, True
    finished = seen is not None and seen.finished
    if seen is not None and seen.half_done and not seen.abandoned:
        settings.talk.say(
            f"{seen.half_done} of its operations were begun and are not done. aiodoo runs verify {run.id} names what is live twice, "
            f"and aiodoo runs undo {run.id} undoes it; aiodoo runs resume {run.id} would finish them.",
            level="warning",
            run=run.id,
            half_done=seen.half_done,
        )
    then = (
        "Its journal cannot be read, so nothing of it can be reported or undone."
        if unread
        else "It can be reported, verified and undone then, but not resumed."
    )
    if not await settings.agreed(f"Abandon {run.id}? {then}"):
        return DONE
    async with session_of(settings, run) as (_, doo):
        try:
            claim = await doo.bulk.abandon(journal=run.journal)
        except DamagedJournal:
            # No run in the ledger has this journal, so no team is claimed.
            run.note_given_up()
            settings.talk.say(
                f"{run.id} was abandoned. It had no claim any more; its journal is damaged.", run=run.id
            )
            return DONE
    done = "had finished; its claims are released" if finished else "was abandoned"
    settings.talk.say(f"{run.id} {done}.", run=run.id)
    if claim.unread is not None:
        run.note_given_up()
        settings.talk.say(
            f"{run.id}: its journal cannot be read, so it is not known what was done in team {', '.join(claim.teams)}. "
            "aiodoo webhooks list shows what is there: some may be there twice, with what the run wanted and as they were. "
            "Delete one of each two, then plan, or give the same command again.",
            level="warning",
            run=run.id,
            teams=list(claim.teams),
        )
    return DONE


@runs.command
def verify(run: RunId = None, *, settings: Given) -> int:
    """Read all teams of a run again and name each difference from what it wanted. Changes nothing.

    The exit code is 1 if there is one. Costs a request for each page, twice that for teams of several pages.

    Parameters
    ----------
    run
        Its id or the beginning of it; by default the last run.
    """
    return settings.run(_verify(settings, run))


async def _verify(settings: Context, name: str | None) -> int:
    run = run_folders.find(folder(), name)
    async with session_of(settings, run) as (_, doo):
        found = await doo.bulk.verify(run.journal)
    columns = (
        Column("TEAM", whole=True),
        Column("WEBHOOK", lambda record: record["id"], whole=True),
        Column("FINDING"),
    )
    with attrs.evolve(settings, all_profiles=False).sheet(*columns) as sheet:
        for record in _findings(found):
            sheet.add(record)
    if found.secret_unknown:
        settings.talk.say(
            f"{run.id}: {len(found.secret_unknown)} client secrets are not available and were not compared.",
            level="warning",
            run=run.id,
        )
    settings.talk.say(
        f"{run.id}: everything is as it left it."
        if found.clean
        else f"{run.id}: not everything is as the run wanted it.",
        run=run.id,
    )
    if not found.clean and (seen := summary_of(run)) is not None and not (seen.finished or seen.abandoned):
        settings.talk.say(f"it is not finished; resume it with: aiodoo runs resume {run.id}", run=run.id)
    return DONE if found.clean else FAILED


def _findings(found: Verification) -> list[dict[str, Any]]:
    differences = [
        {
            "team": each.outcome.operation.team_id,
            "id": each.webhook_ids[0]
            if each.webhook_ids
            else getattr(each.outcome.operation, "webhook_id", None),
            "ids": list(each.webhook_ids),
            "finding": f"{each.outcome.operation.word}: {each.finding}",
        }
        for each in found.differences
    ]
    unread: list[dict[str, Any]] = [
        {"team": each.team_id, "id": None, "ids": [], "finding": f"it could not be read: {each.error}"}
        for each in found.unread
    ]
    return [*differences, *unread]


runs.command(undo)
