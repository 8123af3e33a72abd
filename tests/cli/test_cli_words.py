"""What the SDK says of runs is told at the terminal with the commands and options that there are."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
from bulk_world import world
from simulated import SimulatedClock, simulate

from aiodoo import Delete, Facts, Update
from aiodoo.bulk.journal import DamagedJournal, age, past
from aiodoo.bulk.stopping import Left, report_left_live
from aiodoo.cli.terminal.advice import with_commands
from aiodoo.cli.terminal.process import line
from aiodoo.errors import DooError, JournalError, JournalMismatch, SecretsNeeded

RUN = "20261130-100000-move-host-1234"
PYTHON = re.compile(r"bulk\.|report\.|=\{|None|session|moved=|journal=|without a journal")


def told(error: DooError, *commands: str) -> None:
    """Check that an error speaks Python in the SDK, and names these commands at the terminal."""
    assert PYTHON.search(str(error))
    words = line(error)
    assert not PYTHON.search(words), words
    for command in commands:
        assert command in words


def journal(folder: Path) -> Path:
    """Return where the command line would keep a run's journal."""
    path = folder / "runs" / RUN / "journal"
    path.parent.mkdir(parents=True)
    return path


def test_a_journal_that_cannot_be_used(tmp_path: Path) -> None:
    """A damaged one, an old copy, and one that may be one: the way out begins with `runs abandon`, or is --moved."""
    where = str(journal(tmp_path))
    told(DamagedJournal(where, "why"), f"aiodoo runs abandon {RUN}")
    told(past.no_run(where))
    with pytest.raises(JournalError) as old:
        age.check(where, 3, known=4, why=None, moved=False)
    told(old.value, f"aiodoo runs abandon {RUN}")
    with pytest.raises(JournalError) as copied:
        age.check(where, 3, known=None, why="it is younger", moved=False)
    told(copied.value, f"aiodoo runs resume {RUN} --moved")


def test_a_journal_of_another_account_and_secrets_that_undoing_needs(tmp_path: Path) -> None:
    """--profile; and --secret with an id, by which one may be left as it is, too."""
    path = journal(tmp_path)

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=1) as (doo, box), world(clock) as (other, _):
            [item] = box.live("111")
            await doo.bulk.run([Delete("111", item["id"])], journal=path)
            with pytest.raises(SecretsNeeded) as needed:
                await doo.bulk.undo(path)
            told(needed.value, "--secret ID=env:NAME", "--secret ID=none")
            with pytest.raises(JournalMismatch) as foreign:
                await other.bulk.report(path)
            told(foreign.value, "--profile")

    simulate(main)


def test_what_a_run_warns_of(caplog: pytest.LogCaptureFixture) -> None:
    """Copies that may widen, and pairs that were left."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=1) as (doo, box):
            doo._client.facts = Facts()
            [item] = box.live("111")
            await doo.bulk.run([Update("111", item["id"], name="other")])
            report_left_live([Left("111", "1", "2", 0, ended=False)], doo._client)

    simulate(main)
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert sum(bool(PYTHON.search(words)) for words in warned) == 2
    assert not any(PYTHON.search(with_commands(words)) for words in warned)
