"""Ownership markers, and what is done without them while somebody else creates the same; in simulated time."""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from bulk_world import config, world
from simulated import SimulatedClock, simulate

from aiodoo import Limits, Report, Session
from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update
from aiodoo.sandbox import Box, FaultRates

SEEDS = int(os.environ.get("AIODOO_MARKER_SEEDS", "20"))
"""How many worlds with a second actor are lived through; 1,000 take about a minute."""

MARKER = re.compile(r"\[aiodoo:[0-9a-f]{8}\.[0-9]+\]\Z")


def described(box: Box, team: str = "111") -> dict[str, str | None]:
    """Return each webhook's description, by its name."""
    return {item["name"]: item.get("description") for item in box.live(team)}


def test_the_description_ends_in_the_marker() -> None:
    """A short name of the run and the operation's number come after the description, or stand in its place."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            operations = [Create("111", config("a")), Ensure("111", config("b").copy(description=None))]
            report = await doo.bulk.run(operations, marker=True)
            assert report.counts()["applied"] == 2
            descriptions = described(box)
            run = re.fullmatch(r"made by a run \[aiodoo:([0-9a-f]{8})\.0\]", descriptions["a"] or "")
            assert run is not None
            assert descriptions["b"] == f"[aiodoo:{run[1]}.1]"
            other = await doo.bulk.run([Create("111", config("c"))], marker=True)
            assert other.complete
            assert run[1] not in (described(box)["c"] or "")

    simulate(main)


def test_an_equal_configuration_is_recognised_with_a_marker_and_without() -> None:
    """Ensure and an update that changes nothing leave a marked webhook as it is, and a plain one."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            await doo.bulk.run([Create("111", config("a"))], marker=True)
            await doo.bulk.run([Create("112", config("a"))])
            before = box.live("111") + box.live("112")
            for marker in (False, True):
                there = [(team, box.live(team)[0]["id"]) for team in ("111", "112")]
                for operations in (
                    [Ensure(team, config("a")) for team, _ in there],
                    [Update(team, webhook_id, name="a") for team, webhook_id in there],
                    [Replace(team, webhook_id, config("a")) for team, webhook_id in there],
                ):
                    report = await doo.bulk.run(operations, marker=marker)
                    assert report.counts()["unchanged"] == 2
                    assert [outcome.webhook_id for outcome in report] == [id_ for _, id_ in there]
            assert box.live("111") + box.live("112") == before

    simulate(main)


@pytest.mark.parametrize("marker", [False, True])
def test_a_later_update_drops_the_marker_or_has_its_own(marker: bool) -> None:  # noqa: FBT001
    """An update, a replace and a single update take the old marker away; with marker=True there is a new one."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            await doo.bulk.run([Create("111", config(name)) for name in "ab"], marker=True)
            old = described(box)
            first, second = (item["id"] for item in box.live("111"))
            operations = [
                Update("111", first, hosts={"new.example": "newer.example"}),
                Replace("111", second, config("b").copy(description=old["b"], name="c")),
            ]
            if not marker:
                operations[1] = Replace("111", second, config("c"))
            report = await doo.bulk.run(operations, marker=marker)
            assert report.counts()["applied"] == 2
            for name, before in (("a", old["a"]), ("c", old["b"])):
                now = described(box)[name] or ""
                assert now != before
                assert MARKER.sub("", now).rstrip() == "made by a run"
                assert bool(MARKER.search(now)) == marker
            await doo.webhooks.update("111", report.outcomes[0].webhook_id or "", name="d")
            assert described(box)["d"] == "made by a run"

    simulate(main)


def test_a_description_without_room_stays_as_it_is() -> None:
    """A marker that would make it longer than 255 characters, which doo once allowed, is left out."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            operations = [Create("111", config(name).copy(description=name * 240)) for name in "ab"]
            operations += [Create("111", config("c").copy(description="c" * 235))]
            assert (await doo.bulk.run(operations, marker=True)).counts()["applied"] == 3
            assert described(box)["a"] == "a" * 240
            assert len(described(box)["c"] or "") == 255

    simulate(main)


