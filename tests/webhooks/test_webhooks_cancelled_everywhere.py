"""Every call of doo's resources, cancelled at every one of its awaits, in simulated time."""

from __future__ import annotations

import asyncio
import inspect
import types
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from itertools import count
from typing import Any

import anyio
import attrs
import pytest
from simulated import SimulatedClock, simulate
from simulated_doo import BoxTransport
from unlimited_session import config

from aiodoo import Session
from aiodoo.offload import InlineWorker
from aiodoo.sandbox import Box, Plan

Call = Callable[[Session, str], Awaitable[Any]]

TEAM, OTHER_TEAM = "111", "112"
PLAN = Plan(per_second=1, per_day=1000, counting="sliding_log", per_day_counting="sliding")

CALLS: dict[str, Call] = {
    "active team": lambda doo, _: doo.organizations.active_team(),
    "organizations": lambda doo, _: _all(doo.organizations.list()),
    "list": lambda doo, _: doo.webhooks.list(TEAM).collect(),
    "list, stable": lambda doo, _: doo.webhooks.list(TEAM, stable=True).collect(),
    "list, one by one": lambda doo, _: _all(doo.webhooks.list(TEAM)),
    "create": lambda doo, _: doo.webhooks.create(TEAM, config("new")),
    "delete": lambda doo, webhook_id: doo.webhooks.delete(webhook_id),
    "delete, confirmed": lambda doo, webhook_id: doo.webhooks.delete(webhook_id, confirm_in=TEAM),
    "update": lambda doo, webhook_id: doo.webhooks.update(TEAM, webhook_id, name="new"),
    "replace": lambda doo, webhook_id: doo.webhooks.replace(TEAM, webhook_id, config("new")),
    "initialize": lambda doo, _: doo.webhooks.initialize("events", organization_id=70_001),
}


async def _all(items: Any) -> list[Any]:
    return [item async for item in items]


@attrs.define
class Canceller:
    """Cancels a call at its n-th await: while it waits there, or in the moment in which it would wake.

    With `at_once` what cancels is called as the wait begins, because it takes a turn of the loop by itself.
    """

    at: int
    waking: bool = False
    at_once: bool = False
    cancel: Callable[[], object] = lambda: None
    awaits: int = 0

    @types.coroutine
    def watch(self, call: Any) -> Generator[Any, Any, Any]:
        """Do what `call` does, await by await."""
        step, given = call.__await__().send, None
        throw = call.throw
        while True:
            try:
                waits_for = step(given)
            except StopIteration as end:
                return end.value
            self._count(waits_for)
            try:
                given, step = (yield waits_for), call.send
            except BaseException as error:  # noqa: BLE001  # it is the call that has to deal with it
                given, step = error, throw

    def _count(self, waits_for: Any) -> None:
        self.awaits += 1
        if self.awaits != self.at:
            return
        if self.waking and waits_for is not None:
            waits_for.add_done_callback(lambda _: self.cancel())
        elif self.at_once:
            self.cancel()
        else:
            asyncio.get_running_loop().call_soon(self.cancel)

    def watch_single(self, loop: asyncio.AbstractEventLoop, call: Any, **options: Any) -> asyncio.Task[Any]:
        """Make a task, and watch it too if it is the one in which a single change is carried out."""

        async def watched() -> Any:
            return await self.watch(call)

        single = inspect.iscoroutine(call) and call.cr_code.co_filename.endswith(
            "aiodoo/driver/single_change.py"
        )
        return asyncio.Task(watched() if single else call, loop=loop, **options)


async def by_task(call: Any, canceller: Canceller) -> bool:
    """Cancel the call's task; return whether it was."""
    task = asyncio.ensure_future(canceller.watch(call))
    canceller.cancel = task.cancel
    await asyncio.wait({task})
    return task.cancelled() or not task.result


async def by_scope(call: Any, canceller: Canceller) -> bool:
    """Cancel an anyio scope around the call."""
    with anyio.CancelScope() as scope:
        canceller.cancel = scope.cancel
        await canceller.watch(call)
    return scope.cancelled_caught


