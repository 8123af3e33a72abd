"""What aiodoo costs beside raw aiohttp and orjson: processor time of the client for a list page and for a create.

All ask one server, in a process of its own, that answers with fixed bytes faster than they ask. Each measurement is a
fresh process; the contenders take turns in both orders, and ratios are taken round by round. Where there are two
processors the client keeps to one and the server to another.

    python benchmarks/overhead.py                        # all cases, beside raw aiohttp
    python benchmarks/overhead.py --peers --chart docs/pictures/overhead.svg --table docs/pictures/overhead.txt

The exit status is 0 if every goal is met, else 1.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs
import profiles
from figures import answer, header, left_out, told
from overhead_contenders import CASES, CONTENDERS, PEERS
from overhead_machine import Calls, Cost, Meter, instructions, machine, pin, versions

REACH = {"pages": 1.5, "collect": 1.5, "hooks": 1.8, "create": 1.4}
PACKAGES = ("aiohttp", "msgspec", "orjson", "uvloop", *PEERS)
LOOPS = {"asyncio": None, "uvloop": "uvloop"}


@attrs.frozen
class Row:
    """What a contender takes for one list: microseconds, times raw round by round, and Python calls."""

    name: str
    cpu: float
    times: list[float]
    calls: float


@attrs.frozen
class Setting:
    """What is measured: a case, how many tasks ask at a time, and on which event loop."""

    case: str
    tasks: int
    loop: str = "asyncio"
    profiled: bool = False


async def measure(contender: str, host: str, setting: Setting, requests: int) -> dict[str, Any]:
    """Return what one request takes of this process, with its profile if no more than that is asked for."""
    async with AsyncExitStack() as stack:
        ask = await CONTENDERS[contender](stack, host, setting.case)

        async def work(count: int) -> None:
            for _ in range(count):
                await ask()

        async def all_of(count: int) -> int:
            each = max(count // setting.tasks, 1)
            await asyncio.gather(*(work(each) for _ in range(setting.tasks)))
            return each * setting.tasks

        await all_of(max(requests // 10, setting.tasks))
        if setting.profiled:
            with profiles.Profile() as profile:
                count = await all_of(requests)
            return profile.rows(count)
        gc.collect()
        meter = Meter()
        cost = meter.cost(await all_of(requests))
        with Calls() as calls:
            counted = await all_of(setting.tasks * 5)
        return attrs.asdict(attrs.evolve(cost, calls=calls.count / counted))


def itself(contender: str, host: str, setting: Setting, requests: int) -> list[str]:
    """Return the command that measures in a process of its own."""
    given = json.dumps([contender, host, attrs.asdict(setting), requests])
    return [sys.executable, __file__, "--measure", given]


def measured(contender: str, host: str, setting: Setting, requests: int) -> dict[str, Any]:
    """Measure in a process of its own."""
    command = itself(contender, host, setting, requests)
    found: dict[str, Any] = json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603  # ourselves
    )
    return found


def instructions_each(contender: str, host: str, setting: Setting) -> float | None:
    """Return the instructions for one request: what a longer run needs more than a shorter one."""
    few, many = 160, 480
    counted = [instructions(itself(contender, host, setting, count)) for count in (few, many)]
    if None in counted:
        return None
    return (counted[1] - counted[0]) / (1.1 * (many - few))  # type: ignore[operator]  # a tenth is for warming up


@contextmanager
def serving() -> Iterator[tuple[str, int]]:
    """Run the server; yield its address and the bytes of a page."""
    path = Path(__file__).with_name("overhead_server.py")
    with subprocess.Popen(  # noqa: S603  # ours
        [sys.executable, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None and server.stdout is not None  # noqa: S101, PT018  # piped
        port, size = json.loads(server.stdout.readline())
        try:
            yield f"http://127.0.0.1:{port}", size
        finally:
            server.stdin.close()


def turns(contenders: Sequence[str], rounds: int) -> Iterator[Sequence[str]]:
    """Yield the order of each round: forwards and backwards in turn, so that none always comes first."""
    for number in range(rounds):
        yield contenders if number % 2 == 0 else contenders[::-1]


def costs(
    host: str, contenders: Sequence[str], setting: Setting, rounds: int, requests: int
) -> dict[str, list[Cost]]:
    """Measure the contenders in turn."""
    found: dict[str, list[Cost]] = {contender: [] for contender in contenders}
    for order in turns(contenders, rounds):
        for contender in order:
            found[contender].append(Cost(**measured(contender, host, setting, requests)))
    return found


def ratios(ours: Sequence[Cost], theirs: Sequence[Cost]) -> list[float]:
    """Return our processor time in times of theirs, round by round."""
    return [mine.cpu / other.cpu for mine, other in zip(ours, theirs, strict=True)]


def median(found: Sequence[Cost], name: str) -> float:
    """Return the median of one figure."""
    return statistics.median([getattr(cost, name) for cost in found])


def beside_raw(host: str, settings: Sequence[Setting], rounds: int, requests: int) -> list[Setting]:
    """Print a line for each setting; return those that miss their goal."""
    print("case     tasks loop     raw us             aiodoo us          faults      calls       times raw")
    missed = []
    for setting in settings:
        found = costs(host, ("raw", "aiodoo"), setting, rounds, requests)
        raw, ours = found["raw"], found["aiodoo"]
        times = ratios(ours, raw)
        reach = REACH[setting.case]
        ok = statistics.median(times) <= reach
        missed += [] if ok else [setting]
        cpu = [told([cost.cpu for cost in each], ".0f") for each in (raw, ours)]
        faults = " / ".join(f"{median(each, 'faults'):.1f}" for each in (raw, ours))
        calls = " / ".join(f"{median(each, 'calls'):.0f}" for each in (raw, ours))
        print(
            f"{setting.case:8} {setting.tasks:5} {setting.loop:8} {cpu[0]:18} {cpu[1]:18} {faults:11} {calls:11} "
            f"{told(times, '.2f'):17} at most {reach}: {answer(ok)}",
            flush=True,
        )
    return missed


def beside_peers(host: str, rounds: int, requests: int) -> list[Row]:
    """Print a line for each contender that is installed; return them, the quickest first."""
    contenders = ["raw", "aiodoo", *(name for name in PEERS if _runs(name, host))]
    found = costs(host, contenders, Setting("pages", 16), rounds, requests)
    print("\na list of 25, 16 tasks   us                  faults   calls   times raw")
    rows = []
    for contender, of_it in sorted(found.items(), key=lambda item: median(item[1], "cpu")):
        times = ratios(of_it, found["raw"])
        cpu = told([cost.cpu for cost in of_it], ".0f")
        print(
            f"{contender:24} {cpu:19} {median(of_it, 'faults'):6.1f} {median(of_it, 'calls'):7.0f}   {told(times, '.2f')}",
            flush=True,
        )
        rows.append(Row(contender, median(of_it, "cpu"), times, median(of_it, "calls")))
    for name in PEERS:
        if name not in contenders:
            left_out(name, name)
    return rows


def _runs(name: str, host: str) -> bool:
    try:
        measured(name, host, Setting("pages", 16), 16)
    except subprocess.CalledProcessError:
        return False
    return True


def explain(host: str, missed: Sequence[Setting], requests: int) -> None:
    """Print a profile for each case with a goal that is missed: of the first of its settings."""
    for setting in {each.case: each for each in reversed(missed)}.values():
        raw, ours = (
            measured(contender, host, attrs.evolve(setting, profiled=True), requests)
            for contender in ("raw", "aiodoo")
        )
        what = f"{setting.case}, a request, {setting.tasks} tasks, {setting.loop}"
        profiles.show(what, ("raw", "aiodoo"), raw, ours)


def by_instructions(host: str) -> None:
    """Print the instructions of each case, where valgrind can count them."""
    print("\ncase     thousands of instructions, raw / aiodoo, 16 tasks")
    for case in CASES:
        pair = [instructions_each(contender, host, Setting(case, 16)) for contender in ("raw", "aiodoo")]
        if pair[0] is None or pair[1] is None:
            print("valgrind is not installed")
            return
        print(
            f"{case:8} {pair[0] / 1000:.0f} / {pair[1] / 1000:.0f}: {pair[1] / pair[0]:.2f} times", flush=True
        )


def chart(rows: Sequence[Row]) -> str:
    """Draw the contenders as bars, without any library."""
    high, wide, left = 26, 520, 90
    longest = max(statistics.median(row.times) for row in rows)
    box = f"0 0 {left + wide + 110} {len(rows) * high + 30}"
    what = "processor time for a list of 25, in times of aiohttp with orjson"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" font-family="sans-serif" font-size="13" role="img">',
        f"<title>{what}</title>",
        f'<rect width="100%" height="100%" fill="white"/><text x="{left}" y="18">{what}</text>',
    ]
    for number, row in enumerate(rows):
        y = 28 + number * high
        name, times = row.name, statistics.median(row.times)
        color = "#1f6f50" if name == "aiodoo" else "#9aa5b1"
        width = max(times / longest * wide, 2)
        lines.append(
            f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{name}</text>'
            f'<rect x="{left}" y="{y + 2}" width="{width:.0f}" height="{high - 8}" fill="{color}"/>'
            f'<text x="{left + width + 6:.0f}" y="{y + 15}">{times:.1f} ({row.cpu:.0f} us)</text>'
        )
    return "\n".join([*lines, "</svg>", ""])


def table(rows: Sequence[Row], rounds: int) -> str:
    """Write the contenders as a table in Markdown, with what it was measured on."""
    lines = [
        (
            f"Medians of {rounds} rounds with 16 tasks (smallest to largest); Python {platform.python_version()}, "
            f"{versions(('aiohttp', 'orjson'))}; {machine()}:"
        ),
        "",
        "| client | µs | times aiohttp with orjson | calls of Python functions |",
        "| --- | --- | --- | --- |",
    ]
    for row in rows:
        name = "aiohttp with orjson" if row.name == "raw" else versions((row.name,))
        lines.append(f"| {name} | {row.cpu:,.0f} | {told(row.times, '.1f')} | {row.calls:,.0f} |")
    return "\n".join([*lines, ""])


def settings(tasks: Sequence[int], cases: Sequence[str]) -> list[Setting]:
    """Return what is measured beside raw aiohttp, on each event loop that is installed."""
    loops = [name for name, module in LOOPS.items() if module is None or importlib.util.find_spec(module)]
    return [Setting(case, count, loop) for loop in loops for case in cases for count in tasks]


def run(argv: Sequence[str] | None = None) -> int:
    """Measure and print all of it; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--tasks", type=int, nargs="+", default=[16, 1])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument(
        "--peers", action="store_true", help="measure the SDKs of other services that are installed"
    )
    parser.add_argument("--instructions", action="store_true", help="count instructions with valgrind; slow")
    parser.add_argument("--chart", type=Path, help="where to write the peers as an SVG")
    parser.add_argument("--table", type=Path, help="where to write the peers in Markdown")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.measure:
        return _measure(options.measure)
    with serving() as (host, size):
        header(*PACKAGES)
        print(
            f"client, median (min-max) of {options.rounds}, for one request; a list page has {size} bytes\n"
        )
        missed = beside_raw(host, settings(options.tasks, options.cases), options.rounds, options.requests)
        if not importlib.util.find_spec("uvloop"):
            left_out("the same on the other event loop", "uvloop")
        explain(host, missed, options.requests)
        if options.instructions:
            by_instructions(host)
        if options.peers:
            rows = beside_peers(host, options.rounds, max(options.requests // 3, 1))
            if options.chart:
                options.chart.write_text(chart(rows), encoding="utf-8")
            if options.table:
                options.table.write_text(table(rows, options.rounds), encoding="utf-8")
    return 1 if missed else 0


def _measure(given: str) -> int:
    """Measure one contender in this process, and print it."""
    contender, host, setting, requests = json.loads(given)
    what = Setting(**setting)
    pin("client")
    # Some peers read proxies from the environment, which is not what is compared.
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        os.environ.pop(name, None)
    module = LOOPS[what.loop]
    factory = None if module is None else importlib.import_module(module).new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        print(json.dumps(runner.run(measure(contender, host, what, requests))))
    return 0


if __name__ == "__main__":
    sys.exit(run())
