"""Campaigns on real engines: workers as processes, one killed and replaced, and a day's quota that ends on the way."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bulk_world import Judge, work
from distributed_world import with_secret
from worker_process import engine_of, session

from aiodoo import Clock, Create, Delete, Limits
from aiodoo.distributed import CampaignProgress, Worker
from aiodoo.distributed.engine import of_engine
from aiodoo.errors import ConfigError
from aiodoo.quota import Redis
from aiodoo.sandbox import Sandbox

TEAMS = int(os.environ.get("AIODOO_TEAMS", "20"))
WORKERS = int(os.environ.get("AIODOO_WORKERS", "2"))
KILLS = int(os.environ.get("AIODOO_KILLS", "1"))
SPENT, FREE = 8 * TEAMS, 3 * TEAMS
"""Requests of the day that are spent for some seconds yet, and the others; the campaign needs 7 for each team."""
SPENT_FOR = 8.0 * max(1.0, TEAMS / 60)
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "campaign.py"


class YesterdaysClock(Clock):
    """The clock of a process that ran a day ago, before the machine was started again."""

    def boot(self) -> str:
        """Return another boot than that of the tests."""
        return "yesterday"

    def now(self) -> datetime:
        """Return a time that is a day ago some seconds from now."""
        return super().now() - timedelta(days=1) + timedelta(seconds=SPENT_FOR)


@pytest.fixture
async def box() -> Any:
    """Serve teams with two webhooks each."""
    async with Sandbox(
        organizations=TEAMS, teams_per_organization=1, webhooks_per_team=2, plan=None, latency=0.02
    ) as box:
        yield box


@pytest.fixture
def given(engine: dict[str, str], box: Sandbox, tmp_path: Path) -> dict[str, Any]:
    """Return what a worker is told."""
    access = {
        "base_url": box.url,
        "api_key": box.api_key,
        "client_id": box.client_id,
        "client_secret": box.client_secret,
    }
    paths = {"ledger": str(tmp_path / "ledger.sqlite"), "journals": str(tmp_path / "journals")}
    return {**engine, **paths, "access": access, "per_day": None}


@pytest.fixture
def home() -> Iterator[Path]:
    """Have a folder for a profile; not in `tmp_path`, where the canary looks for secrets."""
    with tempfile.TemporaryDirectory(prefix="aiodoo-") as name:
        yield Path(name)


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


async def until(found: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + 60
    while not found():
        assert time.monotonic() < end
        await asyncio.sleep(0.05)


async def done(engine: Any, campaign: str) -> tuple[CampaignProgress, bool]:
    """Wait until all jobs are done; return the last progress, and whether some were parked on the way."""
    parked, end = False, time.monotonic() + max(60, 2 * TEAMS)
    while (seen := await engine.progress(campaign)).done < seen.jobs:
        parked = parked or seen.parked > 0
        assert time.monotonic() < end, seen
        await asyncio.sleep(0.05)
    return seen, parked


async def stopped(process: subprocess.Popen[bytes]) -> int:
    """Stop a worker in order, and return its exit code."""
    process.send_signal(signal.SIGTERM)
    return await asyncio.to_thread(process.wait, 30)


async def test_a_campaign_survives_a_killed_worker_and_the_end_of_the_day(
    given: dict[str, Any], box: Sandbox
) -> None:
    """Nothing is lost or doubled by the sandbox's log, and the merged report agrees with it."""
    given["per_day"] = SPENT + FREE
    operations = work(box)
    judge = Judge(box, operations)
    async with opened(given) as engine:
        with workers(given) as start:
            ready = await asyncio.gather(*(asyncio.to_thread(start) for _ in range(WORKERS)))
            async with session(given, clock=YesterdaysClock()) as doo:
                await asyncio.gather(*(doo.webhooks.page(box.teams[0], 1) for _ in range(SPENT)))
            assert await engine.submit(operations, campaign="move") == TEAMS
            watching = asyncio.create_task(done(engine, "move"))
            for number in range(KILLS):
                # In the midst of something, two seconds apart.
                await until(lambda: len(box.log.changes) > judge.seen + 4)
                ready.pop(0).kill()
                ready.append(await asyncio.to_thread(start))
                await asyncio.sleep(2.0 * (number + 1 < KILLS))
            seen, parked = await watching
            times = [each.time for each in box.log.requests if each.kind != "token"]
            # A machine that needs longer for the free part of the day does not come to its end.
            assert parked or times[SPENT + FREE - TEAMS] - times[0] > SPENT_FOR
            assert seen == CampaignProgress(jobs=TEAMS, done=TEAMS, failed=0, parked=0)
            report = await engine.report("move")
            judge.nothing_lost()
            judge.as_wanted()
            judge.report_agrees(report)
            assert report.counts()["applied"] == len(operations)
            # The same once more is the same work.
            changes = len(box.log.changes)
            assert await engine.submit(operations, campaign="move") == TEAMS
            assert await engine.progress("move") == seen
            assert {await stopped(each) for each in ready} == {0}
        assert len(box.log.changes) == changes
        with pytest.raises(ConfigError, match="has other operations for team"):
            await engine.submit([Delete(box.teams[0], "1")], campaign="move")


