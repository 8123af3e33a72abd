"""Whichever way a run is begun, teams that another run has are left alone, and nothing is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from bulk_world import session
from simulated import SimulatedClock, simulate
from sqlite_world import ledger_path, simulated_ledger

from aiodoo import Limits, PlanDrift, Session, TeamClaimed, Tenants
from aiodoo.operations import Operation, Update
from aiodoo.sandbox import Box

Door = Callable[[Session, list[Operation], Path], Awaitable[Any]]

DECLARED = """\
aiodoo: 1
manage:
  name_prefix: "crm: "
teams: all
webhooks:
  - name: "crm: events"
    hooks:
      - type: event_created
        endpoint: https://crm.example/events
"""


async def run(doo: Session, operations: list[Operation], path: Path) -> Any:
    """Run it."""
    return await doo.bulk.run(operations, journal=path)


async def without_a_journal(doo: Session, operations: list[Operation], path: Path) -> Any:
    """Run it without a journal, and do not wait."""
    return await doo.bulk.run(operations, on_claimed="refuse")


async def stream(doo: Session, operations: list[Operation], path: Path) -> Any:
    """Stream it."""
    async with doo.bulk.stream(operations, journal=path) as outcomes:
        return [outcome async for outcome in outcomes]


async def apply(doo: Session, operations: list[Operation], path: Path) -> Any:
    """Apply a plan that was made before."""
    return await doo.desired.apply(path.with_name("plan"), journal=path)


async def tenants(doo: Session, operations: list[Operation], path: Path) -> Any:
    """Run it for a tenant, whose error is handed back beside the others' reports."""
    async with Tenants({"acme": doo}) as all_of_them:
        reports = await all_of_them.run({"acme": operations}, journals=path.parent / "journals")
    assert not list((path.parent / "journals").iterdir())
    error = reports["acme"]
    assert isinstance(error, TeamClaimed)
    raise error


@pytest.mark.parametrize("killed", [False, True], ids=["going on", "killed"])
@pytest.mark.parametrize("shared", [True, False], ids=["a ledger", "none given"])
@pytest.mark.parametrize("door", [run, without_a_journal, stream, apply, tenants])
def test_claimed_teams_are_left_alone(tmp_path: Path, door: Door, shared: bool, killed: bool) -> None:  # noqa: FBT001
    """By every way in: the error says who has them, no change is sent, and no journal is left behind."""

    async def main(clock: SimulatedClock, ledger: Callable[[], Any]) -> None:
        box = Box(plan=None, latency=0.05, organizations=2, webhooks_per_team=12, echo_scope=True)
        operations: list[Operation] = [
            Update(team, item["id"], description="moved") for team in box.teams for item in box.live(team)
        ]
        (tmp_path / "doo.yaml").write_text(DECLARED)
        async with session(clock, box, quota=ledger()) as doo:
            await doo.desired.write(await doo.desired.plan(tmp_path / "doo.yaml"), tmp_path / "plan")
        first = session(clock, box, quota=ledger())
        task = asyncio.create_task(first.bulk.run(operations, journal=tmp_path / "first", grace=0.0))
        await clock.sleep(0.25)
        if killed:
            task.cancel()
            await asyncio.wait({task})
            await first.aclose()
        doo, before = session(clock, box, quota=ledger()), set(operations)
        creates, deletes = box.count("create"), box.count("delete")
        with pytest.raises(TeamClaimed, match="Nothing was sent") as caught:
            await door(doo, operations, tmp_path / "second")
        assert (caught.value.journal, caught.value.alive) == (str(tmp_path / "first"), not killed)
        assert before == set(operations)
        assert not (tmp_path / "second").exists()
        if killed:
            assert (box.count("create"), box.count("delete")) == (creates, deletes)
        else:
            assert (await task).counts()["applied"] == 24
        await doo.aclose()
        await first.aclose()
        async with session(clock, box, quota=ledger()) as last:
            report = await last.bulk.resume(tmp_path / "first")
            assert report.counts()["applied"] == 24
        assert (box.count("create"), box.count("delete")) == (24, 24)
        assert [len(box.live(team)) for team in box.teams] == [12, 12]

    if shared:
        with ledger_path() as path:
            simulate(lambda clock: main(clock, lambda: simulated_ledger(path)))
    else:
        simulate(lambda clock: main(clock, lambda: None))


def test_a_plan_that_has_drifted_keeps_no_claims(tmp_path: Path) -> None:
    """Its teams were claimed to be read again; as nothing was begun, another run may have them at once."""

    async def main(clock: SimulatedClock, ledger: Callable[[], Any]) -> None:
        box = Box(plan=None, latency=0.05, organizations=1, webhooks_per_team=4, echo_scope=True)
        (tmp_path / "doo.yaml").write_text(DECLARED)
        async with session(clock, box, quota=ledger(), limits=Limits()) as doo:
            plan = await doo.desired.plan(tmp_path / "doo.yaml")
            [old, *_] = box.live("111")
            await doo.webhooks.update("111", old["id"], description="by somebody else")
            with pytest.raises(PlanDrift, match="Plan again"):
                await doo.desired.apply(plan, journal=tmp_path / "journal")
        async with session(clock, box, quota=ledger(), limits=Limits()) as doo:
            [old, *_] = box.live("111")
            report = await doo.bulk.run([Update("111", old["id"], name="moved")], on_claimed="refuse")
            assert report.counts()["applied"] == 1

    with ledger_path() as path:
        simulate(lambda clock: main(clock, lambda: simulated_ledger(path)))
