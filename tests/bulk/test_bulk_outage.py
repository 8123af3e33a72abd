"""Outages in simulated time: doo refuses connections for a while, and a run waits as it does for any weather."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bulk_world import Judge, config, session, world
from simulated import START, SimulatedClock, simulate
from simulated_doo import BoxTransport

from aiodoo import Limits, Progress, Report, ServerError, Session, TransportError
from aiodoo.client.transport import Exchange
from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update
from aiodoo.protocol.wire import Answer, Request
from aiodoo.sandbox import Box, Fault, Sandbox

SLOW = Limits(per_second=5, per_day=None)
WHOLE = os.environ.get("AIODOO_WHOLE") == "1"


class Counting(BoxTransport):
    """Takes down when a request was tried."""

    def __init__(self, box: Box, clock: SimulatedClock) -> None:
        super().__init__(box, clock)
        self.tried: list[float] = []
        self.refused: list[float] = []

    async def send(self, request: Request, headers: Mapping[str, str], trip: Exchange) -> Answer:
        """Note it, then carry the request."""
        now = self.clock.monotonic()
        self.tried.append(now)
        if self.box.refuses_connections(now):
            self.refused.append(now)
        return await super().send(request, headers, trip)


def work(box: Box) -> list[Operation]:
    """Return every kind of change in every team."""
    operations: list[Operation] = []
    for team in box.teams:
        first, second, *others = box.live(team)
        operations += [Delete(team, first["id"]), Replace(team, second["id"], config("replaced"))]
        operations += [Update(team, item["id"], description="moved") for item in others]
        operations += [Create(team, config("new")), Ensure(team, config("ensured"))]
    return operations


def check(judge: Judge, report: Report) -> None:
    """All is as wanted, nothing failed, nothing was lost at any instant, and the report counts what arrived."""
    judge.nothing_lost()
    judge.as_wanted()
    judge.report_agrees(report)
    assert report.complete
    assert all(outcome.status.fine for outcome in report), report.counts()
    assert report.requests.total == judge.requests()


async def weathered(clock: SimulatedClock, *, begins: float, lasts: float, **options: Any) -> float:
    """Let one run go through one outage and judge it; return when it ended."""
    async with world(clock, limits=SLOW, organizations=3, webhooks_per_team=12) as (doo, box):
        operations = work(box)
        judge = Judge(box, operations)
        run = asyncio.create_task(doo.bulk.run(operations, **options))
        await clock.sleep(begins)
        box.advance(clock.monotonic())
        box.refuse_connections(lasts)
        report = await run
        check(judge, report)
        return clock.monotonic()


@pytest.mark.parametrize("lasts", [0.5, 1.0, 3.0, 60.0, 3500.0])
def test_refused_at_any_instant(lasts: float) -> None:
    """Connections refused from any instant on, for half a second or an hour: nothing fails, is lost or doubled."""
    for number in range(1, 24, 1 if WHOLE else 3 if lasts < 4 else 8):
        simulate(lambda clock, begins=number * 1.1: weathered(clock, begins=begins, lasts=lasts))


@pytest.mark.parametrize("seconds", [1.0, 5.0])
def test_refused_while_the_deletes_of_a_batch_are_due(seconds: float) -> None:
    """Ten updates, and doo goes away as the first old one is deleted: all ten end applied, ten are live."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=10) as (doo, box):
            box.before("delete", lambda: box.refuse_connections(seconds))
            operations = [Update("111", item["id"], description="moved") for item in box.live("111")]
            judge = Judge(box, operations)
            report = await doo.bulk.run(operations)
            check(judge, report)
            assert len(box.live("111")) == 10

    simulate(main)


