"""What a run tells of itself while it goes on, in simulated time."""

from __future__ import annotations

from pathlib import Path

import pytest
from bulk_world import UNLIMITED, config, work, world
from simulated import SimulatedClock, simulate

from aiodoo import Limits, Progress
from aiodoo.operations import Create, Update
from aiodoo.sandbox import Fault


@pytest.mark.parametrize("limits", [UNLIMITED, Limits(per_second=5, per_day=None), Limits(per_second=1)])
def test_what_remains_is_known_from_the_start(limits: Limits) -> None:
    """For teams of one page, sent and remaining always add up to what the run costs in the end, but for what is on its way."""
    told: list[Progress] = []

    async def main(clock: SimulatedClock) -> int:
        async with world(clock, limits=limits, organizations=5, webhooks_per_team=14, page_size=50) as (
            doo,
            box,
        ):
            report = await doo.bulk.run(work(box), progress=told.append)
            return report.requests.total

    total = simulate(main)
    for progress in told:
        on_its_way = total - progress.requests.total - progress.remaining
        assert abs(on_its_way) <= 2 * limits.concurrency
    assert told[-1].remaining == told[-1].unconfirmed == 0
    assert told[-1].eta == 0.0


def test_when_it_ends_is_told_well_before() -> None:
    """At one a second and over several days the end is foretold within 5 % of what is left, or a minute."""
    told: list[tuple[float, Progress]] = []

    async def main(clock: SimulatedClock) -> float:
        limits = Limits(per_second=1, per_day=200)
        async with world(clock, limits=limits, organizations=20, webhooks_per_team=10) as (doo, box):
            await doo.bulk.run(work(box), progress=lambda each: told.append((clock.monotonic(), each)))
            return clock.monotonic()

    end = simulate(main)
    assert end > 2 * 86_400
    for now, progress in told:
        assert progress.eta is not None
        assert progress.eta == pytest.approx(end - now, rel=0.05, abs=120), str(progress)
    _, halfway = told[len(told) // 2]
    assert " to go in " in str(halfway)


def test_a_wait_for_doo_counts_until_the_end() -> None:
    """While a lost create may still land, the run does not say that it ends at once."""
    told: list[tuple[float, Progress]] = []

    async def main(clock: SimulatedClock) -> float:
        async with world(clock, limits=Limits(per_second=5), organizations=1, webhooks_per_team=1) as (
            doo,
            box,
        ):
            box.script(Fault("lost_before", on="create"))
            operations = [Create(box.teams[0], config(f"w{number}")) for number in range(3)]
            await doo.bulk.run(
                operations, settle=60.0, progress=lambda each: told.append((clock.monotonic(), each))
            )
            return clock.monotonic()

    end = simulate(main)
    waiting = [(now, each) for now, each in told if "can no longer land" in (each.waiting_for or "")]
    assert waiting
    for now, progress in waiting:
        assert progress.eta == pytest.approx(end - now, abs=10), str(progress)


def test_how_many_are_replaced_and_not_yet_confirmed() -> None:
    """Those whose old webhook was deleted, before the team's last list has shown that it is gone."""
    told: list[Progress] = []

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=11) as (doo, box):
            await doo.bulk.run(work(box), progress=told.append)

    simulate(main)
    assert max(progress.unconfirmed for progress in told) == 10
    assert any("10 replaced and not yet confirmed" in str(progress) for progress in told)
    assert told[-1].unconfirmed == 0


def test_what_each_team_waits_for() -> None:
    """One team's wait is told for as long as it lasts, whatever the others do meanwhile."""
    told: list[tuple[float, Progress]] = []

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=2, webhooks_per_team=1) as (doo, box):
            box.script(
                Fault("lost_before", on="create", team="111"),
                Fault("error_not_acted", on="list", team="112", nth=2, times=3),
            )
            operations = [
                Create("111", config("new")),
                Update("112", box.live("112")[0]["id"], description="moved"),
            ]
            await doo.bulk.run(operations, progress=lambda each: told.append((clock.monotonic(), each)))

    simulate(main)
    waits = [progress.waiting_for for now, progress in told if 10 < now < 130]
    assert len(waits) > 3
    assert set(waits) == {"until 1 create(s) without an answer can no longer land"}


def test_a_run_that_goes_on_counts_from_where_it_was(tmp_path: Path) -> None:
    """What an earlier process has done is done; the rate is this process's own."""
    told: list[Progress] = []

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=5, per_day=None)
        async with world(clock, limits=limits, organizations=3, webhooks_per_team=5) as (doo, box):
            operations, path = work(box), tmp_path / "journal"
            async with doo.bulk.stream(operations, journal=path) as run:
                async for _ in run:
                    break
            done = run.report().counts()["applied"]
            await clock.sleep(3600)
            await doo.bulk.resume(path, progress=told.append)
            assert 0 < done <= told[0].done < len(operations)
            assert told[0].requests.total + told[0].remaining > 30
            assert 2 < told[-1].rate <= 5.5
            assert told[-1].done == len(operations)

    simulate(main)
