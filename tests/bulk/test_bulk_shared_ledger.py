"""Runs on a ledger that processes share."""

from __future__ import annotations

from pathlib import Path

import aiodoo
from aiodoo.operations import Update
from aiodoo.sandbox import Sandbox

LIMITS = aiodoo.Limits(per_second=100_000, per_day=1_000_000, concurrency=8)


async def test_a_run_does_not_park_while_the_day_has_room(tmp_path: Path) -> None:
    """Its teams ask for requests of the day at once, and each gets what it needs."""
    async with (
        Sandbox(organizations=16, webhooks_per_team=5, plan=None) as box,
        aiodoo.Session(
            base_url=box.url,
            api_key=box.api_key,
            client_id=box.client_id,
            client_secret=box.client_secret,
            limits=LIMITS,
            quota=aiodoo.quota.SQLite(tmp_path / "quota.db"),
        ) as doo,
    ):
        operations = [Update(team, item["id"], name="moved") for team in box.teams for item in box.live(team)]
        report = await doo.bulk.run(operations, journal=tmp_path / "journal")
        assert report.counts()["applied"] == len(operations)
        assert report.resume_at is None
