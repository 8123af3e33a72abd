"""Jobs: split by team, plain JSON, carried out by one worker at a time and never twice."""

from __future__ import annotations

import asyncio
import gc
import json
import shutil
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from bulk_world import Judge, config, work
from distributed_world import frozen_worker, with_secret

from aiodoo import (
    Create,
    Delete,
    Facts,
    Limits,
    Secret,
    Session,
)
from aiodoo.distributed import Job, Result, Worker, carry_out, merged, split
from aiodoo.errors import ConfigError
from aiodoo.quota import SQLite
from aiodoo.sandbox import Sandbox


def through_json(job: Job) -> Job:
    """Return a job as another machine reads it."""
    return Job.from_dict(json.loads(json.dumps(job.to_dict())))


def test_a_job_for_each_team() -> None:
    """The operations of a team keep their order and know their places; JSON changes nothing."""
    operations = [Delete("2", "a"), Create("1", config("one")), Delete("2", "b"), Delete("1", "c")]
    jobs = [through_json(job) for job in split(operations, campaign="move", tenant="Café+1")]
    assert [(job.team_id, job.places, job.key) for job in jobs] == [
        ("2", (0, 2), "Caf%C3%A9%2B1+2"),
        ("1", (1, 3), "Caf%C3%A9%2B1+1"),
    ]
    assert [operation for job in jobs for operation in job.read()] == [
        operations[number] for number in (0, 2, 1, 3)
    ]
    assert [job.team_id for job in split(reversed(operations), campaign="move")] == ["1", "2"]
    assert jobs[0].journal(Path("/shared")) == Path("/shared/move/Caf%C3%A9%2B1+2.journal")