def test_refused_in_plain_creates() -> None:
    """Three seconds without doo amid forty creates: forty are live, each once."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, limits=SLOW, organizations=1) as (doo, box):
            box.after("create", lambda: box.refuse_connections(3.0), nth=12)
            operations = [Create("111", config(f"w{number}")) for number in range(40)]
            judge = Judge(box, operations)
            check(judge, await doo.bulk.run(operations))

    simulate(main)


def test_one_probe_for_all_teams() -> None:
    """In a minute's outage over twelve teams doo is probed after 1, 2, 4 ... s, once for all; nothing counts in the day."""

    async def main(clock: SimulatedClock) -> None:
        box = Box(plan=None, latency=0.05, organizations=12, webhooks_per_team=6)
        wire = Counting(box, clock)
        limits = Limits(per_second=20, per_day=5000)
        async with session(clock, box, limits=limits, transport=wire) as doo:
            operations = work(box)
            judge = Judge(box, operations)
            shown: list[Progress] = []
            run = asyncio.create_task(doo.bulk.run(operations, progress=shown.append))
            await clock.sleep(4.0)
            box.advance(clock.monotonic())
            box.refuse_connections(60.0)
            began = clock.monotonic()
            report = await run
            check(judge, report)
            first = [when for when in wire.refused if when - began < 0.5]
            probes = [when - first[-1] for when in wire.refused if when - began >= 0.5]
            assert len(first) <= limits.concurrency
            assert [round(probe) for probe in probes] == [1, 3, 7, 15, 31]
            assert (await doo.quota.usage()).used == box.log.total
            waits = {
                each.waiting_for for each in shown if each.waiting_for and "cannot be" in each.waiting_for
            }
            assert len(waits) == 1
            assert "doo cannot be reached since 2026-03-02 09:00:0" in next(iter(waits))

    simulate(main)


def test_longer_than_the_run_waits(tmp_path: Path) -> None:
    """After `outage=` the run returns with the cause and when to go on; going on ends all that was begun."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, limits=SLOW, organizations=3, webhooks_per_team=12) as (doo, box):
            operations = work(box)
            judge = Judge(box, operations)
            run = asyncio.create_task(doo.bulk.run(operations, journal=tmp_path / "j", outage=600.0))
            await clock.sleep(6.0)
            box.advance(clock.monotonic())
            box.refuse_connections()
            began = clock.monotonic()
            report = await run
            assert 600 <= clock.monotonic() - began < 602
            assert not report.complete
            assert "doo cannot be reached since 2026-03-02 09:00:0" in (report.stopped_because or "")
            assert report.resume_at == START + timedelta(seconds=clock.monotonic() + 60)
            assert report.counts()["failed"] == report.counts()["unknown"] == 0
            assert report.both_live, "it was in the middle of a batch"
            sent = box.log.total
            told = await doo.bulk.report(tmp_path / "j")
            assert (told.resume_at, told.stopped_because) == (report.resume_at, report.stopped_because)
            await clock.sleep(7200)
            assert box.log.total == sent
            box.accept_connections()
            done = await doo.bulk.resume(tmp_path / "j")
            judge.nothing_lost()
            judge.as_wanted()
            assert done.complete
            assert done.counts()["applied"] == len(operations)

    simulate(main)


@pytest.mark.parametrize("nth", [1, 3, 4, 6])
def test_lists_that_fail_for_minutes_fail_nothing(nth: int, tmp_path: Path) -> None:
    """From any of a team's lists on doo answers with 503: what is begun is unfinished, the rest is not started, with why."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=2, webhooks_per_team=12, page_size=8) as (doo, box):
            operations, path = work(box), tmp_path / "j"
            judge = Judge(box, operations)
            box.script(Fault("error_not_acted", on="list", team="111", nth=nth, times=9, status=503))
            report = await doo.bulk.run(operations, journal=path)
            counts = report.counts()
            assert counts["failed"] == counts["unknown"] == counts["skipped"] == 0
            assert not report.complete
            left = [outcome for outcome in report if not outcome.ended]
            assert {outcome.status.value for outcome in left} <= {"not_started", "unfinished"}
            assert all(isinstance(outcome.error, ServerError) for outcome in left)
            assert all(outcome.status.fine for outcome in report if outcome.operation.team_id != "111")
            told = await doo.bulk.report(path)
            assert [(each.status, each.ended) for each in told] == [
                (each.status, each.ended) for each in report
            ]
            assert not box.faults_left
            found = await doo.bulk.verify(path)
            assert not found.clean
            named = {each.outcome.index for each in found.differences}
            assert {each.index for each in left if each.status == "not_started"} <= named
            done = await doo.bulk.resume(path)
            judge.nothing_lost()
            judge.as_wanted()
            assert done.complete
            assert all(outcome.status.fine for outcome in done)
            assert all(
                outcome.error is None and outcome.reason is None for outcome in done if outcome in left
            )
            assert (await doo.bulk.verify(path)).clean

    simulate(main)


