"""Jobs on PostgreSQL, carried out by procrastinate."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime
from typing import Any, Self

import attrs
import procrastinate
from procrastinate.exceptions import ProcrastinateException
from procrastinate.jobs import Job as EngineJob
from procrastinate.tasks import Task

from aiodoo.bulk.journal.postgresql import shown_database
from aiodoo.distributed.engine import BaseEngine, Failed, of_engine
from aiodoo.distributed.jobs import Job, check_same
from aiodoo.distributed.results import CampaignProgress, Result
from aiodoo.distributed.working import Worker

logger = logging.getLogger("aiodoo.distributed")

_TABLE = """
CREATE TABLE IF NOT EXISTS aiodoo_jobs (
    campaign text, key text, job jsonb NOT NULL, result jsonb, state text NOT NULL DEFAULT 'waiting',
    resume_at timestamptz, PRIMARY KEY (campaign, key))
"""
_PUT = """
INSERT INTO aiodoo_jobs (campaign, key, job) VALUES (%(campaign)s, %(key)s, %(job)s::jsonb)
ON CONFLICT (campaign, key) DO UPDATE SET state = 'waiting'
WHERE aiodoo_jobs.state = 'failed' AND aiodoo_jobs.job = excluded.job RETURNING key
"""
_SAME = "SELECT job = %(job)s::jsonb AS same FROM aiodoo_jobs WHERE campaign = %(campaign)s AND key = %(key)s"
_GET = "SELECT job FROM aiodoo_jobs WHERE campaign = %(campaign)s AND key = %(key)s"
_KEEP = """
UPDATE aiodoo_jobs SET result = %(result)s::jsonb, state = %(state)s, resume_at = %(resume_at)s
WHERE campaign = %(campaign)s AND key = %(key)s AND state <> 'done'
"""
_COUNT = """
SELECT count(*) AS jobs, count(*) FILTER (WHERE state = 'done') AS done,
    count(*) FILTER (WHERE state = 'failed') AS failed, count(*) FILTER (WHERE state = 'parked') AS parked,
    min(resume_at) FILTER (WHERE state = 'parked') AS resume_at FROM aiodoo_jobs WHERE campaign = %(campaign)s
