"""A journal that another program has locked, or that its reader may not write."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from bulk_world import world
from simulated import SimulatedClock, simulate

from aiodoo import JournalLocked, Session
from aiodoo.bulk.journal import summarize
from aiodoo.operations import Update
from aiodoo.sandbox import Box

opened_to_write: list[str] | None = None


def note_writing(event: str, arguments: tuple[Any, ...]) -> None:
    """Note what is opened to be written, made or moved; an audit hook, which Python keeps for good."""
    if opened_to_write is None:
        return
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & writing:
        opened_to_write.append(str(arguments[0]))
    elif event in {"os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.truncate"}:
        opened_to_write.append(event)


sys.addaudithook(note_writing)


async def finished(doo: Session, box: Box, path: Path) -> None:
    """Leave the journal of a finished run."""
    updates = [Update("111", item["id"], description="moved") for item in box.live("111")]
    assert (await doo.bulk.run(updates, journal=path)).complete


@pytest.mark.parametrize("how", [fcntl.LOCK_EX, fcntl.LOCK_SH])
def test_what_another_program_has_locked_is_busy_not_damaged(tmp_path: Path, how: int) -> None:
    """Some program has it open and locked: it can be read, and whoever wants to go on is told to wait."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=2) as (doo, box):
            path = tmp_path / "journal"
            await finished(doo, box, path)
            with path.open("rb") as other:
                fcntl.flock(other, how)
                assert (await doo.bulk.report(path)).complete
                assert (await doo.bulk.verify(path)).clean
                sent = box.log.total
                for use in (lambda: doo.bulk.resume(path), lambda: doo.bulk.abandon(journal=path)):
                    with pytest.raises(JournalLocked, match=r"is in use by .* Wait for it"):
                        await use()
            assert box.log.total == sent
            assert (await doo.bulk.resume(path)).complete

    simulate(main)


def test_reading_a_journal_needs_no_right_to_write(tmp_path: Path) -> None:
    """In a folder of somebody else's, or on a medium that cannot be written, it is reported, verified and undone."""

    async def main(clock: SimulatedClock) -> None:
        global opened_to_write  # noqa: PLW0603  # a hook takes nothing else
        async with world(clock, webhooks_per_team=2) as (doo, box):
            path = tmp_path / "journal"
            await finished(doo, box, path)
            opened_to_write = []
            try:
                assert (await doo.bulk.report(path)).complete
                assert (await doo.bulk.verify(path)).clean
                assert (await doo.bulk.undo(path)).operations
                assert summarize(path) is not None
                noted = opened_to_write
            finally:
                opened_to_write = None
            assert not noted

    simulate(main)
