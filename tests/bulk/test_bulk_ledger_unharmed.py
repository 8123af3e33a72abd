"""Whatever a run is called and wherever its journal is, the ledger that all programs share can be read afterwards."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bulk_world import config

from aiodoo import ConfigError, Create, TeamClaimed
from aiodoo.quota import SQLite
from aiodoo.quota.updates import Claimed
from aiodoo.sandbox import Fault, Sandbox


@pytest.mark.parametrize("command", [5, b"move", ["move"], "\ud800"], ids=repr)
async def test_a_run_with_a_name_that_is_none_leaves_the_ledger_alone(command: Any, tmp_path: Path) -> None:
    """It is refused with nothing sent, and every other program goes on."""
    ledger = SQLite(tmp_path / "quota.db")
    async with Sandbox(organizations=1, plan=None) as box, box.session(quota=ledger) as doo:
        with pytest.raises(ConfigError, match="command must be text"):
            await doo.bulk.run([Create("111", config("a"))], command=command, journal=tmp_path / "journal")
        assert box.log.total == 0
        async with box.session(quota=SQLite(tmp_path / "quota.db")) as other:
            assert (await other.bulk.run([Create("111", config("a"))], settle=0.0)).complete


@pytest.mark.parametrize("wrong", [{"command": 5}, {"who": "\ud800"}, {"journal": b"x"}], ids=repr)
async def test_the_ledger_keeps_nothing_that_cannot_be_read_again(wrong: Any, tmp_path: Path) -> None:
    """Whoever says it: it is refused, and the ledger stays as it was."""
    quota = SQLite(tmp_path / "quota.db")
    async with Sandbox(organizations=1, plan=None) as box, box.session(quota=quota) as doo:
        given = {"command": None, "who": "a@b", "journal": None} | wrong
        word = Claimed(
            run="1", base_url=box.url, teams=("111",), since=datetime(2026, 1, 1, tzinfo=UTC), **given
        )
        with pytest.raises(ConfigError, match="cannot keep"):
            await doo._parts.claims.say(word)
        assert await doo.bulk.claims() == ()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose name is no UTF-8, or a plain one where a file system takes no others."""
    found = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xc4rzte"))
    try:
        found.mkdir()
    except OSError:
        return tmp_path
    return found


async def test_a_journal_in_a_folder_with_a_name_in_another_encoding(folder: Path, tmp_path: Path) -> None:
    """Names of files need not be UTF-8: the run goes on there as anywhere, and its claim can be given up."""
    journal, quota = folder / "move.journal", SQLite(tmp_path / "quota.db")
    async with Sandbox(organizations=1, plan=None) as box, box.session(quota=quota) as doo:
        going = asyncio.create_task(
            doo.bulk.run([Create("111", config("a"))], journal=journal, settle=60.0, grace=0.0)
        )
        arrived = asyncio.Event()
        box.script(Fault("slow", on="create", seconds=60.0))
        box.after("create", arrived.set)
        await arrived.wait()
        going.cancel()
        await asyncio.wait([going])
        [claim] = await doo.bulk.claims()
        with pytest.raises(TeamClaimed) as refused:
            await doo.bulk.run([Create("111", config("b"))], journal=tmp_path / "other.journal")
        str(refused.value).encode()
        assert (await doo.bulk.abandon(journal=journal)).run == claim.run
        assert await doo.bulk.claims() == ()
