"""Moves every webhook of an account to another host, by many workers.

python campaign.py submit NAME crm.example crm2.example
python campaign.py progress NAME
python campaign.py report NAME

The URL of the engine's server is in AIODOO_ENGINE, the credentials are in the default profile; beside it run `aiodoo worker`.
"""

import asyncio
import os
import sys
from typing import Any

import aiodoo
from aiodoo.operations import move_hosts


def engine() -> Any:
    """Return the engine for the URL: procrastinate on PostgreSQL, or streaQ on Redis and Valkey."""
    url = os.environ["AIODOO_ENGINE"]
    if url.startswith("postgres"):
        from aiodoo.distributed import procrastinate  # noqa: PLC0415  # only one of them is installed

        return procrastinate.Engine(url)
    from aiodoo.distributed import streaq  # noqa: PLC0415  # as above

    return streaq.Engine(url)


async def submit(campaign: str, old: str, new: str) -> None:
    """Submit one job for each team that has something to move; again, if not all of them were."""
    async with aiodoo.Session.from_profile() as doo, engine() as jobs:
        webhooks = [webhook async for webhook in doo.webhooks.list_all(stable=True)]
        number = await jobs.submit(move_hosts(webhooks, {old: new}), campaign=campaign)
        print(f"{number} jobs")


async def main(command: str, campaign: str, *hosts: str) -> None:
    """Submit a campaign, or show how far it has come."""
    if command == "submit":
        await submit(campaign, *hosts)
        return
    async with engine() as jobs:
        if command == "progress":
            print(await jobs.progress(campaign))
        else:
            report = await jobs.report(campaign)
            for outcome in report:
                if not outcome.status.fine:
                    print(outcome.operation.team_id, outcome.status.value, outcome.reason or outcome.error)
            print(report)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
