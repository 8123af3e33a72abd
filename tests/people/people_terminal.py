"""One command of somebody at a real terminal, in a process of its own; it tells as plain data what the person is told."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Mapping
from multiprocessing.connection import Connection
from typing import Any

from people_account import NEW, OLD, content

from aiodoo import AddWebhook, Facts, Limits, Report, Session
from aiodoo.errors import DooError
from aiodoo.operations import Create, Operation, Update
from aiodoo.quota import SQLite

PER_SECOND = 40.0


def session(access: Mapping[str, str], ledger: str) -> Session:
    """Open what every terminal asks with."""
    return Session(
        **access,  # type: ignore[arg-type]
        limits=Limits(per_second=PER_SECOND, per_day=None),
        quota=SQLite(ledger),
        facts=Facts(list_echoes_scope=True),
    )


async def operations(doo: Session, teams: list[str]) -> AsyncIterator[Operation]:
    """Make what every terminal wants: all webhooks moved, and two more in each team."""
    async for webhook in doo.webhooks.list(teams):
        if OLD in (webhook.hooks[0].endpoint or ""):
            yield Update(webhook.team_id, webhook.id, hosts={OLD: NEW})
    for team in teams:
        for number in range(2):
            yield Create(team, AddWebhook.from_dict(content(f"made {number}")))


async def told(doo: Session, teams: list[str], what: str, journal: str) -> dict[str, Any]:
    """Carry out a command and tell what came of it; the journal `-` is none."""
    try:
        if what == "run":
            path = None if journal == "-" else journal
            report = await doo.bulk.run(
                [each async for each in operations(doo, teams)], journal=path, settle=0.3
            )
        elif what == "resume":
            report = await doo.bulk.resume(journal, settle=0.3)
        elif what == "abandon":
            return {"abandoned": list((await doo.bulk.abandon(journal=journal)).teams)}
        elif what == "verify":
            seen = await doo.bulk.verify(journal)
            return {"differences": [[each.what, *each.webhook_ids] for each in seen.differences]}
        else:
            report = await doo.bulk.report(journal)
    except DooError as error:
        return {"error": type(error).__name__, "text": " ".join([str(error), *getattr(error, "__notes__", ())]),
                "journal": getattr(error, "journal", None)}  # fmt: skip
    return {"report": written(report)}


def written(report: Report) -> dict[str, Any]:
    """Write down what the parent has to know of a report."""
    return {
        "ended": all(outcome.ended for outcome in report),
        "outcomes": [
            {
                "what": type(outcome.operation).__name__,
                "team": outcome.operation.team_id,
                "name": getattr(getattr(outcome.operation, "config", None), "name", None),
                "target": getattr(outcome.operation, "webhook_id", None),
                "status": outcome.status.value,
                "made": outcome.webhook_id,
                "why": f"{outcome.reason} {outcome.error}",
            }
            for outcome in report
        ],
    }


async def one_command(
    access: Mapping[str, str], ledger: str, teams: list[str], what: str, journal: str
) -> dict[str, Any]:
    """Do one command."""
    async with session(access, ledger) as doo:
        return await told(doo, teams, what, journal)


def command(line: Connection, *given: Any) -> None:
    """Be the process of one command."""
    try:
        line.send(asyncio.run(one_command(*given)))
    except Exception:  # noqa: BLE001  # whatever it is, the parent has to hear of it
        line.send({"escaped": traceback.format_exc()})