def test_from_the_start() -> None:
    """Before doo has ever answered the run ends at once with the cause, as a host may be mistyped; nothing is waited for."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=3, webhooks_per_team=6) as (doo, box):
            box.refuse_connections()
            with pytest.raises(TransportError, match="refused"):
                await doo.bulk.run(work(box))
            assert clock.monotonic() < 3.0
            assert box.log.total == 0

    simulate(main)


def test_what_is_no_outage_ends_the_run(tmp_path: Path) -> None:
    """A certificate that is not trusted any more is no weather: the run stops with it, and no operation has failed."""

    async def main(clock: SimulatedClock) -> None:
        box = Box(plan=None, latency=0.05, organizations=3, webhooks_per_team=6)
        wire = BoxTransport(box, clock)
        carry = wire.send

        async def send(request: Request, headers: Mapping[str, str], trip: Exchange) -> Answer:
            if clock.monotonic() > 2.0:
                raise TransportError("its certificate is not trusted", sent=False, lasting=True)
            return await carry(request, headers, trip)

        async with session(clock, box, limits=SLOW, transport=BoxTransport(box, clock)) as doo:
            doo._client._transport.send = send  # type: ignore[attr-defined]
            operations = work(box)
            judge = Judge(box, operations)
            with pytest.raises(TransportError, match="certificate"):
                await doo.bulk.run(operations, journal=tmp_path / "j")
            assert clock.monotonic() < 4.0
            assert (await doo.bulk.report(tmp_path / "j")).counts()["failed"] == 0
        async with session(clock, box, limits=SLOW) as doo:
            assert (await doo.bulk.resume(tmp_path / "j")).complete
        judge.nothing_lost()
        judge.as_wanted()

    simulate(main)


def test_it_is_logged_when_it_begins_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    """Two lines, whatever the number of teams."""
    caplog.set_level(logging.INFO, logger="aiodoo.bulk")
    simulate(lambda clock: weathered(clock, begins=3.0, lasts=30.0))
    told = [record.message for record in caplog.records if record.name == "aiodoo.bulk"]
    assert len(told) == 2
    assert told[0].startswith("doo cannot be reached since 2026-03-02 09:00:0")
    assert told[1].startswith("doo answers again after ")


async def test_a_port_that_is_closed_for_a_second(tmp_path: Path) -> None:
    """Over real sockets: a server that is away for a second amid a run is nothing but a pause."""
    async with Sandbox(plan=None, latency=0.01, organizations=3, webhooks_per_team=8) as box:
        async with Session(
            base_url=box.url,
            api_key=box.api_key,
            client_id=box.client_id,
            client_secret=box.client_secret,
            limits=Limits(per_second=40, per_day=None),
        ) as doo:
            operations = [
                Update(team, item["id"], description="moved") for team in box.teams for item in box.live(team)
            ]
            box.before("delete", lambda: box.refuse_connections(1.0), nth=3)
            report = await doo.bulk.run(operations, journal=tmp_path / "j")
        assert report.complete
        assert report.counts()["applied"] == len(operations)
        assert all(len(box.live(team)) == 8 for team in box.teams)


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def test_a_port_where_nobody_listens() -> None:
    """Over real sockets: a run to a host that is not there ends in seconds, with what is wrong."""
    url = f"http://127.0.0.1:{closed_port()}/v1"
    async with Session(base_url=url, api_key="k", client_id="c", client_secret="s") as doo:
        with pytest.raises(TransportError, match="Connection refused") as caught:
            await doo.bulk.run([Create("111", config("new"))])
    assert caught.value.unreachable