"""
_ALL = "SELECT job, result FROM aiodoo_jobs WHERE campaign = %(campaign)s"
_FORGET = "DELETE FROM aiodoo_jobs WHERE campaign = %(campaign)s AND state = 'done'"


class _Parked(Exception):
    """A job is parked until some time."""

    def __init__(self, at: datetime) -> None:
        super().__init__(f"parked until {at:%Y-%m-%d %H:%M:%S} UTC")
        self.at = at


class _Retry(procrastinate.BaseRetryStrategy):
    def get_retry_decision(
        self, *, exception: BaseException, job: EngineJob
    ) -> procrastinate.RetryDecision | None:
        """Retry what has not failed for good; a cancelled or aborted job without a decision is never run again."""
        del job
        if isinstance(exception, Failed):
            return None
        if isinstance(exception, _Parked):
            return procrastinate.RetryDecision(retry_at=exception.at)
        return procrastinate.RetryDecision(retry_at=datetime.now(UTC))


@attrs.define(eq=False)
class Engine(BaseEngine):
    """Jobs in a PostgreSQL database. Open it with `async with`; a program needs one.

    Args:
        url: the connection string of the database.
        queue: the name of the queue; a worker takes the jobs of its queue only.
        stalled_after: seconds without a sign of life after which a worker's jobs are given to others.
    """

    _connector: procrastinate.PsycopgConnector = attrs.field(init=False, repr=False)
    _app: procrastinate.App = attrs.field(init=False, repr=False)
    _task: Task[..., Any, Any] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        # The pool logs an invalid one, with its password, each time it tries to connect.
        shown_database(self.url, "the jobs", "procrastinate.Engine")
        self._connector = procrastinate.PsycopgConnector(conninfo=self.url)
        self._app = procrastinate.App(connector=self._connector)
        self._task = self._app.task(name="aiodoo.job", queue=self.queue, retry=_Retry())(self._carry_out)

    async def __aenter__(self) -> Self:
        with of_engine():
            await self._app.open_async()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._app.close_async()

    async def create_tables(self) -> None:
        """Create procrastinate's tables and the one with campaigns, where they do not exist. Call it once."""
        with of_engine():
            if not await self._app.check_connection_async():
                await self._app.schema_manager.apply_schema_async()
            await self._connector.execute_query_async(_TABLE)

    async def _put(self, job: Job) -> None:
        given = {"campaign": job.campaign, "key": job.key, "job": json.dumps(job.to_dict())}
        # In one transaction, so that no job is in the table and not in the queue.
        async with self._connector.pool.connection() as connection, connection.transaction():
            if await (await connection.execute(_PUT, given)).fetchone() is None:
                row = await (await connection.execute(_SAME, given)).fetchone()
                check_same(job, same=row is not None and bool(row[0]))
                return
            # Of equal ones only one is run at a time.
            await self._task.configure(lock=f"{job.campaign}/{job.key}", connection=connection).defer_async(
                campaign=job.campaign, key=job.key
            )

    async def progress(self, campaign: str) -> CampaignProgress:
        """Return how far a campaign has come, by one query."""
        with of_engine():
            row = await self._connector.execute_query_one_async(_COUNT, campaign=campaign)
        return CampaignProgress(**row)

    async def forget(self, campaign: str) -> None:
        """Delete the jobs and reports of a campaign that are done; its journals stay."""
        with of_engine():
            await self._connector.execute_query_async(_FORGET, campaign=campaign)

    async def work(self, worker: Worker, *, concurrency: int = 4) -> None:
        """Carry out jobs until `worker.stop` is set; the runs in progress are stopped in order then.

        Args:
            worker: what carries them out.
            concurrency: the number of jobs at a time.
        """
        self._worker = worker
        running = self._app.run_worker_async(
            queues=[self.queue],
            concurrency=concurrency,
            install_signal_handlers=False,
            delete_jobs="successful",
            update_heartbeat_interval=self.stalled_after / 3,
            stalled_worker_timeout=self.stalled_after,
        )
        tasks = [asyncio.create_task(each) for each in (running, self._rescue(), worker.stop.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            was_asked = worker.stop.is_set()
            worker.stop.set()
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        with of_engine():
            for end in ends:
                if isinstance(end, ProcrastinateException) and was_asked:
                    # The database is away; what it was not told is carried out again, and finds everything done.
                    logger.warning("the worker has stopped, and could not say so to its database: %s", end)
                elif isinstance(end, Exception):
                    raise end

    async def _rescue(self) -> None:
        """Give the jobs of workers without a sign of life to others; procrastinate leaves that to its users."""
        while True:
            try:
                for job in await self._app.job_manager.get_stalled_jobs(
                    queue=self.queue, seconds_since_heartbeat=self.stalled_after
                ):
                    logger.info("the job %s is given to another worker", job.id)
                    await self._app.job_manager.retry_job(job)
            except ProcrastinateException as error:
                # The database is away, or another worker was faster.
                logger.warning("stalled jobs could not be looked for: %s", error)
            await asyncio.sleep(self.stalled_after / 3)

    async def _stored(self, campaign: str, key: str) -> dict[str, Any] | None:
        rows = await self._connector.execute_query_all_async(_GET, campaign=campaign, key=key)
        return rows[0]["job"] if rows else None

    async def _all(self, campaign: str) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
        rows = await self._connector.execute_query_all_async(_ALL, campaign=campaign)
        return [(row["job"], row["result"]) for row in rows]

    async def _keep(self, campaign: str, result: Result) -> None:
        await self._connector.execute_query_async(
            _KEEP,
            campaign=campaign,
            key=result.key,
            result=json.dumps(result.to_dict()),
            state=result.state,
            resume_at=result.resume_at,
        )

    def _parked(self, at: datetime) -> _Parked:
        return _Parked(at)
