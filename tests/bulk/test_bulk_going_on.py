"""What the same script finds when it is run again with its journal; in simulated time."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import logging
from datetime import timedelta
from pathlib import Path

import pytest
from bulk_world import config, world
from simulated import SimulatedClock, simulate

from aiodoo import AddWebhook, Authentication, ClientCredentials, JournalMismatch, Limits, Secret, Session
from aiodoo.operations import Create, Delete, Operation, Replace, Update


async def unfinished(doo: Session, operations: list[Operation], path: Path) -> None:
    """Leave the journal of a run that was cancelled in its first request."""
    run = asyncio.create_task(doo.bulk.run(operations, journal=path, grace=0.0))
    await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert not (await doo.bulk.report(path)).complete


def test_a_finished_run_says_that_nothing_was_carried_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its report is marked as replayed, says when it ended, and one line of the log tells the same."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            path, operations = tmp_path / "journal", [Create("111", config("a"))]
            first = await doo.bulk.run(operations, journal=path)
            ended = clock.now()
            assert (first.replayed, first.ended_at) == (False, ended)
            box.foreign_delete(first.outcomes[0].webhook_id or "", now=clock.monotonic())
            await clock.sleep(3600)
            sent = box.log.total
            with caplog.at_level(logging.INFO, logger="aiodoo.bulk"):
                again = [
                    await doo.bulk.run(operations, journal=path),
                    await doo.bulk.run(lambda: operations, journal=path),
                    await doo.bulk.resume(path),
                ]
            assert box.log.total == sent
            for report in again:
                assert (report.replayed, report.ended_at) == (True, ended)
                assert report.counts() == first.counts()
            assert (await doo.bulk.report(path)).ended_at == ended
            said = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
            line = f"the run of the journal {path} has ended at {ended:%Y-%m-%d %H:%M:%S} UTC; its report is returned"
            assert said == [f"{line} and nothing is sent"] * len(again)

    simulate(main)


def test_a_finished_run_can_be_refused(tmp_path: Path) -> None:
    """With on_finished="refuse"; one that has not finished goes on all the same."""

    async def main(clock: SimulatedClock) -> None:
        limits = Limits(per_second=None, per_day=4, reserve=0)
        async with world(clock, limits=limits) as (doo, box):
            path = tmp_path / "journal"
            operations = [Create(team, config("a")) for team in box.teams]
            parked = await doo.bulk.run(operations, journal=path, on_finished="refuse")
            assert not parked.complete
            assert parked.ended_at is None
            await clock.sleep(timedelta(days=1).total_seconds())
            report = await doo.bulk.run(operations, journal=path, on_finished="refuse")
            assert report.complete
            assert report.resumed
            assert not report.replayed
            sent = box.log.total
            for again in (
                doo.bulk.run(operations, journal=path, on_finished="refuse"),
                doo.bulk.run([], journal=path, on_finished="refuse"),
                doo.bulk.resume(path, on_finished="refuse"),
            ):
                with pytest.raises(
                    JournalMismatch, match=r"has ended at .* UTC; nothing was sent.*bulk\.verify"
                ):
                    await again
            assert box.log.total == sent

    simulate(main)


def test_lists_that_differ_are_named_by_row(tmp_path: Path) -> None:
    """The same script, after its first changes, works on another list: the error says where, and the ways on."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=3) as (doo, box):
            path = tmp_path / "journal"
            first, second, third = (item["id"] for item in box.live("111"))
            operations: list[Operation] = [
                Create("112", config("a")),
                Update("111", first, description="moved"),
                Update("111", second, description="moved", name="b"),
                Delete("111", third),
                Replace("113", box.live("113")[0]["id"], config("whole")),
            ]
            await unfinished(doo, operations, path)
            other = config("whole").copy(description="another")
            passed: list[Operation] = [
                operations[0],
                Update("111", third, description="moved"),
                Update("111", second, description="moved on", name="b"),
                Create("111", config("b")),
                Replace("113", operations[4].webhook_id, other),  # type: ignore[union-attr]
                Delete("113", "x"),
            ]
            with pytest.raises(JournalMismatch) as refused:
                await doo.bulk.run(passed, journal=path)
            said = str(refused.value)
            assert "6 operations were passed, and the journal has 5" in said
            assert f"row 1 (team 111, webhook {first}): webhook {third} instead of {first}" in said
            assert f"row 2 (team 111, webhook {second}): description" in said
            assert f"row 3 (team 111, webhook {third}): create instead of delete" in said
            assert "row 4 (team 113, webhook" in said
            assert "row 5 (team 113, webhook x): the journal has no such row" in said
            assert "bulk.resume(journal, secrets=...)" in said
            assert "pass operations as a function" in said
            assert "moved on" not in said

    simulate(main)