async def by_timeout(call: Any, canceller: Canceller) -> bool:
    """Let asyncio.timeout strike around the call."""
    loop, canceller.at_once = asyncio.get_running_loop(), True
    with suppress(TimeoutError):
        async with asyncio.timeout(None) as timeout:
            canceller.cancel = lambda: timeout.reschedule(loop.time())
            await canceller.watch(call)
    return timeout.expired()


WAYS: dict[str, tuple[Any, bool]] = {
    "task": (by_task, False),
    "task as it wakes": (by_task, True),
    "anyio scope": (by_scope, False),
    "asyncio timeout": (by_timeout, False),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CALLS)
def test_at_every_await(name: str, way: str) -> None:
    """It ends as cancelled and nothing else; others are served, nothing is left, and the next calls work."""
    end_by, waking = WAYS[way]

    async def main(clock: SimulatedClock, at: int) -> bool:
        box = Box(organizations=2, webhooks_per_team=6, page_size=5, plan=PLAN, latency=0.05)
        transport = BoxTransport(box, clock)
        keys = {"api_key": box.api_key, "client_id": box.client_id, "client_secret": box.client_secret}
        async with Session(**keys, clock=clock, transport=transport) as doo:
            webhook_id = box.live(TEAM)[0]["id"]
            before = asyncio.create_task(doo.webhooks.list(OTHER_TEAM).collect())
            canceller = Canceller(at, waking)
            asyncio.get_running_loop().set_task_factory(canceller.watch_single)
            call = CALLS[name](doo, webhook_id)
            cancelled = asyncio.create_task(end_by(call, canceller))
            await asyncio.sleep(0)
            after = asyncio.create_task(doo.background().organizations.active_team())
            # anyio lets a call end whose last wait is over already.
            reached = canceller.awaits >= at + (way == "anyio scope")
            assert await cancelled or not reached, "a cancellation was swallowed"
            others = [len(await before), (await after).id]
            assert others == [6, TEAM]
            await check_rest(doo, box, clock, fewest=5 if name.startswith("delete") else 6)
            assert transport.under_way == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return canceller.awaits >= at

    for at in count(1):
        if not simulate(lambda clock, at=at: main(clock, at)):
            break
    assert at > 3


class NotingWorker(InlineWorker):
    """Works at once, and notes that it was closed."""

    __slots__ = ("closed",)

    def __init__(self) -> None:
        self.closed = False

    async def close(self) -> None:
        """Note it."""
        self.closed = True


def test_a_program_that_ends_while_its_session_closes() -> None:
    """Then every task is cancelled, that which closes too: the connections and the file's thread are let go of all the same."""

    async def main(clock: SimulatedClock, turns: int) -> bool:
        box = Box(plan=None, latency=1.0)
        transport = BoxTransport(box, clock)
        worker = NotingWorker()
        keys = {"api_key": box.api_key, "client_id": box.client_id, "client_secret": box.client_secret}
        doo = Session(**keys, clock=clock, transport=transport, worker=worker)
        asking = asyncio.create_task(doo.organizations.active_team())
        await clock.sleep(0.1)
        assert transport.under_way == 1
        closing = asyncio.create_task(doo.aclose())
        for _ in range(turns):
            await asyncio.sleep(0)
        reached = not transport.closed
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.wait({asking, closing})
        assert transport.closed
        assert worker.closed
        return reached

    # After two turns what closes has begun.
    for turns in count(2):
        if not simulate(lambda clock, turns=turns: main(clock, turns)):
            break
    assert turns > 3


async def check_rest(doo: Session, box: Box, clock: SimulatedClock, *, fewest: int) -> None:
    """Nothing is held or waited for, what arrived is what was counted, and the next calls need no more than their turn."""
    await asyncio.sleep(7)  # the patience with a lost request, and its window
    account = doo._parts.account
    assert doo._client._permits.held == 0
    assert len(account._waiting) == 0  # type: ignore[attr-defined]
    assert account._waiting.watcher is None  # type: ignore[attr-defined]
    assert account.used == box.log.total
    assert len(box.live(TEAM)) >= fewest
    begun = clock.monotonic()
    assert (await doo.organizations.active_team()).id == TEAM
    new_id = await doo.webhooks.create(TEAM, config("next"))
    assert box.live(TEAM)[-1]["id"] == new_id
    assert clock.monotonic() - begun <= 2 * 1.1
    assert box.count(status=429) == 0
