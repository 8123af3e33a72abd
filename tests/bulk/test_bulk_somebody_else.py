"""What somebody else does between a list and the delete that counts on it, in runs and in single calls; in simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bulk_world import config, session, world
from simulated import SimulatedClock, simulate

from aiodoo import Limits, OutcomeUnknown, PlanDrift, Report, Session, TransportError, events
from aiodoo.operations import Delete, Ensure, Operation, Replace, Update
from aiodoo.sandbox import Box, Fault

LIMITS = Limits(per_second=5, per_day=None)


def after(kind: str, nth: int, act: Callable[[], object]) -> Callable[[events.Event], None]:
    """Return a listener that acts after the n-th answer to such a request."""
    seen = 0

    def listen(event: events.Event) -> None:
        nonlocal seen
        if isinstance(event, events.Answered) and event.kind == kind:
            seen += 1
            if seen == nth:
                act()

    return listen


def edit(box: Box, webhook_id: str) -> None:
    """Let somebody else give a webhook other content."""
    box.foreign_edit(webhook_id, config("theirs").to_dict(secrets="reveal"))


async def one(doo: Session, operation: Operation, how: str) -> Report | None:
    """Carry out one operation by a run or by a single call; return the run's report."""
    if how == "run":
        return await doo.bulk.run([operation])
    if isinstance(operation, Update):
        call = doo.webhooks.update(operation.team_id, operation.webhook_id, **operation.changes)
    else:
        assert isinstance(operation, Replace)
        call = doo.webhooks.replace(operation.team_id, operation.webhook_id, operation.config)
    with pytest.raises(OutcomeUnknown) as caught:
        await call
    assert operation.webhook_id in str(caught.value)
    return None


def made(operation: str, webhook_id: str) -> Operation:
    """Return an operation on a webhook."""
    if operation == "update":
        return Update("111", webhook_id, name="moved")
    return Replace("111", webhook_id, config("new")) if operation == "replace" else Delete("111", webhook_id)


def drifted(report: Report | None) -> None:
    """A run says that somebody else has changed it."""
    if report is not None:
        assert [outcome.status for outcome in report] == ["skipped"]
        assert isinstance(report.outcomes[0].error, PlanDrift)


def scene(
    operation: str,
    how: str,
    kind: str,
    nth: int,
    act: Callable[[Box, str], object],
    *faults: Fault,
    **settings: Any,
) -> tuple[Report | None, Box, str]:
    """Carry out one operation on the oldest of five webhooks while somebody acts after the n-th answer of a kind."""

    async def main(clock: SimulatedClock) -> tuple[Report | None, Box, str]:
        box = Box(plan=None, latency=0.05, organizations=1, **({"webhooks_per_team": 5} | settings))
        webhook_id = box.live("111")[0]["id"]
        box.script(*faults)
        listen = after(kind, nth, lambda: act(box, webhook_id))
        async with session(clock, box, limits=LIMITS, on_event=listen, deadline=None) as doo:
            return await one(doo, made(operation, webhook_id), how), box, webhook_id

    return simulate(main)


def is_theirs(box: Box, webhook_id: str) -> bool:
    """Tell whether a webhook lives with what somebody else gave it."""
    return any(item["id"] == webhook_id and item["name"] == "theirs" for item in box.live("111"))


ways = pytest.mark.parametrize("how", ["run", "single"])
swaps = pytest.mark.parametrize("operation", ["update", "replace"])


@ways
@swaps
@pytest.mark.parametrize("page_size", [3, 25])
def test_an_edit_after_an_ignored_delete_is_kept(operation: str, how: str, page_size: int) -> None:
    """Doo ignores the first delete, and the list that should confirm it shows the edit: no second one goes out."""
    report, box, webhook_id = scene(
        operation, how, "delete", 1, edit, Fault("delete_ignored"), page_size=page_size
    )
    assert is_theirs(box, webhook_id)
    assert box.count("delete") == 1
    drifted(report)


def test_an_edit_after_an_ignored_plain_delete_is_kept() -> None:
    """The same for what a run was only to delete."""
    report, box, webhook_id = scene("delete", "run", "delete", 1, edit, Fault("delete_ignored"))
    assert is_theirs(box, webhook_id)
    assert box.count("delete") == 1
    drifted(report)


