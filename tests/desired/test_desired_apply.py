"""Applying a plan: exactly that one or nothing, journaled, resumable, and only once."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from desired_world import CRM, changing, contents, declare, session, world
from simulated import SimulatedClock, simulate

from aiodoo import ConfigError, JournalMismatch, Limits, PermissionDenied, PlanDrift, Session
from aiodoo.sandbox import Fault, Plan, Sandbox


def drift() -> dict[str, object]:
    """Return what somebody else creates."""
    return {"name": "else", "hooks": [{"type": "x", "method": "POST", "endpoint": "https://e.example"}]}


async def shown(read: int, teams: int) -> None:
    """Show it, in an async program."""


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"settle": -1}, "settle must be a number of seconds"),
        ({"grace": "x"}, "grace must be a number of seconds"),
        ({"on_exhausted": "prak"}, 'on_exhausted must be "park" or "wait"'),
        ({"keep_secrets": bytes}, "journal= is needed"),
        ({"journal": 5}, "a journal is a path"),
        ({"setle": 5}, "a run has no option setle"),
        ({"on_read": shown}, "on_read is called without await"),
    ],
)
def test_an_option_that_cannot_be_right_is_refused(
    tmp_path: Path, options: dict[str, Any], match: str
) -> None:
    """Before a team is read again, which would cost requests."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            plan = await doo.desired.plan(declare(tmp_path, CRM))
            sent = box.log.total
            with pytest.raises(ConfigError, match=match):
                await doo.desired.apply(plan, **options)
            if "on_read" in options:
                with pytest.raises(ConfigError, match=match):
                    await doo.desired.plan(declare(tmp_path, CRM), **options)
            assert box.log.total == sent

    simulate(main)


@pytest.mark.parametrize("journaled", [False, True])
def test_asked_to_stop_while_the_teams_are_read_again(tmp_path: Path, *, journaled: bool) -> None:
    """It ends at once with nothing begun, and the plan can be applied later."""

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=1, per_day=None)
        async with world(clock, limits=limits, webhooks_per_team=1) as (doo, box):
            plan = await doo.desired.plan(declare(tmp_path, CRM))
            began, stop = clock.monotonic(), asyncio.Event()
            asyncio.get_running_loop().call_later(1.5, stop.set)
            path = tmp_path / "journal" if journaled else None
            changes = len(box.log.changes)
            report = await doo.desired.apply(plan, journal=path, stop=stop)
            assert 1.4 < clock.monotonic() - began < 1.6
            assert report.counts()["not_started"] == len(report) == len(list(plan)) > 0
            assert report.stopped_because == "it was asked to stop"
            sent = box.log.total
            await clock.sleep(60)
            assert box.log.total == sent
            assert len(asyncio.all_tasks()) == 1
            assert len(box.log.changes) == changes
            report = await doo.desired.apply(plan, journal=path)
            assert report.counts()["applied"] == len(report)

    simulate(main)


@pytest.mark.parametrize("how", ["create", "delete", "edit"])
def test_a_list_that_is_another_than_it_was_is_drift(tmp_path: Path, how: str) -> None:
    """Whatever somebody else did in a team that is to be changed: nothing is done, in no team."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=1) as (doo, box):
            plan = await doo.desired.plan(declare(tmp_path, CRM))
            [item] = box.live("112")
            if how == "create":
                box.foreign_create("112", drift())
            elif how == "delete":
                box.foreign_delete(item["id"])
            else:
                content = {name: value for name, value in item.items() if name != "id"}
                content["authentication"] = content["authentication"] | {
                    "credentials": {"client_secret": "x1"}
                }
                box.foreign_edit(item["id"], content)
            with pytest.raises(
                PlanDrift, match=r"1 of 3 teams are not as they were .*: 112; nothing was changed. Plan"
            ):
                await doo.desired.apply(plan)
            assert changing(box) == 0

    simulate(main)


def test_a_team_that_cannot_be_compared(tmp_path: Path) -> None:
    """One that is gone has drifted; what keeps a list from being read is raised as it is. Nothing is changed."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            plan = await doo.desired.plan(declare(tmp_path, CRM))
            box.script(Fault("replaced", on=("list",), team="113", status=404, acted=False))
            with pytest.raises(PlanDrift, match=r"not as they were .*: 113"):
                await doo.desired.apply(plan)
            box.script(Fault("replaced", on=("list",), team="113", times=None, status=403, acted=False))
            with pytest.raises(PermissionDenied):
                await doo.desired.apply(plan)
            assert changing(box) == 0

    simulate(main)


