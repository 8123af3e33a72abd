"""Kills processes that make, write, turn over or reset a ledger, and looks at what each leaves; prints one line of JSON a kill.

A forked child is granted requests, and tells each through a pipe before anything else; it is killed at a random instant.
Whoever opens the ledger afterwards has to be granted a request, and to find all counted that the children were granted.

    python tests/quota/ledger_kills.py FOLDER WORK KILLS
"""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import signal
import sqlite3
import sys
import time
import zlib
from contextlib import closing
from pathlib import Path

import msgspec

from aiodoo.clock import Clock
from aiodoo.quota import Lane, Limits, SQLite
from aiodoo.quota.account_record import AccountRecord
from aiodoo.quota.day_window import DAY
from aiodoo.quota.exchange import Ask, Busy
from aiodoo.quota.file_time import FileTime
from aiodoo.quota.living_runs import LivingOnHost
from aiodoo.quota.sqlite_file import DamagedLedger, LedgerFile
from aiodoo.quota.sqlite_rows import APPLICATION
from aiodoo.quota.updates import Answered, LedgerUpdate

LIMITS = Limits(per_second=None, per_day=1_000 if "reset" in sys.argv else 100_000)
LONGEST = {"make": 0.012, "write": 0.02, "turn_over": 0.01, "reset": 0.12}
"""Seconds after which a child is killed at the latest."""
OLD = 300
"""Requests that a ledger of the first version had counted."""
TIMES = 200
"""Tries for a file that a process which is just ending still holds."""


def grant(file: LedgerFile, said: list[LedgerUpdate], *, ask: bool = True) -> tuple[int | None, int]:
    """Ask for a request; return its number, and how many are counted."""
    wanted = Ask("holder", Lane.FRONT) if ask else None
    for _ in range(TIMES):
        try:
            reply = file.exchange("a", LIMITS, Clock(), said, wanted)
        except Busy:
            time.sleep(0.01)
            continue
        return reply.number, reply.state.day.used(-math.inf)
    raise TimeoutError


def work(path: Path, what: str, told: int) -> None:
    """Do what a child does."""
    if what == "reset":
        SQLite(path).reset()
        os.write(told, b".")
        return
    file, said = LedgerFile(path, LivingOnHost(path)), list[LedgerUpdate]()
    while True:
        number, _ = grant(file, said)
        assert number is not None
        os.write(told, b".")
        now = time.monotonic()
        said = [Answered(number, now, now, 0.0, refused=False)]


def killed(path: Path, what: str, after: float) -> int:
    """Do it in a child that is killed; return what it told."""
    reading, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work(path, what, told)
        finally:
            os._exit(0)
    os.close(told)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with open(reading, "rb") as pipe:  # noqa: PTH123  # a descriptor
        return len(pipe.read())


def first_version(path: Path) -> None:
    """Make a ledger as the first version did."""
    now = time.monotonic()
    books = {
        **msgspec.to_builtins(AccountRecord(limits=LIMITS, asked_at=now)),
        "ends": [now + DAY / 2 + number for number in range(OLD)],
    }
    for name in ("first", "after", "newest", "kept"):
        del books[name]
    time_of_file = FileTime(Clock().boot(), now, time.time(), now)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(f"PRAGMA application_id = {APPLICATION}")
        database.execute(
            "CREATE TABLE record (name TEXT PRIMARY KEY, content BLOB NOT NULL, crc INTEGER NOT NULL)"
        )
        for name, record in (("time", time_of_file), ("account a", books)):
            content = msgspec.msgpack.encode(record)
            database.execute("INSERT INTO record VALUES (?, ?, ?)", (name, content, zlib.crc32(content)))
        database.execute("PRAGMA user_version = 1")


def without_journal(path: Path, granted: int) -> bool | None:
    """Return whether a copy without its journal is refused or counts all; None if there is no journal."""
    if not path.with_name("quota.db-journal").exists():
        return None
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    try:
        return grant(LedgerFile(copy, LivingOnHost(copy)), [], ask=False)[1] >= granted
    except DamagedLedger:
        return True
    finally:
        copy.unlink()


def main() -> None:
    """Kill as often as asked."""
    folder, what, kills = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    path, chance, granted = folder / "quota.db", random.Random(11), 0
    for _ in range(kills):
        if what != "write":
            for each in folder.iterdir():
                each.unlink()
            granted = 0
        if what == "turn_over":
            first_version(path)
            granted = OLD
        elif what == "reset":
            path.write_bytes(b"damaged")
        granted += killed(path, what, chance.uniform(0, LONGEST[what]))
        beside = sorted(each.name for each in folder.iterdir() if each != path)
        apart = without_journal(path, granted)
        whole = path.exists() and path.read_bytes() != b"damaged"
        if what == "reset":
            if not whole:
                SQLite(path).reset()
            granted = LIMITS.per_day or 0
        file = LedgerFile(path, LivingOnHost(path))
        number, counted = grant(file, [])
        file.close()
        print(  # noqa: T201  # its output
            json.dumps(
                {
                    "beside": beside,
                    "apart": apart,
                    "whole": whole,
                    "granted": granted,
                    "counted": counted,
                    "goes_on": number is not None,
                }
            )
        )
        granted = counted


if __name__ == "__main__":
    main()
