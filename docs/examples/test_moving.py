"""A test suite of a program that changes webhooks, with aiodoo's pytest plugin: `pytest test_moving.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

import aiodoo
from aiodoo.testing import SimulatedClock, TestedSandbox

pytestmark = pytest.mark.doo(webhooks_per_team=3)


async def move(doo: aiodoo.Session, teams: Iterable[str]) -> aiodoo.Report:
    """Move all endpoints to another host: the program that is tested."""
    operations = [
        aiodoo.Update(webhook.team_id, webhook.id, hosts={"crm.example": "new.example"})
        async for webhook in doo.webhooks.list(teams)
    ]
    return await doo.bulk.run(operations)


def moved(doo: aiodoo.Session, sandbox: TestedSandbox) -> aiodoo.Report:
    """Run the program to its end."""

    async def run() -> aiodoo.Report:
        async with doo:
            return await move(doo, sandbox.teams)

    return asyncio.run(run())


def test_every_webhook_moves(doo_sandbox: TestedSandbox, doo_session: aiodoo.Session) -> None:
    """All of them, each with one create and one delete."""
    assert moved(doo_session, doo_sandbox).counts()["applied"] == 3
    doo_sandbox.assert_sent(create=3, delete=3)
    endpoints = {webhook["hooks"][0]["endpoint"] for webhook in doo_sandbox.live("111")}
    assert all(endpoint.startswith("https://new.example/") for endpoint in endpoints)


@pytest.mark.parametrize("after", [False, True])
def test_a_lost_create_doubles_nothing(
    doo_sandbox: TestedSandbox, doo_session: aiodoo.Session, *, after: bool
) -> None:
    """Whether doo has carried it out or not."""
    doo_sandbox.fail_next("create", after=after)
    assert moved(doo_session, doo_sandbox).counts()["applied"] == 3
    assert len(doo_sandbox.live("111")) == 3


@pytest.mark.doo(plan=aiodoo.sandbox.Plan())
def test_the_limits_are_kept(
    doo_sandbox: TestedSandbox, doo_session: aiodoo.Session, doo_clock: SimulatedClock
) -> None:
    """One request a second, as doo has it; the clock is simulated, so the test takes less."""
    start = doo_clock.monotonic()
    moved(doo_session, doo_sandbox)
    assert doo_sandbox.count(status=429) == 0
    assert doo_clock.monotonic() - start > doo_sandbox.log.total - 2
