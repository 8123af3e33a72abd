"""A real process with a real journal on real HTTP, killed without warning and gone on with."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import anyio
import anyio.to_thread
from bulk_world import Judge, work

from aiodoo import Limits, Session
from aiodoo.sandbox import Sandbox

KILLS = int(os.environ.get("AIODOO_KILLS", "12"))
"""How many processes are killed."""

LIMITS = Limits(per_second=None, per_day=None)

CHILD = """
import asyncio, sys
import aiodoo

async def main():
    limits = aiodoo.Limits(per_second=None, per_day=None)
    async with aiodoo.Session.from_env(limits=limits) as doo:
        await doo.bulk.resume(sys.argv[1], settle=0.3)

print("ready", flush=True)
asyncio.run(main())
"""


def kill_a_child(box: Sandbox, journal: Path, after: float) -> bool:
    """Let a child go on with the journal, and kill it; return whether it was still at work."""
    environment = os.environ | {
        "DOO_API_KEY": box.api_key,
        "DOO_CLIENT_ID": box.client_id,
        "DOO_CLIENT_SECRET": box.client_secret,
        "DOO_BASE_URL": box.url,
    }
    arguments = [sys.executable, "-c", CHILD, str(journal)]
    with subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE) as child:  # noqa: S603  # our own code
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(after)
        at_work = child.poll() is None
        child.kill()
    return at_work


async def test_killed_at_random_instants(tmp_path: Path) -> None:
    """Nothing is lost, nothing is doubled, the statuses are true, and a second resume changes nothing."""
    chance = random.Random(7)
    killed = rounds = 0
    while killed < KILLS:
        rounds += 1
        assert rounds < 3 * KILLS
        async with Sandbox(organizations=4, webhooks_per_team=8, plan=None, latency=0.01, seed=rounds) as box:
            operations, journal = work(box), tmp_path / f"journal {rounds}"
            judge = Judge(box, operations)
            async with Session(
                api_key=box.api_key,
                client_id=box.client_id,
                client_secret=box.client_secret,
                base_url=box.url,
                limits=LIMITS,
            ) as doo:
                # Entering a stream begins the journal, however slow the machine is.
                async with doo.bulk.stream(operations, journal=journal, settle=0.3, grace=0.0):
                    await anyio.sleep(0.05)
                for _ in range(3):
                    killed += await anyio.to_thread.run_sync(
                        kill_a_child, box, journal, chance.uniform(0.3, 0.9)
                    )
                report = await doo.bulk.run(operations, journal=journal, settle=0.3)
                judge.nothing_lost()
                judge.as_wanted()
                judge.report_agrees(report)
                assert report.resumed
                assert report.counts()["applied"] == len(operations)
                changes = len(box.log.changes)
                assert (await doo.bulk.resume(journal)).counts() == report.counts()
                assert len(box.log.changes) == changes
