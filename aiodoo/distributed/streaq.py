"""Jobs on Redis or Valkey, carried out by streaQ."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any, Self

import attrs
import streaq
from anyio import CancelScope
from coredis.exceptions import ConnectionError as NoConnection
from coredis.exceptions import ExecAbortError, ReadOnlyError, ResponseError
from streaq.task import AsyncRegisteredTask
from streaq.types import StreaqRetry

from aiodoo.distributed.engine import BaseEngine, of_engine
from aiodoo.distributed.jobs import Job, check_same
from aiodoo.distributed.results import CampaignProgress, Result
from aiodoo.distributed.working import Worker
from aiodoo.errors import ConfigError
from aiodoo.quota.redis_server import AWAY, shown_url

logger = logging.getLogger("aiodoo.distributed")

_KEEP = """
-- A job that is handed out twice is carried out once; what the other worker says of it later counts no more.
if redis.call('SISMEMBER', KEYS[4], ARGV[1]) == 1 then return end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('SREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
if ARGV[3] == 'parked' then redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1])
elseif ARGV[3] == 'failed' then redis.call('SADD', KEYS[2], ARGV[1])
else redis.call('SADD', KEYS[4], ARGV[1]) end
"""

CONNECTING = 10.0
"""Seconds that a connection may take."""
AGAIN = 1.0
"""Seconds until a server that went away is asked again."""


class _StreaqWorker(streaq.Worker[None]):
    """A worker that installs no signal handlers, and lets runs in progress stop in order."""

    stop: asyncio.Event | None = None

    async def signal_handler(self, scope: CancelScope) -> None:
        """Take no further jobs once `stop` is set; those in progress hear of it themselves."""
        if self.stop is not None:
            await self.stop.wait()
            scope.cancel()


@attrs.frozen
class _Keys:
    """The names of a campaign's keys; in one slot of a cluster."""

    campaign: str

    def __getattr__(self, part: str) -> str:
        return f"aiodoo:{{{self.campaign}}}:{part}"


