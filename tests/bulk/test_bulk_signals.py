"""A process that is asked to end: it takes its grace, writes its journal, and can be gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import anyio.to_thread
from bulk_world import Judge, work

from aiodoo import Limits, Session
from aiodoo.sandbox import Sandbox

DOCUMENTED = """\
    task = asyncio.current_task()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
"""

CHILD = f"""
import asyncio, signal, sys
import aiodoo

async def main():
{DOCUMENTED}
    limits = aiodoo.Limits(per_second=20, per_day=None)
    async with aiodoo.Session.from_env(limits=limits) as doo:
        await doo.bulk.resume(sys.argv[1], settle=0.3)

asyncio.run(main())
"""


async def ended(box: Sandbox, journal: Path) -> tuple[int, str]:
    """Let a child go on with the journal, ask it to end in the middle; return its exit code and what it said."""
    environment = os.environ | {
        "DOO_API_KEY": box.api_key,
        "DOO_CLIENT_ID": box.client_id,
        "DOO_CLIENT_SECRET": box.client_secret,
        "DOO_BASE_URL": box.url,
    }
    arguments = [sys.executable, "-c", CHILD, str(journal)]
    with subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE, text=True) as child:  # noqa: S603, ASYNC220  # our own code
        while box.count("create") < 5:
            assert child.poll() is None
            await anyio.sleep(0.02)
        child.send_signal(signal.SIGTERM)
        _, said = await anyio.to_thread.run_sync(child.communicate)
    return child.returncode, said


async def test_sigterm_is_a_cancellation(tmp_path: Path) -> None:
    """With the two lines of the docs it ends non-zero with every outcome known, and a resume finishes the work."""
    async with Sandbox(organizations=4, webhooks_per_team=8, plan=None, latency=0.2) as box:
        operations, journal = work(box), tmp_path / "journal"
        judge = Judge(box, operations)
        async with Session(
            api_key=box.api_key,
            client_id=box.client_id,
            client_secret=box.client_secret,
            base_url=box.url,
            limits=Limits(per_second=None, per_day=None),
        ) as doo:
            async with doo.bulk.stream(operations, journal=journal, grace=0.0):
                pass
            code, said = await ended(box, journal)
            assert code not in {0, -signal.SIGTERM}
            assert "CancelledError" in said
            assert "was never awaited" not in said
            assert "was destroyed" not in said
            counts = (await doo.bulk.report(journal)).counts()
            assert counts["unknown"] == 0
            assert counts["not_started"] > 0
            report = await doo.bulk.run(operations, journal=journal, settle=0.3)
            assert report.resumed
            assert report.counts()["applied"] == len(operations)
            judge.nothing_lost()
            judge.as_wanted()


def test_the_docs_print_these_lines() -> None:
    """What was tested is what the page says."""
    page = (Path(__file__).parents[2] / "docs" / "migration.md").read_text()
    assert DOCUMENTED in page
