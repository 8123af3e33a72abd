"""What a migration costs and what it leaves behind: aiodoo beside the plain script that one would write.

1,000 webhooks over 100 teams are ensured, updated, deleted, or moved to another host, against the sandbox in simulated time.
The plain script lists, creates and deletes, one request a second, and tries each request up to three times more,
waiting 1, 2 and 4 s; what fails then it skips. Faults are of five kinds, equally often: the request is lost, the answer is
lost, doo acts up to two minutes late, and a server's error before or after doo has acted.

Lost and doubled are counted in what the sandbox holds two hours later. Not done is what is still as it was; aiodoo's report
names each of them, and that is checked. Each figure is the median over the seeds, behind it the smallest and the largest.

    python benchmarks/economy.py --seeds 5
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "bulk")]

from bulk_world import Judge, config, content, session  # noqa: E402  # the tests' simulated world
from figures import goal, header  # noqa: E402
from simulated import SimulatedClock, simulate  # noqa: E402

from aiodoo import Limits  # noqa: E402
from aiodoo.operations import Delete, Ensure, Operation, Update  # noqa: E402
from aiodoo.sandbox import Answer, Box, FaultRates, Plan, Request  # noqa: E402

FAULTS = ("lost_before", "lost_after", "late", "error_acted", "error_not_acted")
JOBS = ("ensure", "update", "delete", "move")
SUFFIX = re.compile(r"[._-]?[0-9a-f]{32}$")
WAITS = (1.0, 2.0, 4.0)


@attrs.frozen
class Result:
    """What one migration came to."""

    requests: int
    lost: int
    doubled: int
    not_done: int


def a_box(job: str, rate: float, seed: int, *, teams: int, webhooks: int) -> tuple[Box, list[Operation]]:
    """Make a doo, and say what is to be done there."""
    box = Box(
        organizations=teams,
        webhooks_per_team=0 if job == "ensure" else webhooks,
        plan=Plan(per_second=1, per_day=None, counting="sliding_log"),
        rates=FaultRates(**dict.fromkeys(FAULTS, rate / len(FAULTS))),
        latency=0.1,
        seed=seed,
    )
    operations: list[Operation] = []
    for team in box.teams:
        if job == "ensure":
            for number in range(webhooks // 2):
                box.add_webhook(team, content(config(f"webhook {number}")))
            operations += [Ensure(team, config(f"webhook {number}")) for number in range(webhooks)]
        for item in box.live(team) if job != "ensure" else ():
            if job == "delete":
                operations.append(Delete(team, item["id"]))
            elif job == "update":
                operations.append(Update(team, item["id"], description="moved"))
            else:
                operations.append(Update(team, item["id"], hosts={"crm.example": "crm2.example"}))
    return box, operations


async def with_aiodoo(clock: SimulatedClock, box: Box, operations: list[Operation]) -> int:
    """Run it; return how many operations the report does not call done."""
    async with session(clock, box, limits=Limits(per_second=1, per_day=None)) as doo:
        report = await doo.bulk.run(operations)
        return len(report) - report.counts()["applied"] - report.counts()["unchanged"]


# The plain script.


@attrs.define
class Plain:
    """What one writes in an afternoon: a request a second, and a few tries."""

    clock: SimulatedClock
    box: Box
    token: str = ""
    failed: int = 0

    async def ask(self, method: str, path: str, body: Any = None, page: int | None = None) -> Any:
        """Ask, up to four times; return the answer's JSON, or None if all failed."""
        for wait in (*WAITS, None):
            await self.clock.sleep(1.05)
            answer = await self._send(method, path, body, page)
            if answer is not None and answer.status == 401:
                await self.login()
            elif answer is not None and answer.status < 400:
                return json.loads(answer.body) if answer.body else {}
            if wait is not None:
                await self.clock.sleep(wait)
        self.failed += 1
        return None

    async def _send(self, method: str, path: str, body: Any, page: int | None) -> Answer | None:
        headers = {"x-api-key": self.box.api_key, "Content-Type": "application/json"}
        headers["Authorization"] = f"Bearer {self.token}"
        query = {} if page is None else {"page": str(page)}
        text = b"" if body is None else json.dumps(body).encode()
        await self.clock.sleep(0.05)
        answer = self.box.handle(Request(method, f"/v1{path}", query, headers, text), self.clock.monotonic())
        await self.clock.sleep(answer.delay)
        return None if answer.drop else answer

    async def login(self) -> None:
        """Fetch a token."""
        answer = await self.ask(
            "POST",
            "/oauth",
            {
                "client_id": self.box.client_id,
                "client_secret": self.box.client_secret,
                "grant_type": "client_credentials",
            },
        )
        self.token = answer["data"]["access_token"]

    async def list(self, team: str) -> list[dict[str, Any]]:
        """Read a team's list."""
        items: list[dict[str, Any]] = []
        page, pages = 1, 1
        while page <= pages:
            answer = await self.ask("GET", f"/team/{team}/webhooks", page=page) or {}
            items += answer.get("_embedded", {}).get("webhooks", [])
            pages = answer.get("page_count", 1)
            page += 1
        return items

    async def create(self, team: str, wanted: dict[str, Any]) -> bool:
        """Create one."""
        return await self.ask("POST", f"/team/{team}/webhooks", wanted) is not None

    async def delete(self, webhook_id: str) -> None:
        """Delete one."""
        await self.ask("DELETE", f"/webhooks/{webhook_id}")


