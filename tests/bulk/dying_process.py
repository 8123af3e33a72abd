"""Processes that die: their file work stops for ever at a given piece, or whenever somebody kills them."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from aiodoo import Report, Session
from aiodoo.bulk.journal import lines
from aiodoo.bulk.journal.file import JournalFile
from aiodoo.bulk.journal.shared import SharedStore

T = TypeVar("T")

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  # private folders are made in it
"""Where journals lie that have to outlast a process but not the machine: many thousand of them, without a disk."""


@contextmanager
def folder() -> Iterator[Path]:
    """Make a folder for journals, and take it away."""
    with tempfile.TemporaryDirectory(prefix="aiodoo-", dir=MEMORY) as name:
        yield Path(name)


async def until_dead(
    worker: MortalWorker,
    doo: Session,
    run: Coroutine[Any, Any, Report],
    *,
    at: Coroutine[Any, Any, Any] | None = None,
) -> Report | None:
    """Let a process carry out a run until it is done, the worker dies, or `at` ends; the process is gone then."""
    running = asyncio.create_task(run)
    died = asyncio.create_task(at or worker.died.wait())
    await asyncio.wait({running, died}, return_when=asyncio.FIRST_COMPLETED)
    died.cancel()
    report = running.result() if running.done() else None
    worker.die()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    worker.kill()
    await doo.aclose()
    return report


class MortalWorker:
    """Does its work inline until a given piece, and nothing from then on: the process is dead to its disk."""

    def __init__(self, dies_at: int | None = None, *, after_it: bool = False) -> None:
        self.dies_at = dies_at
        self.after_it = after_it
        self.done = 0
        self.dead = False
        self.died = asyncio.Event()
        self.files: list[JournalFile] = []
        self.shared: list[SharedStore] = []
        self._hanging: set[asyncio.Future[None]] = set()

    def do(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Do it, or hang for ever."""
        return asyncio.ensure_future(self._do(work))

    async def _do(self, work: Callable[[], T]) -> T:
        if self.dead:
            raise asyncio.CancelledError
        self.done += 1
        dying = self.dies_at is not None and self.done >= self.dies_at
        if dying and not (self.after_it and self.done == self.dies_at):
            await self._hang()
        result = work()
        if isinstance(result, JournalFile):
            self.files.append(result)
        elif isinstance(result, SharedStore):
            self.shared.append(result)
        if dying:
            await self._hang()
        return result

    async def _hang(self) -> None:
        self.died.set()
        hanging = asyncio.get_running_loop().create_future()
        self._hanging.add(hanging)
        await hanging

    def die(self) -> None:
        """Do nothing more, and let nobody wait for what hangs."""
        self.dead = True
        for hanging in self._hanging:
            hanging.cancel()

    def kill(self, *, torn: int | None = None) -> None:
        """Let the operating system take back what a dead process held; its files stay as they are.

        Args:
            torn: how much the last write, which was not finished, left behind the last line.
        """
        for file in self.files:
            descriptor = file._descriptor
            if descriptor is not None and torn and os.fstat(descriptor).st_nlink:
                rows = lines.encoded([("change", "0", {"reason": "x" * 5000})])
                line, *_ = file._chain.line(rows, file._now, size=file._size)
                os.write(descriptor, line[: min(torn, len(line) - 1)])
                file._clock.file_changed(descriptor)
            file.close()
        for store in self.shared:
            # Its lease runs out.
            store._closed.set()
            store._server.close()

    async def close(self) -> None:
        """Nothing is open."""
