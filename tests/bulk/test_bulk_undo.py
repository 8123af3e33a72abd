"""Putting teams back as they were before a run, in simulated time."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from bulk_world import config, session, world
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from journal_rows import add, kept
from simulated import SimulatedClock, simulate

from aiodoo import ConfigError, Facts, JournalWriteFailed, Limits, SecretsNeeded, Session
from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update
from aiodoo.sandbox import Box, Fault, FaultRates


class Sealer:
    """Encrypts with a pad that nobody else has."""

    def __init__(self) -> None:
        self.pad = secrets.token_bytes(4096)

    def __call__(self, data: bytes) -> bytes:
        """Encrypt, or decrypt what was encrypted."""
        return bytes(one ^ other for one, other in zip(data, self.pad, strict=False))


def contents(box: Box) -> Counter[str]:
    """Return what every team holds, by content."""
    return Counter(
        f"{team} {box.digest({name: value for name, value in item.items() if name != 'id'})}"
        for team in box.teams
        for item in box.live(team)
    )


def everything(box: Box) -> list[Operation]:
    """Return one of each operation, and operations that follow each other on one webhook."""
    first, second, third, fourth, fifth = (item["id"] for item in box.live("111"))
    return [
        Update("111", first, hosts={"crm.example": "crm2.example"}, name="moved"),
        Replace("111", second, config("replaced")),
        Delete("111", third),
        Update("111", fourth, description="once"),
        Update("111", fourth, description="twice", client_secret=secrets.token_hex(8)),
        Update("111", fifth, description="moved"),
        Delete("111", fifth),
        Create("111", config("new")),
        Ensure("112", config("new")),
        Ensure("112", config("new")),
    ]


async def undone(doo: Session, path: Path, **options: Any) -> None:
    """Undo the run of a journal, with a journal."""
    undo = await doo.bulk.undo(path, **options)
    assert undo.left == ()
    report = await doo.bulk.run(undo.operations, journal=path.with_name("undo.journal"))
    assert report.counts()["applied"] == len(undo.operations)


def test_everything_is_put_back(tmp_path: Path) -> None:
    """After the undo each team holds what it held before the run, secrets included, under new ids."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=5) as (doo, box):
            before, seal, path = contents(box), Sealer(), tmp_path / "journal"
            report = await doo.bulk.run(everything(box), journal=path, keep_secrets=seal)
            assert report.counts() == Counter(applied=10) | dict.fromkeys(report.counts(), 0) | {
                "applied": 10
            }
            assert contents(box) != before
            sent = box.log.total
            undo = await doo.bulk.undo(path, decrypt=seal)
            assert box.log.total == sent, "a finished run is undone from its journal alone"
            assert undo.scope_unknown == ()
            await undone(doo, path, decrypt=seal)
            assert contents(box) == before

    simulate(main)


def test_an_update_that_left_the_secret_needs_none(tmp_path: Path) -> None:
    """Content, hosts and hooks go back without any secret kept, which stays in doo's list."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=3) as (doo, box):
            before, path = contents(box), tmp_path / "journal"
            operations = [
                Update(team, item["id"], hosts={"crm.example": "crm2.example"}, description=None, name="x")
                for team in box.teams
                for item in box.live(team)
            ]
            await doo.bulk.run(operations, journal=path, marker=True)
            assert len({change.digest for change in box.log.changes}) > 3
            await undone(doo, path)
            assert contents(box) == before

    simulate(main)


def test_secrets_that_are_needed_are_named(tmp_path: Path) -> None:
    """Without a way to have them nothing is returned; they can be given, or left by name."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=2) as (doo, box):
            first, second = box.live("111")
            before, path = contents(box), tmp_path / "journal"
            await doo.bulk.run([Delete("111", item["id"]) for item in (first, second)], journal=path)
            with pytest.raises(SecretsNeeded) as needed:
                await doo.bulk.undo(path)
            for item in (first, second):
                assert f"{item['id']} {item['name']!r} in team 111" in str(needed.value)
            kept = {
                item["id"]: item["authentication"]["credentials"]["client_secret"] for item in (first, second)
            }
            undo = await doo.bulk.undo(path, secrets=kept | {second["id"]: None})
            assert [type(operation) for operation in undo.operations] == [Create]
            assert [(left.outcome.operation.webhook_id, left.reason) for left in undo.left] == [
                (second["id"], f"the client secret of {second['id']} is not known")
            ]
            await undone(doo, path, secrets=kept)
            assert contents(box) == before

    simulate(main)


