"""Leaving a walk that reads ahead, in every way there is: at once, as usual, and with nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

import anyio
import pytest
from unlimited_session import asked, listed, nothing_left, practice, shown, until

import aiodoo
from aiodoo import ConfigError
from aiodoo.sandbox import Fault, Sandbox
from aiodoo.walk import Walk

both = pytest.mark.parametrize("ordered", [True, False])


class Stop(BaseException):
    """Something that no `except Exception` sees."""


def readers() -> list[asyncio.Task[object]]:
    """The tasks that read ahead for a walk."""
    return [task for task in asyncio.all_tasks() if "aiodoo.walk" in task.get_name()]


async def busy(box: Sandbox, walk: Walk) -> None:
    """Take one webhook and wait until two teams are being asked that will not answer."""
    box.script(*(Fault("lost_before", on="list", stage="no_answer", team=team) for team in box.teams[1:]))
    await anext(walk)
    await until(lambda: sum(each.fault is not None for each in box.log.requests) == 2)


@asynccontextmanager
async def walking(*, ordered: bool) -> AsyncIterator[tuple[aiodoo.Session, Sandbox, Walk]]:
    """A walk over ten teams of three pages, its session and sandbox; when these are closed, nothing may be left."""
    async with nothing_left(), practice(organizations=10, webhooks_per_team=20, page_size=7) as (doo, box):
        await doo.organizations.active_team()  # a token request would go on by itself
        yield doo, box, doo.webhooks.list(box.teams, prefetch=3, ordered=ordered)


async def well_left(doo: aiodoo.Session, box: Sandbox) -> None:
    """See that a walk that was left reads no more, holds nothing, and harms no later call or cancellation."""
    assert readers() == []
    assert doo._client._permits.held == 0
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    box.box._faults._entries.clear()
    before = len(asked(box))
    assert (await doo.organizations.active_team()).id == "111"
    await asyncio.sleep(0)
    assert len(asked(box)) == before


@both
async def test_at_its_end(*, ordered: bool) -> None:
    """A walk that came to its end leaves nothing."""
    async with walking(ordered=ordered) as (doo, box, walk):
        async with walk:
            assert sorted(await shown(walk)) == sorted(listed(box))
        await well_left(doo, box)


@both
async def test_without_a_question(*, ordered: bool) -> None:
    """A block that asks for nothing ends as well."""
    async with walking(ordered=ordered) as (doo, box, walk):
        async with walk:
            pass
        await well_left(doo, box)


@both
async def test_by_break(*, ordered: bool) -> None:
    """Breaking off ends the requests that are under way."""
    async with walking(ordered=ordered) as (doo, box, walk):
        async with walk:
            await busy(box, walk)
            async for _ in walk:
                break
        await well_left(doo, box)


@both
async def test_by_return(*, ordered: bool) -> None:
    """Returning from the block returns the value."""
    async with walking(ordered=ordered) as (doo, box, walk):

        async def first() -> str:
            async with walk:
                await busy(box, walk)
                return (await anext(walk)).team_id

        assert await first() == "111"
        await well_left(doo, box)


@both
@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError(),
        aiodoo.NotFound("no"),
        ExceptionGroup("two", [KeyError(1), KeyError(2)]),
        Stop(),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_by_an_exception(error: BaseException, *, ordered: bool) -> None:
    """What is raised in the block comes out as it is: not swallowed, and not in a group."""
    async with walking(ordered=ordered) as (doo, box, walk):

        async def fail() -> None:
            async with walk:
                await busy(box, walk)
                raise error

        with pytest.raises(type(error)) as caught:
            await fail()
        assert caught.value is error
        await well_left(doo, box)


@both
async def test_by_an_exception_while_all_is_quiet(*, ordered: bool) -> None:
    """The same before anything was asked for, and after everything was shown."""
    async with walking(ordered=ordered) as (doo, box, walk):
        with pytest.raises(ZeroDivisionError):
            async with walk:
                raise ZeroDivisionError

        async def fail_at_the_end() -> None:
            async with doo.webhooks.list(box.teams) as another:
                await shown(another)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail_at_the_end()
        await well_left(doo, box)


async def in_task(wait: Callable[[], Awaitable[None]], busy_now: asyncio.Event) -> None:
    """Cancel the task."""
    task = asyncio.ensure_future(wait())
    await busy_now.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def in_scope(wait: Callable[[], Awaitable[None]], busy_now: asyncio.Event) -> None:
    """Cancel an anyio scope around the block."""
    with anyio.CancelScope() as scope:
        cancelling = asyncio.create_task(after(busy_now, scope.cancel))
        await wait()
    assert scope.cancelled_caught
    await cancelling


async def in_timeout(wait: Callable[[], Awaitable[None]], busy_now: asyncio.Event) -> None:
    """Let asyncio.timeout strike around the block."""

    async def not_for_ever() -> None:
        async with asyncio.timeout(None) as timeout:
            now = asyncio.get_running_loop().time()
            striking = asyncio.create_task(after(busy_now, lambda: timeout.reschedule(now)))
            await wait()
        await striking

    with pytest.raises(TimeoutError) as caught:
        await not_for_ever()
    assert not isinstance(caught.value, aiodoo.DooError)


async def in_group(wait: Callable[[], Awaitable[None]], busy_now: asyncio.Event) -> None:
    """Let a sibling of the task fail."""

    async def fails() -> None:
        await busy_now.wait()
        raise ZeroDivisionError

    async def siblings() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            group.create_task(wait())  # type: ignore[arg-type]

    with pytest.RaisesGroup(ZeroDivisionError):
        await asyncio.create_task(siblings())


async def after(event: asyncio.Event, do: Callable[[], None]) -> None:
    """Do something once an event has come."""
    await event.wait()
    do()


@both
@pytest.mark.parametrize("cancelled", [in_task, in_scope, in_timeout, in_group])
@pytest.mark.parametrize("where", ["between two items", "waiting for an item"])
async def test_by_cancellation(
    cancelled: Callable[[Callable[[], Awaitable[None]], asyncio.Event], Awaitable[None]],
    where: str,
    *,
    ordered: bool,
) -> None:
    """A cancelled block ends at once, and the cancellation goes its usual way."""
    async with walking(ordered=ordered) as (doo, box, walk):
        busy_now = asyncio.Event()

        async def wait() -> None:
            async with walk:
                await busy(box, walk)
                busy_now.set()
                if where == "between two items":
                    await asyncio.get_running_loop().create_future()
                async for _ in walk:
                    pass

        await cancelled(wait, busy_now)
        await well_left(doo, box)


@both
@pytest.mark.parametrize("cancelled", [in_task, in_scope, in_timeout, in_group])
async def test_collecting_by_cancellation(
    cancelled: Callable[[Callable[[], Awaitable[None]], asyncio.Event], Awaitable[None]], *, ordered: bool
) -> None:
    """collect() that is cancelled ends at once."""
    async with walking(ordered=ordered) as (doo, box, walk):
        busy_now = asyncio.Event()
        box.script(Fault("lost_before", on="list", stage="no_answer", times=None))

        async def wait() -> None:
            telling = asyncio.create_task(until(lambda: box.count("list") == 3))
            telling.add_done_callback(lambda _: busy_now.set())
            await walk.collect()

        await cancelled(wait, busy_now)
        await well_left(doo, box)


@both
async def test_a_scope_inside_the_block(*, ordered: bool) -> None:
    """Giving up on one item inside the block ends neither the block nor the walk."""
    async with walking(ordered=ordered) as (doo, box, walk):
        async with walk:
            await busy(box, walk)
            taken = 1
            with anyio.move_on_after(0.05) as scope:
                async for _ in walk:
                    taken += 1
            assert scope.cancelled_caught
            assert len(readers()) >= 3
        await well_left(doo, box)


@both
async def test_at_any_instant(*, ordered: bool) -> None:
    """Cancelled at any instant of its life, a walk leaves nothing, and the session works on."""
    async with nothing_left(), practice(organizations=6, webhooks_per_team=9, page_size=7) as (doo, box):
        ended = 0
        for steps in range(0, 90, 3):
            task = asyncio.create_task(doo.webhooks.list(box.teams, prefetch=3, ordered=ordered).collect())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            [result] = await asyncio.gather(task, return_exceptions=True)
            ended += not isinstance(result, asyncio.CancelledError)
            assert readers() == []
            assert doo._client._permits.held <= 1, "only a token request goes on"
        assert await shown(doo.webhooks.list(box.teams)) == listed(box)
        assert ended < 30


@both
async def test_the_requests_under_way_are_ended(*, ordered: bool) -> None:
    """Leaving drops the connections of the requests that nobody waits for any more."""
    async with walking(ordered=ordered) as (doo, box, walk):
        async with walk:
            await busy(box, walk)
        connector = doo._client._transport._session.connector  # type: ignore[attr-defined,union-attr]
        assert connector._acquired == set()
        await well_left(doo, box)


async def test_a_closed_walk_is_no_walk() -> None:
    """After the block a walk shows nothing more, not even the rest of its page, and its cursor stays."""
    async with practice(organizations=3, webhooks_per_team=20, page_size=7) as (doo, box):
        async with doo.webhooks.list(box.teams) as walk:
            begun = [(await anext(walk)).id for _ in range(9)]
        cursor, before = walk.cursor, len(asked(box))
        for use in (lambda: anext(walk), lambda: anext(walk.pages()), walk.collect, walk.__aenter__):
            for _ in range(2):
                with pytest.raises(ConfigError, match="begin another one"):
                    await use()
        assert len(asked(box)) == before
        assert walk.cursor == cursor
        assert walk.errors == []
        rest = await shown(doo.webhooks.list(box.teams, cursor=cursor))
        assert begun[:7] + rest == listed(box)


async def test_a_collected_walk_is_closed() -> None:
    """collect() returns everything once; a second one is refused instead of being empty."""
    async with practice(organizations=3, webhooks_per_team=2) as (doo, box):
        walk = doo.webhooks.list(box.teams)
        assert len(await walk.collect()) == 6
        with pytest.raises(ConfigError):
            await walk.collect()


async def test_a_walk_is_entered_once() -> None:
    """Entering a walk inside its own block is refused and does not disturb it."""
    async with (
        practice(organizations=3, webhooks_per_team=2) as (doo, box),
        doo.webhooks.list(box.teams) as walk,
    ):
        first = await anext(walk)
        with pytest.raises(ConfigError, match="entered once"):
            await walk.__aenter__()
        assert [first.id, *await shown(walk)] == listed(box)


@both
@pytest.mark.parametrize("entered", [True, False])
async def test_by_aclosing(*, entered: bool, ordered: bool) -> None:
    """`contextlib.aclosing` leaves it as `async with` does, entered or not, and a second time does nothing."""
    async with walking(ordered=ordered) as (doo, box, walk):
        async with aclosing(walk):
            if entered:
                await walk.__aenter__()
            await anext(walk)
        await walk.aclose()
        with pytest.raises(ConfigError, match="this walk was closed"):
            await anext(walk)
        await well_left(doo, box)
