"""Views of a session with other defaults: a deadline, a lane, how many may wait; one client and one end for all."""

from __future__ import annotations

import asyncio
import platform
from collections import Counter
from typing import Any

import aiohttp
import pytest
from unlimited_session import config, practice, session, until

import aiodoo
from aiodoo import ConfigError, DeadlineExceeded, Ensure, Limits, OutcomeUnknown, QueueFull, events
from aiodoo.quota import SQLite
from aiodoo.sandbox import Fault, Sandbox


async def test_another_deadline() -> None:
    """It is that of every call of the view, and of no other; a call may still have its own."""
    async with practice(organizations=1, latency=0.2) as (doo, _):
        await doo.organizations.active_team()
        quick = doo.with_options(deadline=0.05)
        with pytest.raises(DeadlineExceeded, match=r"within 0\.05 s"):
            await quick.webhooks.page("111")
        with pytest.raises(DeadlineExceeded, match=r"within 0\.05 s"):
            await quick.background().webhooks.list("111").collect()
        assert await doo.webhooks.list("111").collect() == []
        assert await quick.webhooks.list("111", deadline=None).collect() == []


async def test_a_view_of_a_view_keeps_what_is_not_given() -> None:
    """Deadline, lane and the number that may wait."""
    async with practice(organizations=1) as (doo, _):
        view = doo.with_options(deadline=5).background().with_options(max_waiting=3)
        assert (view._client.deadline, view._client.max_waiting) == (5, 3)
        assert view.with_options(deadline=None)._client.deadline is None
        assert view.with_options(max_waiting=None)._client.max_waiting is None
        assert (doo._client.deadline, doo._client.max_waiting) == (120.0, None)
        assert view._lane is aiodoo.quota.Lane.BULK


async def test_all_else_is_the_sessions() -> None:
    """Token, counters and quota are shared, and the session's end is the view's."""
    async with Sandbox(organizations=1, plan=None) as box:
        async with session(box) as doo:
            view = doo.with_options(deadline=5)
            await view.webhooks.create("111", config())
            await doo.organizations.active_team()
            assert box.count("token") == 1
            assert view.stats is doo.stats
            assert (await view.quota.usage()) == (await doo.quota.usage())
            report = await view.bulk.run([Ensure("111", config())], settle=1)
            assert report.complete
        with pytest.raises(ConfigError, match="closed"):
            await view.webhooks.page("111")


@pytest.mark.parametrize(
    "wrong",
    [
        {"deadline": 0},
        {"deadline": -1},
        {"deadline": "5"},
        {"deadline": True},
        {"deadline": float("inf")},
        {"deadline": float("nan")},
        {"max_waiting": -1},
        {"max_waiting": 1.5},
        {"max_waiting": True},
        {"max_waiting": "5"},
    ],
    ids=str,
)
async def test_what_cannot_be_right_is_refused(wrong: Any) -> None:
    """A view and a session refuse it at once, in the same words."""
    async with practice(organizations=1) as (doo, box):
        with pytest.raises(ConfigError) as of_session:
            session(box, **wrong)
        for view in (doo, doo.background()):
            with pytest.raises(ConfigError) as of_view:
                view.with_options(**wrong)
            assert str(of_view.value) == str(of_session.value)


SLOW = Limits(per_second=4, per_day=None, concurrency=64)


async def outcomes(calls: list[Any]) -> Counter[str]:
    """How many calls ended how."""
    ended = await asyncio.gather(*calls, return_exceptions=True)
    return Counter(type(each).__name__ if isinstance(each, BaseException) else "done" for each in ended)


@pytest.mark.parametrize("kept", ["memory", "sqlite"])
async def test_what_cannot_have_its_turn_in_time_fails_at_once(kept: str, tmp_path: Any) -> None:
    """With far more calls than fit into their deadline, those that do not fit are told so before they wait."""
    ledger = SQLite(tmp_path / "quota.db") if kept == "sqlite" else None
    async with Sandbox(organizations=1, plan=None) as box, session(box, limits=SLOW, quota=ledger) as doo:
        await doo.organizations.active_team()
        loop, failed = asyncio.get_running_loop(), []

        async def ask() -> None:
            begun = loop.time()
            try:
                await doo.webhooks.page("111", deadline=1.5)
            except QueueFull:
                failed.append(loop.time() - begun)
                raise

        ended = await outcomes([ask() for _ in range(100)])
        assert ended["QueueFull"] >= 85
        assert ended["done"] >= 1
        assert max(failed) < 1.0
        assert ended["done"] <= box.count("list") <= ended["done"] + ended["DeadlineExceeded"]