@ways
@swaps
@pytest.mark.parametrize("page_size", [3, 25])
def test_an_edit_during_a_long_pause_is_kept(operation: str, how: str, page_size: int) -> None:
    """A 429 asks for ten minutes between the list and the delete: everything is read again before that leaves."""
    pause = Fault("too_many", on="delete", headers={"Retry-After": "600"})
    report, box, webhook_id = scene(operation, how, "delete", 1, edit, pause, page_size=page_size)
    assert is_theirs(box, webhook_id)
    assert box.count("delete") == 1
    drifted(report)


def test_an_edit_during_a_long_pause_is_kept_from_a_plain_delete() -> None:
    """The same for what a run was only to delete."""
    pause = Fault("too_many", on="delete", headers={"Retry-After": "600"})
    report, box, webhook_id = scene("delete", "run", "delete", 1, edit, pause)
    assert is_theirs(box, webhook_id)
    assert box.count("delete") == 1
    drifted(report)


def test_a_long_pause_alone_costs_a_look() -> None:
    """With nobody else, the delete goes out after one more list, and all is applied."""
    pause = Fault("too_many", on="delete", headers={"Retry-After": "600"})
    report, box, _ = scene("update", "run", "delete", 1, lambda box, webhook_id: None, pause)
    assert report is not None
    assert report.counts()["applied"] == 1
    assert (box.count("list"), box.count("delete")) == (4, 2)


@ways
@swaps
def test_the_last_live_copy_is_never_deleted(operation: str, how: str) -> None:
    """Somebody deletes the replacement while the old one still lives: that one stays."""

    def act(box: Box, _: str) -> None:
        box.foreign_delete(box.live("111")[-1]["id"])

    report, box, webhook_id = scene(operation, how, "delete", 1, act, Fault("delete_ignored"))
    assert webhook_id in [item["id"] for item in box.live("111")]
    assert box.count("delete") == 1
    assert report is None or report.outcomes[0].status == "skipped"


@ways
@swaps
def test_an_id_that_is_given_again_is_somebody_elses(operation: str, how: str) -> None:
    """The old one is gone, and its id names another webhook by the time of the list: that one is not deleted."""

    def act(box: Box, webhook_id: str) -> None:
        box.foreign_delete(webhook_id)
        box.add_webhook("111", config("theirs").to_dict(secrets="reveal"), webhook_id=webhook_id)

    report, box, webhook_id = scene(operation, how, "create", 1, act)
    assert is_theirs(box, webhook_id)
    assert box.count("delete") == 0
    drifted(report)


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("update", "create"),
        ("update", "delete"),
        ("replace", "create"),
        ("replace", "delete"),
        ("delete", "delete"),
    ],
)
def test_an_edit_between_the_end_of_a_process_and_the_resume_is_kept(
    tmp_path: Path, operation: str, kind: str
) -> None:
    """Broken off between create and look, or with a delete that doo ignores on its way: what was written down tells."""

    async def main(clock: SimulatedClock) -> None:
        box = Box(plan=None, latency=0.05, organizations=1, webhooks_per_team=5)
        webhook_id = box.live("111")[0]["id"]
        box.script(Fault("delete_ignored"))
        runs: list[asyncio.Task[Report]] = []
        listen = after(kind, 1, lambda: [run.cancel() for run in runs])
        async with session(clock, box, limits=LIMITS, on_event=listen) as doo:
            runs.append(
                asyncio.create_task(
                    doo.bulk.run([made(operation, webhook_id)], journal=tmp_path / "journal", grace=0.0)
                )
            )
            await asyncio.wait(runs)
            assert runs[0].cancelled()
        await clock.sleep(1)
        deletes = box.count("delete")
        box.advance(clock.monotonic())
        edit(box, webhook_id)
        async with session(clock, box, limits=LIMITS) as doo:
            report = await doo.bulk.resume(tmp_path / "journal")
        assert is_theirs(box, webhook_id)
        assert box.count("delete") == deletes
        assert report.outcomes[0].status in {"skipped", "unknown"}
        assert isinstance(report.outcomes[0].error, PlanDrift)

    simulate(main)


