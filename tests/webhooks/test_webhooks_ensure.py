"""One webhook configuration that has to be there: looked for first, created once, and never a second time on a doubt."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from simulated import SimulatedClock, simulate
from simulated_doo import BoxTransport
from unlimited_session import UNLIMITED, asked, config, kinds, practice

from aiodoo import (
    AddWebhook,
    Authentication,
    ClientCredentials,
    ConfigError,
    DeadlineExceeded,
    Ensure,
    Hook,
    InvalidRequest,
    OutcomeUnknown,
    Session,
)
from aiodoo.sandbox import Box, Fault

QUERY = Hook.graphql("event_updated", endpoint="https://crm.example/doo", query="{ event { id } }")


def login() -> Authentication:
    """How doo logs in, with a secret of its own."""
    credentials = ClientCredentials(client_secret=secrets.token_hex())
    return Authentication(endpoint="https://crm.example/token", credentials=credentials)


async def test_a_new_one_is_created_and_an_equal_one_is_found() -> None:
    """The first call costs a list and a create, the second one a list, and both return the same id."""
    wanted = AddWebhook(
        name="crm", hooks=[*config().hooks, QUERY], authentication=login(), extra={"x": [1, None]}
    )
    async with practice(organizations=1) as (doo, box):
        webhook_id = await doo.webhooks.ensure("111", wanted)
        assert kinds(box) == ["list", "create"]
        assert await doo.webhooks.ensure(111, wanted) == webhook_id
        assert kinds(box) == ["list", "create", "list"]
        [live] = box.live("111")
        assert live["id"] == webhook_id


@pytest.mark.parametrize(
    "other",
    [
        config("crm2"),
        config(endpoint="https://crm2.example/doo"),
        config(description="another"),
        AddWebhook(name="crm", hooks=[Hook(type="event_updated", endpoint="https://crm.example/doo")]),
        AddWebhook(name="crm", hooks=[*config().hooks, QUERY]),
        AddWebhook(name="crm", hooks=config().hooks, authentication=login()),
    ],
)
async def test_one_that_differs_is_not_equal(other: AddWebhook) -> None:
    """What doo shows otherwise, in any field, is another one; a run judges as this call does."""
    async with practice(organizations=1) as (doo, box):
        webhook_id = await doo.webhooks.create("111", other)
        assert await doo.webhooks.ensure("111", config()) != webhook_id
        assert len(box.live("111")) == 2
        report = await doo.bulk.run([Ensure("111", config()), Ensure("111", other)], settle=1)
        assert report.counts()["unchanged"] == 2


async def test_the_order_of_hooks_makes_no_difference() -> None:
    """As for a run."""
    hooks = [*config().hooks, QUERY]
    async with practice(organizations=1) as (doo, _):
        webhook_id = await doo.webhooks.create("111", AddWebhook(name="crm", hooks=hooks))
        assert await doo.webhooks.ensure("111", AddWebhook(name="crm", hooks=hooks[::-1])) == webhook_id


async def test_it_is_found_on_any_page() -> None:
    """The whole list is read, until its readings agree."""
    async with practice(organizations=1, webhooks_per_team=20, page_size=7, order="oldest_first") as (
        doo,
        box,
    ):
        webhook_id = await doo.webhooks.create("111", config())
        assert await doo.webhooks.ensure("111", config()) == webhook_id
        assert len(asked(box)) == 6


async def test_many_at_once_create_one() -> None:
    """Calls of one session for one team come one after the other; other teams do not wait for them."""
    async with practice(organizations=3, latency=0.01) as (doo, box):
        calls = [doo.webhooks.ensure(team, config()) for team in box.teams for _ in range(5)]
        slow = doo.background().webhooks
        found = await asyncio.gather(*calls, *[slow.ensure(team, config()) for team in box.teams])
        assert [len(box.live(team)) for team in box.teams] == [1, 1, 1]
        assert len(set(found)) == 3


async def test_one_that_is_cancelled_lets_the_next_one_go_on() -> None:
    """Whatever ends a call, it holds up nobody."""
    async with practice(organizations=1, latency=0.02) as (doo, box):
        first = asyncio.create_task(doo.webhooks.ensure("111", config()))
        second = asyncio.create_task(doo.webhooks.ensure("111", config()))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == box.live("111")[0]["id"]
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_what_cannot_be_right_is_refused() -> None:
    """Before anything is sent."""
    async with practice(organizations=1) as (doo, box):
        for team, wrong in [("111", config("")), ("a/b", config()), ("111", {"name": "crm"})]:
            with pytest.raises(ConfigError):
                await doo.webhooks.ensure(team, wrong)  # type: ignore[arg-type]
        assert box.log.total == 0


async def test_what_doo_refuses_is_raised() -> None:
    """Its answer says why, and nothing was created."""
    async with practice(organizations=1) as (doo, box):
        box.script(Fault("error_not_acted", on="create", status=400))
        with pytest.raises(InvalidRequest):
            await doo.webhooks.ensure("111", config())
        assert box.live("111") == []


async def test_a_lost_answer_is_settled_by_calling_it_again() -> None:
    """If it happened the next call finds it at once."""
    async with practice(organizations=1) as (doo, box):
        box.script(Fault("lost_after", on="create"))
        with pytest.raises(OutcomeUnknown):
            await doo.webhooks.ensure("111", config())
        assert await doo.webhooks.ensure("111", config()) == box.live("111")[0]["id"]
        assert len(box.live("111")) == 1


@asynccontextmanager
async def world(clock: SimulatedClock, **options: Any) -> AsyncIterator[tuple[Session, Box]]:
    """A session and the box that it asks, in simulated time."""
    box = Box(plan=None, organizations=1, latency=0.1, **options)
    async with Session(
        api_key=box.api_key,
        client_id=box.client_id,
        client_secret=box.client_secret,
        limits=UNLIMITED,
        clock=clock,
        transport=BoxTransport(box, clock),
    ) as doo:
        yield doo, box


@pytest.mark.parametrize("first", ["create", "ensure"])
def test_a_create_that_lands_late_is_not_made_twice(first: str) -> None:
    """After a lost create the next call waits until doo can no longer act on it; without time for that it says so."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            box.script(Fault("late", on="create", after=100))
            with pytest.raises(OutcomeUnknown):
                await getattr(doo.webhooks, first)("111", config())
            with pytest.raises(OutcomeUnknown, match="Nothing was sent now; ensure it again from then on"):
                await doo.webhooks.ensure("111", config())
            # Another content has nothing to do with it.
            await doo.webhooks.ensure("111", config("erp"))
            assert clock.monotonic() < 10
            webhook_id = await doo.webhooks.ensure("111", config(), deadline=None)
            assert clock.monotonic() > 160
            assert [item["id"] for item in box.live("111") if item["name"] == "crm"] == [webhook_id]

    simulate(main)


