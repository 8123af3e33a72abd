"""What the tests of jobs share."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from worker_process import engine_of

from aiodoo import AddWebhook, Authentication, ClientCredentials, Hook, Secret
from aiodoo.distributed import CampaignProgress, Job
from aiodoo.sandbox import Sandbox

HOOKS = [Hook(type="event_created", endpoint="https://new.example/doo")]


def with_secret(secret: str | Secret) -> AddWebhook:
    """Return something to create that has a secret."""
    credentials = ClientCredentials(client_secret=secret)
    authentication = Authentication(endpoint="https://new.example/token", credentials=credentials)
    return AddWebhook(name="new", hooks=HOOKS, authentication=authentication)


@asynccontextmanager
async def frozen_worker(box: Sandbox, job: Job, **given: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a process that stands still after the intent and the slot of its first create, and yield it then."""
    arguments = given | {
        "access": {
            "base_url": box.url,
            "api_key": box.api_key,
            "client_id": box.client_id,
            "client_secret": box.client_secret,
        },
        # Each request waits for its slot.
        "per_second": 20,
        "job": job.to_dict(),
    }
    frozen = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("frozen_process.py")),
        json.dumps(arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert frozen.stdout is not None
        assert await frozen.stdout.readline() == b"frozen\n"
        yield frozen
    finally:
        if frozen.returncode is None:
            frozen.kill()
            await frozen.wait()


@contextmanager
def workers(given: dict[str, Any]) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Return a function that starts a worker and waits until it is ready; none is left at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        script = Path(__file__).with_name("worker_process.py")
        arguments = [sys.executable, str(script), json.dumps(given)]
        worker = subprocess.Popen(arguments, stdout=subprocess.PIPE)  # noqa: S603  # our own code
        started.append(worker)
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
        return worker

    try:
        yield start
    finally:
        for each in started:
            each.kill()
            with each:
                pass


@asynccontextmanager
async def opened(given: dict[str, Any]) -> AsyncIterator[Any]:
    """Open an engine that is ready for its first campaign."""
    async with engine_of(given) as engine:
        if hasattr(engine, "create_tables"):
            await engine.create_tables()
        yield engine


async def done(engine: Any, campaign: str) -> tuple[CampaignProgress, bool]:
    """Wait until all jobs are done; return the last progress, and whether some were parked on the way."""
    parked, end = False, time.monotonic() + 60
    while (seen := await engine.progress(campaign)).done < seen.jobs:
        parked = parked or seen.parked > 0
        assert time.monotonic() < end, seen
        await asyncio.sleep(0.05)
    return seen, parked


async def stopped(process: subprocess.Popen[bytes]) -> int:
    """Stop a worker in order, and return its exit code."""
    process.send_signal(signal.SIGTERM)
    return await asyncio.to_thread(process.wait, 30)