async def with_a_script(clock: SimulatedClock, box: Box, operations: list[Operation]) -> int:
    """Do it by hand; return how many requests failed for good."""
    plain = Plain(clock, box)
    await plain.login()
    for team in box.teams:
        own = [operation for operation in operations if operation.team_id == team]
        there = [] if isinstance(own[0], Delete) else await plain.list(team)
        by_id = {item["id"]: item for item in there}
        for operation in own:
            match operation:
                case Ensure(config=wanted):
                    if not any(item["name"] == wanted.name for item in there):
                        await plain.create(team, content(wanted))
                case Delete(webhook_id=webhook_id):
                    await plain.delete(webhook_id)
                case Update(webhook_id=webhook_id, changes=changes):
                    if webhook_id in by_id and await plain.create(team, copied(by_id[webhook_id], changes)):
                        await plain.delete(webhook_id)
    return plain.failed


def copied(item: dict[str, Any], changes: Any) -> dict[str, Any]:
    """Make what is created anew from what was listed."""
    hosts = changes.get("hosts", {})
    wanted = {name: value for name, value in item.items() if name not in {"id", "_links"}}
    wanted |= {name: value for name, value in changes.items() if name != "hosts"}
    wanted["hooks"] = [
        hook | {"type": SUFFIX.sub("", hook["type"]), "endpoint": moved(hook["endpoint"], hosts)}
        for hook in item["hooks"]
    ]
    if item.get("authentication") and hosts:
        login = item["authentication"]
        wanted["authentication"] = login | {"endpoint": moved(login["endpoint"], hosts)}
    return wanted


def moved(endpoint: str, hosts: dict[str, str]) -> str:
    """Put another host into an endpoint."""
    for old, new in hosts.items():
        endpoint = endpoint.replace(f"//{old}/", f"//{new}/")
    return endpoint


# Measuring.


class Truth(Judge):
    """Knows what a move wants, too."""

    def wanted(self, operation: Operation) -> dict[str, Any] | None:
        """Return the content that an operation wants, made by hand from what was stored."""
        if isinstance(operation, Update):
            stored = self.before[operation.team_id][operation.webhook_id]
            wanted = copied(stored, operation.changes)
            wanted["hooks"] = [
                new | {"type": old["type"]} for new, old in zip(wanted["hooks"], stored["hooks"], strict=True)
            ]
            return wanted
        if (
            isinstance(operation, Ensure)
            and content(operation.config) in self.before[operation.team_id].values()
        ):
            return None
        return super().wanted(operation)

    def left(self, operations: list[Operation]) -> tuple[Counter[str], Counter[str], int]:
        """Return what is live and what should be, without what is still as it was, and how many those are."""
        live, wanted = self.at_rest()
        there = {item["id"] for team in self.box.teams for item in self.box.live(team)}
        not_done = 0
        for operation in operations:
            content = self.wanted(operation)
            new = f"{operation.team_id} {self.box.digest(content)}"
            old = getattr(operation, "webhook_id", None)
            if isinstance(operation, Delete) and old in there:
                new = ""
            elif content is None or live[new] >= wanted[new] or (old is not None and old not in there):
                continue
            not_done += 1
            wanted[new] -= 1
            if old is not None:
                live[f"{operation.team_id} {self.box.digest(self.before[operation.team_id][old])}"] -= 1
        return live, wanted, not_done


Way = Callable[[SimulatedClock, Box, list[Operation]], Awaitable[int]]
WAYS: dict[str, Way] = {"plain script": with_a_script, "aiodoo": with_aiodoo}


def migrate(way: Way, job: str, rate: float, seed: int, *, teams: int, webhooks: int) -> Result:
    """Carry out one job in one way, in a world of its own."""

    async def main(clock: SimulatedClock) -> Result:
        box, operations = a_box(job, rate, seed, teams=teams, webhooks=webhooks)
        truth = Truth(box, operations)
        told = await way(clock, box, operations)
        requests = box.log.total
        await asyncio.sleep(7200)
        box.advance(clock.monotonic())
        live, wanted, not_done = truth.left(operations)
        if way is with_aiodoo and told != not_done:
            raise SystemExit(f"the report names {told} operations, and {not_done} are as they were")
        return Result(requests, (wanted - live).total(), (live - wanted).total(), not_done)

    return simulate(main, seed=seed)


def figure(values: list[int]) -> str:
    """Return the median, and the smallest and the largest if they differ."""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:g}" if low == high else f"{middle:g} ({low}-{high})"


def main() -> int:
    """Measure everything and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--teams", type=int, default=100)
    parser.add_argument("--webhooks", type=int, default=10, help="of each team")
    arguments = parser.parse_args()
    header()
    clean = True
    print("| job | faults | way | requests | lost | doubled | not done |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for job in JOBS:
        for rate in (0.0, 0.05):
            for name, way in WAYS.items():
                results = [
                    migrate(way, job, rate, seed, teams=arguments.teams, webhooks=arguments.webhooks)
                    for seed in range(arguments.seeds if rate else 1)
                ]
                figures = [
                    figure([getattr(result, field.name) for result in results])
                    for field in attrs.fields(Result)
                ]
                print(f"| {job} | {rate:.0%} | {name} | {' | '.join(figures)} |", flush=True)
                clean &= way is with_a_script or not any(each.lost or each.doubled for each in results)
    return 0 if goal("\naiodoo loses nothing and doubles nothing", met=clean) else 1


if __name__ == "__main__":
    sys.exit(main())
