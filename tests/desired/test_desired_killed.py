"""A process that applies a plan is killed while it is at it, and another one goes on: over real HTTP and real files."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from desired_world import declare

from aiodoo import Facts, Limits, Session
from aiodoo.sandbox import Sandbox

APPLY = """
import asyncio, sys
import aiodoo

async def main():
    url, api_key, client_id, client_secret, folder = sys.argv[1:]
    limits = aiodoo.Limits(per_second=50, per_day=None)
    async with aiodoo.Session(
        base_url=url, api_key=api_key, client_id=client_id, client_secret=client_secret, limits=limits,
        facts=aiodoo.Facts(list_echoes_scope=True),
    ) as doo:
        await doo.desired.apply(f"{folder}/plan.json", journal=f"{folder}/run", allow_net_deletes=3)

asyncio.run(main())
"""
DECLARED = """\
aiodoo: 1
manage: {name_prefix: "crm: "}
teams: all
webhooks:
  - {name: "crm: a", hooks: [{type: event_created, endpoint: "https://new.example/a"}]}
  - {name: "crm: b", hooks: [{type: event_created, endpoint: "https://new.example/b"}]}
  - {name: "crm: c", hooks: [{type: event_created, endpoint: "https://new.example/c"}]}
"""


@pytest.mark.parametrize("after", [8, 12, 17, 22, 27])
async def test_a_killed_process_loses_and_doubles_nothing(tmp_path: Path, after: int) -> None:
    """Killed once doo has seen so many requests; applying the same plan with the same journal ends where it was to end."""
    async with Sandbox(plan=None, webhooks_per_team=1, echo_scope=True) as box:
        foreign = {team: box.live(team) for team in box.teams}
        for team in box.teams:
            for name in ("a", "b", "old"):
                hook = {"type": "event_created", "method": "POST", "endpoint": "https://old.example"}
                box.add_webhook(team, {"name": f"crm: {name}", "hooks": [hook]})
        async with Session(
            base_url=box.url,
            api_key=box.api_key,
            client_id=box.client_id,
            client_secret=box.client_secret,
            limits=Limits(per_second=None, per_day=None),
            facts=Facts(list_echoes_scope=True),
        ) as doo:
            plan = await doo.desired.plan(declare(tmp_path, DECLARED), prune=True)
            assert plan.counts() == {"create": 3, "replace": 6, "delete": 3, "unchanged": 0, "undeclared": 0}
            await doo.desired.write(plan, tmp_path / "plan.json")
            until = box.count() + after
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                APPLY,
                box.url,
                box.api_key,
                box.client_id,
                box.client_secret,
                str(tmp_path),
            )
            while box.count() < until and child.returncode is None:  # noqa: ASYNC110  # the box tells nobody
                await asyncio.sleep(0.002)
            assert child.returncode is None, "it was done too early to be killed"
            child.kill()
            await child.wait()

            report = await doo.desired.apply(
                tmp_path / "plan.json", journal=tmp_path / "run", allow_net_deletes=3, settle=1.0
            )
            assert report.resumed
            assert report.counts()["applied"] == len(plan)
            assert not await doo.desired.plan(tmp_path / "doo.yaml", prune=True)
        for team in box.teams:
            live = box.live(team)
            assert [item for item in live if item in foreign[team]] == foreign[team]
            assert sorted(item["name"] for item in live if item not in foreign[team]) == [
                "crm: a",
                "crm: b",
                "crm: c",
            ]
