"""Each team is listed once, by whoever is the first to read it: what was read is handed on; in simulated time."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest
from bulk_world import config, session, world
from simulated import SimulatedClock, simulate

from aiodoo import Limits, Session
from aiodoo.operations import Create, Ensure, Operation, Update
from aiodoo.sandbox import Box

DOO = Limits()
TEAMS = 40

DECLARED = """\
aiodoo: 1
manage: {name_prefix: "crm: "}
teams: all
webhooks:
  - name: "crm: events"
    hooks: [{type: event_created, endpoint: "https://crm.example/${team.id}"}]
"""


def creates(box: Box) -> list[Operation]:
    """Create one webhook in each team."""
    return [Create(team, config(f"of {team}")) for team in box.teams]


def test_match_forecast_and_run_list_each_team_once_at_doos_limits() -> None:
    """40 lists where 120 were; what was collected for all teams is handed on as it is."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=TEAMS, webhooks_per_team=3, plan=None, limits=DOO) as (
            doo,
            box,
        ):
            listing = await doo.webhooks.list(box.teams, stable=True).collect()
            forecast = await doo.bulk.forecast(creates(box), baseline=listing)
            report = await doo.bulk.run(creates(box), baseline=forecast.baseline)
            assert report.counts()["applied"] == TEAMS
            assert box.count("list") == TEAMS
            assert forecast.requests == report.requests

    simulate(main)


def test_a_team_of_several_pages_is_listed_once_too() -> None:
    """Matched, forecast and run: one stable list, looks at pages, and the list that confirms."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=110, limits=DOO, plan=None) as (doo, box):
            listing = await doo.webhooks.list("111", stable=True).collect()
            assert box.count("list") == 10
            operations = [Update("111", webhook.id, description="moved") for webhook in listing]
            forecast = await doo.bulk.forecast(operations, baseline=listing)
            assert box.count("list") == 10
            report = await doo.bulk.run(operations, baseline=forecast.baseline)
            assert report.counts()["applied"] == 110
            assert forecast.requests == report.requests
            assert report.requests.lists == 10 + 2 + 4 * 3

    simulate(main)


def test_what_a_forecast_has_read_serves_the_run() -> None:
    """One list of each team for both; a team of several pages is read until it is stable by the run."""

    async def main(clock: SimulatedClock) -> None:
        async with world(
            clock, organizations=TEAMS, webhooks_per_team=lambda at: 3 if at else 30, limits=DOO, plan=None
        ) as (doo, box):
            forecast = await doo.bulk.forecast(creates(box))
            assert box.count("list") == TEAMS + 1
            assert forecast.baseline.keys() == set(box.teams[1:])
            await doo.bulk.run(creates(box), baseline=forecast.baseline)
            assert box.count("list") == TEAMS + 1 + 4

    simulate(main)


def test_plan_and_apply_list_each_team_once(tmp_path: Path) -> None:
    """With the plan's baseline; without it each team is looked at again, twice, before anything is changed."""
    file = tmp_path / "doo.yaml"
    file.write_text(DECLARED)

    async def main(clock: SimulatedClock) -> None:
        for handed_on, lists in ((True, TEAMS), (False, 3 * TEAMS)):
            async with world(clock, organizations=TEAMS, webhooks_per_team=1, limits=DOO, plan=None) as (
                doo,
                box,
            ):
                plan = await doo.desired.plan(file)
                baseline = plan.baseline if handed_on else None
                report = await doo.desired.apply(plan, baseline=baseline)
                assert report.counts()["applied"] == TEAMS
                assert box.count("list") == lists

    simulate(main)


def test_a_plans_lists_are_in_no_file_and_in_no_copy(tmp_path: Path) -> None:
    """They hold secrets, and are of use in this process only."""
    file = tmp_path / "doo.yaml"
    file.write_text(DECLARED)

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=2, webhooks_per_team=2) as (doo, box):
            plan = await doo.desired.plan(file)
            await doo.desired.write(plan, tmp_path / "plan.json")
            again = await doo.desired.read(tmp_path / "plan.json")
            assert (again, again.digest, again.baseline) == (plan, plan.digest, {})
            forecast = await doo.bulk.forecast(creates(box))
            assert forecast.baseline.keys() == {"111", "112"}
            for one in (copy.deepcopy(forecast), pickle.loads(pickle.dumps(forecast))):  # noqa: S301  # our own
                assert (one, one.baseline) == (forecast, {})

    simulate(main)


async def raced(mine: Session, theirs: Session, operation: Operation) -> list[str]:
    """Read a team, let another run change it, and run with what was read."""
    listing = await mine.webhooks.list("111", stable=True).collect()
    await theirs.bulk.run([operation])
    report = await mine.bulk.run([operation], baseline=listing)
    return [outcome.status.value for outcome in report]


@pytest.mark.parametrize("kind", ["ensure", "update"])
def test_a_list_from_before_another_run_is_not_used(kind: str) -> None:
    """Within a minute it is young enough, and still what the other run has done is not done twice."""

    async def main(clock: SimulatedClock) -> None:
        async with (
            world(clock, organizations=1, webhooks_per_team=2) as (mine, box),
            session(clock, box) as theirs,
        ):
            webhook_id = str(box.live("111")[0]["id"])
            operation = (
                Ensure("111", config("a"))
                if kind == "ensure"
                else Update("111", webhook_id, hosts={"crm.example": "b.example"})
            )
            ended = await raced(mine, theirs, operation)
            assert ended == ["unchanged" if kind == "ensure" else "skipped"]
            assert box.count("create") == 1
            assert len(box.live("111")) == (3 if kind == "ensure" else 2)

    simulate(main)


def test_a_run_that_changed_nothing_spoils_no_list() -> None:
    """Only what another run has changed makes a list old."""

    async def main(clock: SimulatedClock) -> None:
        async with (
            world(clock, organizations=1, webhooks_per_team=2) as (mine, box),
            session(clock, box) as theirs,
        ):
            await theirs.bulk.run([Ensure("111", config("a"))])
            await clock.sleep(5)
            listing = await mine.webhooks.list("111", stable=True).collect()
            await theirs.bulk.run([Ensure("111", config("a"))])
            report = await mine.bulk.run([Create("111", config("b"))], baseline=listing)
            assert report.requests.lists == 0

    simulate(main)
