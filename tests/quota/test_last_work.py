"""The ledger of a host knows until when another run has worked on a team, so that no older list is built on; over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiodoo import AddWebhook, Ensure, Facts, Hook, Session
from aiodoo.quota import SQLite
from aiodoo.sandbox import Sandbox

CONFIG = AddWebhook(
    name="crm", description="crm", hooks=[Hook(type="event_created", endpoint="https://crm.example/doo")]
)


def session(box: Sandbox, path: Path) -> Session:
    """Return the session of a process that shares a file with others."""
    return box.session(facts=Facts(list_echoes_scope=True), quota=SQLite(path))


def test_two_terminals_do_nothing_twice(tmp_path: Path) -> None:
    """Both have read the team before either of them begins; the second looks again, and nobody is shown the note."""

    async def main() -> None:
        path = tmp_path / "quota.db"
        async with (
            Sandbox(organizations=1, webhooks_per_team=1, plan=None) as box,
            session(box, path) as one,
            session(box, path) as two,
        ):
            lists = [await doo.webhooks.list("111", stable=True).collect() for doo in (one, two)]
            for doo, read, ended in zip((one, two), lists, ("applied", "unchanged"), strict=True):
                report = await doo.bulk.run([Ensure("111", CONFIG)], baseline=read, settle=0.0)
                assert [outcome.status for outcome in report] == [ended]
            assert box.count("create") == 1
            assert box.count("list") == 2 + 1
            assert await two._parts.claims.claims() == []
            async with session(box, path) as later:
                await asyncio.sleep(1.1)  # more than the clocks of two hosts may differ
                fresh = await later.webhooks.list("111", stable=True).collect()
                report = await later.bulk.run([Ensure("111", CONFIG)], baseline=fresh, settle=0.0)
                assert report.requests.total == 0

    asyncio.run(main())
