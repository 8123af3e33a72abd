"""The background: the same session, whose calls let a person's go first and leave the day's reserve alone."""

from __future__ import annotations

import asyncio

import pytest
from simulated import SimulatedClock, simulate
from simulated_doo import BoxTransport
from unlimited_session import config, kinds, listed, session, shown

from aiodoo import Limits, QuotaExhausted, Session
from aiodoo.sandbox import Box, Sandbox


async def test_the_reserve_is_left_to_people() -> None:
    """Background calls stop at the reserve, each of them; a person's calls use it up."""
    limits = Limits(per_second=None, per_day=12, reserve=0.5)
    async with Sandbox(webhooks_per_team=2, plan=None) as box, session(box, limits=limits) as doo:
        slow = doo.background()
        assert (await slow.organizations.active_team()).id == "111"
        assert await shown(slow.webhooks.list(box.teams)) == listed(box)
        new_id = await slow.webhooks.create("111", config())
        assert box.log.total == 6
        for call in (
            slow.organizations.active_team,
            lambda: anext(slow.organizations.list()),
            lambda: anext(slow.webhooks.list("111")),
            slow.webhooks.list("111").collect,
            slow.webhooks.list_all().collect,
            lambda: slow.webhooks.create("111", config()),
            lambda: slow.webhooks.update("111", new_id, name="new"),
            lambda: slow.webhooks.replace("111", new_id, config("new")),
            lambda: slow.webhooks.delete(new_id),
            lambda: slow.webhooks.delete(new_id, confirm_in="111"),
            lambda: slow.webhooks.initialize("events", organization_id=70_001),
        ):
            with pytest.raises(QuotaExhausted) as caught:
                await call()
            assert caught.value.resume_at is not None
        assert box.log.total == 6
        await doo.webhooks.update("111", new_id, name="new")
        await doo.webhooks.delete(box.live("111")[-1]["id"])
        assert box.log.total == 12
        with pytest.raises(QuotaExhausted):
            await doo.organizations.active_team()


async def test_it_is_the_same_session() -> None:
    """One token, one quota, one count for both; closing the session closes both."""
    async with Sandbox(webhooks_per_team=2, plan=None) as box, session(box) as doo:
        slow = doo.background()
        await doo.organizations.active_team()
        await slow.organizations.active_team()
        await slow.bulk.run([])
        assert (slow.desired, slow.quota, slow.stats) == (doo.desired, doo.quota, doo.stats)
        assert box.count("token") == 1
        assert sum(doo.stats.requests.values()) == box.log.total == 3
        await doo.aclose()
        with pytest.raises(Exception, match="closed"):
            await slow.organizations.active_team()


def test_a_person_goes_first() -> None:
    """However much is waiting in the background, a person's call has the next slot."""

    async def main(clock: SimulatedClock) -> None:
        box = Box(organizations=30, webhooks_per_team=2, plan=None)
        async with Session(
            api_key=box.api_key,
            client_id=box.client_id,
            client_secret=box.client_secret,
            clock=clock,
            transport=BoxTransport(box, clock),
        ) as doo:
            audit = asyncio.create_task(doo.background().webhooks.list(box.teams, prefetch=8).collect())
            await asyncio.sleep(10.5)
            before = len(kinds(box))
            assert (await doo.organizations.active_team()).id == "111"
            assert clock.monotonic() <= 10.5 + 1.01
            assert kinds(box)[before:] == ["organizations"]
            assert len(await audit) == 60

    simulate(main)
