"""A campaign on a real engine: workers killed one after the other, a day's quota that ends twice, and a log that judges.

By default a slice; docs/development.md has the command for the whole.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest
from bulk_world import formula
from distributed_world import opened, stopped, workers

from aiodoo import Clock, Delete, Limits, Report
from aiodoo.credentials import Credentials
from aiodoo.distributed import CampaignProgress
from aiodoo.errors import ConfigError
from aiodoo.operations import Operation, from_dict
from aiodoo.quota import Lane, Permits, SQLite

KILL_EVERY = 2.0


@attrs.frozen(kw_only=True)
class Size:
    """How much there is to do, and by when the day is free again for the second time."""

    teams: int
    operations: int
    workers: int
    seconds: float


@pytest.fixture
def size(request: pytest.FixtureRequest) -> Size:
    """Return what the command line says."""
    default = {"teams": 12, "operations": 36, "workers": 2, "seconds": 8}
    given = {name: request.config.getoption(f"--{name}", None) or number for name, number in default.items()}
    return Size(**{name: int(number) for name, number in given.items()})


class YesterdaysClock(Clock):
    """The clock of a process that ran a day ago, before the machine was started again."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._ago = timedelta(days=1, seconds=-seconds)

    def boot(self) -> str:
        """Return another boot than that of the tests, and than that of another such clock."""
        return f"yesterday, {self._ago}"

    def now(self) -> datetime:
        """Return a time that is a day ago some seconds from now."""
        return super().now() - self._ago


class JudgingSandbox:
    """The process of a sandbox."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process, self._folder = process, folder
        self.access: dict[str, str] = self._read()
        plain = json.loads((folder / "operations").read_text())
        self.operations: list[Operation] = [from_dict(each) for each in plain]

    def ask(self, word: Literal["changes", "both_live", "judge"]) -> Any:
        """Ask its log."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextmanager
