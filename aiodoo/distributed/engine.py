"""What every job engine has: campaigns are submitted to it job by job, and its errors are raised as ours."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
from anyio import to_thread

from aiodoo.bulk import Report
from aiodoo.distributed.jobs import Job, split
from aiodoo.distributed.results import Result, merged, result_of
from aiodoo.distributed.working import Worker
from aiodoo.errors import ConfigError, DooError
from aiodoo.operations import Operation

logger = logging.getLogger("aiodoo.distributed")


class Failed(Exception):
    """A job has failed, until the cause is mended and it is submitted again."""


@contextmanager
def of_engine() -> Iterator[None]:
    """Raise what an engine or its server raises as an error of ours.

    Raises:
        ConfigError: the engine's server cannot be reached, or refuses.
    """
    try:
        yield
    except DooError:
        raise
    except Exception as error:
        cause: BaseException = error
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        raise ConfigError(
            f"the server of the jobs cannot be used ({type(cause).__name__}): it is away, refuses, or has no tables yet "
            "(`create_tables()`, `aiodoo worker --create-tables`). What was submitted stays. Submit, or start the worker, "
            "again once it can be used, which repeats nothing"
        ) from error


@attrs.define(eq=False)
class BaseEngine(ABC):
    """Jobs in the store of an engine.

    Args:
        url: the URL of the engine's server.
        queue: the name of the queue; a worker takes the jobs of its queue only.
        stalled_after: seconds without a sign of life after which a worker's jobs are given to others.
    """

    url: str = attrs.field(repr=False)
    queue: str = attrs.field(default="aiodoo", kw_only=True)
    stalled_after: float = attrs.field(default=30.0, kw_only=True)
    _worker: Worker | None = attrs.field(default=None, init=False, repr=False)

    async def submit(
        self, operations: Iterable[Operation], *, campaign: str, tenant: str | None = None
    ) -> int:
        """Submit one job for each team and return how many there are; those that were submitted before are not repeated.

        The operations are read in a thread.

        Args:
            operations: the operations, in any order over any teams.
            campaign: a name for all of them.
            tenant: the name of the session that carries them out, where workers have several.

        Raises:
            ConfigError: an operation has a secret without a source; nothing was submitted. Or the campaign has other
                operations for a team.
        """
        jobs = await to_thread.run_sync(lambda: split(operations, campaign=campaign, tenant=tenant))
        number = 0
        with of_engine():
            for job in jobs:
                await self._put(job)
                number += 1
        return number

    async def report(self, campaign: str) -> Report:
        """Return the report of a campaign so far; operations that no worker has begun are `not_started`."""
        with of_engine():
            found = await self._all(campaign)
        return merged(result_of(job, result) for job, result in found)

    async def _carry_out(self, campaign: str, key: str) -> None:
        """Carry out a job that the engine has handed out, and keep its result.

        Raises:
            Failed: it has failed, or was forgotten.
            Exception: it is parked, or an unexpected error has ended it, which may not end the campaign: it is carried
                out again after a while; see `_parked`.
        """
        try:
            result = await self._result(campaign, key)
        except Failed:
            raise
        except Exception as error:
            wait = 2 * self.stalled_after
            logger.exception(
                "the job %s of %s was ended by an error, and is carried out again in %.0f s",
                key,
                campaign,
                wait,
            )
            raise self._parked(datetime.now(UTC) + timedelta(seconds=wait)) from error
        if result.failed is not None:
            raise Failed(result.failed)
        if result.resume_at is not None:
            raise self._parked(result.resume_at)

    async def _result(self, campaign: str, key: str) -> Result:
        """Carry out a job, keep its result and return it."""
        assert self._worker is not None  # noqa: S101  # only a worker is given jobs
        stored = await self._stored(campaign, key)
        if stored is None:
            raise Failed(f"the campaign {campaign} was forgotten")
        result = await self._worker.carry_out(Job.from_dict(stored))
        await self._keep(campaign, result)
        return result

    @abstractmethod
    async def _put(self, job: Job) -> None:
        """Submit a job, unless an equal one of its campaign waits, is being carried out or is done."""

    @abstractmethod
    async def _stored(self, campaign: str, key: str) -> dict[str, Any] | None:
        """Return a job of a campaign as plain JSON; None if there is none."""

    @abstractmethod
    async def _all(self, campaign: str) -> Sequence[tuple[dict[str, Any], dict[str, Any] | None]]:
        """Return the jobs of a campaign as plain JSON, each with its result so far."""

    @abstractmethod
    async def _keep(self, campaign: str, result: Result) -> None:
        """Store the result of a job."""

    @abstractmethod
    def _parked(self, at: datetime) -> Exception:
        """Return what to raise so that the engine hands a job out again at a time."""
