"""Where the difference to a contender comes from, in at most ten rows; measured apart, as what counts also slows.

Four views: Python calls by package and the time in them, under Python's own profiler; how long how many requests were in
flight; what a start imports; and what ran on the event loop during its longest stall.
"""

from __future__ import annotations

import asyncio
import cProfile
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import aiohttp

ROWS = 10
DEPTH = 3
"""How many callers of aiodoo's are named of what held the loop."""

Rows = dict[str, tuple[float, float]]
"""By package: microseconds and Python calls."""


def package(file: str) -> str:
    """Return what a file belongs to: a room of aiodoo, another package, or Python itself."""
    parts = Path(file).parts
    if "aiodoo" in parts and "site-packages" not in parts:
        inner = parts[len(parts) - parts[::-1].index("aiodoo") :]
        return f"aiodoo.{inner[0].removesuffix('.py')}" if inner else "aiodoo"
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1].removesuffix(".py")
    if "benchmarks" in parts:
        return "the benchmark's own"
    if file.startswith("<attrs generated"):
        return ".".join(file.rstrip(">").rpartition(" ")[2].split(".")[:2])
    return "asyncio" if "asyncio" in parts or file.endswith("selectors.py") else "Python's library"


class Profile:
    """Counts calls, and the processor time in each function without those that it calls.

    What is written in C counts for its caller.
    """

    def __init__(self) -> None:
        self._profile = cProfile.Profile(time.thread_time, builtins=False)

    def __enter__(self) -> Self:
        self._profile.enable()
        return self

    def __exit__(self, *_: object) -> None:
        self._profile.disable()

    def rows(self, each: int) -> Rows:
        """Return what one of so many requests, or operations, took."""
        found: Rows = {}
        for entry in self._profile.getstats():
            name = package(entry.code if isinstance(entry.code, str) else entry.code.co_filename)
            spent, calls = found.get(name, (0.0, 0.0))
            found[name] = spent + entry.inlinetime * 1e6 / each, calls + entry.callcount / each
        return found