def test_teams_that_are_not_changed_may_drift(tmp_path: Path) -> None:
    """They are not even read again."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            file = declare(tmp_path, CRM)
            await doo.desired.apply(await doo.desired.plan(file))
            box.foreign_delete(box.live("111")[0]["id"])
            plan = await doo.desired.plan(file)
            box.foreign_create("112", drift())
            assert (await doo.desired.apply(plan)).counts()["applied"] == 1

    simulate(main)


def test_applying_twice_changes_nothing(tmp_path: Path) -> None:
    """With its journal a second time reports, without it is drift; a plan in which nothing is to be done sends nothing."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            file = declare(tmp_path, CRM)
            plan = await doo.desired.plan(file)
            first = await doo.desired.apply(plan, journal=tmp_path / "run")
            after = box.log.total
            second = await doo.desired.apply(plan, journal=tmp_path / "run")
            assert list(second) == list(first)
            assert box.log.total == after
            with pytest.raises(PlanDrift):
                await doo.desired.apply(plan)
            assert changing(box) == 4
            empty = await doo.desired.plan(file)
            before = box.log.total
            assert (await doo.desired.apply(empty)).complete
            assert box.log.total == before

    simulate(main)


@pytest.mark.parametrize("steps", range(1, 16, 2))
def test_a_run_that_was_cut_off_goes_on(tmp_path: Path, steps: int) -> None:
    """Cancelled after any number of requests, then applied again with the same journal: each change happens once."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=1) as (doo, box):
            for team in box.teams:
                box.add_webhook(team, {"name": "crm: events", "hooks": drift()["hooks"]})
            file = declare(tmp_path, CRM)
            plan = await doo.desired.plan(file)
            until = box.log.total + steps
            task = asyncio.ensure_future(doo.desired.apply(plan, journal=tmp_path / "run", grace=0.0))
            while box.log.total < until and not task.done():  # noqa: ASYNC110  # the box tells nobody
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait({task})
            async with session(clock, box) as later:
                report = await later.desired.apply(plan, journal=tmp_path / "run")
                assert report.counts()["applied"] == len(plan) == 4
                assert not await later.desired.plan(file, prune=True)
            assert [len(box.live(team)) for team in box.teams] == [3, 2, 2]

    simulate(main)


def test_a_plan_larger_than_a_day_parks_and_goes_on(tmp_path: Path) -> None:
    """The day's quota is spent: the run returns, and applying the same plan with its journal later goes on."""

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=None, per_day=14, reserve=0)
        async with world(clock, limits=limits, plan=Plan(per_second=None, per_day=14)) as (doo, _):
            plan = await doo.desired.plan(declare(tmp_path, CRM))
            assert plan.cost.days == 10 / 14
            report = await doo.desired.apply(plan, journal=tmp_path / "run")
            assert not report.complete
            assert report.resume_at is not None
            await asyncio.sleep((report.resume_at - clock.now()).total_seconds() + 90_000)
            report = await doo.desired.apply(plan, journal=tmp_path / "run")
            assert report.counts()["applied"] == 4

    simulate(main)