def test_a_campaign_of_any_size_takes_the_same_memory() -> None:
    """Sixteen times as many teams leave no more objects in memory, neither read nor while they become jobs."""

    def operations(teams: int) -> Iterator[Delete]:
        for number in range(3 * teams):
            yield Delete(str(number % teams), str(number))

    def objects(teams: int) -> tuple[int, int]:
        gc.collect()
        before = sys.getallocatedblocks()
        jobs = split(operations(teams), campaign="move")
        gc.collect()
        read = sys.getallocatedblocks() - before
        for job in islice(jobs, teams // 2):
            assert len(job.operations) == 3
        del job
        gc.collect()
        written = sys.getallocatedblocks() - before
        assert sum(1 for _ in jobs) == teams - teams // 2
        return read, written

    objects(100)
    small, large = objects(100), objects(1600)
    assert all(now < then + 500 for then, now in zip(small, large, strict=True)), (small, large)


def test_secrets_by_source_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret with a source is not in the JSON; a bare one is refused before any job is made."""
    monkeypatch.setenv("NEW_SECRET", "nobody reads this")
    (job,) = split([Create("1", with_secret(Secret.from_env("NEW_SECRET")))], campaign="move")
    assert "nobody" not in json.dumps(job.to_dict())
    assert "NEW_SECRET" in json.dumps(job.to_dict())
    with pytest.raises(ConfigError, match=r"operation 1: create in team 2: .* bare value") as refused:
        split([Delete("1", "a"), Create("2", with_secret("nobody reads this"))], campaign="move")
    assert "nobody" not in str(refused.value)


async def test_a_secret_that_a_list_has_shown_is_refused() -> None:
    """Another machine does not have it."""
    async with Sandbox(plan=None) as box, box.session() as doo:
        await doo.webhooks.create(box.teams[0], with_secret("kept at doo"))
        (copied,) = [each.copy() async for each in doo.webhooks.list(box.teams[0]) if each.name == "new"]
        with pytest.raises(ConfigError, match="was copied from a list, and another machine does not have it"):
            split([Create(box.teams[1], copied)], campaign="move")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".", "x" * 65, "two words"])
def test_names_of_campaigns(name: str) -> None:
    """The name of a campaign is the name of a folder, and nothing above it."""
    with pytest.raises(ConfigError, match="the name of a campaign"):
        split([], campaign=name)


@pytest.mark.parametrize("sent", [{}, {"format": 1}, {"format": 2, "campaign": "a"}, [1]])
def test_what_is_no_job(sent: object) -> None:
    """It is refused, and the place is named."""
    with pytest.raises(ConfigError, match=r"a job cannot be read: \$"):
        Job.from_dict(sent)  # type: ignore[arg-type]


async def test_two_workers_for_one_job(tmp_path: Path) -> None:
    """The second one sends nothing and comes again; then it returns the report of the first.

    The run takes longer than the half second in which the second one waits for the journal.
    """
    async with Sandbox(
        organizations=1, teams_per_organization=1, webhooks_per_team=3, plan=None, latency=0.15
    ) as box:
        options = {"limits": Limits.none(), "quota": SQLite(tmp_path / "ledger")}
        async with box.session(**options) as one, box.session(**options) as other:
            operations = work(box)
            judge = Judge(box, operations)
            (job,) = split(operations, campaign="move")
            begun = asyncio.Event()
            first = asyncio.create_task(
                carry_out(one, job, journals=tmp_path, progress=lambda _: begun.set(), settle=0.3)
            )
            await begun.wait()
            busy = await carry_out(other, through_json(job), journals=tmp_path)
            assert busy.state == "parked"
            done = await first
            again = await carry_out(other, through_json(job), journals=tmp_path)
            assert done.state == again.state == "done"
            assert again.report.replayed
            assert merged([through_result(again)]).counts() == merged([done]).counts()
            judge.as_wanted()
            judge.report_agrees(merged([through_result(done)]))


def through_result(result: Result) -> Result:
    """Return a result as another machine reads it."""
    return Result.from_dict(json.loads(json.dumps(result.to_dict())))


async def test_a_worker_that_is_stopped(tmp_path: Path) -> None:
    """Its job is resumed at once, wherever it is carried out next, and nothing is live twice meanwhile."""
    async with Sandbox(organizations=1, teams_per_organization=1, webhooks_per_team=40, plan=None) as box:
        operations = work(box)
        judge = Judge(box, operations)
        (job,) = split(operations, campaign="move")

        def stop_at_the_first_change(_: object) -> None:
            if len(box.log.changes) > judge.seen:
                worker.stop.set()

        async with box.session(limits=Limits.none()) as doo:
            worker = Worker(sessions=doo, journals=tmp_path)
            stopped = await carry_out(
                doo, job, journals=tmp_path, stop=worker.stop, progress=stop_at_the_first_change, settle=0.0
            )
            assert stopped.state == "parked"
            assert not stopped.report.both_live
            assert stopped.report.counts()["not_started"]
        async with box.session(limits=Limits.none()) as doo:
            resumed = Worker(sessions={"one": doo}, journals=tmp_path, options={"settle": 0.0})
            result = await resumed.carry_out(through_json(job))
        assert result.state == "done"
        judge.nothing_lost()
        judge.as_wanted()


async def test_jobs_that_fail(tmp_path: Path) -> None:
    """A job fails if no retry can help: unknown tenant, refused credentials; each outcome says why, and that it is open."""
    async with Sandbox(plan=None) as box:
        (job,) = split([Delete(box.teams[0], "1")], campaign="move", tenant="two")
        bad = Session(
            api_key=box.api_key,
            client_id="nobody",
            client_secret="wrong",
            base_url=box.url,
            limits=Limits.none(),
        )
        async with bad:
            unknown = await Worker(sessions={"one": bad}, journals=tmp_path).carry_out(job)
            refused = await Worker(sessions={"two": bad}, journals=tmp_path).carry_out(job)
        assert unknown.state == refused.state == "failed"
        assert unknown.failed == "this worker has no session for the tenant two; nothing was sent"
        for result in (unknown, refused):
            report = merged([through_result(result)])
            assert report.counts()["not_started"] == 1
            assert not report.complete


async def test_a_frozen_worker_whose_job_another_one_has_resumed_changes_nothing(tmp_path: Path) -> None:
    """It froze after its intent and with a slot; when it wakes, its number is behind and it sends nothing.

    The other worker is on another host in all but name: it sees no lock of the frozen process, and has a copy of the journal.
    """
    async with Sandbox(organizations=1, teams_per_organization=1, webhooks_per_team=3, plan=None) as box:
        operations = work(box)
        judge = Judge(box, operations)
        (job,) = split(operations, campaign="move")
        here, there, ledger = tmp_path / "here", tmp_path / "there", tmp_path / "ledger"
        given = {"ledger": str(ledger), "journals": str(here)}
        async with frozen_worker(box, job, **given) as frozen:
            shutil.copytree(here, there)
            (alive,) = tmp_path.glob("ledger.run-*")  # noqa: ASYNC240  # a folder of three files
            alive.unlink()
            async with box.session(
                quota=SQLite(ledger),
                limits=Limits(per_second=20, per_day=None),
                facts=Facts(list_echoes_scope=True),
            ) as doo:
                done = await carry_out(doo, through_json(job), journals=there, settle=0.3)
            assert done.state == "done"
            judge.as_wanted()
            changes = len(box.log.changes)
            told, _ = await frozen.communicate(b"\n")
        assert told == b"parked\n"
        assert len(box.log.changes) == changes
        judge.as_wanted()
        judge.report_agrees(done.report)
