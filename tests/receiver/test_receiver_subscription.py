"""What is subscribed and what is served are made from the same registrations."""

from __future__ import annotations

import pytest

import aiodoo
from aiodoo.receiver import Delivery, Receiver
from aiodoo.sandbox import Sandbox

BASE = "https://app.example/doo"
QUERY = "query ($id: ID!) { event(id: $id) { id title } }"


def receiver() -> Receiver:
    """Return a receiver of two types."""
    made = Receiver(client_secrets=["new", "old"])

    @made.on("event_created", query=QUERY, variables={"id": "%EVENT_ID%"})
    async def created(delivery: Delivery) -> None:
        """Take it."""

    @made.on("order_created", path="/orders/new")
    async def ordered(delivery: Delivery) -> None:
        """Take it."""

    return made


async def test_a_subscription_made_from_a_receiver_points_at_it() -> None:
    """`webhook()` is what `check()` looks for, each type once and with a valid secret."""
    one = receiver()
    async with Sandbox(organizations=1, plan=None) as box, box.session() as doo:
        before = await one.check(doo, "111", base_url=BASE)
        assert (before.ok, before.missing) == (False, ("event_created", "order_created"))
        new_id = await doo.webhooks.create("111", one.webhook(BASE, name="app"))
        after = await one.check(doo, "111", base_url=BASE)
        assert after.ok
        assert after.found == {"event_created": (new_id,), "order_created": (new_id,)}


async def test_the_check_tells_doubled_and_wrong_configurations() -> None:
    """Twins deliver twice; another secret, query or token endpoint does not log in, or delivers something else."""
    one = receiver()
    whole = one.webhook(BASE, name="app")
    login = whole.authentication
    assert login is not None
    async with Sandbox(organizations=1, plan=None) as box, box.session() as doo:
        first = await doo.webhooks.create("111", whole)
        old = await doo.webhooks.create("111", whole.copy(client_secret="old"))
        wrong = await doo.webhooks.create("111", whole.copy(client_secret="older"))
        other = whole.hooks[0].copy(origin=None)
        stale = await doo.webhooks.create("111", whole.copy(hooks=[other]))
        found = await one.check(doo, "111", base_url=f"{BASE}/")
        assert {name: set(ids) for name, ids in found.found.items()} == {
            "event_created": {first, old},
            "order_created": {first, old},
        }
        assert found.doubled == ("event_created", "order_created")
        assert set(found.wrong) == {wrong, stale}
        assert not found.ok


@pytest.mark.parametrize(
    ("events", "doubled"),
    [(["7", "8"], []), (["7", "7"], ["event_created"]), (["7", None], ["event_created"]), (["7"], [])],
)
async def test_configurations_of_different_events_do_not_double_each_other(
    events: list[str | None], doubled: list[str]
) -> None:
    """One that is bound to no event covers all of them."""
    one = receiver()
    async with Sandbox(organizations=1, plan=None, echo_scope=True) as box, box.session() as doo:
        for event in events:
            box.add_webhook("111", one.webhook(BASE, name="app", event_id=event).to_dict(secrets="reveal"))
        found = await one.check(doo, "111", base_url=BASE)
    assert (list(found.doubled[:1]), found.ok) == (doubled, not doubled)


def test_hooks_need_a_handler_and_a_public_url() -> None:
    """What doo could not call is not offered."""
    with pytest.raises(aiodoo.ConfigError, match="no handler is registered"):
        Receiver(client_secrets="right").hooks(BASE)
    with pytest.raises(aiodoo.ConfigError, match="https"):
        receiver().hooks("http://app.example")


def test_a_receiver_without_authentication_subscribes_none() -> None:
    """Doo then calls without a token."""
    made = Receiver(client_secrets=None)

    @made.on("event_created")
    async def created(delivery: Delivery) -> None:
        """Take it."""

    webhook = made.webhook(BASE, name="open", event_id=4711)
    assert (webhook.authentication, webhook.event_id) == (None, "4711")
