"""Runs that cost and wait as single calls do: one create for one request, and a list only in doubt; in simulated time."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Literal

import pytest
from bulk_world import config, content, session, world
from dying_process import MortalWorker
from simulated import SimulatedClock, simulate

from aiodoo import Limits
from aiodoo.operations import Create, Delete, Operation, Update
from aiodoo.sandbox import Box, Fault


def test_a_create_costs_what_the_single_call_costs(tmp_path: Path) -> None:
    """One request and the token; a team in which something is replaced is listed as ever."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=1) as (doo, box):
            operations: list[Operation] = [
                Create("111", config("a")),
                Create("112", config("a")),
                Update("112", str(box.live("112")[0]["id"]), name="b"),
            ]
            report = await doo.bulk.run(operations[:1], journal=tmp_path / "one", foreground=True)
            assert (report.counts()["applied"], report.requests.total) == (1, 1)
            assert [request.kind for request in box.log.requests] == ["token", "create"]
            report = await doo.bulk.run(operations, journal=tmp_path / "three", foreground=True)
            assert (report.counts()["applied"], report.complete) == (3, True)
            assert not [each for each in box.log.requests if (each.team, each.kind) == ("111", "list")]
            assert (len(box.live("111")), len(box.live("112"))) == (3, 2)

    simulate(main)


@pytest.mark.parametrize(("fault", "creates"), [("lost_after", 1), ("lost_before", 2), ("error_acted", 1)])
def test_a_lost_answer_is_settled_by_lists(tmp_path: Path, fault: str, creates: int) -> None:
    """What was made is found when it can no longer land, and what was not made is made; once."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=2) as (doo, box):
            box.script(Fault(fault, on="create"))
            report = await doo.bulk.run(
                [Create("111", config("a"))], journal=tmp_path / "one", foreground=True
            )
            assert (report.counts()["applied"], report.complete, box.count("create")) == (1, True, creates)
            assert len(box.live("111")) == 3
            assert report.outcomes[0].webhook_id in {str(item["id"]) for item in box.live("111")}
            assert clock.monotonic() > 160

    simulate(main)


def test_an_equal_webhook_is_taken_for_what_was_made(tmp_path: Path) -> None:
    """No list from before tells which is older, so that in doubt a run of this kind does what `ensure` does."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            older = box.add_webhook("111", content(config("a")))
            box.script(Fault("lost_before", on="create"))
            report = await doo.bulk.run(
                [Create("111", config("a"))], journal=tmp_path / "one", foreground=True
            )
            assert (report.counts()["applied"], box.count("create")) == (1, 1)
            assert report.outcomes[0].webhook_id == str(older)

    simulate(main)


@pytest.mark.parametrize("moved", [False, True])
def test_a_killed_one_is_resumed(tmp_path: Path, *, moved: bool) -> None:
    """The create that may have been sent is looked for, and not sent again; in an old copy, too, that is called the latest."""
    path, copy = tmp_path / "one", tmp_path / "copy"

    async def main(clock: SimulatedClock) -> None:
        box = Box(plan=None, latency=0.05, webhooks_per_team=2)
        worker = MortalWorker()
        box.after("create", worker.die)
        if moved:
            box.before("create", lambda: None if copy.exists() else shutil.copyfile(path, copy))
        async with session(clock, box, worker=worker) as doo:
            with pytest.raises(BaseException):  # noqa: B017, PT011  # however the process dies
                await doo.bulk.run([Create("111", config("a"))], journal=path, foreground=True)
        worker.kill()
        async with session(clock, box) as doo:
            report = await doo.bulk.resume(copy if moved else path, moved=moved)
        assert (report.counts()["applied"], report.complete, box.count("create")) == (1, True, 1)
        assert len(box.live("111")) == 3

    simulate(main)


def test_it_is_served_from_the_whole_day(tmp_path: Path) -> None:
    """Where other runs have to park, as the rest is kept for people, it goes on."""

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=None, per_day=20, reserve=0.5)
        async with world(clock, limits=limits, organizations=1) as (doo, _):
            others = [Create("111", config(str(number))) for number in range(20)]
            report = await doo.bulk.run(others, on_exhausted="park")
            assert report.resume_at is not None
            report = await doo.bulk.run(
                [Create("111", config("a"))], journal=tmp_path / "one", foreground=True
            )
            assert (report.counts()["applied"], report.requests.total) == (1, 1)

    simulate(main)


@pytest.mark.parametrize("on_exhausted", ["park", "wait"])
def test_an_update_is_served_from_the_whole_day(on_exhausted: Literal["park", "wait"]) -> None:
    """Its batch may start although nothing is left of the part that the ledger reserves for runs."""

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=None, per_day=40, reserve=0.5)
        async with world(clock, limits=limits, organizations=1, webhooks_per_team=1) as (doo, box):
            others = [Create("111", config(str(number))) for number in range(40)]
            report = await doo.bulk.run(others, on_exhausted="park")
            assert report.resume_at is not None
            update = Update("111", str(box.live("111")[0]["id"]), name="b")
            report = await doo.bulk.run([update], on_exhausted=on_exhausted, foreground=True)
            assert (report.counts()["applied"], report.resume_at) == (1, None)
            assert clock.monotonic() < 60

    simulate(main)


def test_a_list_longer_than_the_part_of_runs_is_read_from_the_whole_day() -> None:
    """The run waits until the day has room for all of it, and does not wake again and again before."""

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=None, per_day=40, reserve=0.5)
        async with world(clock, limits=limits, organizations=1, webhooks_per_team=24, page_size=2) as (
            doo,
            box,
        ):
            waits = Counter[str]()
            delete = Delete("111", str(box.live("111")[0]["id"]))
            report = await doo.bulk.run(
                [delete],
                on_exhausted="wait",
                foreground=True,
                progress=lambda progress: waits.update([progress.waiting_for or ""]),
            )
            assert (report.counts()["applied"], len(box.live("111"))) == (1, 23)
            assert sum(count for what, count in waits.items() if what.startswith("for the day's quota")) <= 3

    simulate(main)
