"""Single changes that are cancelled at any instant: never fewer webhooks than wanted, and the next call works."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from unlimited_session import config, nothing_left, practice, session, until

from aiodoo import ConfigError, DooError, NotFound, Session, quota
from aiodoo.sandbox import Fault, Sandbox

Call = Callable[[Session, str], Awaitable[Any]]

CALLS: dict[str, Call] = {
    "update": lambda doo, webhook_id: doo.webhooks.update("111", webhook_id, name="new"),
    "replace": lambda doo, webhook_id: doo.webhooks.replace("111", webhook_id, config("new")),
    "delete": lambda doo, webhook_id: doo.webhooks.delete(webhook_id, confirm_in="111"),
    "create": lambda doo, _: doo.webhooks.create("111", config("new")),
    "initialize": lambda doo, _: doo.webhooks.initialize("events", organization_id=70_001),
    "list": lambda doo, _: doo.webhooks.list("111").collect(),
    "organizations": lambda doo, _: anext(doo.organizations.list()),
    "active team": lambda doo, _: doo.organizations.active_team(),
}


@pytest.mark.parametrize("name", CALLS)
async def test_at_thirty_random_instants(name: str) -> None:
    """CancelledError comes out and nothing else; nothing is left, and the next call does its work."""
    chance = random.Random(name)
    async with nothing_left(), practice(webhooks_per_team=6, latency=0.002) as (doo, box):
        cancelled = 0
        for _ in range(30):
            if len(box.live("111")) < 6:
                await doo.webhooks.create("111", config())
            task = asyncio.ensure_future(CALLS[name](doo, box.live("111")[0]["id"]))
            await asyncio.sleep(chance.uniform(0, 0.02))
            task.cancel()
            [ended] = await asyncio.gather(task, return_exceptions=True)
            # A request of the one before may arrive that late that this one does not find its webhook any more.
            assert not isinstance(ended, DooError) or isinstance(ended, NotFound)
            cancelled += isinstance(ended, asyncio.CancelledError)
            assert len(box.live("111")) >= 6 or name == "delete"
            assert len(box.live("111")) == 6 or name not in {"update", "replace"}
            assert doo._client._permits.held <= 1, "only a token request goes on"
        await asyncio.sleep(0.05)  # what was on its way arrives
        assert (await doo.organizations.active_team()).id == "111"
        assert doo._client._permits.held == 0
        await doo.webhooks.create("111", config())
        new_id = await doo.webhooks.update("111", box.live("111")[0]["id"], name="last")
        assert box.live("111")[-1]["id"] == new_id
        assert cancelled


@pytest.mark.parametrize("name", ["update", "replace"])
@pytest.mark.parametrize(
    ("on", "nth", "sent"),
    [
        ("list", 1, 1),
        ("create", 1, 2),
        ("list", 2, 3),
        ("delete", 1, 4),
        ("list", 3, 5),
    ],
)
async def test_at_each_step(on: Any, nth: int, sent: int, name: str) -> None:
    """Cancelled twice while any of its requests is under way, an update stops there: nothing more is sent."""
    async with practice(webhooks_per_team=3) as (doo, box):
        await doo.organizations.active_team()
        begun = box.log.total
        box.script(Fault("lost_after", on=on, nth=nth, stage="no_answer"))
        task = asyncio.ensure_future(CALLS[name](doo, box.live("111")[0]["id"]))
        await until(lambda: box.log.total == begun + sent)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert len(getattr(caught.value, "__notes__", ())) == (sent > 1)
        await asyncio.sleep(0.02)
        assert box.log.total == begun + sent
        assert len(box.live("111")) >= 3
        assert doo._client._permits.held == 0


async def close_and_cancel(doo: Session, way: str, turns: int) -> bool:
    """Close it, and cancel that after so many turns of the loop; return whether it was still going on then."""
    loop, going = asyncio.get_running_loop(), [True]

    async def close() -> None:
        with anyio.CancelScope() as scope:
            if way == "anyio scope":
                striking.append(scope.cancel)
            try:
                await doo.aclose()
            finally:
                going[0] = False

    def wait(turns: int) -> None:
        if turns:
            loop.call_soon(wait, turns - 1)
            return
        struck.append(going[0])
        for strike in striking:
            strike()
        if way == "task twice" and len(struck) == 1:
            loop.call_soon(wait, 1)

    struck: list[bool] = []
    task = asyncio.ensure_future(close())
    striking: list[Callable[[], object]] = [] if way == "anyio scope" else [task.cancel]
    await asyncio.sleep(0)
    wait(turns)
    await asyncio.wait({task})
    assert way == "anyio scope" or task.cancelled() == struck[0]
    return struck[0]


@pytest.mark.parametrize("way", ["task", "task twice", "anyio scope"])
async def test_closing_goes_on_to_its_end(way: str, tmp_path: Path) -> None:
    """Whenever who closes a session is cancelled, all of it is closed: connections, the token's request, the ledger."""
    turns, going = 0, True
    while going and turns < 12:
        async with nothing_left(), Sandbox(plan=None) as box:
            ledger = quota.SQLite(tmp_path / "quota.db")
            doo = session(box, quota=ledger)
            await doo.organizations.active_team()
            doo._client._tokens.current = None
            box.script(Fault("slow", on="token", seconds=30))
            calls = [asyncio.create_task(doo.organizations.active_team()) for _ in range(3)]
            await until(lambda box=box: box.count("token") == 2)
            going = await close_and_cancel(doo, way, turns)
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(each) for each in ended} == {ConfigError}
            assert doo._client._transport._session.closed  # type: ignore[attr-defined,union-attr]
            assert ledger._running is None
        turns += 1
    assert turns > 5
