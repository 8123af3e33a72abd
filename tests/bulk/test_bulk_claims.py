"""Two hands on one account: who comes second is refused or waits, and nothing is doubled."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bulk_world import Judge, config, session, world
from simulated import SimulatedClock, simulate
from sqlite_world import ledger_path, simulated_ledger

from aiodoo import Report, Session, TeamClaimed
from aiodoo.errors import ConfigError, JournalError, JournalMismatch
from aiodoo.operations import Create, Operation, Update
from aiodoo.quota.claim_store import MemoryClaims
from aiodoo.quota.claims import Answer, Claim, Given, carry_out
from aiodoo.quota.updates import Claimed, ClaimUpdate, Finished, Noted, TeamBegun, TeamDone
from aiodoo.sandbox import Box, Sandbox

SINCE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PROCESS = Path(__file__).with_name("claims_process.py")


def updates(box: Box) -> list[Operation]:
    """Return an update of every webhook."""
    return [Update(team, item["id"], description="moved") for team in box.teams for item in box.live(team)]


async def killed(doo: Session, clock: SimulatedClock, operations: list[Operation], path: Path) -> None:
    """Begin a run and kill it while it is at work."""
    run = asyncio.create_task(doo.bulk.run(operations, journal=path, grace=0.0, command="move-host"))
    await clock.sleep(0.25)
    run.cancel()
    await asyncio.wait({run})


async def test_two_processes_that_run_the_same_updates(tmp_path: Path) -> None:
    """The second one is told who has the teams; every webhook is live once, as it was wanted."""
    async with Sandbox(organizations=3, webhooks_per_team=4, plan=None, latency=0.1) as box:
        processes = [
            await asyncio.create_subprocess_exec(
                sys.executable, str(PROCESS), box.url, box.api_key, box.client_id, box.client_secret,
                str(tmp_path / "quota.db"), str(tmp_path / f"journal {number}"),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )
            for number in range(2)
        ]  # fmt: skip
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        ids = " ".join(f"{team}/{item['id']}" for team in box.teams for item in box.live(team))
        said = await asyncio.gather(*(process.communicate(ids.encode()) for process in processes))
        words = sorted(out.decode().split(maxsplit=1) for out, _ in said)
        assert [word for word, _ in words] == ["TeamClaimed", "report"]
        assert "journal" in words[0][1]
        assert words[1][1].strip() == "12"
        for team in box.teams:
            live = box.live(team)
            assert len(live) == 4
            assert all(item["description"] == "moved" for item in live)
        assert not [name for name in os.listdir(tmp_path) if "run-" in name]  # noqa: PTH208


def test_the_claims_on_some_teams(tmp_path: Path) -> None:
    """Each with those of its teams alone; that of the run to be resumed is left out unless somebody carries it out."""

    async def main(clock: SimulatedClock) -> None:
        box, path = Box(plan=None, latency=0.05, organizations=3, webhooks_per_team=8), tmp_path / "journal"
        async with session(clock, box) as doo:
            operations = [each for each in updates(box) if each.team_id != "113"]
            going = asyncio.create_task(doo.bulk.run(operations, journal=path, grace=0.0))
            await clock.sleep(0.25)
            [alive] = await doo.bulk.claims([112, "999"], journal=path)
            assert (alive.teams, alive.alive, alive.journal) == (("112",), True, str(path))
            going.cancel()
            await asyncio.wait({going})
            [left] = await doo.bulk.claims(["111", "112"], journal=tmp_path / "another")
            assert (left.teams, left.alive) == (("111", "112"), False)
            assert await doo.bulk.claims(["111", "112"], journal=path) == ()
            assert await doo.bulk.claims(["113"]) == await doo.bulk.claims([]) == ()
            assert [claim.teams for claim in await doo.bulk.claims()] == [("111", "112")]
            with pytest.raises(ConfigError, match="team id"):
                await doo.bulk.claims(["1/2"])

    simulate(main)


@pytest.mark.parametrize("shared", [True, False], ids=["a ledger", "none given"])
def test_a_killed_run_begun_again_is_refused_and_can_be_gone_on_with(tmp_path: Path, shared: bool) -> None:  # noqa: FBT001
    """The error names the first run and both ways out; nothing was sent, and going on finishes it."""

    async def main(clock: SimulatedClock, ledger: Any) -> None:
        box = Box(plan=None, latency=0.05, organizations=2, webhooks_per_team=8)
        operations = updates(box)
        judge = Judge(box, operations)
        async with session(clock, box, quota=ledger()) as doo:
            await killed(doo, clock, operations, tmp_path / "first")
        async with session(clock, box, quota=ledger()) as doo:
            sent = box.log.total
            with pytest.raises(TeamClaimed, match=r"bulk\.resume.*bulk\.abandon") as caught:
                await doo.bulk.run(operations, journal=tmp_path / "second")
            assert box.log.total == sent
            error = caught.value
            assert (error.journal, error.command) == (str(tmp_path / "first"), "move-host")
            assert not error.alive
            assert "@" in error.who
            with pytest.raises(TeamClaimed):
                await doo.bulk.run(operations[:1], on_claimed="wait")
            report = await doo.bulk.resume(tmp_path / "first")
            assert report.counts()["applied"] == 16
            judge.as_wanted()
            await doo.bulk.run([Create(box.teams[0], config("free again"))], journal=tmp_path / "third")

    if shared:
        with ledger_path() as path:
            simulate(lambda clock: main(clock, lambda: simulated_ledger(path)))
    else:
        simulate(lambda clock: main(clock, lambda: None))


@pytest.mark.parametrize("by", ["journal", "run", "lost"])
def test_a_run_that_was_given_up_is_never_gone_on_with(tmp_path: Path, by: str) -> None:
    """Others may work on its teams then; its journal can still be reported, and undone."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=2, webhooks_per_team=4) as (doo, box):
            operations, path = updates(box), tmp_path / "journal"
            await killed(doo, clock, operations, path)
            with pytest.raises(TeamClaimed) as caught:
                await doo.bulk.run(operations, journal=tmp_path / "other")
            if by == "lost":
                path.unlink()
            given = {"run": caught.value.run} if by == "run" else {"journal": path}
            claim = await doo.bulk.abandon(**given)
            assert set(claim.teams) <= set(box.teams)
            if by != "lost":
                assert not (await doo.bulk.report(path)).complete
                await doo.bulk.undo(path)
                with pytest.raises(JournalMismatch, match="abandoned"):
                    await doo.bulk.resume(path)
            await doo.bulk.run([Create(box.teams[0], config("new"))], journal=tmp_path / "other")
            with pytest.raises(ConfigError, match="nothing was changed"):
                await doo.bulk.abandon(run="0123456789abcdef")

    simulate(main)


