"""Callers that go away: wherever it happens, nothing is left behind and the next is served."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import SimulatedClock, simulate

from aiodoo.quota import Account, Lane, Limits, Memory, Permits

FRONT, BULK = Lane.FRONT, Lane.BULK


def open_account(clock: SimulatedClock, per_second: float | None = 1) -> Account:
    """Open an account without a daily limit."""
    return Memory().open(account="a", limits=Limits(per_second=per_second, per_day=None), clock=clock)


async def call(account: Account, permits: Permits, lane: Lane = FRONT) -> float:
    """Do one request that is answered at once; return when it left."""
    slot = await account.acquire(lane, permits)
    slot.answered(0.0)
    return asyncio.get_running_loop().time()


async def end(*tasks: asyncio.Task[float]) -> None:
    """Cancel tasks and see that they were cancelled."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with pytest.raises(asyncio.CancelledError):
            await task


def test_a_caller_cancelled_in_the_queue_is_passed_over():
    """Those behind a cancelled caller move up by one place."""

    async def main(clock: SimulatedClock) -> list[float]:
        account, permits = open_account(clock), Permits(8)
        tasks = [asyncio.create_task(call(account, permits)) for _ in range(5)]
        await asyncio.sleep(0.5)
        await end(tasks[1], tasks[3])
        return [await tasks[0], await tasks[2], await tasks[4]]

    assert simulate(main) == pytest.approx([0, 1, 2])


def test_a_caller_cancelled_on_watch_hands_the_watch_on():
    """Whoever keeps watch for the next slot can go away; another one takes over."""

    async def main(clock: SimulatedClock) -> list[float]:
        account, permits = open_account(clock), Permits(8)
        await call(account, permits)
        tasks = [asyncio.create_task(call(account, permits, BULK)) for _ in range(4)]
        for _ in range(3):
            await asyncio.sleep(0.1)
            watching = next(
                task for task in tasks if not task.done() and task.get_name() == watcher(account, tasks)
            )
            await end(watching)
            tasks.remove(watching)
        return [await task for task in tasks]

    def watcher(account: Account, tasks: list[asyncio.Task[float]]) -> str:
        place = [waiter.turn for waiter in account._waiting.of(BULK)].index(account._waiting.watcher.turn)
        return tasks[place].get_name()

    assert simulate(main) == pytest.approx([1])


def test_a_caller_cancelled_at_the_moment_of_its_grant_leaks_nothing():
    """A slot granted to a caller that is cancelled before it wakes goes to the next, at once."""

    async def main(clock: SimulatedClock) -> tuple[float, int]:
        account, permits = open_account(clock, per_second=None), Permits(1)
        held = await account.acquire(FRONT, permits)
        tasks = [asyncio.create_task(call(account, permits)) for _ in range(2)]
        await asyncio.sleep(0.5)
        held.answered(0.5)
        assert permits.held == 1
        await end(tasks[0])
        return await tasks[1], permits.held

    assert simulate(main) == (0.5, 0)


def test_a_slot_granted_to_a_cancelled_caller_is_not_used_up():
    """The second's slot is given back too: the next does not wait another second."""

    async def main(clock: SimulatedClock) -> float:
        account, permits = open_account(clock), Permits(1)
        held = await account.acquire(FRONT, permits)
        tasks = [asyncio.create_task(call(account, permits)) for _ in range(2)]
        await asyncio.sleep(6.5)
        held.answered(None)
        assert permits.held == 1
        await end(tasks[0])
        return await tasks[1]

    assert simulate(main) == 6.5