def test_a_journal_of_another_plan(tmp_path: Path) -> None:
    """It is refused, and nothing is sent for the plan."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            plan = await doo.desired.plan(declare(tmp_path, CRM))
            await doo.desired.apply(plan, journal=tmp_path / "run")
            other = await doo.desired.plan(declare(tmp_path, CRM.replace("crm.example", "b.example")))
            before = changing(box)
            with pytest.raises(JournalMismatch, match="belongs to other operations"):
                await doo.desired.apply(other, journal=tmp_path / "run")
            assert changing(box) == before

    simulate(main)


def test_a_journal_in_which_no_run_was_begun(tmp_path: Path) -> None:
    """An older version was killed between making it and writing in it: the plan is applied from its beginning, after its look at the teams."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            plan = await doo.desired.plan(declare(tmp_path, CRM))
            for drifted in (True, False):
                with closing(sqlite3.connect(tmp_path / "run")) as journal, journal:
                    journal.execute(
                        "CREATE TABLE kept (kind TEXT, key TEXT, value TEXT, seal INTEGER, PRIMARY KEY (kind, key))"
                    )
                    journal.execute("PRAGMA user_version = 2")
                if drifted:
                    box.foreign_create("112", drift())
                    with pytest.raises(PlanDrift, match=r"1 of 3 teams are not as they were .*: 112"):
                        await doo.desired.apply(plan, journal=tmp_path / "run")
                    assert changing(box) == 0
                    box.foreign_delete(box.live("112")[0]["id"])
                    (tmp_path / "run").unlink()
            assert (await doo.desired.apply(plan, journal=tmp_path / "run")).counts()["applied"] == 4

    simulate(main)


def test_a_journal_of_another_api_key(tmp_path: Path) -> None:
    """It is refused, and nothing is changed."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box), world(clock) as (other, _):
            await other.bulk.run([], journal=tmp_path / "run")
            plan = await doo.desired.plan(declare(tmp_path, CRM))
            with pytest.raises(JournalMismatch, match="belongs to another API key; nothing was sent"):
                await doo.desired.apply(plan, journal=tmp_path / "run")
            assert changing(box) == 0

    simulate(main)


LOGIN = """\
    authentication:
      endpoint: https://crm.example/token
      credentials:
        client_secret: ${secret:env:AIODOO_TEST_SECRET}
"""


def test_a_secret_that_is_another_than_it_was_is_drift(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was looked at is what is sent; a secret that is gone is an error of its own."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            monkeypatch.setenv("AIODOO_TEST_SECRET", os.urandom(8).hex())
            plan = await doo.desired.plan(declare(tmp_path, CRM + LOGIN))
            monkeypatch.setenv("AIODOO_TEST_SECRET", os.urandom(8).hex())
            with pytest.raises(PlanDrift, match="secret from env:AIODOO_TEST_SECRET is another"):
                await doo.desired.apply(plan)
            monkeypatch.delenv("AIODOO_TEST_SECRET")
            with pytest.raises(ConfigError, match="AIODOO_TEST_SECRET is not set"):
                await doo.desired.apply(plan)
            assert changing(box) == 0

    simulate(main)


def test_a_secret_that_changes_after_it_was_compared_is_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run may last for days: what is sent is what was compared when it began."""
    compared = os.urandom(8).hex()
    monkeypatch.setenv("AIODOO_TEST_SECRET", compared)

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            plan = await doo.desired.plan(declare(tmp_path, CRM + LOGIN))
            await doo.desired.apply(
                plan, on_read=lambda *_: monkeypatch.setenv("AIODOO_TEST_SECRET", os.urandom(8).hex())
            )
            [login] = [item["authentication"] for item in box.live("111") if "authentication" in item]
            assert login["credentials"]["client_secret"] == compared

    simulate(main)


