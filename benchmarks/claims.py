"""What claims and the journal cost a run: requests, and processor time an operation.

Updates over teams of ten webhooks, without faults, at a sandbox that carries every request out at once in the same
process: its share of the time is the same for all. The ways take turns; ratios are taken round by round, to the run
with `quota.Memory` and no journal. Claims are timed apart as well: begin and end of a run over so many teams.

    python benchmarks/claims.py --rounds 5 --teams 20
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import tempfile
import time
from pathlib import Path

from figures import header, told

import aiodoo
from aiodoo.bulk.claiming import holding, new_run
from aiodoo.bulk.options import RunSettings
from aiodoo.operations import Operation, Update
from aiodoo.sandbox import Sandbox

WAYS = {
    "Memory, no journal": ("memory", False),
    "Memory, journal": ("memory", True),
    "SQLite, no journal": ("sqlite", False),
    "SQLite, journal": ("sqlite", True),
}
SIZE = 10
LIMITS = aiodoo.Limits(per_second=100_000, per_day=1_000_000, concurrency=8)


async def measure(way: str, teams: int, folder: Path) -> tuple[int, float, float]:
    """Return the requests of one run, its microseconds an operation, and those of claiming its teams, a team."""
    ledger, journaled = WAYS[way]
    quota = aiodoo.quota.SQLite(folder / "quota.db") if ledger == "sqlite" else aiodoo.quota.Memory()
    async with (
        Sandbox(organizations=teams, webhooks_per_team=SIZE, plan=None) as box,
        aiodoo.Session(
            base_url=box.url,
            api_key=box.api_key,
            client_id=box.client_id,
            client_secret=box.client_secret,
            limits=LIMITS,
            quota=quota,
        ) as doo,
    ):
        await doo.organizations.active_team()
        operations: list[Operation] = [
            Update(team, item["id"], name="moved") for team in box.teams for item in box.live(team)
        ]
        gc.collect()
        sent, begun = box.log.total, time.process_time()
        report = await doo.bulk.run(operations, journal=folder / "journal" if journaled else None)
        spent = time.process_time() - begun
        requests = box.log.total - sent
        if report.counts()["applied"] != len(operations):
            raise SystemExit(f"{report!r}: without faults everything is applied")
        context = doo.bulk._context  # noqa: SLF001  # claims alone are not public
        begun = time.process_time()
        async with holding(
            context, RunSettings(park=False), run=new_run(context.clock), teams=tuple(box.teams)
        ):
            pass
        claims = time.process_time() - begun
    return requests, spent / len(operations) * 1e6, claims / teams * 1e6


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--teams", type=int, default=20)
    given = parser.parse_args()
    header("aiohttp")
    print(f"medians of {given.rounds}\n")
    found: dict[str, list[tuple[int, float, float]]] = {way: [] for way in WAYS}
    for _ in range(given.rounds):
        for way in WAYS:
            with tempfile.TemporaryDirectory() as folder:
                found[way].append(asyncio.run(measure(way, given.teams, Path(folder))))
    first = [spent for _, spent, _ in next(iter(found.values()))]
    print(
        "| ledger and journal | requests | microseconds an update | in times of the first | claims, a team |"
    )
    print("| --- | --- | --- | --- | --- |")
    for way, rounds in found.items():
        requests = " or ".join(sorted({str(count) for count, _, _ in rounds}))
        spent = [each for _, each, _ in rounds]
        ratios = [each / other for each, other in zip(spent, first, strict=True)]
        claims = [each for _, _, each in rounds]
        print(
            f"| {way} | {requests} | {told(spent, '.0f')} | {told(ratios, '.2f')} | {told(claims, '.0f')} |"
        )


if __name__ == "__main__":
    main()