def test_a_late_copy_is_known_for_ours(tmp_path: Path) -> None:
    """Verify tells a copy that doo made late from one that somebody else made; without markers it cannot."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            for marker in (True, False):
                path, name = tmp_path / str(marker), f"w{marker}"
                operations = [Create("111", config(f"{name}{number}")) for number in range(2)]
                await doo.bulk.run(operations, journal=path, marker=marker)
                assert (await doo.bulk.verify(path)).clean
                (made,) = (item for item in box.live("111") if item["name"] == f"{name}1")
                content = {key: value for key, value in made.items() if key != "id"}
                late = box.foreign_create("111", content, now=clock.monotonic())
                theirs = box.foreign_create("111", config(f"{name}0").to_dict(), now=clock.monotonic())
                extra = (await doo.bulk.verify(path)).extra
                assert [(each.outcome.operation, each.webhook_id, each.ours) for each in extra] == [
                    (operations[number], webhook_id, marker and number == 1)
                    for number, webhook_id in (
                        [(1, late), (0, theirs)] if marker else [(0, theirs), (1, late)]
                    )
                ]

    simulate(main)


async def rival(clock: SimulatedClock, box: Box, operations: list[Operation], theirs: set[str]) -> None:
    """Create, at random times, what the run is about to create, and now and then take it away again."""
    chance = random.Random(len(operations))
    before = {item["id"]: item for team in box.teams for item in box.live(team)}
    while True:
        await clock.sleep(chance.uniform(0.0, 8.0))
        operation = chance.choice(operations)
        content = wanted(operation, before)
        if content is not None and chance.random() < 0.7:
            theirs.add(box.foreign_create(operation.team_id, content, now=clock.monotonic()))
        elif theirs and chance.random() < 0.3:
            live = {item["id"] for team in box.teams for item in box.live(team)} & theirs
            for webhook_id in sorted(live)[:1]:
                box.foreign_delete(webhook_id, now=clock.monotonic())


def wanted(operation: Operation, before: dict[str, Any]) -> dict[str, Any] | None:
    """Return the content that an operation creates, made by hand."""
    match operation:
        case Create(config=given) | Ensure(config=given) | Replace(config=given):
            return given.to_dict(secrets="reveal")
        case Update(webhook_id=webhook_id, changes=changes):
            return {key: value for key, value in before[webhook_id].items() if key != "id"} | dict(changes)
        case _:
            return None


def contested(box: Box, chance: random.Random) -> list[Operation]:
    """Draw creates, twins among them, and operations that follow each other on one webhook."""
    operations: list[Operation] = []
    for team in box.teams:
        operations += [
            Create(team, config(f"twin {chance.randrange(2)}")) for _ in range(chance.randrange(1, 4))
        ]
        for item in box.live(team):
            operations.append(Update(team, item["id"], description="moved"))
            match chance.randrange(3):
                case 0:
                    operations.append(Update(team, item["id"], description="moved on"))
                case 1:
                    operations.append(Delete(team, item["id"]))
    return operations


async def contest(
    clock: SimulatedClock, seed: int, path: Path, *, marker: bool
) -> tuple[Report, Box, set[str]]:
    """Let a run lose answers while somebody else creates the same, killed once half of the time."""
    chance = random.Random(seed)
    rates = FaultRates(lost_after=0.15, lost_before=0.1, late=0.05)
    theirs: set[str] = set()
    limits = Limits(per_second=20, per_day=None)
    async with world(clock, limits=limits, seed=seed, rates=rates, webhooks_per_team=3) as (doo, box):
        operations = contested(box, chance)
        actor = asyncio.create_task(rival(clock, box, operations, theirs))
        if chance.random() < 0.5:
            await killed(doo, operations, path, clock, chance.uniform(0.2, 200.0), marker=marker)
        report = await doo.bulk.run(operations, journal=path, marker=marker)
        if not report.complete:
            report = await doo.bulk.resume(path)
        actor.cancel()
        await asyncio.wait({actor})
    return report, box, theirs


async def killed(
    doo: Session,
    operations: list[Operation],
    path: Path,
    clock: SimulatedClock,
    after: float,
    *,
    marker: bool,
) -> None:
    """Begin a run and break it off without grace."""
    task = asyncio.create_task(doo.bulk.run(operations, journal=path, marker=marker, grace=0.0))
    await asyncio.wait({task, asyncio.create_task(clock.sleep(after))}, return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
    await asyncio.wait({task})


@pytest.mark.parametrize("marker", [True, False])
def test_a_second_actor_creates_the_same(tmp_path: Path, marker: bool) -> None:  # noqa: FBT001
    """With markers nothing of somebody else's is ever taken for ours; without, nothing of theirs is deleted for it."""
    adopted = skipped = 0
    for seed in range(SEEDS):
        path = tmp_path / f"{seed}"
        report, box, theirs = simulate(
            lambda clock, seed=seed, path=path: contest(clock, seed, path, marker=marker), seed=seed
        )
        deleted = {
            change.webhook_id
            for change in box.log.changes
            if change.what == "deleted" and change.by != "actor"
        }
        assert not deleted & theirs, f"seed {seed}"
        wrong = {outcome.webhook_id for outcome in report if outcome.status == "applied"} & theirs
        adopted += len(wrong)
        skipped += sum("may be somebody else's" in (outcome.reason or "") for outcome in report)
        if marker:
            assert not wrong, f"seed {seed}"
            ours = Counter(outcome.webhook_id for outcome in report if outcome.status == "applied")
            assert ours.total() > 0
    if not marker:
        assert adopted, "without markers some of theirs should have been taken for ours"
        assert skipped, "and nothing should have been built on it"