async def test_the_event_loop_goes_on_while_a_secret_is_read(tmp_path: Path) -> None:
    """From a file that gives it only once the event loop has had a turn: plan and apply wait, and nobody else does."""
    path, value = tmp_path / "secret", os.urandom(8).hex()
    os.mkfifo(path)
    turn, ended, stuck = threading.Event(), threading.Event(), threading.Event()

    def give() -> None:
        while not ended.is_set():
            with path.open("w") as file:  # waits for somebody who reads
                os.mkfifo(tmp_path / "next")
                (tmp_path / "next").replace(path)  # the next one reads another file
                turn.clear()
                if not turn.wait(30):
                    stuck.set()
                file.write(value)

    async def take_turns() -> None:
        while True:
            turn.set()
            await asyncio.sleep(0.001)

    giving = threading.Thread(target=give, daemon=True)
    giving.start()
    async with (
        Sandbox(plan=None) as box,
        Session(
            base_url=box.url,
            api_key=box.api_key,
            client_id=box.client_id,
            client_secret=box.client_secret,
            limits=Limits(per_second=None, per_day=None),
        ) as doo,
    ):
        login = LOGIN.replace("env:AIODOO_TEST_SECRET", "file:secret")
        turns = asyncio.ensure_future(take_turns())
        report = await doo.desired.apply(await doo.desired.plan(declare(tmp_path, CRM + login)))
        assert report.counts()["applied"] == 4
        ended.set()
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        await asyncio.to_thread(giving.join)
        os.close(descriptor)
        turns.cancel()
    assert not stuck.is_set()


def test_a_run_with_a_listed_secret_goes_on_from_its_journal_alone(tmp_path: Path) -> None:
    """`bulk.resume` reads the secret again from doo's list; the journal never had it."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=1) as (doo, box):
            [item] = box.live("111")
            kept = item["authentication"]["credentials"]["client_secret"]
            login = LOGIN.replace("env:AIODOO_TEST_SECRET", "listed")
            text = CRM.replace("crm: ", "Webhook 1 ").replace("orders\n", "x\n", 1)
            text = text.replace('"Webhook 1 orders"', '"Webhook 1 of team 111"').replace(
                '"Webhook 1 events"', '"Webhook 1 x"'
            )
            plan = await doo.desired.plan(declare(tmp_path, text + login))
            assert plan.of_kind("replace")
            box.script(Fault("lost_before", on=("create",), team="111", times=1))
            task = asyncio.ensure_future(doo.desired.apply(plan, journal=tmp_path / "run", grace=0.0))
            await asyncio.sleep(2)
            task.cancel()
            await asyncio.wait({task})
            async with session(clock, box) as later:
                assert (await later.bulk.resume(tmp_path / "run")).complete
            shown = [each.get("authentication", {}).get("credentials", {}) for each in contents(box, "111")]
            assert kept in {each.get("client_secret") for each in shown}
            assert kept.encode() not in (tmp_path / "run").read_bytes()

    simulate(main)


@pytest.mark.parametrize("cut", [False, True])
def test_a_team_that_drifts_while_the_run_goes_on_is_left_alone(tmp_path: Path, cut: bool) -> None:  # noqa: FBT001
    """Its changes are skipped and say why, also by a run that goes on from its journal; other teams are done."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, limits=Limits(per_second=1, per_day=None)) as (doo, box):
            plan = await doo.desired.plan(declare(tmp_path, CRM))
            task = asyncio.ensure_future(doo.desired.apply(plan, journal=tmp_path / "run", grace=0.0))
            await asyncio.sleep(4.5)
            box.foreign_create("113", drift())
            if cut:
                task.cancel()
                await asyncio.wait({task})
                report = await doo.bulk.resume(tmp_path / "run")
            else:
                report = await task
            assert report.counts() | {"unchanged": 0} == {
                **dict.fromkeys(report.counts(), 0),
                "applied": 3,
                "skipped": 1,
            }
            [skipped] = [outcome for outcome in report if outcome.status == "skipped"]
            assert skipped.operation.team_id == "113"
            assert isinstance(skipped.error, PlanDrift)
            assert "team 113 is not as it was when this was planned" in str(skipped.error)
            assert [item["name"] for item in box.live("113")] == ["else"]

    simulate(main)
