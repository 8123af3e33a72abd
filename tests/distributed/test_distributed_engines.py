"""Campaigns on real engines: what is stored, submitted and forgotten, and what the command line does."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from bulk_world import Judge, work
from distributed_world import done, opened, stopped, with_secret, workers
from journal_world import between
from redis import Redis as RedisClient
from worker_process import engine_of

from aiodoo import Create, Delete, Limits, Session
from aiodoo.distributed import CampaignProgress, Result, Worker, split
from aiodoo.distributed.engine import of_engine
from aiodoo.errors import ConfigError
from aiodoo.quota import Redis
from aiodoo.sandbox import Sandbox

TEAMS = 8
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "campaign.py"


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
    paths = {
        "team": box.teams[0],
        "ledger": str(tmp_path / "ledger.sqlite"),
        "journals": str(tmp_path / "journals"),
    }
    return {**engine, **paths, "access": access, "per_day": None}


@pytest.fixture
def home() -> Iterator[Path]:
    """Have a folder for a profile; not in `tmp_path`, where the canary looks for secrets."""
    with tempfile.TemporaryDirectory(prefix="aiodoo-") as name:
        yield Path(name)


async def test_what_engines_store_holds_no_bare_secret(given: dict[str, Any], box: Sandbox) -> None:
    """A bare secret is refused before the first job is submitted."""
    operations = [*work(box), Create(box.teams[0], with_secret("nobody reads this"))]
    async with opened(given) as engine:
        with pytest.raises(ConfigError, match="bare value"):
            await engine.submit(operations, campaign="bare")
        assert (await engine.progress("bare")).jobs == 0


async def test_a_campaign_of_any_size_takes_the_same(engine: dict[str, str]) -> None:
    """Its progress is asked once and answered once, however many teams there are; submitting leaves nothing in memory."""
    kind = {"procrastinate": "postgresql", "streaq": "valkey"}[engine["engine"]]
    with (
        tempfile.TemporaryDirectory(prefix="aiodoo-") as folder,
        between(kind, engine["url"], Path(folder)) as way,
    ):
        async with opened({**engine, "url": way.url}) as made:
            blocks, asked = [], []
            for teams in (10, 10, 160):
                campaign = f"of-{len(asked)}"
                operations = (Delete(str(team), "1") for team in range(1, teams + 1))
                assert await made.submit(operations, campaign=campaign) == teams
                gc.collect()
                blocks.append(sys.getallocatedblocks())
                before = way.asked
                assert (await made.progress(campaign)).jobs == teams
                asked.append(way.asked - before)
            # procrastinate's pool begins and ends a transaction around it.
            assert asked == [4 if kind == "postgresql" else 1] * 3
            assert blocks[2] < blocks[1] + 1500


async def test_a_job_that_is_done_stays_done(engine: dict[str, str]) -> None:
    """A second worker that had the job too and found it busy cannot park it again, and the first one's report stays."""
    operations = [Delete("1", "1")]
    (job,) = split(operations, campaign="twice")
    async with opened(engine) as made:
        await made.submit(operations, campaign="twice")
        parked = Result.not_started(job, resume_at=datetime.now(UTC))
        for result in (parked, Result.not_started(job), parked, Result.not_started(job, failed="no")):
            await made._keep("twice", result)
        assert await made.progress("twice") == CampaignProgress(jobs=1, done=1, failed=0, parked=0)
        ((_, kept),) = await made._all("twice")
        assert kept is not None
        assert Result.from_dict(kept).state == "done"


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


class Vault(dict[str, Session]):
    """Sessions whose credentials are somewhere that is away once."""

    away = True

    def __getitem__(self, tenant: str) -> Session:
        """Return a session."""
        if self.away:
            self.away = False
            raise OSError("the vault is away")
        return super().__getitem__(tenant)


async def test_a_job_that_an_unexpected_error_ends_is_not_lost(given: dict[str, Any], box: Sandbox) -> None:
    """It is carried out again after a while, and nobody has to submit it again."""
    operations = [each for each in work(box) if each.team_id == box.teams[0]]
    async with opened(given) as engine, box.session() as doo:
        engine.stalled_after = 0.2
        worker = Worker(sessions=Vault(one=doo), journals=given["journals"])
        await engine.submit(operations, campaign="vault", tenant="one")
        working = asyncio.create_task(engine.work(worker))
        await done(engine, "vault")
        worker.stop.set()
        await working


async def recorded(engine: Any, campaign: str) -> None:
    """Wait until procrastinate has noted that its jobs have ended, which it does after their reports are stored.

    A connection that is cut in between is an error in a task of its own, which nobody asks for.
    """
    query = "SELECT count(*) AS jobs FROM procrastinate_jobs WHERE status = 'doing' AND args->>'campaign' = %(campaign)s"
    with anyio.fail_after(60):
        while (await engine._connector.execute_query_one_async(query, campaign=campaign))["jobs"]:  # noqa: ASYNC110  # a real server
            await asyncio.sleep(0.02)