def show(what: str, names: tuple[str, str], theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Print the packages that differ most in time."""
    zero = (0.0, 0.0)
    rows = sorted(
        ((ours.get(name, zero), theirs.get(name, zero), name) for name in {*theirs, *ours}),
        key=lambda row: abs(row[0][0] - row[1][0]),
        reverse=True,
    )
    print(f"\nprofile of {what}, {names[0]} / {names[1]} (the profiler slows calls)")
    print(f"  {'':30} {'us':>15} {'Python calls':>15}")
    rest = rows[ROWS - 1 :]
    if len(rest) > 1:
        others = [(sum(row[side][0] for row in rest), sum(row[side][1] for row in rest)) for side in (0, 1)]
        rows = [*rows[: ROWS - 1], (others[0], others[1], f"{len(rest)} others")]
    every = [(sum(row[side][0] for row in rows), sum(row[side][1] for row in rows)) for side in (0, 1)]
    for mine, other, name in [*rows, (every[0], every[1], "together")]:
        print(f"  {name:30} {other[0]:6.0f} / {mine[0]:<6.0f} {other[1]:6.1f} / {mine[1]:<6.1f}")
    sys.stdout.flush()


class Flights:
    """Notes how many requests of aiohttp are in flight, while it is entered: seconds by their number."""

    def __init__(self) -> None:
        self.seconds: Counter[int] = Counter()
        self.requests = 0
        self._flying = 0

    def __enter__(self) -> Self:
        self._inner, self._since = aiohttp.ClientSession._request, time.perf_counter()  # noqa: SLF001  # both contenders send through it
        aiohttp.ClientSession._request = self._sent()  # type: ignore[method-assign]  # noqa: SLF001
        return self

    def __exit__(self, *_: object) -> None:
        self._change(0)
        aiohttp.ClientSession._request = self._inner  # type: ignore[method-assign]  # noqa: SLF001

    def rows(self, wide: int) -> dict[str, float]:
        """Return the seconds with none, with some, and with as many as may be in flight, and the number of requests."""
        some = sum(seconds for number, seconds in self.seconds.items() if 0 < number < wide)
        full = sum(seconds for number, seconds in self.seconds.items() if number >= wide)
        return {
            "requests": self.requests,
            "seconds with none in flight": self.seconds[0],
            f"seconds with 1 to {wide - 1}": some,
            f"seconds with {wide}": full,
        }

    def _change(self, by: int) -> None:
        now = time.perf_counter()
        self.seconds[self._flying] += now - self._since  # type: ignore[assignment]  # seconds
        self._flying, self._since = self._flying + by, now

    def _sent(self) -> Callable[..., Any]:
        inner = self._inner

        async def request(*given: Any, **named: Any) -> Any:
            self.requests += 1
            self._change(1)
            try:
                return await inner(*given, **named)
            finally:
                self._change(-1)

        return request


def show_flights(what: str, found: Mapping[str, Mapping[str, float]]) -> None:
    """Print a row for each figure, with a column for each contender."""
    print(f"\nwhere {what} waits    {'  '.join(f'{name:>14}' for name in found)}")
    for row in next(iter(found.values())):
        print(f"  {row:34} {'  '.join(f'{figures[row]:14.2f}' for figures in found.values())}")
    sys.stdout.flush()


def imports(code: str, environ: dict[str, str] | None = None) -> dict[str, tuple[float, float]]:
    """Return milliseconds and modules by package that a piece of Python imports, in a process of its own."""
    done = subprocess.run(  # noqa: S603  # our own
        [sys.executable, "-X", "importtime", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=environ,
    )
    found: dict[str, tuple[float, float]] = {}
    for line in done.stderr.splitlines():
        fields = line.removeprefix("import time:").split("|")
        if len(fields) == 3 and fields[0].strip().isdigit():
            name = fields[2].strip()
            top = name.partition(".")[0]
            group = top if top not in sys.stdlib_module_names else "Python's library"
            if top == "aiodoo":
                group = ".".join(name.split(".")[:2])
            spent, modules = found.get(group, (0.0, 0.0))
            found[group] = spent + int(fields[0]) / 1000, modules + 1
    return found


def show_imports(what: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Print the packages whose import differs most."""
    zero = (0.0, 0.0)
    rows = sorted(
        ((ours.get(name, zero), theirs.get(name, zero), name) for name in {*theirs, *ours}),
        key=lambda row: row[0][0] - row[1][0],
        reverse=True,
    )
    together = [tuple(map(sum, zip(*each.values(), strict=True))) for each in (theirs, ours)]
    print(f"\nimports of {what}, beside / ours")
    print(f"  {'':30} {'ms':>15} {'modules':>15}")
    for mine, other, name in [*rows[:ROWS], (together[1], together[0], "all packages")]:
        print(f"  {name:30} {other[0]:6.1f} / {mine[0]:<6.1f} {other[1]:6.0f} / {mine[1]:<6.0f}")
    sys.stdout.flush()


class Stall:
    """Looks from another thread at what the event loop's thread runs, and keeps what it saw during the longest stall."""

    EVERY = 0.002

    def __init__(self) -> None:
        self.longest = 0.0
        self.seen: Counter[str] = Counter()
        self._turns = 0
        self._over = threading.Event()

    async def __aenter__(self) -> Self:
        self._thread, self._interval = threading.get_ident(), sys.getswitchinterval()
        self._clock = time.pthread_getcpuclockid(self._thread)
        sys.setswitchinterval(self.EVERY / 2)
        self._turning = asyncio.create_task(self._turn())
        self._looking = threading.Thread(target=self._look, daemon=True)
        self._looking.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0.005)
        self._over.set()
        self._turning.cancel()
        self._looking.join()
        sys.setswitchinterval(self._interval)

    async def _turn(self) -> None:
        while True:
            self._turns += 1
            await asyncio.sleep(0.001)

    def _look(self) -> None:
        turn, began, seen = self._turns, time.clock_gettime(self._clock), Counter[str]()
        while not self._over.wait(self.EVERY):
            now = time.clock_gettime(self._clock)
            if turn != self._turns:
                turn, began, seen = self._turns, now, Counter()
                continue
            seen[place(sys._current_frames()[self._thread])] += 1  # noqa: SLF001  # there is no other way to see it
            if now - began > self.longest:
                self.longest, self.seen = now - began, seen

    def rows(self) -> list[tuple[str, float]]:
        """Return what was seen, with its share of the longest stall in milliseconds."""
        looks = max(self.seen.total(), 1)
        return [(name, 1e3 * self.longest * count / looks) for name, count in self.seen.most_common(ROWS)]


def place(frame: Any) -> str:
    """Name the innermost functions of aiodoo's that a thread is in, or where it is otherwise."""
    names: list[str] = []
    inner = f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}"
    while frame is not None and len(names) < DEPTH:
        name = package(frame.f_code.co_filename)
        if name.startswith("aiodoo"):
            names.append(f"{name}.{frame.f_code.co_qualname}")
        frame = frame.f_back
    return " < ".join(names) or inner


def show_stall(what: str, rows: Sequence[tuple[str, float]]) -> None:
    """Print what ran during the longest stall of a run that was looked at."""
    print(f"\nlongest stall of {what}, looked at every {Stall.EVERY * 1e3:.0f} ms")
    for name, spent in rows:
        print(f"  {spent:6.1f} ms  {name}")
    sys.stdout.flush()
