"""The longest time for which aiodoo keeps the event loop from other tasks, at sizes that are far beyond an everyday run.

A task that wakes every millisecond notes the longest processor time of the loop's thread between two of its turns, so that
other programs of the machine do not count. Python's collections of garbage are noted apart: how long one takes depends on all
objects of the process. What is loaded when it is first used is loaded before. What calls return is kept to the end, as freeing
it is up to the caller. The sandbox runs in a process of its own.

    python benchmarks/stalls.py --operations 10000 --webhooks 5000 --journal 20000
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.lowlevel
import profiles
from figures import answer, header
from served import sandbox_elsewhere

import aiodoo
import aiodoo.bulk.bulk
from aiodoo.operations import Create, Operation, Update
from aiodoo.sandbox import graphql

REACH = 50.0
TEAMS = 100


class Watchdog:
    """Notes the longest stall of the running event loop, and the longest collection of garbage, in milliseconds."""

    looking = False
    """Whether what runs is looked at instead, which slows it."""

    def __init__(self) -> None:
        self._stall = profiles.Stall()
        self.longest = self.collection = 0.0
        self._collecting = self._collected = 0.0

    async def __aenter__(self) -> Self:
        await anyio.lowlevel.checkpoint()  # loads what anyio needs
        if self.looking:
            await self._stall.__aenter__()
            return self
        gc.callbacks.append(self._collects)
        self._task = asyncio.create_task(self._watch())
        await asyncio.sleep(0.01)
        return self

    @property
    def found(self) -> Any:
        """Both, or what was seen."""
        return self._stall.rows() if self.looking else [self.longest, self.collection]

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.looking:
            await self._stall.__aexit__(kind, error, traceback)
            return
        # Once more, after what came last.
        await asyncio.sleep(0.005)
        self._task.cancel()
        gc.callbacks.remove(self._collects)

    def _collects(self, phase: str, _: dict[str, Any]) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        if phase == "start":
            self._collecting = time.thread_time()
            return
        took = time.thread_time() - self._collecting
        self._collected += took
        self.collection = max(self.collection, took * 1e3)

    async def _watch(self) -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(0.001)
            now, collected, self._collected = time.thread_time(), self._collected, 0.0
            self.longest, before = max(self.longest, (now - before - collected) * 1e3), now


@asynccontextmanager
async def session(**settings: object) -> AsyncIterator[aiodoo.Session]:
    """Open a session without limits on a sandbox elsewhere."""
    async with (
        sandbox_elsewhere(echo_scope=True, **settings) as (url, api_key, client_id, client_secret),
        aiodoo.Session(
            base_url=url,
            api_key=api_key,
            client_id=client_id,
            client_secret=client_secret,
            limits=aiodoo.Limits(per_second=None, per_day=None, concurrency=16),
            facts=aiodoo.Facts(list_echoes_scope=True),
        ) as doo,
    ):
        yield doo


def creates(teams: int, count: int) -> list[Operation]:
    """Return so many creates over so many teams."""
    wanted = aiodoo.AddWebhook.from_dict(graphql())
    return [
        Create(
            str(111 + number % teams), wanted.copy(name=f"new {number}", description="made by a benchmark")
        )
        for number in range(count)
    ]


async def a_run(count: int) -> Any:
    """Run creates with a journal."""
    operations = creates(TEAMS, count)
    with tempfile.TemporaryDirectory() as folder:
        async with session(organizations=TEAMS) as doo, Watchdog() as dog:
            await doo.bulk.run(operations, journal=Path(folder, "run.journal"))
        return dog.found


async def updates_of(count: int, *, run: bool) -> Any:
    """Forecast updates of all webhooks of one team, or run a tenth of them with a journal."""
    with tempfile.TemporaryDirectory() as folder:
        async with session(organizations=1, webhooks_per_team=count, page_size=250) as doo:
            listing = await doo.webhooks.list("111", stable=True).collect()
            operations = [Update("111", webhook.id, description="moved") for webhook in listing]
            async with Watchdog() as dog:
                if run:
                    await doo.bulk.run(
                        operations[: count // 10],
                        journal=Path(folder, "run.journal"),
                        baseline={"111": listing},
                    )
                else:
                    await doo.bulk.forecast(operations, baseline={"111": listing})
            return dog.found


async def a_listing(count: int) -> Any:
    """Collect a team's list."""
    async with session(organizations=1, webhooks_per_team=count, page_size=250) as doo, Watchdog() as dog:
        await doo.webhooks.list("111", stable=True).collect()
    return dog.found


