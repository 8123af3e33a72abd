"""Callers that go away while the file is asked: nothing is left behind and the next is served."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import SimulatedClock, simulate
from sqlite_world import ledger_path, simulated_ledger

from aiodoo.clock import Clock
from aiodoo.quota import Lane, Limits, Permits, SQLite


@settings(max_examples=100)
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
    """Callers of two processes, cancelled at any time or step of the loop, do not keep the rest from being served."""

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=per_second, per_day=None)
        accounts = [simulated_ledger(path).open(account="a", limits=limits, clock=clock) for _ in range(2)]
        permits = [Permits(2), Permits(2)]

        async def one(place: int, asks: float, lane: Lane) -> None:
            await asyncio.sleep(asks)
            slot = await accounts[place % 2].acquire(lane, permits[place % 2])
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

        tasks = [asyncio.create_task(one(place, asks, lane)) for place, (asks, _, lane) in enumerate(callers)]
        stops = [
            stop(task, when) for task, (_, when, _) in zip(tasks, callers, strict=True) if when is not None
        ]
        await asyncio.gather(*stops)
        for task, (_, when, _) in zip(tasks, callers, strict=True):
            with (
                contextlib.suppress(asyncio.CancelledError) if when is not None else contextlib.nullcontext()
            ):
                await task
        await asyncio.sleep(6.5)
        last = await accounts[0].acquire(Lane.BULK, permits[0])
        assert all(turn.kept_until <= clock.monotonic() for turn in accounts[0].state.turns.values())
        assert len(accounts[0].state.away) == 1
        last.give_back()
        for account, session in zip(accounts, permits, strict=True):
            assert session.held == 0
            assert len(account._waiting) == 0
            assert account._waiting.watcher is None
            await account.close()
        assert len(asyncio.all_tasks()) == 1

    with ledger_path() as path:
        simulate(main)


@pytest.mark.parametrize("moment", [0, 0.0005, 0.002, 0.01, 0.05])
async def test_a_slot_granted_to_who_has_gone_is_given_back(tmp_path: Path, moment: float):
    """With a real thread at work, whenever the caller is cancelled, the next one has the slot at once."""
    account = SQLite(tmp_path / "quota.db").open(
        account="a", limits=Limits(per_second=0.01, per_day=None), clock=Clock()
    )
    permits = Permits(8)
    task = asyncio.create_task(account.acquire(Lane.FRONT, permits))
    await asyncio.sleep(moment)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        (await task).give_back()
    slot = await account.acquire(Lane.FRONT, permits)
    assert permits.held == 1
    slot.give_back()
    await account.close()


async def test_closing_that_is_cancelled_ends_the_thread_too(tmp_path: Path):
    """A Session's end that is cut short leaves nothing running."""
    ledger = SQLite(tmp_path / "quota.db")
    account = ledger.open(account="a", limits=Limits(), clock=Clock())
    (await account.acquire(Lane.FRONT, Permits(8))).answered(0.1)
    closing = asyncio.create_task(account.close())
    await asyncio.sleep(0)
    closing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await closing
    assert ledger._running is None