async def test_what_engines_store_holds_no_bare_secret(given: dict[str, Any], box: Sandbox) -> None:
    """A bare secret is refused before the first job is submitted."""
    operations = [*work(box), Create(box.teams[0], with_secret("nobody reads this"))]
    async with opened(given) as engine:
        with pytest.raises(ConfigError, match="bare value"):
            await engine.submit(operations, campaign="bare")
        assert (await engine.progress("bare")).jobs == 0


async def test_only_what_is_done_is_forgotten(given: dict[str, Any], box: Sandbox) -> None:
    """A campaign that waits stays whole; once it is done nothing of it is left."""
    operations = [each for each in work(box) if each.team_id in box.teams[:2]]
    async with opened(given) as engine:
        await engine.submit(operations, campaign="kept")
        await engine.forget("kept")
        assert await engine.progress("kept") == CampaignProgress(jobs=2, done=0, failed=0, parked=0)
        assert (await engine.report("kept")).counts()["not_started"] == len(operations)
        with workers(given) as start:
            worker = await asyncio.to_thread(start)
            await done(engine, "kept")
            assert await stopped(worker) == 0
        await engine.forget("kept")
        assert (await engine.progress("kept")).jobs == 0


@pytest.mark.parametrize("engine", ["procrastinate"], indirect=True)
async def test_workers_that_share_a_ledger_on_redis(
    given: dict[str, Any], urls: dict[str, str], box: Sandbox
) -> None:
    """The same code carries out a campaign with the ledger of many hosts."""
    operations = work(box)
    judge = Judge(box, operations)
    limits = Limits(per_second=200, per_day=5000)
    async with AsyncExitStack() as stack:
        engines = [await stack.enter_async_context(opened(given)) for _ in range(2)]
        workers, working = [], []
        await engines[0].submit(operations, campaign="hosts")
        for engine in engines:
            doo = box.session(limits=limits, quota=Redis(urls["streaq"]))
            workers.append(Worker(sessions=await stack.enter_async_context(doo), journals=given["journals"]))
            working.append(asyncio.create_task(engine.work(workers[-1])))
        await done(engines[0], "hosts")
        for worker in workers:
            worker.stop.set()
        await asyncio.gather(*working)
        report = await engines[1].report("hosts")
    judge.as_wanted()
    judge.report_agrees(report)


@pytest.mark.parametrize("engine", ["streaq"], indirect=True)
async def test_a_program_and_the_command_line(given: dict[str, Any], home: Path) -> None:
    """The program of the docs submits, `aiodoo worker` carries out, and the program shows the report."""
    (home / "aiodoo").mkdir()
    profile = "".join(f'{name} = "{value}"\n' for name, value in given["access"].items())
    config = home / "aiodoo" / "config.toml"
    config.write_text(
        f'default = "one"\n[profiles.one]\n{profile}limits = {{ per_second = 200, per_day = 10000 }}\n'
    )
    config.chmod(0o600)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DOO_")} | {
        "AIODOO_ENGINE": given["url"],
        "XDG_CONFIG_HOME": str(home),
        "XDG_STATE_HOME": str(home),
    }

    async def told(*arguments: str) -> str:
        ended = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return ended.stdout

    async with opened(given) as engine:
        submitted = await told(str(EXAMPLE), "submit", "shown", "crm.example", "crm2.example")
        assert submitted == f"{TEAMS} jobs\n"
        command = [sys.executable, "-m", "aiodoo", "worker", "--concurrency", "8", "--create-tables"]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as worker:  # noqa: ASYNC220, S603  # ours
            try:
                seen, _ = await done(engine, "shown")
                assert await told(str(EXAMPLE), "progress", "shown") == f"{seen}\n"
                assert "applied" in await told(str(EXAMPLE), "report", "shown")
            finally:
                worker.terminate()
            assert worker.stderr is not None
            assert b"taking jobs of the queue aiodoo" in worker.stderr.read()
        assert worker.returncode == 0


def test_a_server_that_cannot_be_used() -> None:
    """What an engine raises is an error of aiodoo's that says so, and shows neither a password nor the server's words."""
    with pytest.raises(ConfigError, match=r"cannot be used \(OSError\)") as away, of_engine():
        raise ExceptionGroup("several", [OSError("nobody")])
    assert "nobody" not in str(away.value)
    for name in ("procrastinate", "streaq"):
        assert "nobody" not in repr(engine_of({"engine": name, "url": "redis://somebody:nobody@127.0.0.1"}))