def with_secret(name: str, secret: str) -> AddWebhook:
    """Return something to create that has a bare client secret."""
    login = Authentication(
        endpoint="https://login.example/token", credentials=ClientCredentials(client_secret=Secret(secret))
    )
    return config(name).copy(authentication=login)


def test_a_secret_that_differs_is_not_shown(tmp_path: Path) -> None:
    """Neither the one that was passed nor its fingerprint; where nothing else differs, that is said."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=1, secrets="clear") as (doo, box):
            path, (webhook,), secret = tmp_path / "journal", box.live("111"), box.client_secret

            def operations(value: str, name: str = "a") -> list[Operation]:
                return [
                    Create("111", with_secret(name, value)),
                    Update("111", webhook["id"], client_secret=value),
                ]

            await unfinished(doo, operations(secret), path)
            with pytest.raises(JournalMismatch, match="secret") as refused:
                await doo.bulk.run(operations(f"{secret}2"), journal=path)
            assert secret not in str(refused.value)
            with pytest.raises(JournalMismatch, match=r"row 0 \(team 111\): .*name") as refused:
                await doo.bulk.run(operations(f"{secret}2", "b"), journal=path)
            assert secret not in str(refused.value)

    simulate(main)


def test_operations_that_are_not_those_of_a_run_that_has_ended(tmp_path: Path) -> None:
    """There is nothing to go on with: only another journal is advised, and when the run ended is said."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, _):
            path = tmp_path / "journal"
            await doo.bulk.run([Create("111", config("a"))], journal=path)
            with pytest.raises(JournalMismatch, match=r"Its run ended at .* UTC; for these") as refused:
                await doo.bulk.run([Create("111", config("b"))], journal=path)
            assert "row 0 (team 111): name" in str(refused.value)
            assert "resume" not in str(refused.value)

    simulate(main)


def test_a_report_as_rows() -> None:
    """Plain dicts in the order of the operations, fit for CSV and JSON; the report itself shows its counts."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=1) as (doo, box):
            (webhook,) = box.live("111")
            operations: list[Operation] = [
                Create("112", config("a")),
                Update("111", webhook["id"], name="b"),
                Delete("113", "nope"),
                Update("112", "nope", name="b"),
            ]
            report = await doo.bulk.run(operations)
            rows = report.to_rows()
            assert [outcome.index for outcome in report] == [row["index"] for row in rows] == [0, 1, 2, 3]
            assert [row["status"] for row in rows] == ["applied", "applied", "unchanged", "skipped"]
            assert [row["operation"] for row in rows] == ["create", "update", "delete", "update"]
            assert [row["old_id"] for row in rows] == [None, webhook["id"], "nope", "nope"]
            assert [row["webhook_id"] for row in rows] == [outcome.webhook_id for outcome in report]
            assert rows[3]["reason"] == "the team's list does not have it"
            assert json.loads(json.dumps(rows)) == rows
            table = io.StringIO()
            writer = csv.DictWriter(table, rows[0])
            writer.writerows(rows)
            assert len(table.getvalue().splitlines()) == len(rows)
            assert "4 operations: 2 applied, 1 unchanged, 1 skipped; " in repr(report)
            assert f"{report.requests.total} requests" in repr(report)
            assert repr(await doo.bulk.run([])).startswith("<Report no operations; 0 requests")

    simulate(main)