@attrs.define(eq=False)
class Engine(BaseEngine):
    """Jobs in Redis or Valkey, which must keep its data on disk. Open it with `async with`; a program needs one.

    Args:
        url: the URL of the server.
        queue: the name of the queue; a worker takes the jobs of its queue only.
        stalled_after: seconds without a sign of life after which a worker's jobs are given to others.
    """

    _engine: _StreaqWorker = attrs.field(init=False, repr=False)
    _task: AsyncRegisteredTask[[str, str], None] = attrs.field(init=False, repr=False)
    _open: AsyncExitStack = attrs.field(factory=AsyncExitStack, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        shown_url(self.url, "the jobs")
        self._engine, self._task = self._made(concurrency=1)

    def _made(self, concurrency: int) -> tuple[_StreaqWorker, AsyncRegisteredTask[[str, str], None]]:
        engine = _StreaqWorker(
            redis_url=self.url,
            redis_kwargs={"connect_timeout": CONNECTING},
            queue_name=self.queue,
            concurrency=concurrency,
            prefetch=1,
            idle_timeout=self.stalled_after,
            # An exception is stored as text.
            serializer=partial(json.dumps, default=str),
            deserializer=json.loads,
        )
        # As many tries as it takes; its result is kept here, and not for some time only.
        return engine, engine.task(max_tries=None, ttl=0, silent=True, name="aiodoo.job")(self._carry_out)

    async def __aenter__(self) -> Self:
        with of_engine():
            await self._open.enter_async_context(self._engine)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._open.aclose()

    async def _put(self, job: Job) -> None:
        keys, redis, plain = _Keys(job.campaign), self._engine.redis, json.dumps(job.to_dict())
        if not await redis.hsetnx(keys.jobs, job.key, plain):
            check_same(job, same=await redis.hget(keys.jobs, job.key) == plain)
            if await redis.sismember(keys.done, job.key):
                return
            await redis.srem(keys.failed, [job.key])
        task = self._task.enqueue(job.campaign, job.key)
        # A task of the same id that waits or runs is not enqueued again.
        task.id = sha256(f"{job.campaign}/{job.key}".encode()).hexdigest()[:32]
        await task

    async def progress(self, campaign: str) -> CampaignProgress:
        """Return how far a campaign has come, in one round trip."""
        keys = _Keys(campaign)
        with of_engine():
            async with self._engine.redis.pipeline(transaction=True) as pipe:
                jobs, done, failed = pipe.hlen(keys.jobs), pipe.scard(keys.done), pipe.scard(keys.failed)
                parked, first = pipe.zcard(keys.parked), pipe.zrange(keys.parked, 0, 0, withscores=True)
        times = [datetime.fromtimestamp(member.score, UTC) for member in await first]
        return CampaignProgress(
            jobs=await jobs,
            done=await done,
            failed=await failed,
            parked=await parked,
            resume_at=min(times, default=None),
        )

    async def forget(self, campaign: str) -> None:
        """Delete the jobs and reports of a campaign that are done; its journals stay."""
        keys, redis = _Keys(campaign), self._engine.redis
        with of_engine():
            done = [*await redis.smembers(keys.done)]
            if done:
                async with redis.pipeline(transaction=True) as pipe:
                    pipe.hdel(keys.jobs, done)
                    pipe.hdel(keys.results, done)
                    pipe.srem(keys.done, done)

    async def work(self, worker: Worker, *, concurrency: int = 4) -> None:
        """Carry out jobs until `worker.stop` is set; the runs in progress are stopped in order then.

        Args:
            worker: what carries them out.
            concurrency: the number of jobs at a time.
        """
        self._worker = worker
        try:
            while not await self._worked(worker.stop, concurrency):
                with suppress(TimeoutError):
                    await asyncio.wait_for(worker.stop.wait(), AGAIN)
        finally:
            worker.stop.set()

    async def _worked(self, stop: asyncio.Event, concurrency: int) -> bool:
        """Carry out jobs until `stop` is set; return False if the server went away before."""
        engine, _ = self._made(concurrency)
        engine.stop = stop
        try:
            with of_engine():
                await engine.run_async()
        except ConfigError as error:
            if stop.is_set() or not _is_away(error.__cause__):
                raise
            logger.warning(
                "the server of the jobs is away, or cannot write; no job is taken until it can serve"
            )
            return False
        return True

    async def _stored(self, campaign: str, key: str) -> dict[str, Any] | None:
        found = await self._engine.redis.hget(_Keys(campaign).jobs, key)
        return None if found is None else json.loads(found)

    async def _all(self, campaign: str) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
        keys = _Keys(campaign)
        async with self._engine.redis.pipeline(transaction=True) as pipe:
            jobs, results = pipe.hgetall(keys.jobs), pipe.hgetall(keys.results)
        found = await results
        return [
            (json.loads(job), json.loads(found[key]) if key in found else None)
            for key, job in (await jobs).items()
        ]

    async def _keep(self, campaign: str, result: Result) -> None:
        keys = _Keys(campaign)
        at = "" if result.resume_at is None else result.resume_at.timestamp()
        await self._engine.redis.eval(
            _KEEP,
            keys=[keys.results, keys.failed, keys.parked, keys.done],
            args=[result.key, json.dumps(result.to_dict()), result.state, at],
        )

    def _parked(self, at: datetime) -> StreaqRetry:
        return StreaqRetry(schedule=at)


def _is_away(error: BaseException | None) -> bool:
    """Return whether the server of an error may serve later: every part of it is of a connection, or of a full server."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_away(each) for each in error.exceptions)
    # That of a pipeline names the command first.
    if isinstance(error, ResponseError) and str(error).rpartition("caused error: ")[2].startswith(AWAY):
        return True
    return isinstance(error, NoConnection | OSError | ReadOnlyError | ExecAbortError)
