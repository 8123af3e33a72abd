"""What a run takes as its journal, and what is left of one that is refused."""

from __future__ import annotations

import fcntl
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from bulk_world import config, world
from simulated import SimulatedClock, simulate

from aiodoo import AddWebhook, ConfigError, Create, JournalError
from aiodoo.bulk.journal.sqlite import SQLiteJournal
from aiodoo.errors import JournalLocked


class Safe(str):
    """A text of another class, whose own words are others."""

    __slots__ = ()

    def __str__(self) -> str:
        return "elsewhere"


def names_in(folder: Path) -> list[str]:
    """Return the names of the files in a folder."""
    return [each.name for each in folder.iterdir()]


@pytest.mark.parametrize("journal", ["", " ", "/", ".", "a\0b", "\ud800", b"journal", 5])
def test_what_can_be_no_journal_is_refused(journal: Any) -> None:
    """By a DooError at every door, before anything is sent."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            for call in (
                lambda: doo.bulk.run([Create("111", config("a"))], journal=journal),
                lambda: doo.bulk.resume(journal),
                lambda: doo.bulk.report(journal),
                lambda: doo.bulk.verify(journal),
                lambda: doo.bulk.undo(journal),
                lambda: doo.bulk.abandon(journal=journal),
            ):
                with pytest.raises((ConfigError, JournalError)):
                    await call()
            assert box.log.total == 0

    simulate(main)


def test_a_run_that_is_refused_leaves_no_journal(tmp_path: Path) -> None:
    """The same name is free for the run that is right."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, _):
            wrong = AddWebhook(name="a", hooks=[])
            with pytest.raises(ConfigError, match="operation 0, create in team 111: hooks is empty"):
                await doo.bulk.run([Create("111", wrong)], journal=tmp_path / "run.journal")
            assert names_in(tmp_path) == []
            report = await doo.bulk.run([Create("111", config("a"))], journal=tmp_path / "run.journal")
            assert report.counts()["applied"] == 1

    simulate(main)


def test_a_journals_path_may_be_a_text_of_any_class(tmp_path: Path) -> None:
    """It is where its characters say."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, _):
            await doo.bulk.run([Create("111", config("a"))], journal=Safe(tmp_path / "run.journal"))

    simulate(main)
    assert names_in(tmp_path) == ["run.journal"]


def test_what_stands_in_a_lock_file_is_not_printed_as_it_is(tmp_path: Path) -> None:
    """A terminal would carry out the control characters of somebody else's file."""
    path = tmp_path / "old.journal"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE kept (kind, key, value, seal)")
    database.close()
    lock = tmp_path / "old.journal.lock"
    lock.write_bytes(b"\x1b[2J\x07\r\nx")
    with lock.open("r+b") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(JournalLocked) as caught:
            SQLiteJournal(path)._take_lock()
    assert str(caught.value).isprintable()
    assert "the process \\x1b[2J" in str(caught.value)
