"""What is refused, and what is warned of, before anything is sent: at every door, and at the caller's line."""

from __future__ import annotations

import linecache
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
from bulk_world import config, world
from simulated import SimulatedClock, simulate

from aiodoo import (
    AddWebhook,
    Authentication,
    ClientCredentials,
    ConfigError,
    Create,
    Ensure,
    Hook,
    Operation,
    Replace,
    Report,
    Session,
    Tenants,
    UnknownHookType,
    Update,
)
from aiodoo.sandbox import classic

URL = "https://crm.example/"
ODD = Hook(type="event_craeted", endpoint=URL)

DOORS: dict[str, Callable[[Session, str, AddWebhook], Awaitable[Any]]] = {
    "create": lambda doo, _, config: doo.webhooks.create("111", config),
    "ensure": lambda doo, _, config: doo.webhooks.ensure("111", config),
    "update": lambda doo, old, config: doo.webhooks.update("111", old, hooks=config.hooks),
    "replace": lambda doo, old, config: doo.webhooks.replace("111", old, config),
    "run Create": lambda doo, _, config: doo.bulk.run([Create("111", config)]),
    "run Ensure": lambda doo, _, config: doo.bulk.run([Ensure("111", config)]),
    "run Update": lambda doo, old, config: doo.bulk.run([Update("111", old, hooks=config.hooks)]),
    "run Replace": lambda doo, old, config: doo.bulk.run([Replace("111", old, config)]),
}


async def streamed(doo: Session, operations: list[Operation]) -> None:
    """Carry out operations, one outcome after the other."""
    async with doo.bulk.stream(operations) as outcomes:
        async for _ in outcomes:
            pass


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("hooks", [[Hook(type="event_created", endpoint="not a url")], []])
def test_what_cannot_be_right_is_refused_at_every_door(door: str, hooks: list[Hook]) -> None:
    """Nothing at all is sent, and the error says which team, which webhook and, in a run, which operation."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=1) as (doo, box):
            old = box.live("111")[0]["id"]
            with pytest.raises(ConfigError, match="in team 111: hooks") as caught:
                await DOORS[door](doo, old, AddWebhook(name="crm", hooks=hooks))
            told = str(caught.value)
            assert (f"of webhook {old}" in told) == ("pdate" in door or "eplace" in door)
            assert told.startswith("operation 0, ") == door.startswith("run")
            assert told.endswith("Nothing was sent.")
            assert box.log.total == 0

    simulate(main)


def test_every_row_that_cannot_be_right_is_named() -> None:
    """A migration's file is mended at one go; the others' price is in the forecast meanwhile."""
    bad = [Hook(type="event_created", endpoint="nope")]
    login = Authentication(endpoint="nope", credentials=ClientCredentials(client_secret="a long secret"))

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            operations: list[Operation] = [
                Create("111", AddWebhook(name="crm", hooks=bad)),
                Create("111", config("fine")),
                Update("112", "7", authentication=login),
            ]
            with pytest.raises(ConfigError) as caught:
                await doo.bulk.run(operations)
            told = str(caught.value)
            assert told.startswith(
                "2 of 3 operations are invalid: operation 0, create in team 111: hooks[0].endpoint"
            )
            assert "operation 2, update of webhook 7 in team 112: authentication.endpoint" in told
            assert box.log.total == 0
            found = await doo.bulk.forecast(operations)
            assert [row.status for row in found.outcomes] == ["failed", "applied", "failed"]
            assert str(found.outcomes[2].error).startswith("operation 2, update of webhook 7 in team 112")
            assert found.requests.creates == 1

    simulate(main)


async def run_for_a_tenant(doo: Session, operations: list[Operation]) -> None:
    """Run operations of a tenant, in a task that aiodoo starts."""
    async with Tenants({"acme": doo}) as tenants:
        reports = await tenants.run({"acme": operations})
    assert isinstance(reports["acme"], Report)


INSIDE = {"stream": "doo.bulk.stream", "tenants": "await tenants.run"}
"""What the line says that calls aiodoo, where it is in a function of its own."""


@pytest.mark.parametrize("door", [*DOORS, "forecast", *INSIDE])
def test_an_unknown_type_is_warned_of_once_at_the_callers_line(door: str) -> None:
    """It may be new, so it is sent; the line that is shown is the one that asked for it."""
    calls = DOORS | {
        "forecast": lambda doo, _, config: doo.bulk.forecast([Create("111", config)] * 3),
        "stream": lambda doo, _, config: streamed(doo, [Create("111", config)] * 3),
        "tenants": lambda doo, _, config: run_for_a_tenant(doo, [Create("111", config)] * 3),
    }

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=1) as (doo, box):
            old = box.live("111")[0]["id"]
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                await calls[door](doo, old, AddWebhook(name="crm", hooks=[ODD]))
            assert [each.category for each in caught] == [UnknownHookType]
            assert "'event_craeted' (did you mean event_created?)" in str(caught[0].message)
            assert caught[0].filename == __file__
            line = linecache.getline(__file__, caught[0].lineno)
            assert INSIDE.get(door, "await calls[door]") in line

    simulate(main)


@pytest.mark.parametrize("pattern", ["evnt_created", "order_creatd*"])
def test_a_type_to_look_for_that_is_unknown_is_warned_of(pattern: str) -> None:
    """An empty list would look like an answer; a pattern that matches a known type is as it should be."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=1) as (doo, _):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                doo.webhooks.list("111", type="order_*")
                doo.webhooks.list_all(type="event_created")
                assert not caught
                assert await doo.webhooks.list("111", type=pattern).collect() == []
            assert [each.category for each in caught] == [UnknownHookType]
            assert str(caught[0].message).endswith("; only hooks with it are found")
            assert caught[0].filename == __file__

    simulate(main)


def test_a_copied_type_is_not_warned_of() -> None:
    """A type that doo lists is one that doo knows; known ones and new endpoints are none of its business."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            item = classic()
            item["hooks"] = [{"type": "made_up", "method": "POST", "endpoint": URL}]
            box.add_webhook("111", item)
            [webhook] = await doo.webhooks.list("111").collect()
            hooks = [attrs.evolve(hook, endpoint="https://new.example/") for hook in webhook.hooks]
            new = await doo.webhooks.update("111", webhook.id, hooks=hooks)
            await doo.webhooks.create("112", webhook.copy(name="other"))
            await doo.bulk.run([Update("111", new, name="third")])
            assert box.live("111")[0]["name"] == "third"

    simulate(main)
