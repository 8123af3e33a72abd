"""How the cost of each big job grows: its processor time, or memory, at a size, four and sixteen times that size.

The exponent is that of the power of the size by which the cost grows between the two larger sizes: 1 is linear, 2 is
quadratic. Runs and verifications are against a doo in simulated time, whose own work is linear and is counted in.

    python benchmarks/growth.py --rounds 3
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "bulk")]

from bulk_world import config, content, finished_run, world  # noqa: E402  # the tests' simulated world
from figures import goal, header, told  # noqa: E402
from served import sandbox_elsewhere  # noqa: E402
from simulated import SimulatedClock, simulate  # noqa: E402

import aiodoo  # noqa: E402
from aiodoo.bulk.journal import read, store_at  # noqa: E402
from aiodoo.bulk.run_progress import total_forecast  # noqa: E402
from aiodoo.bulk.verifying import verify  # noqa: E402
from aiodoo.cli import run_folders  # noqa: E402
from aiodoo.clock import Clock  # noqa: E402
from aiodoo.desired import export  # noqa: E402
from aiodoo.desired.file import block_style  # noqa: E402
from aiodoo.desired.file.building import WantedWebhook  # noqa: E402
from aiodoo.desired.file.wanted_state import read_wanted_state  # noqa: E402
from aiodoo.desired.planning.matching import match  # noqa: E402
from aiodoo.operations import Create, Ensure, Operation, Update  # noqa: E402
from aiodoo.operations.forecast import forecast_team  # noqa: E402
from aiodoo.operations.tracked import Stage, Status, TrackedOperation  # noqa: E402
from aiodoo.sandbox import Sandbox  # noqa: E402

REACH = 1.1
FACTS = aiodoo.Facts(list_echoes_scope=True)
Measure = Callable[[int], float]


@contextmanager
def processor() -> Iterator[list[float]]:
    """Yield a list to which the processor time of the block is added; what was there before is not searched for garbage."""
    spent: list[float] = []
    gc.collect()
    gc.freeze()
    began = time.process_time()
    yield spent
    spent.append(time.process_time() - began)
    gc.unfreeze()


def twin(number: int) -> aiodoo.AddWebhook:
    """Return one of many with the same name."""
    return attrs.evolve(config("twin"), description=f"is {number}")


def listed(number: int, wanted: aiodoo.AddWebhook) -> aiodoo.WebhookConfiguration:
    """Return a webhook as doo lists it."""
    return aiodoo.WebhookConfiguration.showing(wanted, team_id="111", webhook_id=str(number))


def verification(size: int) -> float:
    """Verify a run of creates in one team."""

    async def main(clock: SimulatedClock) -> float:
        async with world(clock, organizations=1, page_size=250) as (doo, box):
            changes = []
            for number in range(size):
                wanted = config(f"new {number}")
                made = box.add_webhook("111", content(wanted))
                changes.append(
                    TrackedOperation(
                        number=number,
                        operation=Create("111", wanted),
                        stage=Stage.CREATED,
                        status=Status.APPLIED,
                        new_id=made,
                    )
                )
            past = finished_run(changes)
            with processor() as spent:
                found = await verify(doo.bulk._context, past)  # noqa: SLF001  # a journal of this size takes minutes to make
            assert found.clean, found  # noqa: S101
            return spent[0]

    return simulate(main)


def run_of_teams(size: int) -> float:
    """Run one create in each of so many teams."""

    async def main(clock: SimulatedClock) -> float:
        async with world(clock, organizations=size) as (doo, box):
            operations = [Create(team, config("new")) for team in box.teams]
            with processor() as spent:
                await doo.bulk.run(operations)
            return spent[0]

    return simulate(main)


def sums(size: int) -> float:
    """Add up the forecasts of so many teams, one after the other."""
    one = forecast_team("111", [Create("111", config("new"))], [], page_size=25, facts=FACTS)
    with processor() as spent:
        total = one
        for _ in range(size):
            total = total_forecast((total, one), aiodoo.Limits())
    return spent[0]


def forecast(size: int) -> float:
    """Forecast updates of all webhooks of one team."""
    there = [listed(number, config(f"is {number}")) for number in range(size)]
    operations = [Update("111", str(number), description="moved") for number in range(size)]
    return forecasted(operations, there)


def ensures(size: int) -> float:
    """Forecast Ensures of one name, half of which are listed."""
    there = [listed(number, twin(number)) for number in range(size)]
    return forecasted([Ensure("111", twin(number + size // 2)) for number in range(size)], there)


def forecasted(operations: list[Operation], there: list[aiodoo.WebhookConfiguration]) -> float:
    """Forecast, and return the processor time."""
    with processor() as spent:
        forecast_team("111", operations, there, page_size=25, facts=FACTS)
    return spent[0]


def declared(size: int) -> float:
    """Match declared webhooks of one name with as many listed ones that differ."""
    there = [listed(number, twin(number)) for number in range(size)]
    wanted = [WantedWebhook(twin(number + size // 2), number) for number in range(size)]
    with processor() as spent:
        match(wanted, there, FACTS)
    return spent[0]


def tenants(size: int) -> float:
    """Open the sessions of so many profiles."""

    async def main(file: Path) -> float:
        with processor() as spent:
            async with aiodoo.Tenants({f"t{number}": f"t{number}" for number in range(size)}, config=file):
                pass
        return spent[0]

    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder
        file = Path(folder, "config.toml")
        file.touch(0o600)
        file.write_text(
            "".join(
                f'[profiles.t{number}]\napi_key="{number:040d}"\nclient_id="c"\nclient_secret="{number:040d}"\n'
                for number in range(size)
            )
        )
        return asyncio.run(main(file))


def stable_list(size: int) -> float:
    """Return the megabytes that reading a team until two readings agree takes at most."""

    async def main() -> float:
        async with (
            sandbox_elsewhere(organizations=1, webhooks_per_team=size, page_size=250) as known,
            aiodoo.Session(
                base_url=known[0],
                api_key=known[1],
                client_id=known[2],
                client_secret=known[3],
                limits=aiodoo.Limits(per_second=None, per_day=None),
            ) as doo,
        ):
            await doo.webhooks.page("111", 1)
            gc.collect()
            tracemalloc.start()
            kept = await doo.webhooks.list("111", stable=True).collect()
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return peak / 1e6 if kept else 0.0

    return asyncio.run(main())


def declared_file(size: int) -> float:
    """Read the file of desired state that an export of so many webhooks writes."""
    document = export([listed(number, config(f"new {number}")) for number in range(size)]).document
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "doo.yaml")
        file.write_text("\n".join(block_style.written(document)))
        with processor() as spent:
            state = read_wanted_state(file, {}, FACTS)
            state.by_team({})
    return spent[0]


async def journal_of(size: int, path: Path) -> tuple[bytes, str]:
    """Write the journal of a run of creates that is stopped at once; return the keys to it."""
    async with Sandbox(organizations=1, plan=None) as box:
        options = {"api_key": box.api_key, "client_id": box.client_id, "client_secret": box.client_secret}
        async with aiodoo.Session(base_url=box.url, limits=aiodoo.Limits.none(), **options) as doo:
            stop = asyncio.Event()
            await doo.bulk.run(
                [Create(box.teams[0], config(f"new {number}")) for number in range(size)],
                journal=path,
                stop=stop,
                progress=lambda _: stop.set(),
            )
            owner = doo._parts.owner  # noqa: SLF001  # reading alone is measured
            return owner.key, owner.account


def journal(size: int) -> float:
    """Open a journal of so many operations."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal")
        key, account = asyncio.run(journal_of(size, path))
        with processor() as spent:
            read(store_at(path, key=key, clock=Clock()), account)
    return spent[0]


