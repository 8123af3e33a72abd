"""Carries out jobs: one team with one journal, by whichever worker has it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Unpack

import attrs

from aiodoo.bulk import Progress, RunOptions
from aiodoo.bulk.journal import JournalPlace, SharedJournal
from aiodoo.distributed.jobs import Job
from aiodoo.distributed.results import Result
from aiodoo.error_meaning import ForRun, for_run
from aiodoo.errors import ConfigError, DooError, JournalLocked, QuotaExhausted, TeamClaimed
from aiodoo.session import Session

logger = logging.getLogger("aiodoo.distributed")

NOW = timedelta(0)

BUSY = timedelta(seconds=10)
"""When to look again at a team that another worker or another run works on."""

LATER = timedelta(seconds=60)
"""When to resume a run that ended early for a temporary cause."""


async def carry_out(
    doo: Session,
    job: Job,
    *,
    journals: JournalPlace,
    progress: Callable[[Progress], object] | None = None,
    **options: Unpack[RunOptions],
) -> Result:
    """Carry out a job, or resume it where the last worker was.

    Costs what `bulk.run` costs for the operations of one team. A job that has ended before costs nothing: its report is
    returned again. If another process has the job, nothing is sent and `resume_at` says when to look again.

    Args:
        doo: the session of this worker process; one for all of its jobs, as each fetches a token.
        job: the job.
        journals: a folder, or one of `aiodoo.journals`, that all workers share. Each job has its journal there, without
            secrets.
        progress: called with a `Progress` after every step.
        options: as for `bulk.run`; with `stop=`, a run that is stopped is parked, and to be resumed at once.

    Raises:
        ConfigError: the folder cannot be used, or an option is invalid.
    """
    path = job.journal(journals if isinstance(journals, SharedJournal) else Path(journals))
    try:
        operations = job.read()
        if isinstance(path, Path):
            _make_folder(path.parent)
        given: RunOptions = {"command": "worker", **options}
        report = await doo.bulk.run(operations, journal=path, progress=progress, **given)
    except DooError as error:
        return await _ended_by(error, doo, job, path)
    if report.complete:
        return Result.of(job, report)
    stop = options.get("stop")
    if stop is not None and stop.is_set():
        return Result.of(job, report, resume_at=_in(NOW))
    return Result.of(job, report, resume_at=report.resume_at or _in(LATER))


async def _ended_by(error: DooError, doo: Session, job: Job, journal: JournalPlace) -> Result:
    """Return the result of a run that an error has ended, or that could not begin."""
    resume_at, failed = None, None
    if isinstance(error, TeamClaimed | JournalLocked):
        resume_at = _in(BUSY)
    elif isinstance(error, QuotaExhausted) and error.resume_at is not None:
        resume_at = error.resume_at
    elif for_run(error) is not ForRun.STOP:
        resume_at = _in(LATER)
    else:
        failed = str(error)
        logger.error("the operations of %s in team %s failed: %s", job.campaign, job.team_id, error)
    try:
        report = await doo.bulk.report(journal)
    except DooError:
        # There is no journal yet, or it is the cause.
        return Result.not_started(job, error=error, resume_at=resume_at, failed=failed)
    return Result.of(job, report, resume_at=resume_at, failed=failed)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be made: {error.strerror}; nothing was sent") from None


def _in(time: timedelta) -> datetime:
    return datetime.now(UTC) + time


@attrs.frozen(kw_only=True)
class Worker:
    """What the process of a worker carries out jobs with; engines call it with plain JSON.

    Args:
        sessions: an open `Session`, or several by the tenants of jobs, such as open `Tenants`.
        journals: the folder with the journals, or one of `aiodoo.journals`, which all workers share.
        stop: set it to stop: runs in progress are stopped in order, and other workers resume them.
        options: as for `bulk.run`.
    """

    sessions: Session | Mapping[str, Session]
    journals: JournalPlace
    stop: asyncio.Event = attrs.field(factory=asyncio.Event, repr=False)
    options: RunOptions = attrs.field(factory=RunOptions, repr=False)

    async def carry_out(self, job: Job) -> Result:
        """Carry out a job; see `carry_out`. A job of a tenant that this worker does not have fails."""
        try:
            doo = self._session(job.tenant)
        except DooError as error:
            return Result.not_started(job, error=error, failed=str(error))
        options: RunOptions = {**self.options, "stop": self.stop}
        return await carry_out(doo, job, journals=self.journals, **options)

    def _session(self, tenant: str | None) -> Session:
        if not isinstance(self.sessions, Mapping):
            return self.sessions
        if tenant is None and len(self.sessions) == 1:
            (only,) = self.sessions.values()
            return only
        if tenant is None or tenant not in self.sessions:
            raise ConfigError(f"this worker has no session for the tenant {tenant}; nothing was sent")
        return self.sessions[tenant]
