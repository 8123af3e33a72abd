"""Reads the state of earlier runs, and opens the sessions that they belong to."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from aiodoo.cli import run_folders
from aiodoo.cli.context import ENVIRONMENT, Context
from aiodoo.cli.run_folders import RunFolder
from aiodoo.cli.terminal.exit_codes import WrongUsage
from aiodoo.cli.terminal.process import line
from aiodoo.errors import ConfigError, DooError

if TYPE_CHECKING:
    from aiodoo import Session, Tenants
    from aiodoo.bulk.journal import RunSummary

_NOT_BEGUN = timedelta(hours=1)
"""Age from which a run without a journal was killed before it sent anything, and is not just starting."""

KEPT_DAYS = 30
"""Days for which the records of runs that have ended are kept by default."""


@asynccontextmanager
async def session_of(
    settings: Context, run: RunFolder, *, reads: bool = False
) -> AsyncIterator[tuple[str, Session]]:
    """Open the session of a run's profile, or of the given profile; one that only reads does without the ledger."""
    async with tenants_of(settings, run, reads=reads) as (name, tenants):
        yield name, tenants[name]


@asynccontextmanager
async def tenants_of(
    settings: Context, run: RunFolder, *, reads: bool = False
) -> AsyncIterator[tuple[str, Tenants]]:
    """Open the tenant of a run's profile, or of the given profile."""
    refuse_sandbox(settings)
    config = settings.config or (None if run.config is None else Path(run.config))
    profile = settings.profile or run.profile
    settings = attrs.evolve(settings, profile=profile, all_profiles=False, config=config)
    async with settings.tenants(only_one=True, ledger="any" if reads else "itself") as tenants:
        (name,) = tenants
        yield name, tenants


def refuse_sandbox(settings: Context) -> None:
    """Raise WrongUsage for --sandbox, which has no earlier runs."""
    if settings.sandbox:
        raise WrongUsage(
            "the runs of a sandbox end with it. One that stays is `aiodoo sandbox` in another terminal; log in to it "
            "with `aiodoo login`."
        )


def folder() -> Path:
    """Return the folder of all runs."""
    from aiodoo.profiles import runs_folder  # noqa: PLC0415  # loads what --help can do without

    return runs_folder()


def summary_of(run: RunFolder) -> RunSummary | None:
    """Return the state of a run; None if it has no journal yet."""
    from aiodoo.bulk.journal import summarize  # noqa: PLC0415

    return summarize(run.journal) if run.has_journal else None


def unreadable(run: RunFolder) -> dict[str, Any]:
    """Return the record of a run whose journal cannot be read."""
    return record_of(run, None) | {
        "state": "abandoned" if run.given_up else "damaged",
        "operations": None,
        "done": None,
        "begun": None,
        "requests": None,
    }


def record_of(run: RunFolder, seen: RunSummary | None) -> dict[str, Any]:
    """Return the record of a run."""
    counts = {} if seen is None else seen.counts()
    resume_at = None if seen is None else seen.end.resume_at
    return {
        "profile": run.profile or ENVIRONMENT,
        "run_id": run.id,
        "command": run.command,
        "began": run.began.isoformat(timespec="seconds"),
        "state": _state(run, seen),
        "resume_at": None if resume_at is None else resume_at.isoformat(timespec="seconds"),
        "operations": sum(counts.values()),
        "done": 0 if seen is None else seen.done,
        "begun": 0 if seen is None else seen.half_done,
        "requests": 0 if seen is None else seen.requests,
        "counts": counts,
        "stopped_because": None if seen is None else seen.end.stopped_because,
    }


def _state(run: RunFolder, seen: RunSummary | None) -> str:
    """Return the state of a run; one is "stopped" instead of parked or interrupted if a person has stopped it."""
    if seen is None:
        return "not begun"
    return "stopped" if run.stopped and seen.state in {"parked", "interrupted"} else seen.state


def all_states(
    settings: Context, others: Iterable[RunFolder] = ()
) -> tuple[list[tuple[RunFolder, dict[str, Any]]], bool]:
    """Return `others` and all runs with their records, oldest first, and whether one is damaged; prints their errors."""
    found, damaged = [], False
    runs = [*others, *run_folders.all_of(folder())]
    settings.check_profiles(*(run.profile for run in runs))
    for run in runs:
        try:
            if not run.described:
                raise ConfigError(f"{run.folder / run_folders.ABOUT} is not as it was written")
            record = record_of(run, summary_of(run))
        except DooError as error:
            record = unreadable(run)
            if not run.given_up:
                settings.talk.say(f"{run.id}: {line(error)}", level="error", run=run.id)
                damaged = True
        found.append((run, record))
    return found, damaged


def state_in_words(record: Mapping[str, Any]) -> str:
    """Return the state of a run for a table or a message."""
    if record["state"] != "parked":
        return str(record["state"])
    return f"parked until {datetime.fromisoformat(record['resume_at']):%Y-%m-%d %H:%M} UTC"


def aged(parent: Path, days: float) -> list[RunFolder]:
    """Return the runs that began more than so many days ago."""
    limit = datetime.now(UTC).timestamp() - days * 86_400
    runs = run_folders.all_of(parent)
    return [run for run in runs if run.began.timestamp() < limit]


def has_ended(run: RunFolder) -> bool:
    """Return whether a run is finished or abandoned, or was never begun; False if its journal cannot be read."""
    try:
        seen = summary_of(run)
    except DooError:
        return run.given_up
    if seen is None:
        return datetime.now(UTC) - run.began > _NOT_BEGUN
    return run.given_up or (seen.worker is None and (seen.finished or seen.abandoned))


def delete_old(parent: Path) -> None:
    """Delete the records of runs that have ended and began more than 30 days ago, or as `AIODOO_KEEP_RUNS` says.

    Raises:
        ConfigError: the variable is no number of days.
    """
    import shutil  # noqa: PLC0415  # --help does without

    given = os.environ.get("AIODOO_KEEP_RUNS") or str(KEPT_DAYS)
    if not (given.isascii() and given.isdecimal()):
        raise ConfigError("AIODOO_KEEP_RUNS must be a number of days; nothing was changed")
    for run in aged(parent, int(given)):
        if has_ended(run):
            shutil.rmtree(run.folder, ignore_errors=True)