@pytest.mark.parametrize("max_waiting", [0, 1, 5])
async def test_so_many_may_wait(max_waiting: int) -> None:
    """One more fails at once with nothing sent; who could go at once does."""
    async with Sandbox(organizations=1, plan=None) as box, session(box, limits=SLOW) as doo:
        await doo.organizations.active_team()
        await asyncio.sleep(1.2)  # until every slot is free again
        view = doo.with_options(max_waiting=max_waiting)
        ended = await outcomes([view.webhooks.page("111") for _ in range(40)])
        assert set(ended) == {"done", "QueueFull"}
        assert max_waiting <= ended["done"] <= max_waiting + 4
        assert ended["done"] >= 1
        assert box.count("list") == ended["done"]


@pytest.mark.parametrize(("deadline", "max_waiting"), [(1.5, None), (None, 3)])
async def test_who_waits_for_others_of_its_team_waits_too(deadline: Any, max_waiting: Any) -> None:
    """Many that ensure something in one team come one after the other; those that do not fit are told at once."""
    async with (
        Sandbox(organizations=1, plan=None) as box,
        session(box, limits=SLOW, max_waiting=max_waiting) as doo,
    ):
        await doo.webhooks.ensure("111", config())
        loop, failed = asyncio.get_running_loop(), []

        async def ensure() -> None:
            begun = loop.time()
            try:
                await doo.webhooks.ensure("111", config(), deadline=deadline)
            except QueueFull:
                failed.append(loop.time() - begun)
                raise

        ended = await outcomes([ensure() for _ in range(60)])
        assert ended["QueueFull"] >= 45
        assert ended["done"] >= 1
        assert max(failed) < 1.0
        assert len(box.live("111")) == 1
        # Whoever is turned away leaves nothing behind that counts.
        assert await doo.webhooks.ensure("111", config())


async def test_a_full_queue_is_no_deadline() -> None:
    """Also for calls without one; it can be caught as the time that ran out."""
    async with Sandbox(organizations=1, plan=None) as box, session(box, limits=SLOW, max_waiting=1) as doo:
        await doo.organizations.active_team()
        ended = await outcomes([doo.webhooks.page("111", deadline=None) for _ in range(20)])
        assert ended["QueueFull"] >= 14
        assert issubclass(QueueFull, DeadlineExceeded)


async def test_what_has_begun_is_not_turned_away() -> None:
    """An update whose create has left goes on to its end, however many wait."""
    limits = Limits(per_second=20, per_day=None, concurrency=64)
    async with (
        Sandbox(organizations=1, plan=None, webhooks_per_team=1) as box,
        session(box, limits=limits, max_waiting=2) as doo,
    ):
        [old] = await doo.webhooks.list("111").collect()
        await asyncio.sleep(1.2)  # until every slot is free again
        work = [
            doo.webhooks.update("111", old.id, name="new"),
            doo.webhooks.ensure("111", config()),
        ]
        going = [asyncio.create_task(each) for each in work]
        await until(lambda: box.count("list") >= 3)
        waiting: list[asyncio.Task[Any]] = []
        while not all(each.done() for each in going):
            waiting.append(asyncio.create_task(doo.webhooks.page("111")))
            await asyncio.sleep(0.002)
        await asyncio.gather(*waiting, return_exceptions=True)
        assert {await each for each in going} == {item["id"] for item in box.live("111")}
        assert any(isinstance(each.exception(), QueueFull) for each in waiting)


