"""From the subscription to the handler: the sandbox delivers as doo does, and the receiver takes it in."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from aiohttp import web

from aiodoo.receiver import Delivery, Event, Receiver, SQLiteStorage
from aiodoo.sandbox import Sandbox

QUERY = "query ($id: ID!) { event(id: $id) { id title } }"


def receiver(path: Path, handled: Counter[str]) -> Receiver:
    """Return a receiver that counts what it handles, by the id of the event."""
    made = Receiver(client_secrets="s3cret", storage=SQLiteStorage(path), deduplicate=3600)

    @made.on("event_created", query=QUERY, variables={"id": "%EVENT_ID%"}, payload=Event)
    async def created(delivery: Delivery) -> None:
        handled[delivery.payload.id] += 1

    return made


@asynccontextmanager
async def listening(made: Receiver, port: int) -> AsyncIterator[int]:
    """Serve a receiver on a port; 0 selects a free one."""
    main = web.Application()
    main.add_subapp("/doo", made.application())
    runner = web.AppRunner(main)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, reuse_address=True)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_every_event_is_handled_once_through_a_restart_and_lost_answers(tmp_path: Path) -> None:
    """Of 1,000 events each is handled, behind the deduplication once; every tenth answer is lost, and none is dead."""
    handled: Counter[str] = Counter()
    path = tmp_path / "receiver"
    async with (
        Sandbox(organizations=1, plan=None, delivery_pause=0.2) as box,
        box.session() as doo,
    ):
        [team] = box.teams
        async with listening(receiver(path, handled), 0) as port:
            base_url = f"http://127.0.0.1:{port}/doo"
            first = receiver(path, handled)
            await doo.webhooks.ensure(team, first.webhook(base_url, name="app"))
            assert (await first.check(doo, team, base_url=base_url)).ok
            box.deliveries.lose_answers(every=10)
            for number in range(1000):
                box.deliveries.fire("event_created", {"id": number, "title": f"Event {number}"})
            while len(handled) < 400:  # noqa: ASYNC110  # the sandbox sends in the background
                await anyio.sleep(0.01)
        async with listening(receiver(path, handled), port):
            await box.deliveries.settled()
        sent = box.deliveries.all
        assert {each.state for each in sent} == {"delivered"}
        assert set(handled.values()) == {1}
        assert len(handled) == 1000
        assert sum(len(each.attempts) for each in sent) > 1100


async def test_a_delivery_that_fails_ten_times_is_dead(tmp_path: Path) -> None:
    """As doo's page says; what the endpoint answered is noted."""
    made = Receiver(client_secrets="s3cret")

    @made.on("event_created")
    async def created(delivery: Delivery) -> None:
        raise OSError

    async with (
        Sandbox(organizations=1, plan=None, delivery_pause=0.0) as box,
        box.session() as doo,
        listening(made, 0) as port,
    ):
        await doo.webhooks.create("111", made.webhook(f"http://127.0.0.1:{port}/doo", name="app"))
        box.deliveries.fire("event_created", {"id": 1})
        await box.deliveries.settled()
        [dead] = box.deliveries.dead
        assert dead.attempts == [500] * 10


async def test_a_secret_that_the_receiver_does_not_know_gets_no_delivery() -> None:
    """Doo has no token then, and sends nothing; with both secrets known it does."""
    old, both = Receiver(client_secrets="old"), Receiver(client_secrets=["new", "old"])
    for made in (old, both):

        @made.on("event_created")
        async def created(delivery: Delivery) -> None:
            """Take it."""

    async with Sandbox(organizations=1, plan=None, delivery_pause=0.0) as box, box.session() as doo:
        async with listening(old, 0) as port:
            url = f"http://127.0.0.1:{port}/doo"
            await doo.webhooks.create("111", both.webhook(url, name="app"))
            box.deliveries.fire("event_created", {"id": 1})
            await box.deliveries.settled()
            assert box.deliveries.all[0].attempts == ["token 401"] * 10
        async with listening(both, port):
            box.deliveries.fire("event_created", {"id": 1})
            await box.deliveries.settled()
            assert box.deliveries.all[1].attempts == [200]
    assert (old.counts["handled"], both.counts["handled"]) == (0, 1)


async def test_an_initialization_delivers_what_exists(tmp_path: Path) -> None:
    """Doo sends one delivery for each existing item, at a rate."""
    handled: Counter[str] = Counter()
    now = 0.0
    async with (
        Sandbox(organizations=1, plan=None, clock=lambda: now) as box,
        box.session() as doo,
        listening(made := receiver(tmp_path / "receiver", handled), 0) as port,
    ):
        for number in range(3):
            box.box.outbox.items.put("events", {"id": number, "title": "old"})
        await doo.webhooks.create("111", made.webhook(f"http://127.0.0.1:{port}/doo", name="app"))
        assert await doo.webhooks.initialize("events", organization_id=70001, max_rate_per_min=30) == 3
        assert [each.due for each in box.deliveries.all] == [0.0, 2.0, 4.0]
        now = 4.0
        box.deliveries.look()
        await box.deliveries.settled()
    assert handled == {"0": 1, "1": 1, "2": 1}
