"""A run that is killed and resumed by real processes, while another terminal works on one of its teams."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from bulk_world import Judge, config

from aiodoo import TeamClaimed
from aiodoo.operations import Create, Operation, Update
from aiodoo.quota import SQLite
from aiodoo.sandbox import Sandbox

PROCESS = Path(__file__).with_name("held_process.py")


class Terminals:
    """Starts commands in processes of their own, on one sandbox and one ledger."""

    def __init__(self, box: Sandbox, where: Path) -> None:
        self._box = box
        self._where = where

    @asynccontextmanager
    async def command(
        self, journal: str, operations: Sequence[Operation] | None, *, hold: bool = False
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Start a run, or resume one; kill what is left of it at the end of the block."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(PROCESS), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        given = {
            "access": {
                "base_url": self._box.url,
                "api_key": self._box.api_key,
                "client_id": self._box.client_id,
                "client_secret": self._box.client_secret,
            },
            "ledger": str(self._where / "quota.db"),
            "journal": str(self._where / journal),
            "operations": None if operations is None else [each.to_dict() for each in operations],
            "hold": hold,
        }
        try:
            await write(process, json.dumps(given))
            if hold:
                assert await line(process) == "held"
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def told(self, journal: str, operations: Sequence[Operation] | None = None) -> dict[str, Any]:
        """Let a command run to its end; return how it ended."""
        async with self.command(journal, operations) as process:
            return await ending(process)


async def write(process: asyncio.subprocess.Process, text: str) -> None:
    """Write a line to a process."""
    assert process.stdin is not None
    process.stdin.write(text.encode() + b"\n")
    await process.stdin.drain()


async def line(process: asyncio.subprocess.Process) -> str:
    """Return the next line that a process writes."""
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


async def ending(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """Return how a process ended."""
    told: dict[str, Any] = json.loads(await line(process))
    return told


async def test_a_team_that_another_terminal_has_begun_is_left_to_it(tmp_path: Path) -> None:
    """The resumed run ends without that team and names why; when the other one has ended, a second resume does the rest.

    By the sandbox's log every webhook was replaced once, and none was lost or doubled at any instant.
    """
    async with (
        Sandbox(organizations=4, webhooks_per_team=4, plan=None, echo_scope=True) as box,
        box.session(quota=SQLite(tmp_path / "quota.db")) as doo,
    ):
        first, last = box.teams[0], box.teams[-1]
        ours: list[Operation] = [
            Update(team, item["id"], description="ours") for team in box.teams for item in box.live(team)[:2]
        ]
        theirs: list[Operation] = [
            Update(last, item["id"], description="theirs") for item in box.live(last)[2:]
        ] + [Create(last, config("theirs"))]
        judge, terminals = Judge(box, [*ours, *theirs]), Terminals(box, tmp_path)

        async with terminals.command("ours", ours, hold=True) as killed:
            # Its second create may be on its way as well.
            assert {change.team for change in box.log.changes if change.by != "setup"} == {first}
            async with terminals.command("theirs", theirs, hold=True) as other:
                killed.kill()
                await killed.wait()
                told = await terminals.told("ours")
                assert told == {"counts": {"applied": 6, "not_started": 2}, "errors": {last: "TeamClaimed"}}
                # As long as the other one is at work, nothing more can be done.
                sent = box.log.total
                with pytest.raises(TeamClaimed, match="It is alive"):
                    await doo.bulk.resume(tmp_path / "ours")
                assert box.log.total == sent
                await write(other, "go on")
                assert await ending(other) == {"counts": {"applied": 3}, "errors": {}}
        assert await terminals.told("ours") == {"counts": {"applied": 8}, "errors": {}}
        judge.nothing_lost()
        judge.as_wanted()
        sent = box.log.total
        assert (await doo.bulk.resume(tmp_path / "ours")).counts()["applied"] == 8
        assert box.log.total == sent
        assert box.count("create", 201) + box.count("create", 200) == 11
        assert box.count("delete") == 10
