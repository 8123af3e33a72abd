"""Walks left by another task, in another order, or by the garbage collector: none of it harms the caller."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import anyio
import pytest
from unlimited_session import asked, listed, nothing_left, practice, shown, until

import aiodoo
from aiodoo import ConfigError
from aiodoo.sandbox import Fault, Sandbox
from aiodoo.walk import Walk

both = pytest.mark.parametrize("ordered", [True, False])


def readers() -> list[asyncio.Task[object]]:
    """The tasks that read ahead for a walk."""
    return [task for task in asyncio.all_tasks() if "aiodoo.walk" in task.get_name()]


async def works_on(doo: aiodoo.Session) -> None:
    """See that this task is cancelled by nobody, now or later, and that no walk reads any more."""
    task = asyncio.current_task()
    assert task is not None
    await until(lambda: not readers())
    assert (await doo.organizations.active_team()).id == "111"
    with anyio.CancelScope() as scope:
        await asyncio.sleep(0.01)
    assert not scope.cancelled_caught
    assert task.cancelling() == 0
    assert doo._client._permits.held == 0


async def in_task(call: Callable[[], Awaitable[object]]) -> None:
    """Call it in a task of its own."""

    async def run() -> None:
        await call()

    await asyncio.create_task(run())


async def first_of_each(doo: aiodoo.Session, box: Sandbox, *, ordered: bool) -> AsyncIterator[str]:
    """Yield the webhooks of all teams from inside a walk's block, as a caller's own generator may."""
    async with doo.webhooks.list(box.teams, prefetch=3, ordered=ordered) as walk:
        async for webhook in walk:
            yield webhook.id


@both
@pytest.mark.parametrize("where", ["left elsewhere", "entered elsewhere", "both elsewhere"])
async def test_another_task_leaves_it(where: str, *, ordered: bool) -> None:
    """Entered in one task and left in another, as fixtures and web servers do, it ends, and both tasks go on."""
    async with nothing_left(), practice(organizations=10, webhooks_per_team=9, page_size=7) as (doo, box):
        walk = doo.webhooks.list(box.teams, prefetch=3, ordered=ordered)
        if where == "left elsewhere":
            await walk.__aenter__()
        else:
            await in_task(walk.__aenter__)
        await anext(walk)
        if where == "entered elsewhere":
            await walk.__aexit__(None, None, None)
        else:
            await in_task(lambda: walk.__aexit__(None, None, None))
        assert readers() == []
        await works_on(doo)


@both
async def test_in_the_order_of_entering(*, ordered: bool) -> None:
    """Two walks in one task may be left in any order: the first one first, and the second reads on."""
    async with nothing_left(), practice(organizations=8, webhooks_per_team=2) as (doo, box):
        first, second = (doo.webhooks.list(box.teams, prefetch=2, ordered=ordered) for _ in range(2))
        await first.__aenter__()
        await second.__aenter__()
        begun = [(await anext(second)).id]
        await first.__aexit__(None, None, None)
        assert sorted(begun + await shown(second)) == sorted(listed(box))
        await second.__aexit__(None, None, None)
        await works_on(doo)


@both
async def test_a_scope_of_the_caller_that_ends_first(*, ordered: bool) -> None:
    """A walk may be entered inside a scope, a timeout or a group of the caller and left after that has ended."""
    async with nothing_left(), practice(organizations=8, webhooks_per_team=2) as (doo, box):
        walks = [doo.webhooks.list(box.teams, prefetch=2, ordered=ordered) for _ in range(3)]
        with anyio.move_on_after(60):
            await walks[0].__aenter__()
        async with asyncio.timeout(60):
            await walks[1].__aenter__()
        async with anyio.create_task_group():
            await walks[2].__aenter__()
        for walk in walks:
            assert sorted(await shown(walk)) == sorted(listed(box))
            await walk.__aexit__(None, None, None)
        await works_on(doo)


@both
async def test_the_garbage_collector_ends_a_generator(*, ordered: bool) -> None:
    """A generator that was broken off is ended by Python in a task of its own: nothing is read, and nobody is cancelled."""
    async with nothing_left(), practice(organizations=10, webhooks_per_team=20, page_size=7) as (doo, box):
        for _ in range(3):
            async for _ in first_of_each(doo, box, ordered=ordered):
                break
        gc.collect()
        await works_on(doo)
        before = len(asked(box))
        await asyncio.sleep(0.01)
        assert len(asked(box)) == before


@both
async def test_another_task_closes_a_generator(*, ordered: bool) -> None:
    """`aclose()` of such a generator may be called by any task."""
    async with nothing_left(), practice(organizations=10, webhooks_per_team=2) as (doo, box):
        generator = first_of_each(doo, box, ordered=ordered)
        async with aclosing(generator):  # type: ignore[type-var]
            await anext(generator)
            await in_task(generator.aclose)  # type: ignore[attr-defined]
        assert readers() == []
        await works_on(doo)


@both
def test_the_loop_ends_a_generator(caplog: pytest.LogCaptureFixture, *, ordered: bool) -> None:
    """A program that ends with a generator in the middle ends as usual, whether its tasks are cancelled first or not."""
    kept: list[AsyncIterator[str]] = []

    async def program() -> str:
        async with practice(organizations=6, webhooks_per_team=9, page_size=7) as (doo, box):
            kept.append(first_of_each(doo, box, ordered=ordered))
            return await anext(kept[-1])

    assert asyncio.run(program())
    loop = asyncio.new_event_loop()
    try:
        assert loop.run_until_complete(program())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
    kept.clear()
    gc.collect()
    assert caplog.messages == []


@both
async def test_who_still_waits_is_told(*, ordered: bool) -> None:
    """A task that waits for a webhook of a walk that another task leaves does not wait for ever."""
    async with nothing_left(), practice(organizations=3, webhooks_per_team=2) as (doo, box):
        await doo.organizations.active_team()
        box.script(Fault("lost_before", on="list", stage="no_answer", times=None))
        async with doo.webhooks.list(box.teams, prefetch=2, ordered=ordered) as walk:
            waiting = [asyncio.create_task(shown(walk)) for _ in range(3)]
            await until(lambda: len(asked(box)) == 2)
        for task in waiting:
            with pytest.raises(ConfigError, match="begin another one"):
                await task
        box.box._faults._entries.clear()
        await works_on(doo)


@both
async def test_readers_that_others_cancel(*, ordered: bool) -> None:
    """Whoever cancels every other task ends the walk too, which says so and does not look complete."""
    async with nothing_left(), practice(organizations=20, webhooks_per_team=2) as (doo, box):
        async with doo.webhooks.list(box.teams, prefetch=3, ordered=ordered) as walk:
            first = await anext(walk)
            for task in readers():
                task.cancel()
            with pytest.raises(ConfigError, match="readers were cancelled"):
                await shown(walk)
            assert first.team_id == "111"
        rest = await shown(doo.webhooks.list(box.teams, cursor=walk.cursor))
        assert set(rest) | {first.id} <= set(listed(box))
        assert first.id in rest or len(rest) == len(listed(box)) - 2
        await works_on(doo)


@both
@pytest.mark.parametrize(
    "error", [asyncio.CancelledError(), ZeroDivisionError()], ids=["cancelled", "failed"]
)
async def test_team_ids_that_fail(error: BaseException, *, ordered: bool) -> None:
    """What the caller's own iterable raises comes out, a CancelledError of something it waited for as well."""

    async def team_ids() -> AsyncIterator[str]:
        yield "111"
        raise error

    async with nothing_left(), practice(organizations=3, webhooks_per_team=2) as (doo, _):
        async with doo.webhooks.list(team_ids(), prefetch=1, ordered=ordered) as walk:
            assert len([await anext(walk), await anext(walk)]) == 2
            with pytest.raises(type(error)):
                await anext(walk)
        await works_on(doo)


