"""What somebody else does to a team while a run changes it: noticed, named, never mended; in simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from bulk_world import config, world
from simulated import SimulatedClock, simulate

from aiodoo import Limits, NotFound, PlanDrift, Report
from aiodoo.operations import Delete, Operation, Update
from aiodoo.sandbox import Box

LIMITS = Limits(per_second=2, per_day=None)


def run(
    operations: Callable[[list[str]], list[Operation]],
    meddle: Callable[[Box, list[str], float], object],
    at: float,
    *,
    page_size: int = 50,
) -> tuple[Report, Box, list[str]]:
    """Run operations on a team of 25 webhooks, two requests a second, while somebody else meddles at that time."""

    async def main(clock: SimulatedClock) -> tuple[Report, Box, list[str]]:
        async with world(
            clock,
            limits=LIMITS,
            organizations=1,
            webhooks_per_team=25,
            page_size=page_size,
            order="oldest_first",
        ) as (doo, box):
            ids = [item["id"] for item in box.live("111")]

            async def somebody_else() -> None:
                await clock.sleep(at)
                meddle(box, ids, clock.monotonic())

            report, _ = await asyncio.gather(doo.bulk.run(operations(ids), max_pairs=10), somebody_else())
            return report, box, ids

    return simulate(main)


def updates(ids: list[str]) -> list[Operation]:
    """Update all of them."""
    return [Update("111", webhook_id, name="moved") for webhook_id in ids]


@pytest.mark.parametrize("page_size", [7, 50])
def test_a_webhook_that_somebody_deleted_is_not_made_again(page_size: int) -> None:
    """Deleted before its batch began, it is skipped with the reason, and nothing is created in its place."""
    report, box, _ = run(
        updates, lambda box, ids, now: box.foreign_delete(ids[24], now=now), 3.0, page_size=page_size
    )
    skipped = report.outcomes[24]
    assert skipped.status == "skipped"
    assert skipped.reason == "the team's list does not have it"
    assert isinstance(skipped.error, NotFound)
    assert report.counts()["applied"] == 24
    assert len(box.live("111")) == 24


def test_what_somebody_changed_before_its_turn_is_left_alone() -> None:
    """What is to be changed is what was read when the run came to the team: another change of it is not built upon."""
    report, box, ids = run(
        updates,
        lambda box, ids, now: box.foreign_edit(ids[24], config("theirs").to_dict(), now=now),
        3.0,
    )
    skipped = report.outcomes[24]
    assert skipped.status == "skipped"
    assert isinstance(skipped.error, PlanDrift)
    assert report.counts()["applied"] == 24
    (theirs,) = [item for item in box.live("111") if item["description"] == "made by a run"]
    assert (theirs["id"], theirs["name"]) == (ids[24], "theirs")


def test_what_somebody_changed_after_it_was_copied_is_not_deleted() -> None:
    """The copy lacks their change, so the old one stays, and the report names both."""
    report, box, ids = run(
        updates, lambda box, ids, now: box.foreign_edit(ids[0], config("theirs").to_dict(), now=now), 3.5
    )
    skipped = report.outcomes[0]
    assert skipped.status == "skipped"
    assert skipped.reason is not None
    assert ids[0] in skipped.reason
    assert skipped.webhook_id in skipped.reason
    assert isinstance(skipped.error, PlanDrift)
    live = {item["id"]: item["name"] for item in box.live("111")}
    assert live[ids[0]] == "theirs"
    assert live[skipped.webhook_id] == "moved"
    assert report.counts()["applied"] == 24


def test_what_somebody_deleted_first_is_not_deleted_again() -> None:
    """A delete whose webhook is gone already has nothing to do."""

    def operations(ids: list[str]) -> list[Operation]:
        return [*updates(ids[:12]), Delete("111", ids[24])]

    report, box, _ = run(operations, lambda box, ids, now: box.foreign_delete(ids[24], now=now), 3.0)
    assert report.outcomes[12].status == "unchanged"
    assert box.count("delete") == 12


def test_a_webhook_that_somebody_made_again_is_not_the_same() -> None:
    """Deleted and made anew by somebody else it has another id, so the operation that names the old one is skipped."""

    def meddle(box: Box, ids: list[str], now: float) -> None:
        (there,) = [item for item in box.live("111") if item["id"] == ids[24]]
        box.foreign_delete(ids[24], now=now)
        box.foreign_create("111", {key: value for key, value in there.items() if key != "id"}, now=now)

    report, box, _ = run(updates, meddle, 3.0)
    assert report.outcomes[24].status == "skipped"
    assert len(box.live("111")) == 25
    assert sorted(item["name"] == "moved" for item in box.live("111")) == [False] + [True] * 24


def test_a_pair_that_an_edit_has_left_is_not_said_to_end_by_going_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The run ends such a pair as skipped, so the warning names what does end it: a person who deletes one of the two."""

    def edit_once_created(box: Box, ids: list[str], now: float) -> None:
        box.foreign_edit(ids[0], config("theirs").to_dict(), now=now)

    report, box, ids = run(lambda ids: updates(ids[:1]), edit_once_created, 1.2)
    [pair] = report.both_live
    assert pair.status == "skipped"
    assert len(box.live("111")) == 26
    [told] = [record.getMessage() for record in caplog.records if "both be live" in record.getMessage()]
    assert f"{ids[0]} and {pair.webhook_id}" in told
    assert "resuming the run changes nothing" in told
    assert "delete one of each two" in told


def test_what_somebody_took_away_after_its_create_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever took it away may have replaced it, so that two are live; the outcome and the log say so."""
    report, box, ids = run(
        lambda ids: updates(ids[:1]), lambda box, ids, now: box.foreign_delete(ids[0], now=now), 1.2
    )
    [outcome] = report
    assert outcome.status == "applied"
    assert box.count("delete") == 0
    assert outcome.reason is not None
    assert f"{ids[0]} was gone before its delete was sent" in outcome.reason
    assert f"{outcome.webhook_id}, its replacement, is live" in outcome.reason
    assert f"team 111: {outcome.reason}" in [record.getMessage() for record in caplog.records]
