"""How much of a known limit a second is used while work waits, beside other limiters, in simulated time.

Every contender is to send as much as the limit allows and not more. doo is played by one of five ways of
counting (fixed window, sliding log, token bucket, GCRA, leaky bucket), which refuses what is too much with a 429. Shown are
the share of the limit that was used and, behind it, the percentage of requests that were refused. aiodoo keeps
its own rules for a 429, such as a pause of the whole key; the others, which know of no answers, go on.

`pip install -e '.[dev,bench]'` installs the peers; one that is missing is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import math
import random
import statistics
import sys
import tempfile
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import attrs

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from figures import answer, header, left_out  # noqa: E402
from simulated import JumpingSelector, SimulatedClock, SimulatedLoop  # noqa: E402  # the tests' simulated time

from aiodoo.offload import InlineWorker  # noqa: E402
from aiodoo.quota import Account, Lane, Limits, Memory, Permits, SQLite  # noqa: E402

FOLDER = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  # simulated time need not wait for a disk
ULP = 1e-9
MOMENT = 1e-7
"""Seconds that a turn of the event loop takes in simulated time."""
SECONDS = 60.0
REQUESTS = 1000
"""A simulation lasts so long, or until so many requests could have been sent."""
REACH = {"20 ms": 97.0, "100 ms": 97.0, "300 ms": 94.0, "heavy": 75.0}
SPACED = {"20 ms": 95.0}
"""What to reach where the server spaces strictly, up to 20 a second; with longer ways it is only shown."""


# Simulated time.


class PassingSelector(JumpingSelector):
    """Lets a moment pass in each turn of the loop: who looks at the clock again until it has moved can do so."""

    def select(self, timeout: float | None = None) -> Any:
        """Jump over the wait."""
        return super().select(None if timeout is None else max(timeout, MOMENT))


class PassingLoop(SimulatedLoop):
    """An event loop with such time."""

    def __init__(self) -> None:
        self._jumping = PassingSelector()
        asyncio.SelectorEventLoop.__init__(self, self._jumping)


# doo's side.


class Counts(Protocol):
    """A way of counting: takes a request in, or refuses it."""

    def admits(self, now: float) -> bool:
        """Count a request that arrives."""


class FixedWindow:
    """So many in each second; its seconds begin at any fraction of ours."""

    def __init__(self, rate: int, offset: float) -> None:
        self._rate, self._offset = rate, offset
        self._window, self._count = -1, 0

    def admits(self, now: float) -> bool:
        """Count it in its second."""
        window = math.floor(now - self._offset + ULP)
        if window != self._window:
            self._window, self._count = window, 0
        self._count += 1
        return self._count <= self._rate


class SlidingLog:
    """So many in any second."""

    def __init__(self, rate: int, _offset: float) -> None:
        self._rate = rate
        self._log: deque[float] = deque()

    def admits(self, now: float) -> bool:
        """Count those of the second before."""
        while self._log and self._log[0] <= now - 1 + ULP:
            self._log.popleft()
        if len(self._log) >= self._rate:
            return False
        self._log.append(now)
        return True


class TokenBucket:
    """A bucket of one second's requests, filled evenly."""

    def __init__(self, rate: int, _offset: float, size: int | None = None) -> None:
        self._rate, self._size = rate, size or rate
        self._level, self._last = float(self._size), 0.0

    def admits(self, now: float) -> bool:
        """Take one out."""
        self._level = min(self._size, self._level + (now - self._last) * self._rate)
        self._last = now
        if self._level < 1 - ULP:
            return False
        self._level -= 1
        return True