@both
async def test_team_ids_that_swallow_a_cancellation(*, ordered: bool) -> None:
    """An iterable of the caller that takes no notice of being cancelled does not keep the block from ending."""

    async def team_ids() -> AsyncIterator[str]:
        yield "111"
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            yield "112"

    async with nothing_left(), practice(organizations=3, webhooks_per_team=2) as (doo, box):
        generator = team_ids()
        async with doo.webhooks.list(generator, prefetch=1, ordered=ordered) as walk:
            await anext(walk)
            await anext(walk)
            await until(lambda: readers() and len(asked(box)) == 1)
            await asyncio.sleep(0)
        assert readers() == []
        await generator.aclose()
        await works_on(doo)


@both
async def test_a_walk_that_is_forgotten(caplog: pytest.LogCaptureFixture, *, ordered: bool) -> None:
    """A walk that is entered and never left stops when nobody has it any more, and says so."""
    async with nothing_left(), practice(organizations=10, webhooks_per_team=20, page_size=7) as (doo, box):
        await doo.webhooks.list(box.teams, prefetch=3, ordered=ordered).__aenter__()
        gc.collect()
        await works_on(doo)
        assert caplog.record_tuples == [
            (
                "aiodoo.walk",
                logging.WARNING,
                "a walk that was entered with `async with` was forgotten before that was left; it reads no further",
            )
        ]


async def test_a_walk_that_another_thread_forgets(caplog: pytest.LogCaptureFixture) -> None:
    """The garbage collector may find it in any thread."""
    async with nothing_left(), practice(organizations=10, webhooks_per_team=2) as (doo, box):
        kept = [await doo.webhooks.list(box.teams).__aenter__()]
        await until(lambda: len(asked(box)) == 4)
        thread = threading.Thread(target=kept.clear)
        thread.start()
        await asyncio.to_thread(thread.join)
        await works_on(doo)
        assert len(caplog.messages) == 1


def test_a_walk_of_another_loop(caplog: pytest.LogCaptureFixture) -> None:
    """Left in another event loop than its own, it waits for nothing, and its own loop ends its readers."""

    async def program(*, leave: bool) -> None:
        async with practice(organizations=3, webhooks_per_team=2) as (doo, box):
            walk = await doo.webhooks.list(box.teams).__aenter__()
            await anext(walk)
            if leave:
                await asyncio.to_thread(asyncio.run, walk.__aexit__(None, None, None))
                await until(lambda: not readers())
            kept.append(walk)

    kept: list[Walk] = []
    asyncio.run(program(leave=True))
    asyncio.run(program(leave=False))
    asyncio.run(kept[-1].__aexit__(None, None, None))
    kept.clear()
    gc.collect()
    assert caplog.messages == []
