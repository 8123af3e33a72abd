"""Looking again at what a run has done, in simulated time."""

from __future__ import annotations

from pathlib import Path

import pytest
from bulk_world import config, world
from journal_rows import kept
from simulated import SimulatedClock, simulate

from aiodoo import AddWebhook, Authentication, ClientCredentials, Secret, Session
from aiodoo.operations import Create, Delete, Ensure, Operation, Update
from aiodoo.sandbox import Box, Fault


async def a_run(doo: Session, box: Box, path: Path) -> list[Operation]:
    """Leave the journal of a run with one of each operation."""
    first, second, third = (item["id"] for item in box.live("111"))
    operations: list[Operation] = [
        Update("111", first, description="moved"),
        Delete("111", second),
        Create("111", config("new")),
        Ensure("112", config("new")),
        Update("111", third, description="moved"),
    ]
    assert (await doo.bulk.run(operations, journal=path)).counts()["applied"] == 5
    return operations


def test_what_is_as_the_run_left_it(tmp_path: Path) -> None:
    """Nothing is reported, and a list of each team is all it costs."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=3) as (doo, box):
            path = tmp_path / "journal"
            await a_run(doo, box, path)
            sent = box.log.total
            assert (await doo.bulk.verify(path)).clean
            assert box.log.total - sent == 2

    simulate(main)


def test_what_a_list_did_not_show_and_is_there_after_all(tmp_path: Path) -> None:
    """A delete that had nothing to do, going by lists that lagged behind by more than is allowed for, is named."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=3) as (doo, box):
            await clock.sleep(60)
            late = box.foreign_create("111", config("new").to_dict(), now=clock.monotonic())
            box.script(Fault("stale", on="list", seconds=40, times=2))
            report = await doo.bulk.run([Delete("111", late)], journal=tmp_path / "journal")
            assert report.counts()["unchanged"] == 1
            found = await doo.bulk.verify(tmp_path / "journal")
            assert [outcome.webhook_id for outcome in found.still_there] == [late]

    simulate(main)


def test_what_has_changed_since(tmp_path: Path) -> None:
    """A late copy, a new webhook that is gone and one that somebody edited are each named."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=3) as (doo, box):
            path = tmp_path / "journal"
            operations = await a_run(doo, box, path)
            report = await doo.bulk.report(path)
            late = box.foreign_create("111", config("new").to_dict(), now=clock.monotonic())
            box.foreign_delete(report.outcomes[0].webhook_id or "", now=clock.monotonic())
            edited = report.outcomes[3].webhook_id or ""
            box.foreign_edit(edited, config("edited").to_dict(), now=clock.monotonic())
            found = await doo.bulk.verify(path)
            assert not found.clean
            assert [outcome.operation for outcome in found.missing] == [operations[0], operations[3]]
            assert [(extra.outcome.operation, extra.webhook_id) for extra in found.extra] == [
                (operations[2], late)
            ]
            assert found.still_there == ()

    simulate(main)


def with_secret(name: str, secret: Secret) -> AddWebhook:
    """Return something to create that has a client secret."""
    credentials = ClientCredentials(client_secret=secret)
    return config(name).copy(
        authentication=Authentication(endpoint="https://login.example/token", credentials=credentials)
    )


def test_secrets_that_are_not_at_hand_are_not_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bare ones, and one whose place is empty by now: all else is compared, late copies included, and they are named."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=0, secrets="clear") as (doo, box):
            path = tmp_path / "journal"
            monkeypatch.setenv("CRM_SECRET", box.client_secret + "1")
            bare = with_secret("bare", Secret(box.client_secret + "2"))
            placed = with_secret("placed", Secret.from_env("CRM_SECRET"))
            operations: list[Operation] = [Create("111", bare), Ensure("112", placed)]
            assert (await doo.bulk.run(operations, journal=path)).counts()["applied"] == 2
            monkeypatch.setenv("CRM_SECRET", box.client_secret + "3")
            found = await doo.bulk.verify(path)
            assert [outcome.operation.team_id for outcome in found.missing] == ["112"], (
                "it is another one now"
            )
            monkeypatch.delenv("CRM_SECRET")
            late = box.foreign_create("111", bare.to_dict(secrets="reveal"), now=clock.monotonic())
            (webhook,) = box.live("112")
            found = await doo.bulk.verify(path)
            assert [outcome.operation.team_id for outcome in found.secret_unknown] == ["111", "112"]
            assert [extra.webhook_id for extra in found.extra] == [late]
            assert found.missing == ()
            other = config("placed").copy(description="edited").to_dict()
            box.foreign_edit(webhook["id"], other, now=clock.monotonic())
            found = await doo.bulk.verify(path)
            assert [outcome.operation.team_id for outcome in found.missing] == ["112"]

    simulate(main)


def test_what_was_deleted_is_kept_without_its_secrets(tmp_path: Path) -> None:
    """Enough of each deleted webhook configuration is in the journal to create it again, save its secret."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=3) as (doo, box):
            path = tmp_path / "journal"
            before = {item["id"]: item for item in box.live("111")}
            await a_run(doo, box, path)
            deleted = kept(path, "deleted")
            assert deleted.keys() == before.keys()
            for webhook_id, content in deleted.items():
                assert content["name"] == before[webhook_id]["name"]
                assert len(content["hooks"]) == len(before[webhook_id]["hooks"])
                assert "client_secret" not in content["authentication"]["credentials"]

    simulate(main)


def test_operations_that_are_found_out_are_not_found_out_twice(tmp_path: Path) -> None:
    """An async function that makes the operations is not called when the journal goes on."""
    calls = 0

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):

            async def find_out() -> list[Operation]:
                nonlocal calls
                calls += 1
                return [Create(team, config("new")) for team in box.teams]

            for _ in range(2):
                report = await doo.bulk.run(find_out, journal=tmp_path / "journal")
                assert report.counts()["applied"] == 3
            assert (await doo.bulk.run(find_out)).counts()["applied"] == 3

    simulate(main)
    assert calls == 2
