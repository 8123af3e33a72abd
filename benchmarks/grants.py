"""What a grant costs on a ledger in a file, by how many requests the day has counted.

Each round opens a session's account anew on a file of its own, as a process would: the first request learns the day, the
others are asked for and answered one after the other, on an API key without a limit a second. Processor time of the
process, the file's thread included; sizes take turns, and ratios are taken round by round, to the empty day.

    python benchmarks/grants.py --rounds 5 --requests 500
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from aiodoo.clock import Clock
from aiodoo.quota import Lane, Limits, Permits, SQLite
from aiodoo.quota.day_window import DAY
from aiodoo.quota.living_runs import LivingOnHost
from aiodoo.quota.sqlite_file import LedgerFile
from aiodoo.quota.sqlite_rows import new_books, read_head, write_books, write_head

SIZES = (0, 1_000, 100_000)
LIMITS = Limits(per_second=None, per_day=1_000_000)


def fill(path: Path, counted: int, clock: Clock) -> None:
    """Make a ledger whose day has counted so many requests."""
    file = LedgerFile(path, LivingOnHost(path))
    with file._transaction(clock, durable=True) as database:  # noqa: SLF001  # sending them would take a day
        head = read_head(database, clock.boot(), clock.monotonic(), clock.now().timestamp())
        now = head.time.now
        books = new_books(LIMITS, head, now)
        for number in range(counted):
            books.count(now + DAY / 2 + number / counted)
        write_books(database, "a", head, books)
        write_head(database, head)
    file.close()


async def measure(counted: int, requests: int, folder: Path) -> tuple[float, float]:
    """Return the microseconds of a grant, and of the first, which learns the day."""
    clock = Clock()
    await asyncio.to_thread(fill, folder / "quota.db", counted, clock)
    account = SQLite(folder / "quota.db").open(account="a", limits=LIMITS, clock=clock)
    permits = Permits(8)
    begun = time.process_time()
    (await account.acquire(Lane.FRONT, permits)).answered(0.001)
    first = time.process_time() - begun
    begun = time.process_time()
    for _ in range(requests):
        (await account.acquire(Lane.FRONT, permits)).answered(0.001)
    spent = time.process_time() - begun
    if account.used != counted + requests + 1:
        raise SystemExit(f"{account.used} are counted, and not {counted + requests + 1}")
    await account.close()
    return spent / requests * 1e6, first * 1e6


def told(figures: Sequence[float], form: str) -> str:
    """Return the median, and the smallest and the largest."""
    return f"{statistics.median(figures):{form}} ({min(figures):{form}}-{max(figures):{form}})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=500)
    given = parser.parse_args()
    found: dict[int, list[tuple[float, float]]] = {size: [] for size in SIZES}
    for _ in range(given.rounds):
        for size in SIZES:
            with tempfile.TemporaryDirectory() as folder:
                found[size].append(asyncio.run(measure(size, given.requests, Path(folder))))
    empty = [each for each, _ in found[SIZES[0]]]
    print("| counted today | microseconds a grant | in times of an empty day | the first, microseconds |")
    print("| --- | --- | --- | --- |")
    for size, rounds in found.items():
        grants = [each for each, _ in rounds]
        ratios = [each / other for each, other in zip(grants, empty, strict=True)]
        firsts = [first for _, first in rounds]
        print(f"| {size:,} | {told(grants, '.0f')} | {told(ratios, '.2f')} | {told(firsts, '.0f')} |")


if __name__ == "__main__":
    main()
