"""Finds the run that `aiodoo runs resume` resumes by default: the newest unfinished one."""

from __future__ import annotations

import os
from pathlib import Path

from aiodoo.cli import run_folders
from aiodoo.cli.context import Context
from aiodoo.cli.kept_runs import folder, record_of, summary_of
from aiodoo.cli.run_folders import RunFolder
from aiodoo.cli.terminal.process import DONE, FAILED, line
from aiodoo.errors import DooError


def newest_unfinished(settings: Context) -> tuple[RunFolder | None, int]:
    """Return the newest run that can be resumed, or None, and the exit code so far.

    Skips runs of other profiles, if one was given, and runs whose profile does not exist any more. Prints the other
    unfinished runs, those that are running, and those whose journals cannot be read.
    """
    waiting, code = [], DONE
    for run in run_folders.all_of(folder()):
        if settings.profile is not None and run.profile != settings.profile:
            continue
        try:
            state = record_of(run, summary_of(run))["state"]
        except DooError as error:
            if not run.given_up:
                settings.talk.say(f"{run.id}: {line(error)}", level="error", run=run.id)
                code = FAILED
            continue
        if state == "going on":
            settings.talk.say(f"{run.id} is running in another process.", run=run.id)
        elif state == "unfinished" and (missing := _missing(run, settings.config)) is not None:
            settings.talk.say(
                f"{run.id} is not finished, and {missing}; it is skipped.", level="warning", run=run.id
            )
        elif state == "unfinished":
            waiting.append(run)
    if not waiting:
        settings.talk.say("there is no unfinished run to resume.")
        return None, code
    *others, newest = waiting
    if others:
        settings.talk.say(
            f"{len(waiting)} runs are not finished; this resumes the newest, {newest.id}. Resume the others "
            f"by name: {', '.join(run.id for run in reversed(others))}.",
            level="warning",
            run=newest.id,
            others=[run.id for run in others],
        )
    return newest, code


def _missing(run: RunFolder, config: Path | None) -> str | None:
    """Return why a run's credentials are not available, or None."""
    from aiodoo import profiles  # noqa: PLC0415  # loads what --help can do without

    if run.profile is None:
        return None if os.environ.get("DOO_API_KEY") else "DOO_API_KEY is not set"
    path = config or (None if run.config is None else Path(run.config))
    return None if run.profile in profiles.names(path) else f"there is no profile {run.profile}"
