"""Report what many accounts have: one line of CSV for each, including those that cannot be read.

    python tenants_report.py [CONFIG] > report.csv

The accounts are all profiles of the file. Each has the limits of its own API key, so thirty take as long as the
slowest one; a key that is wrong or blocked does not affect the others.
"""

from __future__ import annotations

import asyncio
import csv
import sys
from collections import Counter, defaultdict
from pathlib import Path
from urllib.parse import urlsplit

import aiodoo
from aiodoo import profiles

COLUMNS: tuple[str, ...] = ("tenant", "teams", "webhooks", "most used host", "requests of the day", "errors")


async def report(config: Path | None) -> list[dict[str, object]]:
    """List all accounts, and read from each ledger what the day has cost."""
    names = profiles.names(config=config)
    hosts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    teams: defaultdict[str, set[str]] = defaultdict(set)
    webhooks: Counter[str] = Counter()
    async with aiodoo.Tenants({name: name for name in names}, config=config) as tenants:
        async with tenants.webhooks(on_error="collect") as walk:
            async for tenant, webhook in walk:
                webhooks[tenant] += 1
                teams[tenant].add(webhook.team_id)
                hosts[tenant].update(urlsplit(hook.endpoint).hostname or "" for hook in webhook.hooks)
        errors: defaultdict[str, list[str]] = defaultdict(list)
        for failed in walk.errors:
            where = f"team {failed.team_id}: " if failed.team_id else ""
            errors[failed.tenant].append(f"{where}{failed.error}")
        used = await tenants.each(used_of)
    return [
        dict(
            zip(
                COLUMNS,
                (
                    name,
                    len(teams[name]),
                    webhooks[name],
                    next(iter(hosts[name].most_common(1)), ("", 0))[0],
                    "" if isinstance(used[name], aiodoo.DooError) else used[name],
                    "; ".join(errors[name]),
                ),
                strict=True,
            )
        )
        for name in names
    ]


async def used_of(_: str, doo: aiodoo.Session) -> int | None:
    """Return how many requests of the day all programs on this host have used."""
    return (await doo.quota.usage()).used


def main() -> int:
    """Print the report; the exit code is 1 if an account could not be read."""
    lines = asyncio.run(report(Path(sys.argv[1]) if sys.argv[1:] else None))
    writer = csv.DictWriter(sys.stdout, COLUMNS)
    writer.writeheader()
    writer.writerows(lines)
    return int(any(line["errors"] for line in lines))


if __name__ == "__main__":
    sys.exit(main())
