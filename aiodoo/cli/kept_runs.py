"""Reads the state of earlier runs, and opens the sessions that they belong to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from aiodoo.cli.context import Context
from aiodoo.cli.run_folders import RunFolder
from aiodoo.cli.terminal.process import WrongUsage

if TYPE_CHECKING:
    from aiodoo import Session, Tenants
    from aiodoo.bulk.journal import RunSummary


@asynccontextmanager
async def session_of(settings: Context, run: RunFolder) -> AsyncIterator[tuple[str, Session]]:
    """Open the session of a run's profile, or of the given profile."""
    async with tenants_of(settings, run) as (name, tenants):
        yield name, tenants[name]


@asynccontextmanager
async def tenants_of(settings: Context, run: RunFolder) -> AsyncIterator[tuple[str, Tenants]]:
    """Open the tenant of a run's profile, or of the given profile."""
    refuse_sandbox(settings)
    config = settings.config or (None if run.config is None else Path(run.config))
    settings = attrs.evolve(settings, profile=settings.profile or run.profile, config=config)
    async with settings.tenants(only_one=True) as tenants:
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

    return summarize(run.journal) if run.journal.exists() else None


def unreadable(run: RunFolder) -> dict[str, Any]:
    """Return the record of a run whose journal cannot be read."""
    return record_of(run, None) | {
        "state": "given up" if run.given_up else "damaged",
        "operations": None,
        "done": None,
        "requests": None,
    }


def record_of(run: RunFolder, seen: RunSummary | None) -> dict[str, Any]:
    """Return the record of a run."""
    counts = {} if seen is None else seen.counts()
    return {
        "id": run.id,
        "profile": run.profile,
        "command": run.command,
        "began": run.began.isoformat(timespec="seconds"),
        "state": "not begun" if seen is None else seen.state,
        "operations": sum(counts.values()),
        "done": 0 if seen is None else seen.done,
        "requests": 0 if seen is None else seen.requests,
        "counts": counts,
    }
