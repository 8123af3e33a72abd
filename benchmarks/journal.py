"""What a journal's durable commit costs, and what opening one costs, beside SQLite in WAL mode with FULL synchronisation.

Commits of one and of eight records of a run; then a journal of so many operations, each with its state, opened and
checked. The ways take turns; ratios are taken round by round, to SQLite. Bytes are what the files have grown by, for
SQLite its write-ahead log included.

    python benchmarks/journal.py --rounds 7 --commits 200 --operations 20000
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from figures import header, told

from aiodoo.bulk.journal.file import JournalFile

KEY = b"a key that is as long as that of an account"
RUN = "0123456789abcdef"
STATE = {
    "old_id": "2e9f9918-ec99-11f1-842b-7d9d4f3a1c00",
    "new_id": "2ea35268-ec99-11f1-842b-7d9d4f3a1c00",
    "reason": None,
    "creates_sent": 1,
    "deletes_sent": 1,
    "scope_unknown": False,
    "adopted": False,
    "stage": "delete_intent",
    "status": None,
    "error": None,
}
OPERATION = {
    "is": "update",
    "team": "111",
    "webhook": STATE["old_id"],
    "changes": {"description": "moved to the new system, which answers at another address"},
}

Rows = list[tuple[str, str, Any]]


class Lines:
    """A journal as it is."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal"
        self.file = JournalFile(self.path, key=KEY)
        self.file.open()
        self.file.begin(RUN, [("run", "run", {"operations": 0})])

    def commit(self, rows: Rows) -> None:
        """Keep rows."""
        self.file.append(rows)

    def close(self) -> None:
        """Let go."""
        self.file.close()

    def read(self) -> int:
        """Open it, check all of it, and return how many rows there are."""
        with closing(JournalFile(self.path, key=KEY)) as file:
            content = file.open()
            return 0 if content is None else sum(len(rows) for rows in content.rows.values())


class Database:
    """The same rows in SQLite, each with a checksum."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "database"
        self.database = self._connected()
        self.database.execute(
            "CREATE TABLE kept (kind TEXT, key TEXT, value TEXT, seal INTEGER, PRIMARY KEY (kind, key))"
        )

    def _connected(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        return database

    def commit(self, rows: Rows) -> None:
        """Keep rows."""
        self.database.execute("BEGIN IMMEDIATE")
        for kind, key, value in rows:
            text = json.dumps(value)
            seal = zlib.crc32(f"{kind}\0{key}\0{text}".encode())
            self.database.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?)", (kind, key, text, seal))
        self.database.execute("COMMIT")

    def close(self) -> None:
        """Let go."""
        self.database.close()

    def read(self) -> int:
        """Open it, check all of it, and return how many rows there are."""
        count = 0
        with closing(self._connected()) as database:
            database.execute("PRAGMA integrity_check").fetchone()
            for kind, key, value, seal in database.execute("SELECT kind, key, value, seal FROM kept"):
                if zlib.crc32(f"{kind}\0{key}\0{value}".encode()) != seal:
                    raise SystemExit("a row is not as it was written")
                json.loads(value)
                count += 1
        return count


Way = Lines | Database
WAYS: dict[str, Callable[[Path], Way]] = {"SQLite, WAL and FULL": Database, "journal": Lines}


def size(folder: Path) -> int:
    """Return how long all files are."""
    return sum(each.stat().st_size for each in folder.iterdir())


def committed(way: Way, folder: Path, commits: int, records: int) -> tuple[float, float, float]:
    """Return microseconds, microseconds of processor time, and bytes of a commit: medians, and the mean of bytes."""
    before, took, spent = size(folder), [], []
    for number in range(commits):
        rows: Rows = [("change", str(number * records + each), STATE) for each in range(records)]
        begun, worked = time.perf_counter(), time.process_time()
        way.commit(rows)
        took.append(time.perf_counter() - begun)
        spent.append(time.process_time() - worked)
    grown = (size(folder) - before) / commits
    return statistics.median(took) * 1e6, statistics.median(spent) * 1e6, grown


def opened(made: Callable[[Path], Way], folder: Path, operations: int) -> tuple[float, float]:
    """Return milliseconds of opening, and bytes of the file."""
    way = made(folder)
    for first in range(0, operations, 250):
        numbers = range(first, min(first + 250, operations))
        way.commit([("operation", str(number), OPERATION) for number in numbers])
        way.commit([("change", str(number), STATE) for number in numbers])
    way.close()
    begun = time.perf_counter()
    count = way.read()
    took = time.perf_counter() - begun
    if count < 2 * operations:
        raise SystemExit(f"{count} rows where {2 * operations} were written")
    return took * 1e3, size(folder)


def show(name: str, found: dict[str, list[float]], form: str) -> None:
    """Print a figure of both ways, and their ratio round by round."""
    first, second = found.values()
    ratios = [ours / other for other, ours in zip(first, second, strict=True)]
    print(f"| {name} | {told(first, form)} | {told(second, form)} | {told(ratios, '.2f')} |")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--commits", type=int, default=200)
    parser.add_argument("--operations", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="on the disk that is to be measured")
    given = parser.parse_args()
    figures: dict[str, dict[str, list[float]]] = {}
    for _ in range(given.rounds):
        for name, made in WAYS.items():
            for records in (1, 8):
                with tempfile.TemporaryDirectory(dir=given.folder) as folder:
                    way = made(Path(folder))
                    took, spent, grown = committed(way, Path(folder), given.commits, records)
                    way.close()
                what = f"a commit of {records}"
                for figure, value in (
                    (f"{what}, microseconds", took),
                    (f"{what}, microseconds of processor time", spent),
                    (f"{what}, bytes", grown),
                ):
                    figures.setdefault(figure, {}).setdefault(name, []).append(value)
            with tempfile.TemporaryDirectory(dir=given.folder) as folder:
                milliseconds, length = opened(made, Path(folder), given.operations)
            opening = f"{given.operations} operations"
            figures.setdefault(f"opening {opening}, ms", {}).setdefault(name, []).append(milliseconds)
            figures.setdefault(f"bytes of {opening}", {}).setdefault(name, []).append(length)
    header()
    print(f"SQLite {sqlite3.sqlite_version}; medians of {given.rounds}\n")
    print(f"| | {' | '.join(WAYS)} | in times of SQLite |")
    print("| --- | --- | --- | --- |")
    for name, found in figures.items():
        show(name, found, ".0f")


if __name__ == "__main__":
    main()
