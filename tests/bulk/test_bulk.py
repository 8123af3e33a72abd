"""What a run promises its caller: checks before sending, reports, progress, isolation; in simulated time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from bulk_world import Judge, config, content, session, world
from simulated import SimulatedClock, simulate

from aiodoo import (
    AddWebhook,
    AuthenticationError,
    BulkFailed,
    ConfigError,
    Facts,
    NotCopyable,
    NotFound,
    Outcome,
    PermissionDenied,
    Progress,
    SchemaMismatch,
    UnsafePlan,
)
from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update
from aiodoo.sandbox import Answer, Box, Fault, Request


def test_bad_operations_are_refused_before_anything_is_sent() -> None:
    """A configuration that cannot be right, a thing that is no operation, an id that is none: 0 requests."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            with pytest.raises(ConfigError, match="name is empty"):
                await doo.bulk.run([Create("111", config("a")), Create("111", AddWebhook(name="", hooks=[]))])
            with pytest.raises(ConfigError, match="operation 1 is a str"):
                await doo.bulk.run([Create("111", config("a")), "delete everything"])
            with pytest.raises(ConfigError, match="team id"):
                Create("../oauth", config("a"))
            with pytest.raises(ConfigError, match="cannot change colour"):
                Update("111", "12", colour="blue")
            assert box.log.total == 0

    simulate(main)


def test_net_deletes_are_counted_exactly_if_allowed() -> None:
    """More or fewer deletes than allowed: nothing is sent."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=2) as (doo, box):
            deletes = [Delete("111", item["id"]) for item in box.live("111")]
            for allowed in (0, 1, 3):
                with pytest.raises(UnsafePlan, match=f"2 deletes were given and {allowed} allowed"):
                    await doo.bulk.run(deletes, allow_net_deletes=allowed)
            assert box.log.total == 0
            assert (await doo.bulk.run(deletes, allow_net_deletes=2)).counts()["applied"] == 2

    simulate(main)


def test_no_operation_is_a_complete_run() -> None:
    """Nothing to do costs nothing."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            report = await doo.bulk.run([])
            assert report.complete
            assert len(report) == 0
            assert report.forecast is None
            assert box.log.total == 0

    simulate(main)


def test_operations_may_come_from_an_async_iterable() -> None:
    """Operations read from somewhere, one by one."""

    async def read() -> AsyncIterator[Operation]:
        for team in ("111", "112"):
            yield Create(team, config("a"))

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, _):
            assert (await doo.bulk.run(read())).counts()["applied"] == 2

    simulate(main)


def test_a_failing_team_does_not_stop_the_others() -> None:
    """A team that is not there or not allowed fails with its error; the others are done."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            box.script(
                Fault("replaced", on="list", team="112", status=403, body=b"{}", times=None, acted=False)
            )
            report = await doo.bulk.run([Create(team, config("a")) for team in ("111", "112", "999", "113")])
            assert [outcome.status for outcome in report] == ["applied", "failed", "failed", "applied"]
            assert isinstance(report.outcomes[1].error, PermissionDenied)
            assert isinstance(report.outcomes[2].error, NotFound)
            assert report.complete
            with pytest.raises(BulkFailed, match="2 of 4 operations were not applied") as failed:
                report.raise_for_failures()
            assert len(failed.value.exceptions) == 2

    simulate(main)


def test_refused_credentials_end_the_run() -> None:
    """What every team would meet is raised, not counted as many failures; the report stays with the stream."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=1) as (doo, box):
            box.script(Fault("replaced", on="token", nth=1, status=401, body=b"{}", acted=False))
            operations = [Create(team, config("a")) for team in box.teams]
            stream = doo.bulk.stream(operations)
            with pytest.raises(AuthenticationError):
                async with stream as run:
                    assert [outcome async for outcome in run] == []
            assert stream.report().counts()["not_started"] == 3
            assert box.count("token") == 1
            with pytest.raises(AuthenticationError):
                await doo.bulk.run(operations)
            assert box.count("token") == 1

    simulate(main)


