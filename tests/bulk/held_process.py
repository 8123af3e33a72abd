"""A process that carries out a run, or resumes one, team by team on a ledger that it shares; it can be held in the middle.

Run as `python held_process.py`; the first line of its input is JSON with the access to a sandbox, the ledger, the journal,
the operations (none to resume), and whether to hold after the first create. It prints "held" then, and waits for a line.
At its end it prints JSON: how many operations ended how, and the errors of those that were not started.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from aiodoo import Facts, Limits, Progress, Session
from aiodoo.errors import DooError
from aiodoo.operations import from_dict
from aiodoo.quota import SQLite


def say(what: str) -> None:
    """Tell the parent."""
    print(what, flush=True)  # noqa: T201


async def main(given: dict[str, Any]) -> None:
    """Run or resume, and tell how it ended."""
    hold = given["hold"]

    def progress(seen: Progress) -> None:
        nonlocal hold
        if hold and seen.requests.creates:
            hold = False
            say("held")
            sys.stdin.readline()

    async with Session(
        **given["access"],
        # One team at a time.
        limits=Limits(per_second=None, per_day=None, concurrency=1),
        facts=Facts(list_echoes_scope=True),
        quota=SQLite(given["ledger"]),
    ) as doo:
        options = {"journal": given["journal"], "progress": progress, "settle": 0.3}
        try:
            if given["operations"] is None:
                report = await doo.bulk.resume(**options)
            else:
                report = await doo.bulk.run([from_dict(each) for each in given["operations"]], **options)
        except DooError as error:
            say(json.dumps({"raised": type(error).__name__}))
            return
    counts = {status: number for status, number in report.counts().items() if number}
    errors = {each.operation.team_id: type(each.error).__name__ for each in report if each.error}
    say(json.dumps({"counts": counts, "errors": errors}))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.stdin.readline())))
