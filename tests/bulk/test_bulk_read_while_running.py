"""Whoever looks at a journal never harms the run that writes it: in its process, in another one, and if it is killed then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import anyio
import anyio.to_thread
from bulk_world import config

from aiodoo import Limits, Session
from aiodoo.operations import Create, Operation
from aiodoo.sandbox import Sandbox

CREATES = 60

CHILD = """
import asyncio, os, signal, subprocess, sys
import aiodoo
from aiodoo.bulk.journal import summarize

looked = 0

def progress(told):
    global looked
    if told.done >= 10 and not looked:
        assert summarize(sys.argv[1]) is not None
        subprocess.run([sys.executable, "-c", sys.argv[2], sys.argv[1]], check=True)
        looked = told.done
    if looked and told.done >= looked + 20:
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    limits = aiodoo.Limits(per_second=None, per_day=None, concurrency=2)
    async with aiodoo.Session.from_env(limits=limits) as doo:
        await doo.bulk.resume(sys.argv[1], settle=0.3, progress=progress)

asyncio.run(main())
"""
"""Goes on with a journal, lets it be looked at from here and from elsewhere, and is killed after that."""

LOOK = """
import contextlib, sqlite3, sys
from aiodoo.bulk.journal import summarize
assert summarize(sys.argv[1]) is not None
with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(sqlite3.connect(sys.argv[1])) as database:
    database.execute("SELECT count(*) FROM sqlite_master").fetchone()
"""
"""Looks at a journal, and then takes it for a database, as a database browser does."""


def killed_after_it_was_read(box: Sandbox, journal: Path) -> int:
    """Return how the process ended that went on with the journal."""
    environment = os.environ | {
        "DOO_API_KEY": box.api_key,
        "DOO_CLIENT_ID": box.client_id,
        "DOO_CLIENT_SECRET": box.client_secret,
        "DOO_BASE_URL": box.url,
    }
    arguments = [sys.executable, "-c", CHILD, str(journal), LOOK]
    return subprocess.run(arguments, env=environment, check=False, timeout=60).returncode  # noqa: S603  # our own code


async def test_a_reader_never_harms_the_run(tmp_path: Path) -> None:
    """Read twice while the run goes on, which is killed then: everything it did is known, and nothing is sent twice."""
    async with Sandbox(organizations=1, webhooks_per_team=0, plan=None, latency=0.02) as box:
        operations: list[Operation] = [
            Create(box.teams[0], config(f"w{number}")) for number in range(CREATES)
        ]
        journal = tmp_path / "journal"
        async with Session(
            api_key=box.api_key,
            client_id=box.client_id,
            client_secret=box.client_secret,
            base_url=box.url,
            limits=Limits(per_second=None, per_day=None),
        ) as doo:
            # Entering a stream begins the journal.
            async with doo.bulk.stream(operations, journal=journal, settle=0.3, grace=0.0):
                pass
            ended = await anyio.to_thread.run_sync(killed_after_it_was_read, box, journal)
            assert ended == -9
            told = (await doo.bulk.report(journal)).counts()
            assert told["applied"] >= 28
            report = await doo.bulk.resume(journal, settle=0.3)
            assert report.counts()["applied"] == CREATES
        assert box.count("create") == CREATES
        assert len(box.live(box.teams[0])) == CREATES