def test_a_token_that_dies_in_the_middle_is_renewed() -> None:
    """Tokens that live for 30 s cost a token request each time, and nothing else."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=5, token_lifetime=30.0, latency=1.0) as (doo, box):
            operations = [
                Update(team, item["id"], description="moved") for team in box.teams for item in box.live(team)
            ]
            judge = Judge(box, operations)
            assert (await doo.bulk.run(operations)).counts()["applied"] == 15
            judge.nothing_lost()
            judge.as_wanted()
            refused = box.count(status=401)
            assert judge.requests() - refused == judge.expected_requests()

    simulate(main)


def test_what_cannot_be_copied_fails_alone() -> None:
    """Where doo masks secrets an update needs a new one; the others of the team go on."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=2, secrets="masked") as (doo, box):
            first, second = (item["id"] for item in box.live("111"))
            secret = box.client_secret + "rotated"
            operations = [
                Update("111", first, name="moved"),
                Update("111", second, client_secret=secret),
                Replace("111", "missing", config("a")),
            ]
            report = await doo.bulk.run(operations)
            assert [outcome.status for outcome in report] == ["failed", "applied", "skipped"]
            assert isinstance(report.outcomes[0].error, NotCopyable)
            assert isinstance(report.outcomes[2].error, NotFound)
            assert secret not in repr(report.outcomes)

    simulate(main)


class UnreadableBox(Box):
    """A box in whose lists the webhook named "big" has a number, in a field of its own, that Python cannot hold."""

    def handle(self, request: Request, now: float, *, round_trip: float | None = None) -> Answer:
        """Answer with that number."""
        answer = super().handle(request, now, round_trip=round_trip)
        return attrs.evolve(answer, body=answer.body.replace(b"123456789", b"1e999"))


@pytest.mark.parametrize("kept", [True, False])
def test_what_cannot_be_held_fails_alone(tmp_path: Path, kept: bool) -> None:  # noqa: FBT001
    """What a journal cannot keep is not deleted, and what cannot be compared not replaced; all else is done."""

    async def main(clock: SimulatedClock) -> None:
        box = UnreadableBox(plan=None, organizations=2, webhooks_per_team=1)
        big = [box.add_webhook("111", content(config("big")) | {"weight": 123456789}) for _ in range(3)]
        [small] = [item["id"] for item in box.live("111") if item["id"] not in big]
        operations = [
            Delete("111", big[0]), Replace("111", big[1], config("b")), Update("111", big[2], name="c"),
            Delete("111", small), Create(box.teams[1], config("new")),
        ]  # fmt: skip
        async with session(clock, box) as doo:
            report = await doo.bulk.run(operations, journal=tmp_path / "journal" if kept else None)
        statuses = [outcome.status for outcome in report]
        assert statuses == ["failed" if kept else "applied", "failed", "failed", "applied", "applied"]
        assert {item["id"] for item in box.live("111")} == set(big[not kept :])
        if kept:
            assert report.outcomes[0].reason == "the journal cannot store its content, so it was not deleted"
            assert isinstance(report.outcomes[0].error, SchemaMismatch)

    simulate(main)


def test_ensure_and_an_update_that_changes_nothing_send_no_change() -> None:
    """What is as wanted already is unchanged, keeps its id, and costs one look at the team."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=1) as (doo, box):
            (there,) = box.live("111")
            await doo.bulk.run([Ensure("111", config("a"))])
            before = len(box.log.changes)
            report = await doo.bulk.run(
                [Ensure("111", config("a")), Update("111", there["id"], name=there["name"])]
            )
            assert report.counts()["unchanged"] == 2
            assert report.outcomes[1].webhook_id == there["id"]
            assert report.requests.total == 1
            assert len(box.log.changes) == before

    simulate(main)


def test_copies_of_unknown_scope_are_named_and_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """With the facts as they are the report names each copy that may reach further, and the log says so once."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, facts=Facts(), organizations=2, webhooks_per_team=2) as (doo, box):
            operations = [
                Update(team, item["id"], name="moved") for team in box.teams for item in box.live(team)
            ]
            operations.append(Create("111", config("a")))
            report = await doo.bulk.run(operations)
            assert [outcome.operation for outcome in report.scope_unknown] == operations[:4]

    with caplog.at_level(logging.WARNING, logger="aiodoo"):
        simulate(main)
    assert [record.name for record in caplog.records] == ["aiodoo.bulk"]
    assert "report.scope_unknown names them all" in caplog.text