class Gcra(TokenBucket):
    """The same with a burst of a fifth, at least 2."""

    def __init__(self, rate: int, offset: float) -> None:
        super().__init__(rate, offset, max(2, rate // 5))


class LeakyBucket:
    """nginx's `limit_req` without a burst: in whole milliseconds, one after the other."""

    def __init__(self, rate: int, _offset: float) -> None:
        self._rate, self._last = rate, -math.inf

    def admits(self, now: float) -> bool:
        """Let it in if the one before has leaked out."""
        millisecond = math.floor(now * 1000 + ULP)
        if (millisecond - self._last) * self._rate < 1000:
            return False
        self._last = millisecond
        return True


COUNTS: dict[str, Callable[[int, float], Counts]] = {
    "fixed window": FixedWindow,
    "sliding log": SlidingLog,
    "token bucket": TokenBucket,
    "GCRA": Gcra,
    "leaky bucket": LeakyBucket,
}


GROUPS = {
    "windows and bucket": ["fixed window", "sliding log", "token bucket"],
    "GCRA": ["GCRA"],
    "leaky bucket": ["leaky bucket"],
}


@attrs.define
class Doo:
    """doo at the end of a way; one request arrives after half the round trip."""

    counts: Counts
    leg: Callable[[random.Random], float]
    chance: random.Random
    admitted: int = 0
    refused: int = 0
    until: float = 0.0

    async def ask(self) -> bool:
        """Send a request; return whether it was admitted."""
        await asyncio.sleep(self.leg(self.chance))
        now = asyncio.get_running_loop().time()
        admitted = self.counts.admits(now)
        if now < self.until:
            self.admitted += admitted
            self.refused += not admitted
        await asyncio.sleep(self.leg(self.chance))
        return admitted


def steady(seconds: float) -> Callable[[random.Random], float]:
    """Return a way whose legs vary by 5 %."""
    return lambda chance: seconds / 2 * chance.uniform(0.95, 1.05)


def heavy(chance: random.Random) -> float:
    """Take 10 to 150 ms, and one time in a hundred up to 1.5 s."""
    return chance.uniform(0.1, 1.5) if chance.random() < 0.01 else chance.uniform(0.01, 0.15)


WAYS = {"20 ms": steady(0.02), "100 ms": steady(0.1), "300 ms": steady(0.3), "heavy": heavy}


# The contenders: each lets many callers ask until the time is over.

Contender = Callable[[Doo, SimulatedClock, int], Awaitable[None]]


async def _crowd(callers: int, until: float, call: Callable[[], Awaitable[None]]) -> None:
    async def call_on() -> None:
        while asyncio.get_running_loop().time() < until:
            await call()

    await asyncio.gather(*(call_on() for _ in range(callers)))


def _callers(rate: int) -> int:
    """As many as it takes for somebody to be waiting at all times, also during the longest round trip."""
    return 3 * rate + 5


async def _with_account(account: Account, doo: Doo, clock: SimulatedClock, rate: int) -> None:
    permits = Permits(_callers(rate))

    async def call() -> None:
        slot = await account.acquire(Lane.BULK, permits)
        left = clock.monotonic()
        admitted = await doo.ask()
        if not admitted:
            account.pause(None, slot=slot)
        slot.answered(clock.monotonic() - left, refused=not admitted)

    await _crowd(_callers(rate), doo.until, call)
    await account.close()


async def memory(doo: Doo, clock: SimulatedClock, rate: int) -> None:
    """Send through aiodoo's ledger in memory."""
    limits = Limits(per_second=rate, per_day=None)
    await _with_account(Memory().open(account="a", limits=limits, clock=clock), doo, clock, rate)


async def sqlite(doo: Doo, clock: SimulatedClock, rate: int) -> None:
    """Send through aiodoo's ledger in a file, four Sessions that share it."""
    limits = Limits(per_second=rate, per_day=None)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        path = f"{folder}/quota.db"
        accounts = [
            SQLite(path, worker=InlineWorker).open(account="a", limits=limits, clock=clock) for _ in range(4)
        ]
        await asyncio.gather(*(_with_account(account, doo, clock, rate) for account in accounts))


async def aiolimiter(doo: Doo, _clock: SimulatedClock, rate: int) -> None:
    """Send through aiolimiter's leaky bucket."""
    from aiolimiter import AsyncLimiter  # noqa: PLC0415  # optional

    limiter = AsyncLimiter(rate, 1)

    async def call() -> None:
        async with limiter:
            pass
        await doo.ask()

    await _crowd(_callers(rate), doo.until, call)


async def pyrate(doo: Doo, _clock: SimulatedClock, rate: int) -> None:
    """Send through pyrate-limiter's log in memory, whose clock is told the simulated time."""
    from pyrate_limiter import InMemoryBucket, Limiter, Rate  # noqa: PLC0415  # optional

    now = asyncio.get_running_loop().time

    class Bucket(InMemoryBucket):
        def now(self) -> int:
            return int(now() * 1000)

    limiter = Limiter(Bucket([Rate(rate, 1000)]))

    async def call() -> None:
        await limiter.try_acquire_async("doo")
        await doo.ask()

    await _crowd(_callers(rate), doo.until, call)


async def sleeping(doo: Doo, _clock: SimulatedClock, rate: int) -> None:
    """Send, sleep for the limit's gap, send."""
    under_way: set[asyncio.Task[bool]] = set()
    while asyncio.get_running_loop().time() < doo.until:
        task = asyncio.create_task(doo.ask())
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        await asyncio.sleep(1 / rate)
    await asyncio.gather(*under_way)


CONTENDERS: dict[str, tuple[Contender, str | None]] = {
    "aiodoo Memory": (memory, None),
    "aiodoo SQLite": (sqlite, None),
    "aiolimiter": (aiolimiter, "aiolimiter"),
    "pyrate-limiter": (pyrate, "pyrate_limiter"),
    "sleep(1/rate)": (sleeping, None),
}


# Measuring and printing.


def one(contender: Contender, rate: int, way: str, counting: str, seed: int) -> tuple[float, float]:
    """Run one simulation; return the share of the limit used and the share of requests refused, in percent."""
    chance = random.Random(seed)
    seconds = max(SECONDS, REQUESTS / rate)

    async def main(clock: SimulatedClock) -> Doo:
        doo = Doo(COUNTS[counting](rate, chance.random()), WAYS[way], chance, until=seconds)
        await contender(doo, clock, rate)
        return doo

    with asyncio.Runner(loop_factory=PassingLoop) as runner:
        doo = runner.run(main(SimulatedClock(seed)))
    return 100 * doo.admitted / (seconds * rate), 100 * doo.refused / max(1, doo.admitted + doo.refused)


def cell(
    contender: Contender, rate: int, way: str, countings: list[str], seeds: int
) -> tuple[float, float, str]:
    """Return the median share used and the median refused, for the worst way of counting, and what to print."""
    results = []
    for counting in countings:
        runs = [one(contender, rate, way, counting, seed) for seed in range(seeds)]
        shares, refusals = [share for share, _ in runs], [refused for _, refused in runs]
        results.append((statistics.median(shares), statistics.median(refusals), min(shares), max(shares)))
    share, _, low, high = min(results)
    refused = max(result[1] for result in results)
    return share, refused, f"{share:5.1f} ({low:.1f}-{high:.1f}) {refused:4.1f}"


def compare(options: argparse.Namespace, contenders: dict[str, Contender]) -> bool:
    """Print lines for each rate and round trip; return whether every goal is met, by each of aiodoo's ledgers."""
    every = True
    groups = {name: [name] for name in COUNTS} if options.each else GROUPS
    width = 27
    print(
        f"{'rate':>4}  {'round trip':10}  {'counting':18}  "
        + "".join(f"{name:{width}}" for name in contenders)
    )
    for rate in options.rates:
        for way in WAYS:
            for group, countings in groups.items():
                cells = [
                    cell(contender, rate, way, countings, options.seeds) for contender in contenders.values()
                ]
                texts = "".join(f"{text:{width}}" for _, _, text in cells)
                goal = REACH[way] if group != "leaky bucket" else SPACED.get(way, 0.0) * (rate <= 20)
                met = min(share for share, _, _ in cells[:2]) >= goal
                every &= met
                ok = f"at least {goal:.0f} %: {answer(met)}" if goal else ""
                print(f"{rate:>4}  {way:10}  {group:18}  {texts}{ok}", flush=True)
    return every


def main() -> int:
    """Read the command line, say what is compared, and compare; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rates", type=int, nargs="+", default=[1, 10, 20, 50])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--each", action="store_true", help="a line for each way of counting")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    options = parser.parse_args()
    contenders: dict[str, Contender] = {}
    for name, (contender, module) in CONTENDERS.items():
        if options.alone and contender not in {memory, sqlite}:
            continue
        if module is None or importlib.util.find_spec(module) is not None:
            contenders[name] = contender
        else:
            left_out(name, name)
    header("aiolimiter", "pyrate-limiter")
    print("simulated time")
    print(
        "percent of the limit used: median (min-max) over the seeds for the worst way of counting, and "
        "percent refused\n"
    )
    return 0 if compare(options, contenders) else 1


if __name__ == "__main__":
    sys.exit(main())