@pytest.mark.parametrize("operation", ["update", "replace", "delete"])
@pytest.mark.parametrize("faults", [(), (Fault("lost_before", on="list", nth=2, times=3),)])
def test_an_edit_while_the_team_is_read_for_the_first_time_is_kept(
    operation: str, faults: tuple[Fault, ...]
) -> None:
    """A page is read before the edit, and again after it, also in a reading that begins anew: nothing is changed."""
    report, box, webhook_id = scene(
        operation, "run", "list", 1, edit, *faults, page_size=3, order="oldest_first"
    )
    assert is_theirs(box, webhook_id)
    assert (box.count("create"), box.count("delete")) == (0, 0)
    assert box.count("list") == 4 + 4 * len(faults)
    drifted(report)


def test_an_edit_while_a_single_call_reads_the_team_is_kept() -> None:
    """A single call says so, and has changed nothing."""

    async def main(clock: SimulatedClock) -> None:
        box = Box(
            plan=None, latency=0.05, organizations=1, webhooks_per_team=5, page_size=3, order="oldest_first"
        )
        webhook_id = box.live("111")[0]["id"]
        listen = after("list", 1, lambda: edit(box, webhook_id))
        async with session(clock, box, limits=LIMITS, on_event=listen) as doo:
            with pytest.raises(PlanDrift, match="nothing was changed"):
                await doo.webhooks.replace("111", webhook_id, config("new"))
        assert is_theirs(box, webhook_id)
        assert box.log.changes[-1].what == "edited"

    simulate(main)


@pytest.mark.parametrize("operation", ["update", "replace", "delete"])
def test_one_webhook_of_a_small_team_that_somebody_deletes_stops_nothing(operation: str) -> None:
    """A list that lacks one of two or three is believed, as long as it shows some."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=3) as (doo, box):
            changed, _, deleted = (item["id"] for item in box.live("111"))
            box.before("delete", lambda: box.foreign_delete(deleted))
            report = await doo.bulk.run([made(operation, changed)])
            assert [outcome.status.value for outcome in report] == ["applied"]
            assert len(box.live("111")) == (1 if operation == "delete" else 2)

    simulate(main)


@pytest.mark.parametrize("others_there", [4, 18])
@pytest.mark.parametrize("resumes", [1, 2])
@pytest.mark.parametrize("operation", ["update", "replace", "delete"])
def test_an_edit_of_what_was_not_begun_before_the_resume_is_kept(
    tmp_path: Path, operation: str, resumes: int, others_there: int
) -> None:
    """Broken off before their turn, two of twelve are edited and deleted by somebody: the others alone are changed."""

    async def main(clock: SimulatedClock) -> None:
        box = Box(plan=None, latency=0.05, organizations=1, webhooks_per_team=12 + others_there, page_size=9)
        ids = [item["id"] for item in box.live("111")][:12]
        path = tmp_path / "journal"
        runs: list[asyncio.Task[Report]] = []
        listen = after(
            "create" if operation != "delete" else "delete", 1, lambda: [run.cancel() for run in runs]
        )
        operations = [made(operation, each) for each in ids]
        async with session(clock, box, limits=Limits(per_second=1, per_day=None), on_event=listen) as doo:
            runs.append(asyncio.create_task(doo.bulk.run(operations, journal=path, grace=0.0)))
            await asyncio.wait(runs)
            assert runs[0].cancelled()
        await clock.sleep(1)
        box.advance(clock.monotonic())
        if resumes == 2:
            # One that ends before it has looked at the team changes nothing of what is known.
            async with session(clock, box, limits=LIMITS) as doo:
                box.refuse_connections()
                with pytest.raises(TransportError):
                    await doo.bulk.resume(path)
            box.accept_connections()
        edit(box, ids[-1])
        box.foreign_delete(ids[-2])
        async with session(clock, box, limits=LIMITS) as doo:
            report = await doo.bulk.resume(path)
        assert is_theirs(box, ids[-1])
        *others, gone, edited = report
        assert edited.status == "skipped"
        assert isinstance(edited.error, PlanDrift)
        assert ids[-1] in str(edited.error)
        assert gone.status == ("unchanged" if operation == "delete" else "skipped")
        assert {outcome.status.value for outcome in others} == {"applied"}
        assert len(box.live("111")) == others_there + (1 if operation == "delete" else 11)

    simulate(main)


def test_a_chain_goes_on_after_a_resume(tmp_path: Path) -> None:
    """The second operation on a webhook finds what the first has made of it, which is no drift."""

    async def main(clock: SimulatedClock) -> None:
        for nth in range(1, 6):
            box = Box(plan=None, latency=0.05, organizations=1, webhooks_per_team=3)
            first, *_ = (item["id"] for item in box.live("111"))
            path = tmp_path / f"journal{nth}"
            operations = [Update("111", first, name=f"v{number}") for number in range(3)]
            runs: list[asyncio.Task[Report]] = []
            listen = after("create", nth, lambda runs=runs: [run.cancel() for run in runs])  # type: ignore[misc]
            async with session(clock, box, limits=LIMITS, on_event=listen) as doo:
                runs.append(asyncio.create_task(doo.bulk.run(operations, journal=path, grace=0.0)))
                await asyncio.wait(runs)
            async with session(clock, box, limits=LIMITS) as doo:
                assert (await doo.bulk.resume(path)).counts()["applied"] == 3
            assert max(item["name"] for item in box.live("111")) == "v2"
            assert len(box.live("111")) == 3

    simulate(main)


def test_a_delete_of_what_was_made_a_moment_ago_is_not_unchanged() -> None:
    """A list that lags does not show it yet: a later one does, and it is deleted."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=5, replica_lag=20.0) as (doo, box):
            await clock.sleep(60)
            late = box.foreign_create("111", config("new").to_dict(), now=clock.monotonic())
            report = await doo.bulk.run([Delete("111", late)])
            assert report.counts()["applied"] == 1
            assert late not in [item["id"] for item in box.live("111")]

    simulate(main)