async def a_prepared_run(count: int) -> Any:
    """Begin a run of updates of a whole team, and stop it when its first list was read."""
    async with session(organizations=1, webhooks_per_team=count, page_size=250) as doo:
        listing = await doo.webhooks.list("111", stable=True).collect()
        operations = [Update("111", webhook.id, description="moved") for webhook in listing]
        stop = asyncio.Event()

        def progress(seen: aiodoo.Progress) -> None:
            if seen.requests.creates:
                stop.set()

        async with Watchdog() as dog:
            await doo.bulk.run(operations, baseline={"111": listing}, stop=stop, progress=progress)
        return dog.found


async def a_journal(count: int) -> Any:
    """Write a journal of a run that is stopped at once; report, verify and undo it, and compare it with its operations."""
    operations = creates(TEAMS, count)
    stop = asyncio.Event()
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder, "run.journal")
        async with session(organizations=TEAMS) as doo, Watchdog() as dog:
            kept: list[Any] = [
                await doo.bulk.run(
                    operations,
                    journal=journal,
                    stop=stop,
                    progress=lambda seen: stop.set() if seen.done > count // 20 else None,
                ),
                await doo.bulk.report(journal),
                await doo.bulk.verify(journal),
                await doo.bulk.undo(journal, settle=0.1),
            ]
            stop = asyncio.Event()
            stop.set()
            kept.append(await doo.bulk.run(operations, journal=journal, stop=stop))
        return dog.found


CASES = {
    "a run of creates with a journal": (a_run, "operations"),
    "reading a team": (a_listing, "webhooks"),
    "a forecast of updates in one team": (lambda count: updates_of(count, run=False), "webhooks"),
    "the beginning of a run of updates in one team": (a_prepared_run, "webhooks"),
    "a tenth of a team updated, with a journal": (lambda count: updates_of(count, run=True), "webhooks"),
    "a journal reported, verified, undone and resumed": (a_journal, "journal"),
}


def main() -> int:
    """Read the command line, measure each case in a process of its own, and explain what is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--webhooks", type=int, default=5_000)
    parser.add_argument("--journal", type=int, default=20_000)
    parser.add_argument("--measure", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--look", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        Watchdog.looking = options.look
        work, size = CASES[options.measure]
        print(json.dumps(asyncio.run(work(getattr(options, size)))))
        return 0
    given = [f"--{name}={getattr(options, name)}" for name in ("operations", "webhooks", "journal")]
    header("aiohttp")
    missed = []
    for name, (_, size) in CASES.items():
        longest, collection = measured(name, given)
        met = longest <= REACH
        missed += [] if met else [name]
        print(
            f"{name:50} {getattr(options, size):6}  garbage {collection:4.0f} ms  "
            f"{longest:6.0f} ms  <= {REACH:.0f}: {answer(met)}",
            flush=True,
        )
    for name in missed:
        profiles.show_stall(name, measured(name, [*given, "--look"]))
    return 1 if missed else 0


def measured(name: str, given: Sequence[str]) -> Any:
    """Measure in a process of its own: the longest stall and collection, or what ran meanwhile."""
    command = [sys.executable, __file__, "--measure", name, *given]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)  # noqa: S603  # ourselves


if __name__ == "__main__":
    sys.exit(main())