def test_progress_is_told_after_every_step() -> None:
    """Numbers only grow, end at the totals, and say what a run waits for."""

    async def main(clock: SimulatedClock) -> None:
        told: list[Progress] = []
        async with world(clock, webhooks_per_team=2) as (doo, box):
            box.script(Fault("lost_before", on="create", team="112"))
            operations: list[Operation] = [
                Update(team, item["id"], description="moved") for team in box.teams for item in box.live(team)
            ]
            operations.append(Create("112", config("a")))
            await doo.bulk.run(operations, progress=told.append)
        assert [progress.done for progress in told] == sorted(progress.done for progress in told)
        assert [progress.requests.total for progress in told] == sorted(each.requests.total for each in told)
        assert (told[-1].done, told[-1].total, told[-1].teams_done, told[-1].teams) == (7, 7, 3, 3)
        assert told[-1].counts == {"applied": 7}
        waited = {progress.waiting_for for progress in told} - {None}
        assert waited == {"until 1 create(s) without an answer can no longer land"}

    simulate(main)


def test_outcomes_are_told_as_soon_as_they_are_known(tmp_path: Path) -> None:
    """Each once, while other teams are worked on; when the run is reported again, those of the earlier process."""

    async def main(clock: SimulatedClock) -> None:
        told: list[tuple[float, Outcome]] = []
        journal = tmp_path / "run.journal"
        async with world(clock) as (doo, box):
            box.script(Fault("lost_after", on="create", team="111"))
            operations = [Create(team, config("a")) for team in box.teams]
            report = await doo.bulk.run(
                operations,
                journal=journal,
                on_outcome=lambda outcome: told.append((clock.monotonic(), outcome)),
            )
            assert sorted((outcome for _, outcome in told), key=lambda each: each.index) == list(report)
            (last, doubted) = told[-1]
            assert (doubted.operation.team_id, last - told[-2][0] > 100) == ("111", True)
            again: list[Outcome] = []
            await doo.bulk.resume(journal, on_outcome=again.append)
            assert [outcome.index for outcome in again] == [0, 1, 2]

    simulate(main)


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError])
@pytest.mark.parametrize("callback", ["progress", "on_outcome"])
def test_a_callback_that_raises_harms_nothing(
    caplog: pytest.LogCaptureFixture, error: type[BaseException], callback: str
) -> None:
    """The run goes on, and the log says so once."""

    def broken(_: object) -> None:
        raise error

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            given: dict[str, Any] = {callback: broken}
            report = await doo.bulk.run([Create(team, config("a")) for team in box.teams], **given)
            assert report.counts()["applied"] == 3

    with caplog.at_level(logging.WARNING, logger="aiodoo"):
        simulate(main)
    assert [record.getMessage() for record in caplog.records] == [
        f"{callback} raised {error.__name__}; the run continues, and this is not logged again"
    ]


def test_a_lost_create_is_settled_while_other_teams_go_on() -> None:
    """One team waits 130 s for its doubt; the others are done long before, and nothing is sent twice."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            box.script(Fault("lost_after", on="create", team="111"))
            operations = [Create(team, config("a")) for team in box.teams]
            judge = Judge(box, operations)
            report = await doo.bulk.run(operations)
            judge.as_wanted()
            assert box.count("create") == 3
            others = [change.time for change in box.log.changes if change.team != "111"]
            assert max(others) < 5
            assert clock.monotonic() > 130
            assert report.counts()["applied"] == 3
            assert report.recheck_at is not None

    simulate(main)


def test_somebody_elses_webhooks_are_never_touched() -> None:
    """Equal twins that another actor makes or deletes during a run are neither adopted for deleting nor mended."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=4, latency=1.0) as (doo, box):
            first, second, *others = box.live("111")
            operations = [Update("111", item["id"], description="moved") for item in (first, second)]

            async def somebody_else() -> None:
                await clock.sleep(2.7)
                box.foreign_delete(others[0]["id"], now=clock.monotonic())
                box.foreign_create("111", {**_content(first), "description": "moved"}, now=clock.monotonic())

            report, _ = await asyncio.gather(doo.bulk.run(operations), somebody_else())
            assert report.counts()["applied"] == 2
            live = box.live("111")
            assert sorted(item.get("description") == "moved" for item in live) == [False, True, True, True]
            assert others[1]["id"] in {item["id"] for item in live}

    simulate(main)


def _content(item: dict) -> dict:
    return {name: value for name, value in item.items() if name != "id"}
