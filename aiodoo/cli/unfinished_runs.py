"""Finds the runs that `aiodoo runs resume` resumes without an id: all that are due, of the chosen profiles."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiodoo.cli.context import Context
from aiodoo.cli.kept_runs import all_states, state_in_words
from aiodoo.cli.run_folders import RunFolder
from aiodoo.cli.terminal.exit_codes import DONE, FAILED

_OPEN = ("running", "parked", "interrupted", "stopped")


def due_runs(settings: Context, *, stopped: bool) -> tuple[list[RunFolder], int]:
    """Return the runs that can be resumed now, oldest first, and the exit code so far.

    The runs are those of --profile, of all profiles with --all-profiles, else of the profile that commands use. Each
    unfinished one that is left alone is named: it is running, parked until later, stopped by a person, its credentials
    are not available, or its journal cannot be read.

    Args:
        settings: the options of the command.
        stopped: whether runs that a person has stopped are resumed too.

    Raises:
        ConfigError: no profile was chosen, and there are several.
    """
    found, damaged = all_states(settings)
    unfinished = [(run, record) for run, record in found if record["state"] in _OPEN]
    chosen = _of_profiles(settings, unfinished)
    due = []
    for run, record in chosen:
        if (why := _not_now(run, record, settings.config, stopped=stopped)) is None:
            due.append(run)
        else:
            settings.talk.say(f"{run.id} {why}", run=run.id, state=record["state"])
    if others := len(unfinished) - len(chosen):
        runs = "one run of another profile is" if others == 1 else f"{others} runs of other profiles are"
        settings.talk.say(f"{runs} not finished; --all-profiles resumes them too.", others=others)
    if not due:
        settings.talk.say("there is no run to resume now.")
    return due, FAILED if damaged else DONE


def _of_profiles(
    settings: Context, unfinished: Sequence[tuple[RunFolder, dict[str, Any]]]
) -> list[tuple[RunFolder, dict[str, Any]]]:
    """Return the runs of the profiles that the options choose."""
    from aiodoo import profiles  # noqa: PLC0415  # loads what --help can do without

    if settings.named:
        return [(run, record) for run, record in unfinished if run.profile in settings.named]
    if settings.all_profiles or not unfinished:
        return list(unfinished)
    chosen = settings.profile or profiles.chosen(settings.config)
    return [(run, record) for run, record in unfinished if run.profile == chosen]


def _not_now(run: RunFolder, record: dict[str, Any], config: Path | None, *, stopped: bool) -> str | None:
    """Return why a run is not resumed now; None if it is."""
    state = record["state"]
    if state == "running":
        return "is running in another process."
    if state == "stopped" and not stopped:
        return f"was stopped with Ctrl-C; resume it with: aiodoo runs resume {run.id}"
    if state == "parked" and datetime.fromisoformat(record["resume_at"]) > datetime.now(UTC):
        return f"is {state_in_words(record)}."
    if (missing := _missing(run, config)) is not None:
        return f"is not finished, and {missing}; it is skipped."
    return None


def _missing(run: RunFolder, config: Path | None) -> str | None:
    """Return why a run's credentials are not available, or None."""
    from aiodoo import profiles  # noqa: PLC0415  # loads what --help can do without

    if run.profile is None:
        return None if os.environ.get("DOO_API_KEY") else "DOO_API_KEY is not set"
    path = config or (None if run.config is None else Path(run.config))
    return None if run.profile in profiles.names(path) else f"there is no profile {run.profile}"
