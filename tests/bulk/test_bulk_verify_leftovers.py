"""What verifying says of operations that did not end well: nothing that they left behind is passed over."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from bulk_world import config, world
from simulated import SimulatedClock, simulate

from aiodoo import Session
from aiodoo.bulk.verification import Verification
from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update
from aiodoo.sandbox import Box, Fault


def requests(box: Box, kind: str) -> int:
    """Count the requests of a kind that have arrived."""
    return sum(request.kind == kind for request in box.log.requests)


async def cut_off(doo: Session, operations: list[Operation], path: Path, when: Callable[[], bool]) -> None:
    """Leave the journal of a run that was cancelled, without grace, at a moment."""
    run = asyncio.create_task(doo.bulk.run(operations, journal=path, grace=0.0))
    while not when():  # in simulated time
        assert not run.done()
        await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


def told(found: Verification) -> list[tuple[str, tuple[str, ...], int]]:
    """Return what, which and where."""
    return [(each.what, each.webhook_ids, each.outcome.index) for each in found.differences]


def test_pairs_that_are_both_live_are_named(tmp_path: Path) -> None:
    """A run that ended between its creates and its deletes is not clean: old and new are named, one pair each."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=3) as (doo, box):
            path = tmp_path / "journal"
            old = [item["id"] for item in box.live("111")]
            operations: list[Operation] = [
                Update("111", each, name=f"moved {row}") for row, each in enumerate(old)
            ]
            await cut_off(doo, operations, path, lambda: requests(box, "list") >= 2)
            moved = {item["name"]: item["id"] for item in box.live("111") if item["id"] not in old}
            new = [moved[f"moved {row}"] for row in range(3)]
            found = await doo.bulk.verify(path)
            assert not found.clean
            assert told(found) == [("both_live", (old[row], new[row]), row) for row in range(3)]
            assert [outcome.operation for outcome in found.still_there] == operations
            assert f"update in team 111 (unfinished): {old[0]} and {new[0]} are both live" in repr(found)
            await doo.bulk.resume(path)
            assert (await doo.bulk.verify(path)).clean

    simulate(main)


def test_what_an_edit_left_beside_its_replacement_is_named_by_a_run_before_the_last(tmp_path: Path) -> None:
    """A pair left live by an edit is still named when a later run has moved the edited one: both at the new place."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=1) as (doo, box):
            (old,) = [item["id"] for item in box.live("111")]
            edited = {**box.live("111")[0], "description": "edited"}
            first, second = tmp_path / "first", tmp_path / "second"
            box.when(
                lambda _: requests(box, "create") == 1,
                lambda: box.foreign_edit(old, edited, now=clock.monotonic()),
            )
            (outcome,) = await doo.bulk.run([Update("111", old, name="moved")], journal=first)
            assert (outcome.status, outcome.both_live) == ("skipped", True)
            (left,) = [item["id"] for item in box.live("111") if item["id"] != old]
            assert (await doo.bulk.run([Update("111", old, name="moved")], journal=second)).complete
            assert (await doo.bulk.verify(second)).clean
            found = await doo.bulk.verify(first)
            assert told(found) == [("extra", (left,), 0)]
            assert f"{left} was made to replace {old}, which somebody changed meanwhile" in repr(found)

    simulate(main)


def test_a_create_in_doubt_that_landed_is_named(tmp_path: Path) -> None:
    """Of an update too, whose old one is live beside it; by its content, as its id was in the lost answer."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=1) as (doo, box):
            olds = {team: box.live(team)[0]["id"] for team in box.teams}
            for number, operation in enumerate(
                [
                    Create("112", config("a")),
                    Replace("111", olds["111"], config("b")),
                    Update("113", olds["113"], name="c"),
                ]
            ):
                path, before = tmp_path / str(number), requests(box, "create")
                box.script(Fault("lost_after", on="create"))
                await cut_off(doo, [operation], path, lambda: requests(box, "create") > before)  # noqa: B023  # it is waited for
                await clock.sleep(1)
                old = olds[operation.team_id]
                (new,) = (item["id"] for item in box.live(operation.team_id) if item["name"] == "abc"[number])
                found = await doo.bulk.verify(path)
                beside = (new,) if number == 0 else (new, old)
                assert told(found) == [("extra", beside, 0)]
                assert [extra.webhook_id for extra in found.extra] == [new]
                box.foreign_delete(new, now=clock.monotonic())
                assert told(await doo.bulk.verify(path)) == [("not_done", beside[1:], 0)]

    simulate(main)


