"""What a run costs beside a loop written by hand: `asyncio.gather` over aiohttp alone, with the same requests, 8 at a time.

Creates, and updates of all webhooks of teams of ten: read the list, create ten, read it again, delete the ten old ones, read
it again. The loop checks nothing, repeats nothing and writes nothing down. The sandbox runs in a process of its own, and
each measurement is a process with a sandbox of its own; the contenders take turns, and ratios are taken round by round.
All begin with a token, and aiodoo with a list read and its modules loaded.
Processor time is measured without latency, the time that passes at a latency of 50 ms.

    python benchmarks/beside_a_loop.py --rounds 3 --operations 1000
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import anyio
import anyio.lowlevel
import profiles
from figures import answer, header, told
from served import sandbox_elsewhere

import aiodoo
import aiodoo.bulk.bulk  # loaded when it is first used
from aiodoo.operations import Create, Operation, Update
from aiodoo.sandbox import graphql

WIDE = 8
EACH = 10
CASES = ("creates", "updates")
CONTENDERS = ("loop", "run", "journaled run")
LATENCY = 0.05
REACH = {
    "cpu": {"run": 2.5, "journaled run": 4.0},
    "wall": {"journaled run": 1.05},
}

Known = list[str]


class Loop:
    """What one writes by hand."""

    def __init__(self, known: Known, http: aiohttp.ClientSession) -> None:
        self.base_url = known[0]
        self.http = http
        self.room = asyncio.Semaphore(WIDE)

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and return its answer."""
        async with self.room, self.http.request(method, self.base_url + path, json=body) as response:
            response.raise_for_status()
            return None if response.status == 204 else await response.json()

    async def list(self, team: str) -> list[dict[str, Any]]:
        """Read a list of one page."""
        answer = await self.ask("GET", f"/team/{team}/webhooks")
        items: list[dict[str, Any]] = answer["_embedded"]["webhooks"]
        return items

    async def creates(self, team: str) -> None:
        """Read a team's list, and create."""
        await self.list(team)
        wanted = [{**graphql(), "name": f"new {number}"} for number in range(EACH)]
        await asyncio.gather(*(self.ask("POST", f"/team/{team}/webhooks", each) for each in wanted))

    async def updates(self, team: str) -> None:
        """Replace everything that is listed."""
        old = await self.list(team)
        bodies = [
            {name: value for name, value in each.items() if name not in {"id", "_links"}}
            | {"description": "moved"}
            for each in old
        ]
        for body in bodies:
            for hook in body["hooks"]:
                hook["type"] = hook["type"][:-33] if hook.get("origin") else hook["type"]
        await asyncio.gather(*(self.ask("POST", f"/team/{team}/webhooks", each) for each in bodies))
        await self.list(team)
        await asyncio.gather(*(self.ask("DELETE", f"/webhooks/{each['id']}") for each in old))
        await self.list(team)


@contextmanager
def measured(found: dict[str, Any], what: str, operations: int) -> Iterator[None]:
    """Add what the block took: its seconds, its profile, or when it waits."""
    gc.collect()
    if what == "profile":
        with profiles.Profile() as profile:
            yield
        found.update(profile.rows(operations))
    elif what == "waits":
        spent = time.process_time()
        with profiles.Flights() as flights:
            yield
        found.update(flights.rows(WIDE), **{"seconds of the processor": time.process_time() - spent})
    else:
        began = time.process_time(), time.perf_counter()
        yield
        found.update(cpu=time.process_time() - began[0], wall=time.perf_counter() - began[1])


async def loop(known: Known, case: str, teams: list[str], what: str, found: dict[str, Any]) -> None:
    """Measure the loop."""
    _, api_key, client_id, client_secret = known
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        headers={"x-api-key": api_key, "Content-Type": "application/json"},
    ) as http:
        by_hand = Loop(known, http)
        body = {"client_id": client_id, "client_secret": client_secret, "grant_type": "client_credentials"}
        token = await by_hand.ask("POST", "/oauth", body)
        http.headers["Authorization"] = f"Bearer {token['data']['access_token']}"
        work: Callable[[str], Any] = by_hand.creates if case == "creates" else by_hand.updates
        with measured(found, what, EACH * len(teams)):
            await asyncio.gather(*(work(team) for team in teams))


