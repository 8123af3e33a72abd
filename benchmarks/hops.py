"""How many files of aiodoo a call passes through, and how often it goes from one file to another.

A stranger who follows a call reads that many files; what matters is that neither figure grows. What is loaded when it is
first used is loaded before, as loading it is no part of a call.

    python benchmarks/hops.py
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import Any

from figures import header

import aiodoo
import aiodoo.desired
import aiodoo.driver.single_change
from aiodoo.sandbox import Sandbox

PACKAGE = str(Path(aiodoo.__file__).parent)


class Hops:
    """Counts calls from one file of the package into another; the sandbox's own files do not count."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.hops = 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Take notice of one call."""
        name = frame.f_code.co_filename
        if event != "call" or not self._ours(name):
            return
        self.files.add(name)
        caller = frame.f_back
        while caller is not None and not self._ours(caller.f_code.co_filename):
            caller = caller.f_back
        self.hops += caller is not None and caller.f_code.co_filename != name

    @staticmethod
    def _ours(name: str) -> bool:
        return name.startswith(PACKAGE) and not name.startswith(f"{PACKAGE}/sandbox")


async def counted(what: str, work: Callable[[], Awaitable[Any]]) -> None:
    """Print what one call passes through."""
    hops = Hops()
    sys.setprofile(hops)
    try:
        await work()
    finally:
        sys.setprofile(None)
    print(f"{what:<36} {len(hops.files):>3} files {hops.hops:>6} hops")


async def main() -> None:
    """Count the three walks."""
    header()
    async with (
        Sandbox(organizations=1, teams_per_organization=1, webhooks_per_team=3, plan=None) as box,
        box.session() as doo,
    ):
        team = "111"
        first, second, _third = await doo.webhooks.list(team).collect()
        await counted("a page of a list", doo.webhooks.list(team).collect)
        await counted("a single update", lambda: doo.webhooks.update(team, first.id, name="one"))
        with tempfile.TemporaryDirectory() as folder:
            changes = [aiodoo.Update(team, second.id, name="two")]
            await counted(
                "an update in a journaled run",
                lambda: doo.bulk.run(changes, journal=Path(folder, "journal")),
            )


if __name__ == "__main__":
    asyncio.run(main())