async def test_a_run_is_not_turned_away() -> None:
    """It sees to it itself how many of its requests wait."""
    limits = Limits(per_second=50, per_day=None, concurrency=64)
    async with Sandbox(organizations=4, plan=None) as box, session(box, limits=limits, max_waiting=0) as doo:
        report = await doo.bulk.run([Ensure(team, config()) for team in box.teams], settle=1)
        assert report.complete


async def test_a_user_agent_of_our_own() -> None:
    """Aiodoo's version, aiohttp's and Python's, unless another one is given."""
    expected = f"aiodoo/{aiodoo.__version__} aiohttp/{aiohttp.__version__} Python/{platform.python_version()}"
    for given, sent in [({}, expected), ({"user_agent": "crm-sync/2.1"}, "crm-sync/2.1")]:
        seen: list[str | None] = []

        async def answer(request: aiohttp.web.Request, seen: list[str | None] = seen) -> aiohttp.web.Response:
            seen.append(request.headers.get("User-Agent"))
            return aiohttp.web.json_response({"data": {"access_token": "x"}, "active_team": 1})

        app = aiohttp.web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = aiohttp.web.AppRunner(app)
        await runner.setup()
        site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        async with (
            Sandbox(organizations=1) as box,
            session(box, base_url=f"http://127.0.0.1:{port}", **given) as doo,
        ):
            await doo.request("GET", "/organizers/current/organizations")
        await runner.cleanup()
        assert seen == [sent, sent]


@pytest.mark.parametrize("wrong", ["", " ", "a\r\nb", "a\nX-Evil: 1", "é", 3, b"x"])
async def test_a_user_agent_that_is_no_header_is_refused(wrong: Any) -> None:
    """Before anything is sent."""
    async with Sandbox(organizations=1) as box:
        with pytest.raises(ConfigError, match="user_agent"):
            session(box, user_agent=wrong)


async def test_events_of_one_call_belong_together() -> None:
    """All events of an update have one id, those of another call another one, and the answer's request id is there."""
    told: list[events.Event] = []
    async with (
        Sandbox(organizations=1, plan=None, webhooks_per_team=9, page_size=7) as box,
        session(box, on_event=told.append) as doo,
    ):
        await doo.organizations.active_team()
        [old, *_] = await doo.webhooks.list("111").collect()
        calls = [
            lambda: doo.webhooks.update("111", old.id, name="new"),
            lambda: doo.webhooks.get("111", box.live("111")[0]["id"]),
            lambda: doo.webhooks.ensure("111", config()),
            lambda: doo.webhooks.page("111"),
            lambda: doo.webhooks.create("111", config("other")),
            lambda: doo.webhooks.delete(box.live("111")[0]["id"], confirm_in="111"),
        ]
        seen = set()
        for call in calls:
            told.clear()
            await call()
            assert len({each.call_id for each in told}) == 1
            seen.add(told[0].call_id)
            answered = [each for each in told if isinstance(each, events.Answered)]
            assert all(each.request_id for each in answered)
            assert len(answered) == len([each for each in told if isinstance(each, events.RequestSent)])
        assert len(seen) == len(calls)
        told.clear()
        await doo.webhooks.list("111").collect()
        assert len({each.call_id for each in told}) == 2


async def test_a_token_is_a_call_of_its_own() -> None:
    """Whoever caused it."""
    told: list[events.Event] = []
    async with Sandbox(organizations=1, plan=None) as box, session(box, on_event=told.append) as doo:
        await doo.webhooks.page("111")
        by_kind = {each.kind: each.call_id for each in told}
        assert len(set(by_kind.values())) == 2
        assert all(by_kind[each.kind] == each.call_id for each in told)


async def test_what_a_cancelled_call_leaves_has_its_id_too() -> None:
    """The event that names a create in doubt is one of its call."""
    told: list[events.Event] = []
    async with Sandbox(organizations=1, plan=None) as box, session(box, on_event=told.append) as doo:
        await doo.organizations.active_team()
        told.clear()
        box.script(Fault("slow", on="create", after=5))
        task = asyncio.create_task(doo.webhooks.create("111", config()))
        while not any(isinstance(each, events.RequestSent) for each in told):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises((asyncio.CancelledError, OutcomeUnknown)):
            await task
        assert len({each.call_id for each in told}) == 1
