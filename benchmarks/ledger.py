"""What a grant costs on a ledger in a file, by how many requests the day has counted: 1, 4 and 16 times as many.

Each round opens the file anew, as a process would: the first exchange learns the day, the others grant a request and
report the end of the one before. Processor time, rows changed, pages of the file changed and steps of SQLite's machine;
sizes take turns. Exits with 1 if a goal is missed.

    python benchmarks/ledger.py --rounds 5 --requests 300
"""

from __future__ import annotations

import argparse
import itertools
import math
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import attrs
from figures import goal, header, told

from aiodoo.clock import Clock
from aiodoo.quota import Lane, Limits
from aiodoo.quota.day_window import DAY
from aiodoo.quota.exchange import Ask
from aiodoo.quota.living_runs import LivingOnHost
from aiodoo.quota.sqlite_file import LedgerFile
from aiodoo.quota.sqlite_rows import read_account, read_head, write_account, write_head
from aiodoo.quota.updates import Answered, LedgerUpdate

SIZES = (6_250, 25_000, 100_000)
LIMITS = Limits(per_second=None, per_day=200_000)
PAGE = 4_096
GRANT, FIRST = 0.1, 1.1
"""The largest exponents that are allowed, of a grant and of the first exchange."""


@attrs.frozen
class Cost:
    """What one round has measured."""

    first_ms: float
    grant_us: float
    rows: float
    pages: float
    steps: float


def fill(path: Path, counted: int, clock: Clock) -> None:
    """Make a ledger whose day has counted so many requests, half a day ago."""
    file = LedgerFile(path, LivingOnHost(path))
    with file._transaction(clock, durable=True) as database:  # noqa: SLF001  # sending them would take a day
        head = read_head(database, clock.boot(), clock.monotonic(), clock.now().timestamp())
        state, _ = read_account(database, "a", LIMITS, head, head.time.now)
        for number in range(counted):
            state.day.count(head.time.now + DAY / 2 + number / counted)
        write_account(database, "a", head, state)
        write_head(database, head)
    file.close()


def measure(counted: int, requests: int) -> Cost:
    """Measure one round."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "quota.db")
        fill(path, counted, clock)
        file = LedgerFile(path, LivingOnHost(path))
        begun = time.process_time()
        known = file.exchange("a", LIMITS, clock, [], None).state.day.after
        first = time.process_time() - begun
        said: list[LedgerUpdate] = []

        def grant() -> None:
            nonlocal known, said
            reply = file.exchange("a", LIMITS, clock, said, Ask("h", Lane.FRONT), known=known)
            if reply.number is None or reply.state.day.used(-math.inf) <= counted:
                raise SystemExit("a request was not granted, or not counted")
            known, now = reply.state.day.after, clock.monotonic()
            said = [Answered(reply.number, now, now, 0.001, refused=False)]

        grant()
        begun = time.process_time()
        for _ in range(requests):
            grant()
        spent = time.process_time() - begun
        rows, pages, steps = counts(file, path, grant)
        file.close()
    return Cost(first * 1e3, spent / requests * 1e6, rows, pages, steps)


def counts(file: LedgerFile, path: Path, grant: Callable[[], None]) -> tuple[float, float, float]:
    """Return what a grant changes in rows and pages, and its steps, in the mean of twenty."""
    database, pages, steps = file._database, 0, itertools.count()  # noqa: SLF001  # its counters
    if database is None:
        raise SystemExit("the file is not open")
    database.set_progress_handler(lambda: next(steps) * 0, 1)
    before = database.total_changes
    for _ in range(20):
        old = path.read_bytes()
        grant()
        new = path.read_bytes()
        pages += sum(old[at : at + PAGE] != new[at : at + PAGE] for at in range(0, len(new), PAGE))
    return (database.total_changes - before) / 20, pages / 20, next(steps) / 20


def main() -> None:
    """Print the table and the exponents."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=300)
    given = parser.parse_args()
    header()
    print(f"SQLite {sqlite3.sqlite_version}; medians of {given.rounds}\n")
    found: dict[int, list[Cost]] = {size: [] for size in SIZES}
    for _ in range(given.rounds):
        for size in SIZES:
            found[size].append(measure(size, given.requests))
    print("| counted today | microseconds a grant | rows | pages | steps | the first exchange, ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for size, rounds in found.items():
        columns = [
            told([each.grant_us for each in rounds], ".0f"),
            *(told([getattr(each, name) for each in rounds], ".1f") for name in ("rows", "pages", "steps")),
            told([each.first_ms for each in rounds], ".0f"),
        ]
        print(f"| {size:,} | {' | '.join(columns)} |")
    print()
    missed = False
    for what, name, most in (
        ("processor time of a grant", "grant_us", GRANT),
        ("rows of a grant", "rows", GRANT),
        ("pages of a grant", "pages", GRANT),
        ("steps of a grant", "steps", GRANT),
        ("processor time of the first exchange", "first_ms", FIRST),
    ):
        small, large = (
            statistics.median(getattr(each, name) for each in found[size]) for size in (SIZES[0], SIZES[-1])
        )
        exponent = math.log(large / small) / math.log(SIZES[-1] / SIZES[0])
        missed |= not goal(f"{what}: exponent {exponent:.2f}; at most {most}", met=exponent <= most)
    sys.exit(missed)


if __name__ == "__main__":
    main()
