"""What the SDK says of runs is told at the terminal with the commands and options that there are."""

from __future__ import annotations

import logging
import re
import uuid
from pathlib import Path

import pytest
from bulk_world import world
from simulated import SimulatedClock, simulate

from aiodoo import ConfigError, Delete, Facts, Limits, Update, profiles
from aiodoo.bulk.journal import DamagedJournal, age, past
from aiodoo.bulk.stopping import Left, report_left_live
from aiodoo.cli.terminal.advice import with_commands
from aiodoo.cli.terminal.process import line
from aiodoo.errors import DooError, JournalError, JournalMismatch, SecretsNeeded
from aiodoo.quota import SQLite
from aiodoo.sandbox import Sandbox

RUN = "20261130-100000-move-host-1234"
PYTHON = re.compile(
    r"bulk\.|report\.|=\{|None|session|moved=|journal=|without a journal|hooks=|authentication="
)


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
        async with world(clock, facts=Facts(), webhooks_per_team=1) as (doo, box):
            [item] = box.live("111")
            await doo.bulk.run([Update("111", item["id"], name="other")])
            report_left_live([Left("111", "1", "2", 0, ended=False)], doo._parts.listeners)

    simulate(main)
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert sum(bool(PYTHON.search(words)) for words in warned) == 2
    assert not any(PYTHON.search(with_commands(words)) for words in warned)


async def test_what_profiles_and_changes_refuse(tmp_path: Path) -> None:
    """Several profiles and no default, two hooks that would be one, a secret without a login, and other limits."""
    (tmp_path / "config.toml").write_text("[profiles.a]\n[profiles.b]\n")
    with pytest.raises(ConfigError) as several:
        profiles.load(config=tmp_path / "config.toml", environment=False)
    assert "Session" not in line(several.value)
    assert "--profile, AIODOO_PROFILE, or choose one with" in line(several.value)
    async with Sandbox(plan=None, webhooks_per_team=0) as box:
        hooks = [{"type": "event_created", "endpoint": f"https://{host}.example/"} for host in "ab"]
        box.add_webhook("111", {"name": "n", "hooks": hooks})
        ledger = SQLite(tmp_path / "ledger.db")
        async with box.session(limits=Limits(per_second=20), quota=ledger) as doo:
            [webhook] = await doo.webhooks.list("111").collect()
        with pytest.raises(ConfigError) as same:
            webhook.copy(hosts={"a.example": "b.example"})
        told(same.value, "--hook")
        with pytest.raises(ConfigError) as no_login:
            webhook.copy(client_secret=uuid.uuid4().hex)
        told(no_login.value, "--token-url")
        with pytest.raises(ConfigError) as limits:
            async with box.session(limits=Limits(per_second=1), quota=ledger) as doo:
                await doo.webhooks.list("111").collect()
    assert "20 a second, 1000 a day" in str(limits.value)
    assert "Session" not in line(limits.value)
    assert "the same limits (DOO_PER_SECOND and DOO_PER_DAY in the environment);" in line(limits.value)
