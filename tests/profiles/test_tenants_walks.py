"""The walk over many tenants, as several tasks use it, as somebody else closes it, and over the teams that were named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from aiodoo import ConfigError, Session, Tenants
from aiodoo.sandbox import Fault, Sandbox
from aiodoo.tenants import TenantWalk


@asynccontextmanager
async def boxes_of(*names: str, **options: Any) -> AsyncIterator[dict[str, Sandbox]]:
    """A sandbox for each name."""
    async with AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(Sandbox(**({"plan": None} | options))) for name in names}


def sessions_of(boxes: dict[str, Sandbox]) -> dict[str, Session]:
    """A session with each sandbox."""
    return {name: box.session() for name, box in boxes.items()}


async def shown(walk: TenantWalk) -> list[tuple[str, str]]:
    """All that a walk shows."""
    return [(name, webhook.id) async for name, webhook in walk]


@pytest.mark.parametrize("many", [2, 7])
async def test_several_tasks_share_one_walk(many: int) -> None:
    """Each webhook goes to one of them, and all of them come to the end."""
    async with (
        boxes_of("a", "b", organizations=2, webhooks_per_team=3) as boxes,
        Tenants(sessions_of(boxes)) as tenants,
    ):
        walk = tenants.webhooks()
        parts = await asyncio.wait_for(asyncio.gather(*[shown(walk) for _ in range(many)]), 30)
        found = [each for part in parts for each in part]
        assert len(found) == len(set(found)) == 12
        assert await shown(walk) == []


async def test_a_walk_that_another_task_closes_is_not_whole() -> None:
    """Who still waits for a webhook then is told so, and so is who asks later."""
    async with boxes_of("a", "b", organizations=1, webhooks_per_team=2) as boxes:
        boxes["b"].script(Fault("slow", on="list", seconds=60.0))
        async with Tenants(sessions_of(boxes)) as tenants:
            walk = tenants.webhooks()
            reading = asyncio.create_task(shown(walk))
            await asyncio.sleep(0.3)
            await walk.aclose()
            with pytest.raises(ConfigError, match="closed while"):
                await asyncio.wait_for(reading, 30)
            with pytest.raises(ConfigError, match="closed before"):
                await anext(walk)


async def test_named_teams_alone_are_walked() -> None:
    """In any form that `webhooks.list` takes; a tenant that is not named has its own."""
    async with (
        boxes_of("a", "b", organizations=3, webhooks_per_team=1) as boxes,
        Tenants(sessions_of(boxes)) as tenants,
    ):
        first, second, _ = boxes["a"].teams
        for teams in ((first, second), [first, second], {first, second}, iter([first, second])):
            found = await shown(tenants.webhooks(teams={"a": teams}))
            assert [name for name, _ in sorted(found)] == ["a", "a", "b", "b", "b"]
        assert len(await shown(tenants.webhooks(teams={"a": first, "b": boxes["b"].teams[:1]}))) == 2


async def test_no_teams_are_not_all_teams() -> None:
    """A tenant of which no team was chosen is not walked from end to end; as for `webhooks.list`, that is a slip."""
    async with (
        boxes_of("a", "b", organizations=3, webhooks_per_team=1) as boxes,
        Tenants(sessions_of(boxes)) as tenants,
    ):
        walk = tenants.webhooks(teams={"a": []}, on_error="collect")
        assert [name for name, _ in await shown(walk)] == ["b", "b", "b"]
        [failed] = walk.errors
        assert failed.tenant == "a"
        assert isinstance(failed.error, ConfigError)
        assert boxes["a"].log.total == 0


async def test_tenants_that_are_not_open_do_nothing() -> None:
    """Before they are opened and after they are closed, walks and work are refused, and do not end as if all were read."""
    async with boxes_of("a", "b", organizations=1, webhooks_per_team=1) as boxes:
        tenants = Tenants(sessions_of(boxes))

        async def refused(match: str) -> None:
            for on_error in ("raise", "collect"):
                with pytest.raises(ConfigError, match=match):
                    await shown(tenants.webhooks(on_error=on_error))  # type: ignore[arg-type]
            with pytest.raises(ConfigError, match=match):
                await tenants.each(lambda _, doo: doo.organizations.active_team())
            with pytest.raises(ConfigError, match=match):
                await tenants.run({"a": []})

        await refused("not open")
        async with tenants:
            assert len(await shown(tenants.webhooks())) == 2
        sent = [box.log.total for box in boxes.values()]
        await refused("not open")
        assert [box.log.total for box in boxes.values()] == sent


@pytest.mark.parametrize(
    ("slip", "match"),
    [
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": "3"}, "concurrency"),
        ({"concurrency": None}, "concurrency"),
        ({"concurrency": True}, "concurrency"),
        ({"tenants": None}, "mapping"),
        ({"tenants": [("a", "b")]}, "mapping"),
        ({"tenants": {"a": 5}}, "a Session, a profile"),
        ({"tenants": {"a": None}}, "a Session, a profile"),
        ({"tenants": {5: "b"}}, "name"),
    ],
    ids=str,
)
def test_tenants_that_cannot_be_right_are_refused(slip: dict[str, Any], match: str) -> None:
    """When they are made, by what is wrong with them."""
    with pytest.raises(ConfigError, match=match):
        Tenants(**({"tenants": {}} | slip))


async def test_work_that_cannot_be_right_is_refused() -> None:
    """Before anything is sent."""
    async with boxes_of("a", organizations=1) as boxes, Tenants(sessions_of(boxes)) as tenants:
        wrong: Any
        for wrong in ([("a", [])], None, "a"):
            with pytest.raises(ConfigError, match="mapping"):
                await tenants.run(wrong)
        with pytest.raises(ConfigError, match="progress must be a function"):
            await tenants.run({"a": []}, progress=5)  # type: ignore[arg-type]
        for wrong in (None, 5):
            with pytest.raises(ConfigError, match="work must be a function"):
                await tenants.each(wrong)
        for wrong in ([("a", [])], "a"):
            with pytest.raises(ConfigError, match="mapping"):
                tenants.webhooks(teams=wrong)
        assert boxes["a"].log.total == 0
