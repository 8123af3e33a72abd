"""A process that carries out updates with a journal, on a ledger that it shares.

Run as `python claims_process.py URL KEY CLIENT_ID CLIENT_SECRET LEDGER JOURNAL`; prints the counts, or the error.
"""

from __future__ import annotations

import asyncio
import sys

from aiodoo import Facts, Limits, Session
from aiodoo.errors import DooError
from aiodoo.operations import Update
from aiodoo.quota import SQLite


async def main(url: str, key: str, client_id: str, client_secret: str, ledger: str, journal: str) -> None:
    """Say that it is ready, wait for the sign, and run."""
    async with Session(
        base_url=url,
        api_key=key,
        client_id=client_id,
        client_secret=client_secret,
        limits=Limits(per_second=50, per_day=None),
        facts=Facts(list_echoes_scope=True),
        quota=SQLite(ledger),
    ) as doo:
        print("ready", flush=True)  # noqa: T201
        ids = sys.stdin.readline().split()
        operations = [
            Update(team, webhook, description="moved")
            for team, _, webhook in (word.partition("/") for word in ids)
        ]
        try:
            report = await doo.bulk.run(operations, journal=journal, settle=1.0, command="test")
            print("report", report.counts()["applied"])  # noqa: T201
        except DooError as error:
            print(type(error).__name__, getattr(error, "journal", None))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
