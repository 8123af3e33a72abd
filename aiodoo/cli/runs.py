"""`aiodoo runs`: list, show, resume, undo and verify the runs that the command line has kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
from cyclopts import App, Parameter
from cyclopts.validators import Number

from aiodoo.arguments import SETTLE
from aiodoo.cli import configurations, jobs, run_folders
from aiodoo.cli.jobs import Priced
from aiodoo.cli.options import AllowWidening
from aiodoo.cli.progress import Screen
from aiodoo.cli.run_folders import RunFolder
from aiodoo.cli.running import AT_ONCE, DONE, FAILED, WrongUsage, stop_signal
from aiodoo.cli.settings import Given, Settings
from aiodoo.cli.showing import Column, show_one
from aiodoo.cli.typed_secrets import given_secrets, secret_for, still_needed
from aiodoo.errors import DooError, SecretsNeeded

if TYPE_CHECKING:
    from aiodoo import Secret, Session, Tenants
    from aiodoo.bulk import Verification
    from aiodoo.bulk.journal import OperationSummary, RunSummary

EVERY = 1.0
"""Seconds between two looks at a run that is followed."""

runs = App(name="runs", help="Runs that were kept: look at them, go on with them.", help_format="plaintext")

Seconds = Annotated[float, Parameter(validator=Number(gte=0))]
RunId = Annotated[str | None, Parameter(show_default=False)]


@runs.command(name="list")
def list_(*, settings: Given) -> int:
    """List the runs that were kept, the newest last. Costs no request."""
    return settings.run(_list(settings))


async def _list(settings: Settings) -> int:
    columns = (
        Column("RUN", lambda record: record["id"], whole=True),
        Column("PROFILE"),
        Column("STATE"),
        Column("DONE", lambda record: f"{record['done']}/{record['operations']}"),
        Column("COMMAND"),
    )
    code = DONE
    with attrs.evolve(settings, all_profiles=False).sheet(*columns) as sheet:
        for run in run_folders.all_of(_folder()):
            try:
                sheet.add(_record(run, _summary(run)))
            except DooError as error:
                settings.talk.say(f"{run.id}: {error}", level="error", run=run.id)
                code = FAILED
    if sheet.shows_nothing and not code:
        settings.talk.say("there are no runs.")
    return code


@runs.command
def show(
    run: RunId = None,
    *,
    follow: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    settings: Given,
) -> int:
    """Show how far a run has come, also while it goes on in another terminal. Costs no request.

    A table shows the operations that are not done; the other forms of output show all.

    Parameters
    ----------
    run
        Its id, or how that begins; the last run without it.
    follow
        Watch it until it is finished; Ctrl-C ends the watching, not the run.
    """
    return settings.run(_show(settings, run, follow=follow))


async def _show(settings: Settings, name: str | None, *, follow: bool) -> int:
    run = run_folders.find(_folder(), name)
    seen = _summary(run)
    if follow:
        seen = await _follow(settings, run, seen)
    record = _record(run, seen)
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


async def _follow(settings: Settings, run: RunFolder, seen: RunSummary | None) -> RunSummary | None:
    """Look at a run until every operation has ended."""
    import asyncio  # noqa: PLC0415  # --help does without

    told = state = ""
    with Screen(settings.talk) as screen:
        while True:
            record = _record(run, seen)
            words = f"{record['done']}/{record['operations']} done, {record['requests']} requests"
            if record["state"] != state:
                state = record["state"]
                _tell_if_idle(settings, run, state)
            if screen.live:
                requests = f"{record['requests']} requests"
                screen.show(run.id, record["done"], record["operations"], requests, share=_share(seen))
            elif words != told:
                settings.talk.say(
                    f"{run.id}: {words}", **{key: record[key] for key in ("done", "operations", "requests")}
                )
                told = words
            if seen is not None and seen.finished:
                return seen
            await asyncio.sleep(EVERY)
            seen = _summary(run)


def _tell_if_idle(settings: Settings, run: RunFolder, state: str) -> None:
    if state == "unfinished":
        settings.talk.say(f"nobody is at work on it; go on with: aiodoo runs resume {run.id}", run=run.id)
    elif state == "not begun":
        settings.talk.say("it has not begun yet; Ctrl-C ends the waiting for it.", run=run.id)


def _share(seen: RunSummary | None) -> float:
    """Return how much of a run is behind it; operations end late, many at once, and their steps tell more."""
    if seen is None or not seen.lines:
        return 0.0
    stages = list(type(seen.lines[0].stage))
    steps = [1.0 if line.ended else stages.index(line.stage) / len(stages) for line in seen.lines]
    return sum(steps) / len(steps)


@runs.command
def resume(
    run: RunId = None,
    *,
    secret: Annotated[list[str] | None, Parameter(negative="")] = None,
    settle: Seconds = SETTLE,
    moved: Annotated[bool, Parameter(negative="")] = False,
    settings: Given,
) -> int:
    """Go on with a run that was stopped, killed or parked: nothing is lost and nothing is done twice.

    A secret that was typed in is kept nowhere; it is asked for again, and has to be the same.

    Parameters
    ----------
    run
        Its id, or how that begins; the last run without it.
    secret
        ID=env:NAME or ID=file:PATH, the secret that the run needs for the webhook configuration ID, so that it is not
        asked for; may be given several times.
    settle
        Seconds for which a create whose answer was lost may still land; it is looked for only then. A sandbox that loses
        nothing needs 1.
    moved
        Say that the run's journal is the last one and was only copied or moved, where nothing else tells. Every create
        that may have left is looked for first.
    """
    return settings.run(_resume(settings, run, secret or [], settle, moved=moved))


async def _resume(
    settings: Settings, name: str | None, pairs: list[str], settle: float, *, moved: bool
) -> int:
    run = run_folders.find(_folder(), name)
    async with _session_of(settings, run) as (profile, doo):
        record = _record(run, _summary(run))
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
            report = await jobs.told_if_stopped(settings, going, {profile: run}, screen)
        except SecretsNeeded as needed:
            raise still_needed(needed, run.id) from None
    return jobs.report(settings, {profile: report}, {profile: run})


@runs.command
def abandon(run: RunId = None, *, settings: Given) -> int:
    """Give up a run that nobody will go on with, so that others may work on its teams. Undoes nothing, costs no request.

    Parameters
    ----------
    run
        Its id, or how that begins; the last run without it.
    """
    return settings.run(_abandon(settings, run))


async def _abandon(settings: Settings, name: str | None) -> int:
    run = run_folders.find(_folder(), name)
    if not await settings.agreed(
        f"Give up {run.id}? It can be reported and undone then, never gone on with."
    ):
        return DONE
    async with _session_of(settings, run) as (_, doo):
        await doo.bulk.abandon(journal=run.journal)
    settings.talk.say(f"{run.id} was given up.", run=run.id)
    return DONE


@runs.command
def verify(run: RunId = None, *, settings: Given) -> int:
    """Read every team of a run once more and say what is not as the run left it. Changes nothing.

    The exit code is 1 if anything is not. Costs a request for each page, twice that for teams of several pages.

    Parameters
    ----------
    run
        Its id, or how that begins; the last run without it.
    """
    return settings.run(_verify(settings, run))


async def _verify(settings: Settings, name: str | None) -> int:
    run = run_folders.find(_folder(), name)
    async with _session_of(settings, run) as (_, doo):
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
            f"{run.id}: {len(found.secret_unknown)} client secrets are not at hand and were not compared.",
            level="warning",
            run=run.id,
        )
    settings.talk.say(
        f"{run.id}: everything is as it left it."
        if found.clean
        else f"{run.id}: not everything is as it left it.",
        run=run.id,
    )
    return DONE if found.clean else FAILED


def _findings(found: Verification) -> list[dict[str, Any]]:
    differences = [
        {
            "team": each.outcome.operation.team_id,
            "id": each.webhook_ids[0] if each.webhook_ids else None,
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


@runs.command
def undo(
    run: RunId = None,
    *,
    secret: Annotated[list[str] | None, Parameter(negative="")] = None,
    allow_net_deletes: Annotated[int | None, Parameter(validator=Number(gte=0))] = None,
    allow_widening: AllowWidening = False,
    settle: Seconds = SETTLE,
    settings: Given,
) -> int:
    """Put everything back as it was before a run, in a run of its own: the forecast comes first.

    What the run created is deleted, what it deleted is created again with new ids, what it changed gets its old content.

    Parameters
    ----------
    run
        Its id, or how that begins; the last run without it.
    secret
        ID=env:NAME or ID=file:PATH, the client secret that the webhook configuration ID had before, where the run
        replaced it or deleted it; may be given several times.
    allow_net_deletes
        Agree to exactly so many deletes; --yes alone agrees to none.
    allow_widening
        Agree that what is brought back may reach further than before, where doo's list may not show what limited it;
        --yes alone does not.
    settle
        Seconds for which what the run had on its way may still land.
    """
    return settings.run(
        _undo(settings, run, secret or [], allow_net_deletes, settle, widening=allow_widening)
    )


async def _undo(
    settings: Settings,
    name: str | None,
    pairs: list[str],
    net_deletes: int | None,
    settle: float,
    *,
    widening: bool,
) -> int:
    run = run_folders.find(_folder(), name)
    secrets: dict[str, str | Secret | None] = {}
    for webhook_id, reference in map(configurations.pair_of_secret, pairs):
        secrets[webhook_id] = await configurations.secret_of(reference)
    async with _tenants_of(settings, run) as (profile, tenants):
        found = await tenants[profile].bulk.undo(run.journal, secrets=secrets, settle=settle)
        for left in found.left:
            settings.talk.say(
                f"team {left.outcome.operation.team_id}: {left.reason}", level="warning", run=run.id
            )
        deletes = sum(operation.word == "delete" for operation in found.operations)
        if net_deletes not in {None, deletes} or (deletes and net_deletes is None and settings.yes):
            raise WrongUsage(
                f"this deletes {deletes} webhook configurations; agree with --allow-net-deletes {deletes}. Nothing was "
                "changed."
            )
        if found.scope_unknown:
            configurations.warn_of_widening(settings, allowed=widening)
        code = await jobs.carry_out(
            settings,
            tenants,
            {profile: await Priced.by_reading(tenants[profile], found.operations)},
            command=f"undo {run.id}",
            question=f"Undo {run.id}?",
        )
    return code or (FAILED if found.left else DONE)


@asynccontextmanager
async def _session_of(settings: Settings, run: RunFolder) -> AsyncIterator[tuple[str, Session]]:
    """Open the session that a run belongs to, unless another profile was named."""
    async with _tenants_of(settings, run) as (name, tenants):
        yield name, tenants[name]


@asynccontextmanager
async def _tenants_of(settings: Settings, run: RunFolder) -> AsyncIterator[tuple[str, Tenants]]:
    if settings.sandbox:
        raise WrongUsage(
            "the runs of a sandbox end with it. One that stays is `aiodoo sandbox` in another terminal; log in to it "
            "with `aiodoo login`."
        )
    config = settings.config or (None if run.config is None else Path(run.config))
    settings = attrs.evolve(settings, profile=settings.profile or run.profile, config=config)
    async with settings.tenants(only_one=True) as tenants:
        (name,) = tenants
        yield name, tenants


def _folder() -> Path:
    from aiodoo.profiles import runs_folder  # noqa: PLC0415  # loads what --help can do without

    return runs_folder()


def _summary(run: RunFolder) -> RunSummary | None:
    from aiodoo.bulk.journal import summarize  # noqa: PLC0415

    return summarize(run.journal) if run.journal.exists() else None


def _record(run: RunFolder, seen: RunSummary | None) -> dict[str, Any]:
    counts = {} if seen is None else seen.counts()
    if seen is None:
        state = "not begun"
    elif seen.finished:
        state = "finished"
    else:
        state = "unfinished" if seen.worker is None else "going on"
    return {
        "id": run.id,
        "profile": run.profile,
        "command": run.command,
        "began": run.began.isoformat(timespec="seconds"),
        "state": state,
        "operations": sum(counts.values()),
        "done": 0 if seen is None else sum(line.ended for line in seen.lines),
        "requests": 0 if seen is None else seen.requests,
        "counts": counts,
    }
