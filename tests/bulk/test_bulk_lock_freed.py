"""A cancelled run lets go of its journal, over real HTTP and with the disk's real thread: both can be in the middle."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from bulk_world import UNLIMITED, config

from aiodoo import JournalLocked, Session
from aiodoo.offload import ThreadWorker
from aiodoo.operations import Create, Operation
from aiodoo.sandbox import Sandbox

T = TypeVar("T")


class HeldWorker(ThreadWorker):
    """Works in a thread, which stops in front of its n-th piece, or behind it, until it is let go."""

    __slots__ = ("behind", "held", "left", "let_go")

    def __init__(self, piece: int, *, behind: bool) -> None:
        super().__init__("held")
        self.left = piece
        self.behind = behind
        self.held = asyncio.Event()
        self.let_go = threading.Event()

    def do(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Do it in the thread, or hold it there."""
        self.left -= 1
        if self.left:
            return super().do(work)
        loop = asyncio.get_running_loop()

        def hold() -> None:
            loop.call_soon_threadsafe(self.held.set)
            assert self.let_go.wait(60)

        def held() -> T:
            if not self.behind:
                hold()
            result = work()
            if self.behind:
                hold()
            return result

        return super().do(held)


@asynccontextmanager
async def session(box: Sandbox, worker: ThreadWorker | None = None) -> AsyncIterator[Session]:
    """Open a process's session."""
    async with Session(
        base_url=box.url, api_key=box.api_key, client_id=box.client_id, client_secret=box.client_secret,
        limits=UNLIMITED, worker=worker,
    ) as doo:  # fmt: skip
        yield doo


async def run(doo: Session, operations: list[Operation], path: Path, how: str) -> None:
    """Run, as a call or as a stream."""
    if how == "run":
        await doo.bulk.run(operations, journal=path, grace=0.0)
        return
    async with doo.bulk.stream(operations, journal=path, grace=0.0) as stream:
        async for _ in stream:
            pass


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("how", ["run", "stream"])
async def test_the_journal_is_free_after_a_cancellation(tmp_path: Path, how: str, times: int) -> None:
    """Cancelled while the thread is at any piece of writing, once or over and over: the next run has it at once."""
    places = 0
    async with Sandbox(organizations=1, webhooks_per_team=0, plan=None) as box:
        for piece in range(1, 100):
            for behind in (False, True):
                operations: list[Operation] = [Create(box.teams[0], config(f"{piece} {behind}"))]
                path = tmp_path / f"{piece} {behind}"
                worker = HeldWorker(piece, behind=behind)
                async with session(box, worker) as doo:
                    task = asyncio.create_task(run(doo, operations, path, how))
                    held = asyncio.create_task(worker.held.wait())
                    await asyncio.wait({task, held}, return_when=asyncio.FIRST_COMPLETED)
                    held.cancel()
                    if task.done():
                        assert places > 8, "there are more pieces of writing than that"
                        return
                    places += 1
                    for _ in range(times):
                        task.cancel()
                        await asyncio.sleep(0)
                    worker.let_go.set()
                    await asyncio.wait({task})
                    assert task.cancelled()
                    async with session(box) as other:
                        report = await other.bulk.run(operations, journal=path, settle=0.0)
                    assert report.counts()["applied"] == 1
    raise AssertionError("the run never ends")


async def test_a_run_that_goes_on_keeps_its_journal(tmp_path: Path) -> None:
    """As long as it does, another one is locked out: what is tested above would be in vain otherwise."""
    async with Sandbox(organizations=1, webhooks_per_team=0, plan=None) as box:
        operations: list[Operation] = [Create(box.teams[0], config("new"))]
        worker = HeldWorker(4, behind=True)
        async with session(box, worker) as doo, session(box) as other:
            task = asyncio.create_task(run(doo, operations, tmp_path / "journal", "run"))
            await worker.held.wait()
            with pytest.raises(JournalLocked):
                await other.bulk.run(operations, journal=tmp_path / "journal")
            worker.let_go.set()
            await task


async def test_a_closed_session_keeps_the_journal_while_it_is_written(tmp_path: Path) -> None:
    """A run that is cancelled while its session closes lets nobody else in before its last piece of writing has ended."""
    async with Sandbox(organizations=1, webhooks_per_team=0, plan=None) as box:
        operations: list[Operation] = [Create(box.teams[0], config("new"))]
        worker = HeldWorker(5, behind=False)
        async with session(box, worker) as doo, session(box) as other:
            task = asyncio.create_task(run(doo, operations, tmp_path / "journal", "run"))
            await worker.held.wait()
            closing = asyncio.create_task(doo.aclose())
            for turn in range(100):
                await asyncio.sleep(0)
                if turn == 50:
                    task.cancel()
            try:
                with pytest.raises(JournalLocked):
                    await other.bulk.run(operations, journal=tmp_path / "journal")
            finally:
                worker.let_go.set()
            await asyncio.wait({task, closing})
            assert task.cancelled()
            report = await other.bulk.run(operations, journal=tmp_path / "journal", settle=0.0)
            assert report.counts()["applied"] == 1
