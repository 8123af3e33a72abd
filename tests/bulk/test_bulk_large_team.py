"""Teams of many pages over several days: their requests, days and seconds against the forecast; in simulated time.

By default the teams are small and so is the day. With doo's own limits, 10, 1,000 and 4,000 webhooks and each order:

    AIODOO_WEEKS=1 python -m pytest tests/bulk/test_bulk_large_team.py
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs
import pytest
from bulk_world import Judge, world
from simulated import SimulatedClock, simulate

from aiodoo import Limits, UnstableListing
from aiodoo.operations import Delete, Operation, Update
from aiodoo.sandbox import Box, Plan

DOO = Plan(per_second=1, per_day=1000)
"""doo's own limits."""

SMALL = Plan(per_second=1, per_day=200)
"""A day that is over soon."""

TEAMS = [(DOO, 10, 25), (SMALL, 120, 5), (SMALL, 9, 3)]
"""Limits, webhooks and webhooks a page."""

if os.environ.get("AIODOO_WEEKS"):
    TEAMS += [(DOO, 110, 25), (DOO, 1000, 25), (DOO, 4000, 25)]


@attrs.frozen
class Week:
    """What a run over days has come to.

    Attributes:
        requests: the requests that arrived, token requests apart.
        tokens: the token requests.
        seconds: from the first request to the end.
        days: how many processes it took.
        ended: how many operations ended how.
    """

    requests: int
    tokens: int
    seconds: float
    days: int
    ended: dict[str, int]


async def in_days(doo: Any, box: Box, clock: SimulatedClock, operations: list[Operation], path: Path) -> Week:
    """Begin a run, and go on each time at the instant that it says."""
    began, before, tokens = clock.monotonic(), box.count("list"), box.count("token")
    report = await doo.bulk.run(operations, journal=path)
    days = 1
    while report.resume_at is not None:
        await clock.sleep((report.resume_at - clock.now()).total_seconds())
        report = await doo.bulk.resume(path)
        days += 1
        assert days < 60
    counts = {kind: box.count(kind) for kind in ("list", "create", "delete", "token")}
    requests = counts["list"] + counts["create"] + counts["delete"] - before
    ended = {status: number for status, number in report.counts().items() if number}
    return Week(requests, counts["token"] - tokens, clock.monotonic() - began, days, ended)


@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
@pytest.mark.parametrize(("plan", "webhooks", "page_size"), TEAMS)
def test_the_forecast_is_the_truth(
    tmp_path: Path, plan: Plan, webhooks: int, page_size: int, order: Any
) -> None:
    """Requests, days of the quota and seconds are within 3 % of what was foretold, and a day costs pages, not lists."""

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=plan.per_second, per_day=plan.per_day)
        async with world(
            clock,
            limits=limits,
            plan=plan,
            latency=0.1,
            organizations=1,
            webhooks_per_team=webhooks,
            page_size=page_size,
            order=order,
        ) as (doo, box):
            operations: list[Operation] = [
                Update("111", item["id"], description="moved") for item in box.live("111")
            ]
            forecast = await doo.bulk.forecast(operations)
            judge = Judge(box, operations)
            await clock.sleep(86_400)
            week = await in_days(doo, box, clock, operations, tmp_path / "journal")
            assert week.ended == {"applied": webhooks}
            judge.nothing_lost()
            judge.as_wanted()
            day = limits.per_day_for_bulk
            assert day is not None
            near = 0.03 if plan is DOO else 0.06
            assert week.requests == pytest.approx(forecast.requests.total, rel=near)
            assert (week.requests + week.tokens) / day == pytest.approx(
                forecast.days, rel=near, abs=1.1 / day
            )
            assert week.seconds == pytest.approx(forecast.seconds, rel=near, abs=60)
            assert week.requests <= 2.35 * webhooks or webhooks < 110 or page_size < 25
            assert forecast.cannot_end is None

    simulate(main)


@pytest.mark.parametrize("operation", [Update, Delete])
def test_scattered_operations_cost_their_pages(tmp_path: Path, operation: Any) -> None:
    """One on each fourth page: each page is looked at before and after, and no whole list is read in between."""

    async def main(clock: SimulatedClock) -> None:
        async with world(
            clock, plan=None, latency=0.1, organizations=1, webhooks_per_team=400, page_size=5
        ) as (doo, box):
            ids = [item["id"] for item in box.live("111")][::20]
            changes = {"description": "moved"} if operation is Update else {}
            operations: list[Operation] = [operation("111", each, **changes) for each in ids]
            forecast = await doo.bulk.forecast(operations)
            judge, before = Judge(box, operations), box.count("list")
            report = await doo.bulk.run(operations, journal=tmp_path / "journal")
            assert report.counts()["applied"] == len(ids)
            judge.as_wanted()
            assert box.count("list") - before <= 2 * 160 + 2 * len(ids) + 10
            assert report.requests.total == pytest.approx(forecast.requests.total, rel=0.03)

    simulate(main)


def test_a_team_that_no_day_suffices_for_is_told_before_anything_is_changed(tmp_path: Path) -> None:
    """Its list would have to be read twice within a day: forecast and run say so after one page, with what would help."""

    async def main(clock: SimulatedClock) -> None:
        plan = Plan(per_second=1, per_day=40)
        limits = Limits(per_second=1, per_day=40)
        async with world(
            clock, limits=limits, plan=plan, organizations=1, webhooks_per_team=100, page_size=5
        ) as (doo, box):
            operations: list[Operation] = [
                Update("111", item["id"], description="moved") for item in box.live("111")
            ]
            forecast = await doo.bulk.forecast(operations)
            assert forecast.cannot_end is not None
            assert "takes 40 requests within one day, and runs may use 38 a day" in forecast.cannot_end
            assert forecast.counts == {"not_started": 100}
            assert box.count("list") == 1
            begun = clock.monotonic()
            report = await doo.bulk.run(operations, journal=tmp_path / "journal")
            assert clock.monotonic() - begun < 5, "reading it again cannot help"
            assert report.counts() == {**report.counts(), "not_started": 100}
            assert report.resume_at is None
            assert isinstance(report.outcomes[0].error, UnstableListing)
            assert "a larger daily quota" in str(report.outcomes[0].error)
            assert box.count("list") == 2
            assert box.count("create") == box.count("delete") == 0

    simulate(main)
