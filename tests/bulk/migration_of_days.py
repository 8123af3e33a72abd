"""A migration that lasts days: several processes, one ledger in a file, restarts at any moment, doo's own limits.

By default 300 teams with 3,000 webhooks, 4 processes and 5 restarts a day.

    python tests/bulk/migration_of_days.py
    python tests/bulk/migration_of_days.py --teams 40 --seed 1
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "quota")]

import attrs
from bulk_world import Judge
from dying_process import MortalWorker
from simulated import SimulatedClock, simulate
from simulated_doo import BoxTransport
from sqlite_world import ledger_path, simulated_ledger

from aiodoo import Facts, Limits, Report, Session
from aiodoo.operations import Operation, Update
from aiodoo.sandbox import Box, Plan

DAY = 86_400.0


@attrs.frozen
class Week:
    """How much there is to do, and what happens meanwhile."""

    teams: int = 300
    webhooks: int = 10
    processes: int = 4
    restarts_a_day: float = 5.0
    seed: int = 0
    limits: Limits = attrs.Factory(Limits)


@attrs.frozen
class Result:
    """What came of it.

    Attributes:
        requests: that arrived, token requests too.
        needed: by the formula, without restarts and tokens.
        refused: answers 429.
        seconds: that it took, in simulated time.
        minimum: seconds that the requests needed take at the limits less the reserve.
    """

    requests: int
    needed: int
    refused: int
    restarts: int
    seconds: float
    minimum: float

    def __str__(self) -> str:
        return (
            f"{self.requests} requests ({self.needed} by the formula), {self.restarts} restarts, "
            f"{self.refused} refused; {self.seconds / DAY:.4f} days, at least {self.minimum / DAY:.4f}: "
            f"{100 * (self.seconds / self.minimum - 1):+.2f} %"
        )


def heavy(chance: random.Random) -> float:
    """Draw a round trip: 20 to 300 ms, one in fifty up to 3 s."""
    return chance.uniform(0.2, 3.0) if chance.random() < 0.02 else chance.uniform(0.02, 0.3)


def least(requests: int, limits: Limits) -> float:
    """Return the seconds that so many requests take if each leaves as early as the limits allow."""
    days, rest = divmod(requests - 1, limits.per_day_for_bulk or requests)
    return days * DAY + rest / (limits.per_second or 1.0)


@attrs.define(kw_only=True, eq=False)
class Share:
    """One process after the other that carries out a share of the operations."""

    clock: SimulatedClock
    box: Box
    week: Week
    ledger: Path
    journal: Path
    operations: list[Operation]
    waits: bool
    number: int
    restarts: int = 0
    worker: MortalWorker = attrs.field(factory=MortalWorker)
    run: asyncio.Task[Report] | None = None

    async def carry_out(self) -> Report:
        """Start a process, and another one when it is killed or the day is spent, until all is done."""
        while True:
            self.worker = MortalWorker()
            box = self.box
            doo = Session(
                api_key=box.api_key,
                client_id=box.client_id,
                client_secret=box.client_secret,
                limits=self.week.limits,
                quota=simulated_ledger(self.ledger),
                facts=Facts(list_echoes_scope=True),
                # Another chance in each process: run ids are drawn from it.
                clock=SimulatedClock(self.week.seed * 10_000 + self.number * 1_000 + self.restarts),
                transport=BoxTransport(box, self.clock),
                worker=self.worker,
            )
            on_exhausted = "wait" if self.waits else "park"
            self.run = asyncio.create_task(
                doo.bulk.run(self.operations, journal=self.journal, on_exhausted=on_exhausted, grace=0.0)
            )
            await asyncio.gather(self.run, return_exceptions=True)
            self.worker.kill()
            await doo.aclose()
            if self.worker.dead:
                continue
            report = self.run.result()
            if report.complete:
                return report
            assert report.resume_at is not None
            await self.clock.sleep(max(0.0, (report.resume_at - self.clock.now()).total_seconds()))

    def kill(self) -> None:
        """Kill the process that is at work, if there is one."""
        if self.run is not None and not self.run.done():
            self.restarts += 1
            self.worker.die()
            self.run.cancel()


async def migrate(clock: SimulatedClock, week: Week) -> Result:
    """Let the processes share the work, and judge what they did."""
    chance = random.Random(week.seed)
    plan = Plan(
        per_second=week.limits.per_second,
        per_day=week.limits.per_day,
        counting="sliding_log",
        per_day_counting="sliding",
    )
    box = Box(
        organizations=week.teams,
        webhooks_per_team=week.webhooks,
        plan=plan,
        latency=heavy,
        seed=week.seed,
    )
    operations: list[Operation] = [
        Update(team, item["id"], description="moved") for team in box.teams for item in box.live(team)
    ]
    judge = Judge(box, operations)
    with ledger_path() as ledger:
        shares = [
            Share(
                clock=clock,
                box=box,
                week=week,
                ledger=ledger,
                journal=ledger.with_name(f"journal {number}"),
                operations=[each for each in operations if int(each.team_id) % week.processes == number],
                waits=number % 2 == 0,
                number=number,
            )
            for number in range(week.processes)
        ]
        killing = asyncio.create_task(_kill_some(clock, chance, shares, week.restarts_a_day))
        reports = await asyncio.gather(*(share.carry_out() for share in shares))
        killing.cancel()
        await asyncio.wait({killing})
    assert all(report.counts()["applied"] == len(report) for report in reports)
    judge.nothing_lost()
    judge.as_wanted()
    needed = judge.expected_requests()
    return Result(
        requests=box.log.total,
        needed=needed,
        refused=box.count(status=429),
        restarts=sum(share.restarts for share in shares),
        seconds=clock.monotonic(),
        minimum=least(needed, week.limits),
    )


async def _kill_some(clock: SimulatedClock, chance: random.Random, shares: list[Share], a_day: float) -> None:
    """Kill so many processes a day, half of them in its first 15 minutes, when there is most to do."""
    day = 0.0
    while True:
        times = [chance.uniform(0, chance.choice([900, DAY])) for _ in range(round(a_day))]
        for at in sorted(times):
            await clock.sleep(max(0.0, day + at - clock.monotonic()))
            running = [share for share in shares if share.run is not None and not share.run.done()]
            if running:
                chance.choice(running).kill()
        day += DAY


def main() -> None:
    """Live through a week and tell of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--teams", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    week = Week(teams=arguments.teams, seed=arguments.seed)
    begun = time.monotonic()
    result = simulate(lambda clock: migrate(clock, week), seed=week.seed)
    print(result)  # noqa: T201
    print(f"computed in {time.monotonic() - begun:.0f} s")  # noqa: T201


if __name__ == "__main__":
    main()