async def run(  # noqa: PLR0917  # all of them say what is measured
    known: Known, case: str, teams: list[str], journal: Path | None, what: str, found: dict[str, Any]
) -> None:
    """Measure a run."""
    base_url, api_key, client_id, client_secret = known
    async with aiodoo.Session(
        base_url=base_url,
        api_key=api_key,
        client_id=client_id,
        client_secret=client_secret,
        limits=aiodoo.Limits(per_second=None, per_day=None, concurrency=WIDE),
        facts=aiodoo.Facts(list_echoes_scope=True),
    ) as doo:
        operations: list[Operation] = []
        if case == "creates":
            wanted = aiodoo.AddWebhook.from_dict(graphql())
            operations = [
                Create(team, wanted.copy(name=f"new {number}")) for team in teams for number in range(EACH)
            ]
            await doo.webhooks.list(teams[:1]).collect()
        else:
            async for webhook in doo.webhooks.list(teams):
                operations.append(Update(webhook.team_id, webhook.id, description="moved"))
        await anyio.lowlevel.checkpoint()  # loads its backend, as the first run of a process does: 0.1 s
        with measured(found, what, len(operations)):
            report = await doo.bulk.run(operations, journal=journal)
        if report.counts()["applied"] != len(operations):
            raise SystemExit(f"{report!r}")


async def measure(contender: str, case: str, operations: int, what: str) -> dict[str, Any]:
    """Measure one contender on a sandbox of its own."""
    size = operations // EACH
    found: dict[str, Any] = {}
    # Settings of the sandbox: `latency` is what each answer waits, `page_size` has a team's old and new ones on one page.
    async with sandbox_elsewhere(
        organizations=size,
        webhooks_per_team=EACH if case == "updates" else 0,
        page_size=4 * EACH,
        latency=LATENCY if what in {"wall", "waits"} else 0.0,
        echo_scope=True,
    ) as known:
        teams = [str(111 + number) for number in range(size)]
        if contender == "loop":
            await loop(known, case, teams, what, found)
            return found
        with tempfile.TemporaryDirectory() as folder:
            journal = Path(folder, "run.journal") if contender == "journaled run" else None
            await run(known, case, teams, journal, what, found)
    return found


def in_its_own_process(contender: str, case: str, operations: int, what: str) -> dict[str, float]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--measure", contender, case, str(operations), what]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)  # noqa: S603  # ourselves
    return found


def compare(case: str, what: str, rounds: int, operations: int) -> list[str]:
    """Print one line for each contender; return those that miss their goal."""
    contenders = [each for each in CONTENDERS if what == "cpu" or each != "run"]
    took: dict[str, list[float]] = {contender: [] for contender in contenders}
    for turn in range(rounds):
        for contender in contenders[:: 1 if turn % 2 else -1]:
            took[contender].append(in_its_own_process(contender, case, operations, what)[what])
    missed = []
    for contender, seconds in took.items():
        ratios = [ours / theirs for theirs, ours in zip(took["loop"], seconds, strict=True)]
        reach = REACH[what].get(contender)
        met = reach is None or median(ratios) <= reach
        missed += [] if met else [contender]
        print(
            f"{case:8} {what:5} {contender:14} {median(seconds) / operations * 1e6:6.0f} us an operation  "
            f"{told(ratios, '.2f')}  {'' if reach is None else f'<= {reach}: {answer(met)}'}",
            flush=True,
        )
    return missed


def explain(case: str, what: str, contender: str, operations: int) -> None:
    """Print where the difference to the loop comes from: what is computed, or when nothing is in flight."""
    view = "profile" if what == "cpu" else "waits"
    found = {each: in_its_own_process(each, case, operations, view) for each in ("loop", contender)}
    if what == "cpu":
        names = ("loop", contender)
        profiles.show(f"{case}, an operation", names, found["loop"], found[contender])
    else:
        profiles.show_flights(f"a run of {operations} {case}", found)


def main() -> int:
    """Read the command line, compare, and explain what is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--operations", type=int, default=1000)
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        contender, case, operations, what = options.measure
        print(json.dumps(asyncio.run(measure(contender, case, int(operations), what))))
        return 0
    header("aiohttp", "msgspec")
    print(f"medians (min-max) of {options.rounds}, in times of the loop\n")
    missed = [
        (case, what, contender)
        for case in CASES
        for what in REACH
        for contender in compare(case, what, options.rounds, options.operations)
    ]
    for case, what, contender in missed:
        explain(case, what, contender, options.operations)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