# streaQ leaves a stream of its own open when it loses its server.
@pytest.mark.filterwarnings(
    "ignore:.*MemoryObject(Send|Receive)Stream:pytest.PytestUnraisableExceptionWarning"
)
async def test_a_worker_works_on_after_its_server_was_away(
    engine: dict[str, str], box: Sandbox, tmp_path: Path
) -> None:
    """It says so, waits until the server is back, and takes jobs again."""
    kind = {"procrastinate": "postgresql", "streaq": "valkey"}[engine["engine"]]
    with (
        tempfile.TemporaryDirectory(prefix="aiodoo-") as folder,
        between(kind, engine["url"], Path(folder)) as way,
    ):
        async with (
            opened(engine) as made,
            engine_of({**engine, "url": way.url}) as cut,
            box.session() as doo,
        ):
            worker = Worker(sessions=doo, journals=tmp_path)
            working = asyncio.create_task(cut.work(worker))
            operations = work(box)
            for number, team in enumerate(box.teams[:2]):
                await made.submit(
                    (each for each in operations if each.team_id == team), campaign=f"away-{number}"
                )
                await done(made, f"away-{number}")
                if kind == "postgresql":
                    await recorded(made, f"away-{number}")
                way.away = True
                way.cut()
                await asyncio.sleep(0.5)
                way.away = False
            assert not working.done()
            worker.stop.set()
            await working
    gc.collect()


@pytest.mark.filterwarnings(
    "ignore:.*MemoryObject(Send|Receive)Stream:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize("engine", ["streaq"], indirect=True)
async def test_a_worker_works_on_after_its_server_was_full(
    given: dict[str, Any], box: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """It waits until the server can write again, as it does for one that is away."""
    operations = [each for each in work(box) if each.team_id == box.teams[0]]
    async with opened(given) as engine, box.session() as doo:
        worker = Worker(sessions=doo, journals=given["journals"])
        working = asyncio.create_task(engine.work(worker))
        with RedisClient.from_url(given["url"]) as server:
            server.config_set("maxmemory", "1mb")
            try:
                async with asyncio.timeout(20):
                    while "cannot write" not in caplog.text and not working.done():  # noqa: ASYNC110  # what is logged
                        await asyncio.sleep(0.05)
            finally:
                server.config_set("maxmemory", "0")
        await engine.submit(operations, campaign="full")
        await done(engine, "full")
        worker.stop.set()
        await working
    gc.collect()


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
    """The program of the docs submits, `aiodoo worker` carries out, and the program shows the report.

    Its journals are on a server, where any host sees its runs.
    """
    (home / "aiodoo").mkdir()
    profile = "".join(f'{name} = "{value}"\n' for name, value in given["access"].items())
    config = home / "aiodoo" / "config.toml"
    config.write_text(
        f'default = "one"\n[profiles.one]\n{profile}limits = {{ per_second = 200, per_day = 10000 }}\n'
    )
    config.chmod(0o600)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DOO_")} | {
        "AIODOO_ENGINE": given["url"],
        "AIODOO_JOURNALS": f"{given['url']}/1",
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
    team = given["team"]
    runs = [
        json.loads(line) for line in (await told("-m", "aiodoo", "runs", "list", "-o", "jsonl")).splitlines()
    ]
    assert {run["run_id"] for run in runs} >= {f"shown/{team}"}
    assert {(run["command"], run["state"]) for run in runs} == {("worker", "finished")}
    assert len(runs) == TEAMS
    for words in (["verify"], ["resume", "--yes"]):
        assert await told("-m", "aiodoo", "runs", words[0], f"shown/{team}", *words[1:], "-o", "json")


def test_a_server_that_cannot_be_used() -> None:
    """What an engine raises is an error of aiodoo's that says so, and shows neither a password nor the server's words."""
    with pytest.raises(ConfigError, match=r"cannot be used \(OSError\)") as away, of_engine():
        raise ExceptionGroup("several", [OSError("nobody")])
    assert "nobody" not in str(away.value)
    for name in ("procrastinate", "streaq"):
        scheme = {"procrastinate": "postgresql", "streaq": "redis"}[name]
        assert "nobody" not in repr(
            engine_of({"engine": name, "url": f"{scheme}://somebody:nobody@127.0.0.1"})
        )
        for wrong in (
            f"{scheme}://somebody:nobody@127.0.0.1:99999999999/x",
            f"{scheme}://somebody:nobody@[127.0.0.1/x",
            f"{scheme}://somebody:1/nobody@127.0.0.1/x",
        ):
            if not (name == "procrastinate" and "99999" in wrong):  # found when it connects
                with pytest.raises(ConfigError, match="%2F") as refused:
                    engine_of({"engine": name, "url": wrong})
                assert "nobody" not in str(refused.value)