def test_two_ensures_in_a_row_make_no_twins() -> None:
    """The second run's list does not show yet what the first one has made: it waits until a list does."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=5, replica_lag=20.0) as (doo, box):
            await clock.sleep(60)
            first = await doo.bulk.run([Ensure("111", config("new"))])
            second = await doo.bulk.run([Ensure("111", config("new"))])
            assert (first.counts()["applied"], second.counts()["unchanged"]) == (1, 1)
            assert [item["name"] for item in box.live("111")].count("new") == 1

    simulate(main)


def test_an_edit_during_an_outage_is_not_deleted() -> None:
    """What somebody else does while doo cannot be reached is seen before a delete goes out."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=5) as (doo, box):
            operations = [Update("111", item["id"], description="moved") for item in box.live("111")]
            edited = operations[-1].webhook_id
            stored = {name: value for name, value in box.live("111")[-1].items() if name != "id"}

            def leave() -> None:
                box.refuse_connections(20.0)
                box.foreign_edit(edited, stored | {"description": "edited meanwhile"})

            box.before("delete", leave)
            report = await doo.bulk.run(operations)
            assert edited in {item["id"] for item in box.live("111")}
            assert report.outcomes[-1].status == "skipped"
            assert report.outcomes[-1].both_live
            assert not report.complete
            assert report.counts()["applied"] == 4

    simulate(main)


@pytest.mark.parametrize("act", ["deletes", "edits"])
def test_what_a_replacement_in_doubt_replaces_is_changed_before_the_run_is_resumed(
    tmp_path: Path, act: str
) -> None:
    """The create was lost and the process killed; one resume finds that it did not happen, and what somebody has done."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=5, latency=0.1) as (doo, box):
            (old, *_) = [item["id"] for item in box.live("111")]
            box.script(Fault("lost_before", on="create"))
            run = asyncio.create_task(
                doo.bulk.run([Replace("111", old, config("new"))], journal=tmp_path / "journal", grace=0.0)
            )
            await clock.sleep(2.0)
            run.cancel()
            await asyncio.wait({run})
            if act == "deletes":
                box.foreign_delete(old)
            else:
                edit(box, old)
            report = await doo.bulk.resume(tmp_path / "journal")
            assert [outcome.status for outcome in report] == ["skipped"]
            assert box.count("create") == 1
            assert len(box.live("111")) == (4 if act == "deletes" else 5)

    simulate(main)