@pytest.mark.parametrize("by", ["journal", "run"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "no journal at all"])
def test_a_run_whose_journal_cannot_be_read_is_given_up_without_it(
    tmp_path: Path, by: str, damage: str
) -> None:
    """The ledger knows its teams and times, and that is enough to let others work there; it is said what was not read."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=2, webhooks_per_team=4) as (doo, box):
            operations, path = updates(box), tmp_path / "journal"
            await killed(doo, clock, operations, path)
            content = path.read_bytes()
            half = len(content) // 2
            flipped = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
            path.write_bytes({"cut": content[:200], "flipped": flipped}.get(damage, b"notes\n"))
            with pytest.raises(JournalError):
                await doo.bulk.resume(path)
            with pytest.raises(TeamClaimed) as caught:
                await doo.bulk.run(operations, journal=tmp_path / "other")
            given = {"run": caught.value.run} if by == "run" else {"journal": path}
            claim = await doo.bulk.abandon(**given)
            assert claim.run == caught.value.run
            assert set(claim.teams) <= set(box.teams)
            assert claim.unread is not None
            assert str(path) in claim.unread
            await doo.bulk.run([Create(box.teams[0], config("new"))], journal=tmp_path / "other")
            with pytest.raises(JournalError):
                await doo.bulk.abandon(journal=path)

    simulate(main)


def test_a_run_that_goes_on_is_not_given_up(tmp_path: Path) -> None:
    """Whoever wants to has to stop it first."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=4) as (doo, box):
            run = asyncio.create_task(doo.bulk.run(updates(box), on_claimed="refuse"))
            await clock.sleep(0.12)
            with pytest.raises(TeamClaimed, match="It is alive") as caught:
                await doo.bulk.run(updates(box), journal=tmp_path / "journal")
            with pytest.raises(TeamClaimed, match="It is alive"):
                await doo.bulk.abandon(run=caught.value.run)
            assert (await run).counts()["applied"] == 4

    simulate(main)