def test_secrets_are_kept_only_as_the_function_returns_them(tmp_path: Path) -> None:
    """Neither the journal nor its log holds one in clear; a function that fails, or does not encrypt, ends the run."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=2) as (doo, box):
            operations = [Delete("111", item["id"]) for item in box.live("111")]
            secret = box.live("111")[0]["authentication"]["credentials"]["client_secret"].encode()
            with pytest.raises(ConfigError, match="journal= is needed"):
                await doo.bulk.run(operations, keep_secrets=Sealer())

            def broken(data: bytes) -> bytes:
                raise ValueError(data.decode())

            path = tmp_path / "journal"
            for keep, why in ((broken, "raised ValueError"), (lambda data: b"x" + data, "in clear")):
                with pytest.raises(JournalWriteFailed, match=why) as failed:
                    await doo.bulk.run(operations, journal=path, keep_secrets=keep)
                assert secret.decode() not in str(failed.value)
                assert box.count("delete") == 0
            seal = Sealer()
            await doo.bulk.run(operations, journal=path, keep_secrets=seal)
            assert box.live("111") == []
            for file in sorted(tmp_path.iterdir()):  # noqa: ASYNC240  # simulated time waits for nobody
                assert secret not in file.read_bytes()
            with pytest.raises(SecretsNeeded, match="decrypt raised"):
                await doo.bulk.undo(path, decrypt=broken)
            await undone(doo, path, decrypt=seal)
            assert secret.decode() in str(box.live("111"))

    simulate(main)


def test_how_long_it_waits_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Before it waits for what a run had on its way, `on_wait` is called; what that raises changes nothing."""
    told: list[float] = []

    def on_wait(seconds: float) -> None:
        told.append(seconds)
        raise ValueError

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=0) as (doo, box):
            box.script(Fault("slow", on="create", seconds=60.0))
            run = asyncio.create_task(
                doo.bulk.run([Create("111", config("a"))], journal=tmp_path / "j", grace=0)
            )
            await clock.sleep(1.0)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
            begun = clock.monotonic()
            await doo.bulk.undo(tmp_path / "j", settle=20.0, on_wait=on_wait)
            (seconds,) = told
            assert 0 < seconds <= clock.monotonic() - begun < seconds + 1

    simulate(main)
    assert "on_wait raised ValueError" in caplog.text


def test_what_may_be_somebody_elses_is_left(tmp_path: Path) -> None:
    """What was found by its content after a lost answer is not deleted, but named; a marker makes it sure."""

    async def main(clock: SimulatedClock) -> None:
        for marker in (False, True):
            async with world(clock, organizations=1) as (doo, box):
                box.script(Fault("lost_after", on="create"))
                path = tmp_path / str(marker)
                await doo.bulk.run([Create("111", config("a"))], journal=path, marker=marker)
                undo = await doo.bulk.undo(path)
                assert len(undo.operations) == marker
                assert ["may be somebody else's" in left.reason for left in undo.left] == [True] * (
                    not marker
                )

    simulate(main)


