"""What a create without an answer has made and somebody edits before a list shows it is named; in simulated time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from bulk_world import UNLIMITED, config, content, session
from dying_process import MortalWorker, folder
from simulated import SimulatedClock, simulate

from aiodoo import Report
from aiodoo.offload import InlineWorker
from aiodoo.operations import Create, Ensure, Operation, Update
from aiodoo.sandbox import Box, Fault


class Scene:
    """A team of one webhook, whose first create is carried out without an answer, and what it made edited after 60 s."""

    def __init__(self, clock: SimulatedClock, path: Path) -> None:
        self.clock = clock
        self.path = path
        self.box = Box(plan=None, latency=0.05, organizations=1)
        self.old = self.box.add_webhook("111", content(config("old")))
        self.box.script(Fault("error_acted", on="create", nth=1))
        self.edited = ""

    async def somebody_else(self) -> None:
        """Edit what the first create has made."""
        await self.clock.sleep(60)
        made = [item for item in self.box.live("111") if item["id"] != self.old]
        if made:
            self.edited = made[0]["id"]
            edited = content(config("new").copy(description="edited"))
            self.box.foreign_edit(self.edited, edited, now=self.clock.monotonic())

    async def process(
        self, operation: Operation, worker: MortalWorker | InlineWorker, *, marker: bool = False
    ) -> Report | None:
        """Let a process go on until it is done or dead."""
        doo = session(self.clock, self.box, limits=UNLIMITED, worker=worker)
        run = asyncio.create_task(doo.bulk.run([operation], journal=self.path, grace=0.0, marker=marker))
        if isinstance(worker, MortalWorker):
            died = asyncio.create_task(worker.died.wait())
            await asyncio.wait({run, died}, return_when=asyncio.FIRST_COMPLETED)
            died.cancel()
            worker.die()
            if not run.done():
                run.cancel()
                await asyncio.gather(run, return_exceptions=True)
                worker.kill()
                await doo.aclose()
                return None
        report = await run
        await doo.aclose()
        return report


def lived(word: str, *, dies_at: int | None = None) -> tuple[Report, Scene, int]:
    """Carry out an operation, killed at a piece of writing if one is given and then gone on with."""

    async def main(clock: SimulatedClock) -> tuple[Report, Scene, int]:
        with folder() as where:
            scene = Scene(clock, where / "journal")
            operation: Operation = {
                "create": Create("111", config("new")),
                "ensure": Ensure("111", config("new")),
                "update": Update("111", scene.old, name="new"),
            }[word]
            somebody = asyncio.create_task(scene.somebody_else())
            worker = MortalWorker(dies_at)
            report = await scene.process(operation, worker)
            if report is None:
                report = await scene.process(operation, InlineWorker())
            assert report is not None
            await somebody
            return report, scene, worker.done

    return simulate(main)


@pytest.mark.parametrize("operation", ["create", "ensure", "update"])
def test_what_was_edited_before_a_list_showed_it_is_named(
    operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It cannot be told for the run's own, so another one is made; the outcome and the log name the first."""
    report, scene, _ = lived(operation)
    [outcome] = report
    assert outcome.status == "applied"
    assert outcome.webhook_id != scene.edited
    assert {item["id"] for item in scene.box.live("111")} >= {outcome.webhook_id, scene.edited}
    assert outcome.reason is not None
    assert f"{scene.edited} has appeared" in outcome.reason
    assert any(f"{scene.edited} has appeared" in record.getMessage() for record in caplog.records)


def test_a_kill_does_not_make_it_forgotten() -> None:
    """Killed at any piece of writing and gone on with, the run names what is live beside what it has made."""
    pieces = lived("create", dies_at=10_000)[2]
    named = 0
    for dies_at in range(1, pieces + 1):
        report, scene, _ = lived("create", dies_at=dies_at)
        [outcome] = report
        live = [item["id"] for item in scene.box.live("111")]
        if scene.edited and outcome.webhook_id != scene.edited:
            named += 1
            assert len(live) == 3
            assert scene.edited in (outcome.reason or ""), dies_at
        else:
            assert len(live) == 2
    assert named > 3


def test_with_a_marker_it_is_known_again() -> None:
    """An edit that leaves the marker where it is leaves one webhook."""

    async def main(clock: SimulatedClock) -> None:
        with folder() as where:
            scene = Scene(clock, where / "journal")

            async def somebody_else() -> None:
                await clock.sleep(60)
                made = scene.box.live("111")
                [new] = [item for item in made if item["id"] != scene.old]
                edited = {key: value for key, value in new.items() if key != "id"} | {"name": "edited"}
                scene.box.foreign_edit(new["id"], edited, now=clock.monotonic())

            somebody = asyncio.create_task(somebody_else())
            report = await scene.process(Create("111", config("new")), InlineWorker(), marker=True)
            await somebody
            assert report is not None
            assert report.counts()["applied"] == 1
            assert len(scene.box.live("111")) == 2

    simulate(main)
