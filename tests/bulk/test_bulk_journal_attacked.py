"""The journal of a killed run is cut, flipped, copied, linked or emptied before somebody goes on with it."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from bulk_world import Judge, config, session
from simulated import SimulatedClock, simulate
from sqlite_world import ledger_path, simulated_ledger

from aiodoo import JournalError
from aiodoo.operations import Create, Operation, Update
from aiodoo.sandbox import Box

Attack = Callable[[Path, bytes], Path | None]
"""Does something to a journal, which an earlier state is handed in of; returns which file is gone on with."""


def cut(size: int, whole: int) -> Attack:
    """Cut it to a part of what it is."""

    def attack(path: Path, earlier: bytes) -> None:
        os.truncate(path, path.stat().st_size * size // whole)

    return attack


def cut_at_block(path: Path, earlier: bytes) -> None:
    """Cut it where a disk's block ends."""
    os.truncate(path, (path.stat().st_size - 1) // 512 * 512)


def cut_after_a_line(path: Path, earlier: bytes) -> None:
    """Take its last lines away, and leave whole ones."""
    lines = path.read_bytes().splitlines(keepends=True)
    os.truncate(path, sum(map(len, lines[:-2])))


def flip(seed: int) -> Attack:
    """Change one bit of it."""

    def attack(path: Path, earlier: bytes) -> None:
        chance, data = random.Random(seed), bytearray(path.read_bytes())
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)

    return attack


def put_back(path: Path, earlier: bytes) -> None:
    """Put an earlier copy of it in its place."""
    path.write_bytes(earlier)


def put_back_as_another_file(path: Path, earlier: bytes) -> Path:
    """Go on with an earlier copy under another name."""
    other = path.with_name("copy")
    other.write_bytes(earlier)
    return other


def linked(path: Path, earlier: bytes) -> Path:
    """Give it a second name, and go on by that."""
    other = path.with_name("second name")
    os.link(path, other)
    return other


def copied(path: Path, earlier: bytes) -> Path:
    """Go on with a copy of all of it."""
    return Path(shutil.copy(path, path.with_name("copy")))


def junk(path: Path, earlier: bytes) -> None:
    """Let another program have written behind it."""
    with path.open("ab") as file:
        file.write(b"\0" * 512)


ATTACKS = {
    **{f"cut to {size}/12": cut(size, 12) for size in (0, 7, 11)},
    **{f"flip {seed}": flip(seed) for seed in range(3)},
    "cut at a block": cut_at_block,
    "cut after a line": cut_after_a_line,
    "an earlier copy": put_back,
    "an earlier copy elsewhere": put_back_as_another_file,
    "a second name": linked,
    "a copy": copied,
    "junk behind it": junk,
}


@pytest.mark.parametrize("lost", [False, True], ids=["its ledger", "another ledger"])
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_journal_that_was_spoilt_never_goes_back_in_time(
    tmp_path: Path, attack: Attack, *, lost: bool
) -> None:
    """It is refused before anything is sent, or the run goes on from its last line: nothing is ever made twice."""

    async def main(clock: SimulatedClock, ledger: Path) -> None:
        box = Box(plan=None, latency=0.05, organizations=1, webhooks_per_team=4)
        operations: list[Operation] = [
            *(Update("111", item["id"], description="moved") for item in box.live("111")),
            *(Create("111", config(f"new {number}")) for number in range(12)),
        ]
        judge, path = Judge(box, operations), tmp_path / "journal"
        doo = session(clock, box, quota=simulated_ledger(ledger))
        run = asyncio.create_task(doo.bulk.run(operations, journal=path, grace=0.0))
        while box.count("create") < 4:
            await clock.sleep(0.01)
        earlier = path.read_bytes()
        while box.count("create") < 12:
            await clock.sleep(0.01)
        run.cancel()
        await asyncio.wait({run})
        await doo.aclose()
        creates = box.count("create")
        await clock.sleep(1.0)
        used = attack(path, earlier) or path
        used_ledger = ledger.with_name("other.db") if lost else ledger
        async with session(clock, box, quota=simulated_ledger(used_ledger)) as doo:
            try:
                report = await doo.bulk.run(operations, journal=used)
            except JournalError:
                assert box.count("create") == creates
            else:
                assert report.counts()["applied"] == 16
                judge.as_wanted()

    with ledger_path() as ledger:
        simulate(lambda clock: main(clock, ledger))