def judging(size: Size) -> Iterator[tuple[JudgingSandbox, Path]]:
    """Run a sandbox in a process of its own; yield it and its folder."""
    with tempfile.TemporaryDirectory(prefix="aiodoo-") as folder:
        script = Path(__file__).with_name("judging_process.py")
        arguments = [size.teams, size.operations // size.teams - 1, folder]
        with subprocess.Popen(  # noqa: S603  # our own code
            [sys.executable, str(script), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as process:
            try:
                yield JudgingSandbox(process, Path(folder)), Path(folder)
            finally:
                process.kill()


async def spend(given: dict[str, Any], requests: int, *, free_in: float) -> None:
    """Take requests of the day, without sending them, that count for some seconds yet."""
    access = {name: value for name, value in given["access"].items() if name != "base_url"}
    account = SQLite(given["ledger"]).open(
        account=Credentials.checked(**access).account_name,
        limits=Limits(per_second=None, per_day=given["per_day"]),
        clock=YesterdaysClock(free_in),
    )
    permits = Permits(200)

    async def take() -> None:
        slot = await account.acquire(Lane.BULK, permits)
        slot.sent()
        slot.answered(0.0)

    for taken in range(0, requests, 200):
        await asyncio.gather(*(take() for _ in range(min(200, requests - taken))))
    await account.close(permits)


async def parked_for_the_day(engine: Any) -> dict[str, datetime]:
    """Return until when jobs are parked because the day is spent, by their teams; not those that are due by now."""
    found = {}
    for job, result in await engine._all("move"):
        if result is not None and result["resume_at"]:
            report = Report.from_dict(result["report"])
            assert report.resume_at is None or not report.both_live
            if report.resume_at is not None and report.resume_at > datetime.now(UTC):
                found[job["team"]] = report.resume_at
    return found


def ends(resumes: set[datetime], *, apart: float) -> int:
    """Return how often the day ended, by the times at which it is free again."""
    times = sorted(resumes)
    return sum(
        number == 0 or (time - times[number - 1]).total_seconds() > apart for number, time in enumerate(times)
    )


async def carried_out(given: dict[str, Any], engine: Any, box: JudgingSandbox, size: Size) -> dict[str, Any]:
    """Let workers carry out the campaign, one killed and replaced every two seconds; return what was seen meanwhile.

    Of the day, 30 % of what the campaign needs is free; another 55 % is in half of the time, as a run that has parked goes on
    when a quarter of the day is free, and the rest in all of it.
    """
    kills, parked, both_live = 0, set[str](), set[str]()
    resumes = set[datetime]()
    part, last = round(0.55 * given["needs"]), round(1.15 * given["needs"])
    with workers(given) as start:
        begin = time.monotonic()
        ready = [*await asyncio.gather(*(asyncio.to_thread(start) for _ in range(size.workers)))]
        starting = set[asyncio.Task[None]]()
        # Longer on a busy machine, as the parts of the day are to be used up before the next one is free.
        seconds = max(size.seconds, 2.5 * (time.monotonic() - begin))
        # The clock of the first is behind that of the second, which is behind that of the workers.
        await spend(given, part, free_in=seconds / 2)
        await spend(given, last, free_in=seconds)
        assert await engine.submit(box.operations, campaign="move") == size.teams
        begin = time.monotonic()

        async def replace() -> None:
            ready.append(await asyncio.to_thread(start))

        next_kill = next_look = time.monotonic() + KILL_EVERY / 2
        while (seen := await engine.progress("move")).done < size.teams:
            assert time.monotonic() - begin < 60 + 10 * seconds, seen
            assert not seen.failed, seen
            if seen.parked and time.monotonic() >= next_look:
                next_look = time.monotonic() + 1.0
                before, live, after = (
                    await parked_for_the_day(engine),
                    box.ask("both_live"),
                    await parked_for_the_day(engine),
                )
                resting = {each for each, until in before.items() if after.get(each) == until}
                parked |= resting
                resumes |= {before[each] for each in resting}
                both_live |= resting & set(live)
            # On a busy machine a worker takes longer to start, and others are to live meanwhile.
            if time.monotonic() >= next_kill and len(ready) >= max(2, size.workers - 1):
                next_kill = time.monotonic() + KILL_EVERY
                victim = ready.pop(0)
                victim.kill()
                kills += 1
                starting.add(asyncio.create_task(replace()))
            await asyncio.sleep(0.1)
        await asyncio.gather(*starting)
        changes = box.ask("changes")
        # The same once more is the same work.
        assert await engine.submit(box.operations, campaign="move") == size.teams
        assert await engine.progress("move") == seen
        assert {await stopped(each) for each in ready} == {0}
    assert box.ask("changes") == changes
    assert seen == CampaignProgress(jobs=size.teams, done=size.teams, failed=0, parked=0)
    return {
        "until_free": round(seconds, 1),
        "kills": kills,
        "parked": len(parked),
        "ends_of_the_day": ends(resumes, apart=seconds / 10),
        "both_live": sorted(both_live),
    }


async def test_a_campaign_survives_killed_workers_and_the_end_of_the_day(
    engine: dict[str, str], size: Size, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Nothing is lost or doubled by the sandbox's log, no park has both live, and the merged report agrees with the log."""
    with judging(size) as (box, folder):
        of_team = [each for each in box.operations if each.team_id == box.operations[0].team_id]
        needs = size.teams * (formula(len(of_team) - 1, of_team, page_size=10) + 1)
        given = {
            **engine,
            "access": box.access,
            "ledger": str(tmp_path / "ledger.sqlite"),
            "journals": str(tmp_path / "journals"),
            "journals_at": engine["url"]
            if request.config.getoption("--journals", None) == "server"
            else None,
            "needs": needs,
            "per_day": 2 * needs,
        }
        async with opened(given) as made:
            seen = await carried_out(given, made, box, size)
            report = await made.report("move")
            (folder / "report").write_text(json.dumps(report.to_dict()))
            found = box.ask("judge")
            with pytest.raises(ConfigError, match="has other operations for team"):
                await made.submit([Delete(of_team[0].team_id, "1")], campaign="move")
    print(json.dumps({"engine": engine["engine"], **attrs.asdict(size), "needs": needs, **seen, **found}))  # noqa: T201
    assert found["wrong"] == []
    assert found["counts"]["applied"] == len(box.operations)
    assert seen["both_live"] == []
    # A machine that needs longer for a part of the day does not come to its end.
    assert seen["parked"] or found["seconds"] > seen["until_free"] / 2