def test_what_may_reach_further_is_named(tmp_path: Path) -> None:
    """Where lists may not show event_id and event_guide_id, what is created again may have lost them."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, facts=Facts(), organizations=1, webhooks_per_team=1) as (doo, box):
            seal, path = Sealer(), tmp_path / "journal"
            await doo.bulk.run([Delete("111", box.live("111")[0]["id"])], journal=path, keep_secrets=seal)
            undo = await doo.bulk.undo(path, decrypt=seal)
            assert undo.scope_unknown == undo.operations
            assert len(undo.operations) == 1

    simulate(main)


async def broken_off(
    clock: SimulatedClock,
    box: Box,
    operations: list[Operation],
    path: Path,
    after: float,
    keep: Sealer,
    marker: bool,  # noqa: FBT001
) -> None:
    """Break a run off without grace."""
    async with session(clock, box, limits=Limits(per_second=10, per_day=None)) as doo:
        run = asyncio.create_task(
            doo.bulk.run(operations, journal=path, grace=0.0, keep_secrets=keep, marker=marker)
        )
        await asyncio.wait({run}, timeout=after)
        run.cancel()
        await asyncio.wait({run})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), after=st.floats(0.05, 6.0), marker=st.booleans(), lossy=st.booleans())
@example(seed=1, after=1.9, marker=False, lossy=False)  # when all was done, and nothing of it released yet
def test_a_run_broken_off_anywhere_is_undone(
    tmp_path: Path,
    seed: int,
    after: float,
    marker: bool,  # noqa: FBT001
    lossy: bool,  # noqa: FBT001
) -> None:
    """Whatever was done when it broke off is put back, or named; with markers nothing has to be named."""
    path = tmp_path / f"{seed} {after} {marker} {lossy}"
    path.mkdir(exist_ok=True)
    for old in path.iterdir():
        old.unlink()

    async def main(clock: SimulatedClock) -> None:
        rates = FaultRates(lost_after=0.1, lost_before=0.05, late=0.05) if lossy else None
        box = Box(plan=None, latency=0.05, seed=seed, webhooks_per_team=5, rates=rates)
        before, seal = contents(box), Sealer()
        operations = everything(box)
        random.Random(seed).shuffle(operations)
        await broken_off(clock, box, operations, path / "journal", after, seal, marker)
        box.rates = None
        async with session(clock, box) as doo:
            undo = await doo.bulk.undo(path / "journal", decrypt=seal)
            assert not (marker and undo.left)
            if not (await doo.bulk.report(path / "journal")).complete:
                await doo.bulk.abandon(journal=path / "journal")
            await doo.bulk.run(undo.operations, journal=path / "undo")
        off = len(undo.left)
        live = contents(box)
        assert (live - before).total() <= off
        assert (before - live).total() <= off

    simulate(main, seed=seed)


def test_the_content_is_kept_of_what_the_latest_list_lacked(tmp_path: Path) -> None:
    """A webhook that is deleted though one reading of several pages missed it is in the journal all the same."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=3) as (doo, box):
            path = tmp_path / "journal"
            ids = {item["id"] for item in box.live("111")}
            await doo.bulk.run([Update("111", id_, name="moved") for id_ in sorted(ids)], journal=path)
            assert kept(path, "deleted").keys() == ids
            assert kept(path, "sealed") == {}

    simulate(main)


@pytest.mark.parametrize(("deletes", "stage"), [(True, "planned"), (False, "verified")])
def test_what_a_list_showed_after_its_delete_is_looked_for(
    tmp_path: Path,
    deletes: bool,  # noqa: FBT001
    stage: str,
) -> None:
    """A run ended between a list that was old and the second delete: what the first has deleted is brought back."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=3) as (doo, box):
            before, seal, path = contents(box), Sealer(), tmp_path / "journal"
            webhook_id = box.live("111")[0]["id"]
            operation = Delete("111", webhook_id) if deletes else Update("111", webhook_id, name="moved")
            await doo.bulk.run([operation], journal=path, keep_secrets=seal)
            state = kept(path, "change")["0"] | {"stage": stage, "status": None}
            add(path, doo, [("change", "0", state)])
            await undone(doo, path, decrypt=seal)
            assert contents(box) == before

    simulate(main)