def runs_list(size: int) -> float:
    """List so many runs of 50 operations each, by the command line in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path, state = Path(folder, "journal"), Path(folder, "aiodoo", "runs")
        asyncio.run(journal_of(50, path))
        for _ in range(size):
            shutil.copy(path, run_folders.make(state, "benchmark", None, None).journal)
        command = [sys.executable, "-m", "aiodoo", "runs", "list"]
        environ = {**os.environ, "XDG_STATE_HOME": folder, "HOME": folder}
        begun = os.times().children_user + os.times().children_system
        subprocess.run(command, check=True, env=environ, stdout=subprocess.DEVNULL)  # noqa: S603  # ourselves
        return os.times().children_user + os.times().children_system - begun


CASES: dict[str, tuple[Measure, int, str]] = {
    "bulk.verify of creates in one team": (verification, 1250, "s"),
    "a run of one create in each team": (run_of_teams, 400, "s"),
    "forecasts of teams added up": (sums, 400, "s"),
    "forecast of updates in one team": (forecast, 625, "s"),
    "Ensures of one name in one team": (ensures, 250, "s"),
    "declared twins of one name": (declared, 250, "s"),
    "Tenants by profile": (tenants, 200, "s"),
    "list(stable=True).collect()": (stable_list, 6250, "MB"),
    "an exported file read": (declared_file, 1250, "s"),
    "a journal opened": (journal, 1250, "s"),
    "aiodoo runs list": (runs_list, 50, "s"),
}


def in_its_own_process(name: str, size: int) -> float:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--measure", name, str(size)]
    return float(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))  # noqa: S603  # ourselves


def main() -> int:
    """Read the command line, measure, and print the table; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--smaller", type=int, default=1, help="divides the sizes; small ones give rough exponents"
    )
    parser.add_argument("--only", help="the beginning of a case's name")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        name, size = options.measure
        print(json.dumps(CASES[name][0](int(size))))
        return 0
    header("aiohttp", "msgspec")
    print(f"medians of {options.rounds}\n")
    missed = False
    for name, (_, smallest, unit) in CASES.items():
        if not name.startswith(options.only or ""):
            continue
        sizes = [size * smallest // options.smaller for size in (1, 4, 16)]
        found = [[in_its_own_process(name, size) for _ in range(options.rounds)] for size in sizes]
        costs = [statistics.median(each) for each in found]
        exponent = math.log(costs[2] / costs[1], 4)
        met = exponent <= REACH
        missed |= not met
        text = ", ".join(
            f"{size}: {told(each, '.2f')} {unit}" for size, each in zip(sizes, found, strict=True)
        )
        print(f"{name}: {text}")
        goal(f"  {name}: exponent {exponent:.2f} <= {REACH}", met=met)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
