"""A sandbox in a process of its own, whose log judges a campaign.

Run as `python judging_process.py TEAMS WEBHOOKS FOLDER`: writes operations into the folder, and prints how to reach the sandbox.
Then answers each line of its input, as one line of JSON: `changes` with how many there were, `both_live` with the teams in which
something is live together with what replaces it, `judge` with what the log says about the report in the folder.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from bulk_world import Judge, work

from aiodoo import Report
from aiodoo.operations import Update
from aiodoo.sandbox import Sandbox


def both_live(judge: Judge) -> list[str]:
    """Return the teams in which a webhook is live together with what replaces it."""
    old, new = set[str](), Counter[tuple[str, str]]()
    for webhooks in judge.before.values():
        old.update(webhooks)
    for change in judge.box.log.changes[judge.seen :]:
        if change.what == "created":
            new[change.team, change.digest] += 1
        else:
            old.discard(change.webhook_id)
    found = {
        operation.team_id
        for operation in judge.operations
        if isinstance(operation, Update)
        and operation.webhook_id in old
        and new[operation.team_id, judge.box.digest(judge.wanted(operation) or {})]
    }
    return sorted(found)


def verdict(judge: Judge, report: Report) -> dict[str, Any]:
    """Return what the log says."""
    wrong = []
    for check in (judge.nothing_lost, judge.as_wanted, lambda: judge.report_agrees(report)):
        try:
            check()
        except AssertionError as error:
            wrong.append(str(error)[:2000])
    log, times = judge.box.log, [each.time for each in judge.box.log.requests if each.kind != "token"]
    changes = log.changes[judge.seen :]
    begin = min((each.time for each in changes), default=0.0)
    return {
        "wrong": wrong,
        "created": sum(each.what == "created" for each in changes),
        "deleted": sum(each.what == "deleted" for each in changes),
        "requests": sum(time >= begin for time in times),
        "tokens": sum(each.kind == "token" for each in log.requests),
        "seconds": round(times[-1] - begin, 1),
        "counts": report.counts(),
    }


async def main(teams: int, webhooks: int, folder: Path) -> None:
    """Serve until the input ends."""
    async with Sandbox(
        organizations=teams, teams_per_organization=1, webhooks_per_team=webhooks, plan=None, latency=0.02
    ) as box:
        operations = work(box)
        judge = Judge(box, operations)
        (folder / "operations").write_text(json.dumps([each.to_dict() for each in operations]))
        _say(
            {
                "base_url": box.url,
                "api_key": box.api_key,
                "client_id": box.client_id,
                "client_secret": box.client_secret,
            }
        )
        while line := await asyncio.to_thread(sys.stdin.readline):
            if line == "changes\n":
                _say(len(box.log.changes) - judge.seen)
            elif line == "both_live\n":
                _say(both_live(judge))
            else:
                _say(verdict(judge, Report.from_dict(json.loads((folder / "report").read_text()))))


def _say(word: Any) -> None:
    print(json.dumps(word), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