@pytest.mark.parametrize("steps", range(7))
@pytest.mark.parametrize("asks_first", [True, False])
def test_a_cancellation_at_the_instant_of_the_slot_is_never_swallowed(steps: int, asks_first: bool):  # noqa: FBT001
    """Cancelled in any of the loop's steps around its grant, a caller is cancelled, and the next is served."""

    async def main(clock: SimulatedClock) -> tuple[float, int]:
        account, permits, loop = open_account(clock), Permits(8), asyncio.get_running_loop()
        await call(account, permits)

        async def hold() -> float:
            slot = await account.acquire(FRONT, permits)
            try:
                await asyncio.sleep(0.5)
            finally:
                slot.give_back()
            return 0.5

        def cancel(later: int) -> None:
            if later:
                loop.call_soon(cancel, later - 1)
            else:
                task.cancel()

        if asks_first:
            task = asyncio.create_task(hold())
            await asyncio.sleep(0.5)
        loop.call_at(1.0, cancel, steps)
        if not asks_first:
            task = asyncio.create_task(hold())
        with pytest.raises(asyncio.CancelledError):
            await task
        return await call(account, permits), permits.held

    assert simulate(main) == (1, 0)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([None, 1, 20]),
    st.lists(
        st.tuples(
            st.floats(0, 5), st.one_of(st.none(), st.integers(0, 12), st.floats(0, 5)), st.sampled_from(Lane)
        ),
        min_size=1,
        max_size=25,
    ),
)
def test_cancelling_at_any_instant_or_step_leaves_no_trace(per_second, callers):
    """Callers cancelled after any time, or any number of the loop's steps, do not keep the rest from being served."""

    async def main(clock: SimulatedClock) -> None:
        account, permits = open_account(clock, per_second), Permits(2)

        async def one(asks: float, lane: Lane) -> None:
            await asyncio.sleep(asks)
            slot = await account.acquire(lane, permits)
            try:
                await asyncio.sleep(0.3)
                slot.answered(0.3)
            finally:
                slot.lost()

        async def stop(task: asyncio.Task[None], when: float) -> None:
            if isinstance(when, int):
                for _ in range(when):
                    await asyncio.sleep(0)
            else:
                await asyncio.sleep(when)
            task.cancel()

        tasks = [asyncio.create_task(one(asks, lane)) for asks, _, lane in callers]
        stops = [
            stop(task, when) for task, (_, when, _) in zip(tasks, callers, strict=True) if when is not None
        ]
        await asyncio.gather(*stops)
        for task, (_, when, _) in zip(tasks, callers, strict=True):
            with (
                contextlib.suppress(asyncio.CancelledError) if when is not None else contextlib.nullcontext()
            ):
                await task
        assert permits.held == 0
        assert len(account._waiting) == 0
        assert account._waiting.watcher is None
        assert len(asyncio.all_tasks()) == 1

    simulate(main)


def test_ten_thousand_cancelled_callers_are_gone():
    """A whole queue can be cancelled; nothing is kept of it, and the account serves on."""

    async def main(clock: SimulatedClock) -> float:
        account, permits = open_account(clock), Permits(8)
        tasks = [
            asyncio.create_task(account.acquire(BULK, permits, give_up_at=50_000.0)) for _ in range(10_000)
        ]
        await asyncio.sleep(1.5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert len(account._waiting._patience) <= 100
        return await call(account, permits)

    assert simulate(main) == pytest.approx(6)


@pytest.mark.parametrize("first", ["give_back", "answered", "lost"])
def test_a_slot_ends_once(first: str):
    """Whatever is said of a slot after its end is ignored."""

    async def main(clock: SimulatedClock) -> None:
        account, permits = Memory().open(account="a", limits=Limits(per_day=5), clock=clock), Permits(8)
        slot = await account.acquire(FRONT, permits)
        getattr(slot, first)(*([0.1] if first == "answered" else []))
        used = account.used
        opens = account.state.opens(clock.monotonic())
        slot.give_back()
        slot.answered(0.1, refused=True)
        slot.lost()
        slot.sent()
        assert permits.held == 0
        assert account.used == used == (0 if first == "give_back" else 1)
        assert account.state.opens(clock.monotonic()) == opens

    simulate(main)
