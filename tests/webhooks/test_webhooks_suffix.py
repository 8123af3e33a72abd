"""Another suffix than the known one: what a session's facts say of it holds for whatever was listed by that session."""

from __future__ import annotations

import copy
import pickle
import re

import attrs
from bulk_world import session
from simulated import SimulatedClock, simulate

from aiodoo import Create, Facts, Hook, Replace
from aiodoo.sandbox import Box, graphql

FACTS = Facts(type_suffix=re.compile(r"_v[0-9]+\Z"))


def test_copies_of_listed_webhooks_lose_the_suffix_that_the_facts_name() -> None:
    """By copy, by base_type, by create, by update and in a run; pickled and copied ones too."""

    async def main(clock: SimulatedClock) -> None:
        box = Box(plan=None, type_suffix=lambda _, position: f"v{position}")
        box.add_webhook("111", graphql())
        async with session(clock, box, facts=FACTS) as doo:
            [webhook] = await doo.webhooks.list("111").collect()
            assert [hook.type for hook in webhook.hooks] == ["event_created_v0", "event_updated_v1"]
            listed = webhook.copy().to_dict(secrets="reveal")
            for each in (webhook, copy.deepcopy(webhook), copy.copy(webhook)):
                assert [hook.base_type for hook in each.hooks] == ["event_created", "event_updated"]
                assert [hook.type for hook in each.copy().hooks] == ["event_created", "event_updated"]
            hooks = [attrs.evolve(hook, endpoint="https://new.example/") for hook in webhook.hooks]
            assert [hook.base_type for hook in hooks] == ["event_created", "event_updated"]
            await doo.webhooks.create("112", webhook.copy())
            await doo.bulk.run([Create("112", attrs.evolve(webhook.copy(name="b"), hooks=webhook.hooks))])
            for item in box.live("112"):
                assert [hook["type"] for hook in item["hooks"]] == ["event_created", "event_updated"]
            new = await doo.webhooks.update("111", webhook.id, hooks=hooks)
            await doo.bulk.run([Replace("111", new, webhook.copy(name="third"))])
            [item] = box.live("111")
            item.pop("id")
            assert item == {**listed, "name": "third"}

    simulate(main)


def test_a_pickled_one_keeps_what_was_known() -> None:
    """Worker processes copy by the same facts."""

    async def main(clock: SimulatedClock) -> None:
        box = Box(plan=None, type_suffix=lambda _, position: f"v{position}")
        plain = graphql()
        plain.pop("authentication")
        box.add_webhook("111", plain)
        async with session(clock, box, facts=FACTS) as doo:
            [webhook] = await doo.webhooks.list("111").collect()
            again = pickle.loads(pickle.dumps(webhook))  # noqa: S301  # our own
            assert again == webhook
            assert [hook.type for hook in again.copy().hooks] == ["event_created", "event_updated"]

    simulate(main)


def test_base_type_of_a_hook_made_by_hand() -> None:
    """Without a list, the suffix that doo's examples show is what is known."""
    hook = Hook.graphql("event_created_" + "0a" * 16, endpoint="https://crm.example", query="{a}")
    assert hook.base_type == "event_created"
