"""The file that the documentation prints is one that works."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from desired_world import declare, world
from simulated import SimulatedClock, simulate

PAGE = Path(__file__).parents[2] / "docs" / "desired.md"


def test_the_printed_file_can_be_planned_and_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is printed, against three organizations: two have the first webhook, one the second, and it stays so."""
    [text] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    monkeypatch.setenv("CRM_SECRET", os.urandom(12).hex())

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=1) as (doo, box):
            file = declare(tmp_path, text)
            plan = await doo.desired.plan(file)
            assert [(change.team_id, change.name) for change in plan] == [
                ("111", "crm: events"),
                ("112", "crm: events"),
                ("112", "crm: orders"),
            ]
            await doo.desired.apply(plan)
            stored = {item["name"]: item for item in box.live("112")}
            assert stored["crm: events"]["description"] == "Tells the CRM of events of Organization 2"
            assert stored["crm: events"]["hooks"][0]["endpoint"] == "https://crm.example/doo/112/events"
            assert stored["crm: orders"]["event_id"] == "4711"
            assert not await doo.desired.plan(file, prune=True)

    simulate(main)
