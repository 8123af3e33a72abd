"""How many requests updates of one team take, how many days at doo's limits, and whether the forecast said so.

Simulated time, doo's own limits, with a journal and resumed each day. Whole teams; updates that are scattered, one on each page;
and 1,000 webhooks over 100 teams of ten, also with `baseline=`, within one day.

    python benchmarks/large_teams.py --webhooks 110 1000 4000
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import attrs

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "bulk")]

from bulk_world import world  # noqa: E402  # the tests' simulated world
from figures import goal, header  # noqa: E402
from simulated import SimulatedClock, simulate  # noqa: E402

from aiodoo import Limits  # noqa: E402
from aiodoo.operations import Operation, Update  # noqa: E402
from aiodoo.sandbox import Plan  # noqa: E402

DAY = 1000
EACH = 2.35
"""The most requests for an update of a whole team."""
NEAR = 0.03
DAYS = {4000: 12}
PAGE = 25


@attrs.frozen
class Week:
    """What a run over days has come to, and what was foretold."""

    foretold: int
    foretold_seconds: float
    requests: int
    seconds: float
    days: int


def measure(
    *,
    per_second: int | None = 1,
    per_day: int | None = DAY,
    teams: int = 1,
    each: int,
    every: int = 1,
    baseline: bool = False,
    order: str = "newest_first",
) -> Week:
    """Forecast, and run for as many days as it takes."""
    plan = Plan(per_second=per_second, per_day=per_day)

    async def main(clock: SimulatedClock) -> Week:
        limits = Limits(per_second=per_second, per_day=per_day)
        settings: dict[str, Any] = {"organizations": teams, "webhooks_per_team": each, "order": order}
        async with world(clock, limits=limits, plan=plan, latency=0.1, page_size=PAGE, **settings) as (
            doo,
            box,
        ):
            operations: list[Operation] = [
                Update(team, item["id"], description="moved")
                for team in box.teams
                for item in box.live(team)[::every]
            ]
            known: dict[str, Any] = {}
            if baseline:
                lists = [await doo.webhooks.list(team, stable=True).collect() for team in box.teams]
                known["baseline"] = dict(zip(box.teams, lists, strict=True))
            forecast = await doo.bulk.forecast(operations, **known)
            if not baseline:
                await clock.sleep(86_400)
            began, sent, tokens = clock.monotonic(), box.log.total, box.count("token")
            with tempfile.TemporaryDirectory() as folder:
                journal, days = Path(folder, "journal"), 1
                report = await doo.bulk.run(operations, journal=journal, **known)
                while report.resume_at is not None:
                    await clock.sleep((report.resume_at - clock.now()).total_seconds())
                    report, days = await doo.bulk.resume(journal), days + 1
            if report.counts()["applied"] != len(operations):
                raise SystemExit(f"{report!r}")
            requests = box.log.total - sent - (box.count("token") - tokens)
            return Week(forecast.requests.total, forecast.seconds, requests, clock.monotonic() - began, days)

    return simulate(main)


def show(what: str, updates: int, week: Week) -> float:
    """Print what was found; return the requests for an update."""
    each = week.requests / updates
    print(
        f"{what}: {week.requests} requests, foretold {week.foretold}; {each:.2f} an update; "
        f"{week.seconds / 86_400:.2f} days of the clock, {week.days} of work"
    )
    return each


def near(found: float, foretold: float, besides: float = 0.0) -> bool:
    """Return whether a forecast was right."""
    return abs(found - foretold) <= NEAR * found + besides


def main() -> int:
    """Measure, print, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--webhooks", type=int, nargs="+", default=[110, 1000, 4000])
    parser.add_argument(
        "--scattered", type=int, default=4000, help="webhooks of the team with scattered updates"
    )
    parser.add_argument("--orders", nargs="+", default=["newest_first", "oldest_first"])
    options = parser.parse_args()
    header()
    met = True
    for webhooks in options.webhooks:
        for order in options.orders:
            what = f"one team of {webhooks}, {order.replace('_', ' ')}"
            week = measure(each=webhooks, order=order)
            each = show(what, webhooks, week)
            met &= goal(f"  {what}: {each:.2f} requests an update, at most {EACH}", met=each <= EACH)
            right = near(week.requests, week.foretold) and near(week.seconds, week.foretold_seconds, 60)
            met &= goal(f"  {what}: requests and time within {NEAR:.0%} of the forecast", met=right)
            if webhooks in DAYS:
                met &= goal(f"  {what}: at most {DAYS[webhooks]} days", met=week.days <= DAYS[webhooks])
    for baseline, per_second, most in ((False, 1, 2.3), (True, None, 2.2), (True, 1, 2.3)):
        pace = f"{per_second} a second" if per_second else "no limit"
        what = f"100 teams of 10, {pace}{', with a baseline' if baseline else ''}"
        week = measure(per_second=per_second, per_day=None, teams=100, each=10, baseline=baseline)
        each = show(what, 1000, week)
        met &= goal(f"  {what}: {each:.2f} requests an update, at most {most}", met=each <= most)
        right = near(week.requests, week.foretold)
        met &= goal(f"  {what}: requests within {NEAR:.0%} of the forecast", met=right)
    pages = options.scattered // PAGE
    week = measure(each=options.scattered, every=PAGE)
    show(f"one on each of {pages} pages", pages, week)
    what = f"one on each of {pages} pages: requests within {NEAR:.0%} of the forecast"
    met &= goal(f"  {what}", met=near(week.requests, week.foretold))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