def test_what_was_not_begun_is_not_done(tmp_path: Path) -> None:
    """A run that was cut off before its first change names what is not there yet; an Ensure whose equal is there is as wanted."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=1) as (doo, box):
            path = tmp_path / "journal"
            old = box.live("113")[0]["id"]
            there = box.foreign_create("112", config("there").to_dict(), now=clock.monotonic())
            operations: list[Operation] = [
                Create("111", config("a")),
                Ensure("112", config("there")),
                Ensure("112", config("b")),
                Delete("113", old),
                Create("113", config("c")),
            ]
            await cut_off(doo, operations, path, lambda: requests(box, "list") >= 1)
            found = await doo.bulk.verify(path)
            assert told(found) == [
                ("not_done", (), 0),
                ("not_done", (), 2),
                ("still_there", (old,), 3),
                ("not_done", (), 4),
            ]
            assert [outcome.index for outcome in found.not_done] == [0, 2, 4]
            assert there in {item["id"] for item in box.live("112")}

    simulate(main)


def test_what_was_not_done_is_named_though_it_is_gone(tmp_path: Path) -> None:
    """What a run did not come to and somebody has deleted since is told apart by the id that its operation names."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=3) as (doo, box):
            path = tmp_path / "journal"
            old = [item["id"] for item in box.live("111")]
            operations: list[Operation] = [Replace("111", each, config("moved")) for each in old]
            await cut_off(doo, operations, path, lambda: requests(box, "list") >= 1)
            for each in old:
                box.foreign_delete(each, now=clock.monotonic())
            found = await doo.bulk.verify(path)
            not_done = [each.finding for each in found.differences if each.what == "not_done"]
            assert not_done == [f"it was not done, and {each} is not there any more" for each in old]

    simulate(main)


def test_a_team_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """The others are looked at all the same, and it is not clean."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, _):
            path = tmp_path / "journal"
            operations = [Create("999", config("a")), Create("111", config("a"))]
            assert (await doo.bulk.run(operations, journal=path)).counts()["applied"] == 1
            found = await doo.bulk.verify(path)
            assert [each.team_id for each in found.unread] == ["999"]
            assert found.differences == ()
            assert not found.clean
            assert "team 999 could not be read" in repr(found)

    simulate(main)


def test_what_somebody_has_done_since(tmp_path: Path) -> None:
    """An updated field edited again, and a replacement that is gone, are named with their ids."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=2) as (doo, box):
            path = tmp_path / "journal"
            old = [item["id"] for item in box.live("111")]
            operations: list[Operation] = [Update("111", each, description="moved") for each in old]
            report = await doo.bulk.run(operations, journal=path)
            assert repr(await doo.bulk.verify(path)) == "<Verification: clean>"
            first, second = (outcome.webhook_id or "" for outcome in report)
            (content,) = (item for item in box.live("111") if item["id"] == first)
            box.foreign_edit(
                first,
                {name: value for name, value in content.items() if name != "id"} | {"description": "mine"},
                now=clock.monotonic(),
            )
            box.foreign_delete(second, now=clock.monotonic())
            found = await doo.bulk.verify(path)
            assert told(found) == [("changed", (first,), 0), ("missing", (second,), 1)]
            assert [outcome.index for outcome in found.missing] == [0, 1]

    simulate(main)


def effort(path: Path, webhooks: int) -> int:
    """Count the calls that it takes to verify a run that was cut off when each of so many webhooks was live twice."""
    counted = 0

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal counted
        counted += event == "call"

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=0, page_size=1000) as (doo, box):
            operations = [Create("111", config(f"w{number}")) for number in range(webhooks)]
            assert (await doo.bulk.run(operations, journal=path)).complete
            for operation in operations:
                box.foreign_create("111", operation.config.to_dict(), now=clock.monotonic())
            before = sys.getprofile()
            sys.setprofile(count)
            try:
                found = await doo.bulk.verify(path)
            finally:
                sys.setprofile(before)
            assert len(found.extra) == webhooks

    simulate(main)
    return counted


def test_the_effort_grows_with_the_webhooks_not_with_their_square(tmp_path: Path) -> None:
    """Four times as many, each with a copy beside it, take about four times as many calls."""
    assert effort(tmp_path / "large", 160) < 5 * effort(tmp_path / "small", 40)