def test_a_create_that_never_happened_is_made_at_last() -> None:
    """From when on the list is conclusive, what it lacks is created."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            box.script(Fault("lost_before", on="create"))
            with pytest.raises(OutcomeUnknown):
                await doo.webhooks.ensure("111", config())
            await clock.sleep(170)
            webhook_id = await doo.webhooks.ensure("111", config())
            assert clock.monotonic() < 175
            assert [item["id"] for item in box.live("111")] == [webhook_id]

    simulate(main)


def test_a_list_that_lags_makes_no_second_one() -> None:
    """What this session has created is waited for until the list shows it, if the deadline leaves time for that."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, replica_lag=20.0) as (doo, box):
            webhook_id = await doo.webhooks.ensure("111", config())
            with pytest.raises(DeadlineExceeded, match="Nothing was created"):
                await doo.webhooks.ensure("111", config(), deadline=10)
            assert await doo.webhooks.ensure("111", config()) == webhook_id
            assert len(box.live("111")) == 1
            assert clock.monotonic() < 40

    simulate(main)


def test_one_that_was_deleted_and_is_still_listed_is_made_again() -> None:
    """What this session has deleted does not count, once the list has had time to forget it."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, replica_lag=20.0) as (doo, box):
            old_id = await doo.webhooks.create("111", config())
            await clock.sleep(60)
            await doo.webhooks.delete(old_id)
            new_id = await doo.webhooks.ensure("111", config())
            assert [item["id"] for item in box.live("111")] == [new_id]
            assert new_id != old_id

    simulate(main)