def test_without_a_journal_a_run_waits_for_one_that_goes_on() -> None:
    """Both are carried out, one after the other; the second finds what the first has left."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=3) as (doo, box):
            operations = updates(box)
            reports = await asyncio.gather(doo.bulk.run(operations), doo.bulk.run(operations))
            assert sorted(report.counts()["applied"] for report in reports) == [0, 3]
            assert len(box.live(box.teams[0])) == 3

    simulate(main)


def test_a_team_claimed_meanwhile_is_not_started_and_the_others_go_on(tmp_path: Path) -> None:
    """A long run does not keep others from the teams that it has not come to yet, and leaves those alone then."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=12, webhooks_per_team=0, latency=1.0) as (doo, box):
            creates: list[Operation] = [Create(team, config(f"of {team}")) for team in box.teams]
            long = asyncio.create_task(doo.bulk.run(creates, journal=tmp_path / "long"))
            await clock.sleep(1.0)
            last = box.teams[-1]
            some = [Create(last, config(f"{number}")) for number in range(30)]
            short = asyncio.create_task(doo.bulk.run(some, journal=tmp_path / "short"))
            report = await long
            assert report.counts() | {"applied": 11, "not_started": 1} == report.counts()
            assert isinstance(report.outcomes[-1].error, TeamClaimed)
            assert not report.complete
            assert (await short).counts()["applied"] == 30
            report = await doo.bulk.resume(tmp_path / "long")
            assert report.counts()["applied"] == 12

    simulate(main)


@pytest.mark.parametrize("done", [False, True], ids=["begun", "done"])
def test_two_runs_that_have_each_begun_what_the_other_has_planned_can_both_go_on(done: bool) -> None:  # noqa: FBT001
    """Both were killed. One goes on without the team that the other one has begun, and then the other one can, too.

    A team that was done last was kept until the next one is begun; going on with the run lets go of it.
    """
    store, living = MemoryClaims(), {"one", "two"}

    def say(word: ClaimUpdate) -> Answer:
        return carry_out(word, store, living.__contains__)

    def claim(run: str, *teams: str) -> Answer:
        return say(
            Claimed(run=run, base_url="doo", teams=teams, journal=run, command=None, who="me", since=SINCE)
        )

    assert isinstance(claim("one", "111", "112", "113"), Given)
    assert isinstance(say(Noted("one", 1, 1)), Given)
    assert isinstance(claim("two", "112", "113"), Given)
    assert isinstance(say(Noted("two", 1, 1)), Given)
    assert isinstance(say(TeamDone("one", 1, "111")), Given)
    assert isinstance(say(TeamBegun("one", 1, "113")), Given)
    if done:
        assert isinstance(say(TeamDone("one", 1, "113")), Given)
    living.clear()

    taken = claim("one", "112") if done else claim("one", "112", "113")
    assert isinstance(taken, Claim if done else Given)
    living.update(() if done else ("one",))
    assert isinstance(claim("two", "112", "113"), Given)
    living.add("two")
    begun = say(TeamBegun("two", 2, "113"))
    assert isinstance(begun, Given if done else Claim)
    if not done:
        assert isinstance(say(TeamBegun("one", 2, "112")), Claim)
        assert isinstance(say(Finished("one", 2)), Given)
        assert isinstance(say(TeamBegun("two", 2, "113")), Given)
    assert isinstance(say(Finished("two", 2)), Given)
    if done:
        assert isinstance(claim("one", "112"), Given)
        assert isinstance(say(Finished("one", 2)), Given)
    assert isinstance(claim("three", "111", "112", "113"), Given)


def test_two_killed_runs_that_are_in_each_others_way_both_end(tmp_path: Path) -> None:
    """Each has begun a team that the other one has planned; gone on with in turn, both end with all that was wanted."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=3, webhooks_per_team=0, latency=1.0) as (doo, box):
            first, second, third = box.teams
            wanted: dict[str, list[Operation]] = {
                "one": [Create(team, config(f"{team} one {n}")) for team in (first, third) for n in range(9)],
                "two": [
                    Create(team, config(f"{team} two {n}")) for team in (second, third) for n in range(9)
                ],
            }
            runs = [
                asyncio.create_task(doo.bulk.run(operations, journal=tmp_path / name, grace=0.0))
                for name, operations in wanted.items()
            ]
            await clock.sleep(5.0)
            for run in runs:
                run.cancel()
            await asyncio.wait(runs)
            for _ in range(2):
                for name in wanted:
                    with suppress(TeamClaimed):
                        await doo.bulk.resume(tmp_path / name)
            for name in wanted:
                assert bulk_report(await doo.bulk.report(tmp_path / name)) == {"applied": 18}
            assert [len(box.live(team)) for team in box.teams] == [9, 9, 18]

    simulate(main)


def bulk_report(report: Report) -> dict[str, int]:
    """Return how the operations of a run ended, without what did not come to be."""
    return {status: count for status, count in report.counts().items() if count}
