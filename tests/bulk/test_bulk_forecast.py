"""What a forecast says row by row, of teams that cannot be read too; in simulated time."""

from __future__ import annotations

import json

import pytest
from bulk_world import config, world
from simulated import SimulatedClock, simulate

from aiodoo import ConfigError, Hook, NotFound
from aiodoo.operations import Create, Delete, Ensure, Operation, Update


def test_each_row_and_a_team_that_cannot_be_read() -> None:
    """In the order of the input; what cannot be right, and a team that is not there, are rows that fail."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=2) as (doo, box):
            first, second = (item["id"] for item in box.live("111"))
            operations: list[Operation] = [
                Update("111", first, hooks=[Hook(type="event_created", endpoint="not a url")]),
                Update("999", "x", name="moved"),
                Create("112", config("a")),
                Update("111", second, name="fine"),
                Delete("112", "nope"),
                Ensure("112", config("a")),
            ]
            found = await doo.bulk.forecast(operations)
            assert [row.index for row in found.outcomes] == [0, 1, 2, 3, 4, 5]
            assert [row.operation for row in found.outcomes] == operations
            assert [row.status for row in found.outcomes] == [
                "failed", "failed", "applied", "applied", "unchanged", "applied",
            ]  # fmt: skip
            assert isinstance(found.outcomes[1].error, NotFound)
            assert found.outcomes[1].reason == "the list of team 999 could not be read"
            assert found.outcomes[0].error is not None
            rows = found.to_rows()
            assert json.loads(json.dumps(rows)) == rows
            assert [(row["index"], row["operation"], row["old_id"], row["status"]) for row in rows[:3]] == [
                (0, "update", first, "failed"),
                (1, "update", "x", "failed"),
                (2, "create", None, "applied"),
            ]
            assert "endpoint" in rows[0]["error"]
            assert found.counts == {"failed": 2, "applied": 3, "unchanged": 1}
            with pytest.raises(
                ConfigError, match=rf"operation 0, update of webhook {first} in team 111: hooks"
            ):
                await doo.bulk.run(operations)
            assert (box.log.count("create"), box.log.count("delete")) == (0, 0)
            report = await doo.bulk.run([operation for operation in operations if operation != operations[0]])
            assert [outcome.status for outcome in report] == [row.status for row in found.outcomes[1:]]

    simulate(main)


def test_what_every_team_would_meet_is_raised() -> None:
    """A closed session is no row."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            await doo.aclose()
            with pytest.raises(ConfigError, match="this Session is closed"):
                await doo.bulk.forecast([Create("111", config("a"))])
            assert box.log.total == 0

    simulate(main)
