"""Single changes that are cut off in the middle: finished within their grace, or named with the way out; in simulated time."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from simulated import SimulatedClock, simulate
from simulated_doo import BoxTransport
from unlimited_session import UNLIMITED, config, kinds, practice, session

from aiodoo import ConfigError, DeadlineExceeded, Facts, Limits, OutcomeUnknown, Session
from aiodoo.events import CutOff, Event, LeftLive
from aiodoo.sandbox import Box, Fault, Sandbox

SECONDS = 0.1
"""Of each request."""

SWAPS: dict[str, Callable[..., Awaitable[Any]]] = {
    "update": lambda doo, old, **options: doo.webhooks.update("111", old, name="new", **options),
    "replace": lambda doo, old, **options: doo.webhooks.replace("111", old, config("new"), **options),
}
both = pytest.mark.parametrize("name", SWAPS)


@asynccontextmanager
async def world(
    clock: SimulatedClock, *, limits: Limits = UNLIMITED, on_event: Any = None
) -> AsyncIterator[tuple[Session, Box, str]]:
    """A session that has its token, the box that it asks, and the id of a webhook."""
    box = Box(plan=None, organizations=1, webhooks_per_team=3, latency=SECONDS)
    async with Session(
        api_key=box.api_key,
        client_id=box.client_id,
        client_secret=box.client_secret,
        limits=limits,
        clock=clock,
        facts=Facts(list_echoes_scope=True),
        transport=BoxTransport(box, clock),
        on_event=on_event,
    ) as doo:
        await doo.organizations.active_team()
        yield doo, box, box.live("111")[0]["id"]


def notes(error: BaseException | None) -> list[str]:
    """The notes of an exception."""
    return list(getattr(error, "__notes__", ()))


async def cancelled_after(
    clock: SimulatedClock, call: Awaitable[Any], *after: float
) -> tuple[BaseException | None, float]:
    """Cancel a call at these moments; return what came out of it and how many seconds after the first that was."""
    caught: list[BaseException] = []

    async def run() -> None:
        try:
            await call
        except BaseException as error:
            caught.append(error)
            raise

    task = asyncio.create_task(run())
    begun = clock.monotonic()
    for moment in after:
        await clock.sleep(begun + moment - clock.monotonic())
        task.cancel()
    await asyncio.wait({task})
    assert task.cancelled() or not caught, "a cancellation is never swallowed"
    return caught[0] if caught else None, clock.monotonic() - begun - after[0]


async def by_task(clock: SimulatedClock, call: Awaitable[Any], after: float) -> BaseException | None:
    """Cancel the task."""
    error, _ = await cancelled_after(clock, call, after)
    return error


async def by_timeout(_: SimulatedClock, call: Awaitable[Any], after: float) -> BaseException | None:
    """Let asyncio.timeout strike, which raises a TimeoutError of its own."""
    try:
        async with asyncio.timeout(after):
            await call
    except TimeoutError as error:
        return error.__cause__
    return None


async def by_scope(_: SimulatedClock, call: Awaitable[Any], after: float) -> BaseException | None:
    """Let a scope of anyio end, which is silent."""
    caught = None
    with anyio.move_on_after(after) as scope:
        try:
            await call
        except BaseException as error:
            caught = error
            raise
    assert scope.cancelled_caught == (caught is not None)
    return caught


async def by_sibling(clock: SimulatedClock, call: Awaitable[Any], after: float) -> BaseException | None:
    """Let another task of the same group fail."""
    caught: list[BaseException] = []

    async def fails() -> None:
        await clock.sleep(after)
        raise ZeroDivisionError

    async def run() -> None:
        try:
            await call
        except BaseException as error:
            caught.append(error)
            raise

    with pytest.RaisesGroup(ZeroDivisionError):
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            group.create_task(run())
    return caught[0] if caught else None


@both
@pytest.mark.parametrize("way", [by_task, by_timeout, by_scope, by_sibling])
def test_at_every_instant(way: Callable[..., Awaitable[BaseException | None]], name: str) -> None:
    """Before its create has left it stops at once; later it is finished, and the cancellation says so in a note."""

    async def main(clock: SimulatedClock, after: float) -> bool:
        async with world(clock) as (doo, box, old_id):
            begun = clock.monotonic()
            error = await way(clock, SWAPS[name](doo, old_id), after)
            seconds = clock.monotonic() - begun
            live = [(item["id"], item["name"]) for item in box.live("111")]
            new = [each for each, called in live if called == "new"]
            assert len(live) == 3, "old and new are never live both"
            if error is None:
                assert new
                return False
            assert type(error) is asyncio.CancelledError
            assert [note for note in notes(error) if old_id not in note] == []
            assert ("create" in kinds(box)) == (after > SECONDS)
            if "create" in kinds(box):
                assert new[0] in notes(error)[0]
                assert seconds == pytest.approx(5 * SECONDS)
            else:
                assert not notes(error)
                assert seconds == pytest.approx(after)
            assert len(asyncio.all_tasks()) == 1
            return True

    moments = [0.01 + step * 0.04 for step in range(15)]
    struck = [simulate(lambda clock, after=after: main(clock, after)) for after in moments]
    assert struck == [after < 5 * SECONDS for after in moments]


SILENT = [("create", 1, False), ("list", 2, True), ("delete", 1, True), ("list", 3, True)]


@both
@pytest.mark.parametrize("grace", [None, 2.5, 0.0])
@pytest.mark.parametrize(("on", "nth", "created"), SILENT)
def test_a_grace_that_is_not_enough(
    on: Any, nth: int, name: str, grace: float | None, caplog: pytest.LogCaptureFixture, *, created: bool
) -> None:
    """The note, a warning and an event name both ids, or that a create is in doubt, and the way out."""
    heard: list[Event] = []

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, on_event=heard.append) as (doo, box, old_id):
            box.script(Fault("lost_after", on=on, nth=nth, stage="no_answer", times=None))
            options = {} if grace is None else {"grace": grace}
            error, seconds = await cancelled_after(clock, SWAPS[name](doo, old_id, **options), 1.0)
            assert seconds == pytest.approx(10.0 if grace is None else grace)
            [note] = notes(error)
            new_id = box.live("111")[-1]["id"] if created else None
            assert old_id in note
            assert "List the team" in note
            assert (new_id or "UTC") in note
            warned = [each for each in caplog.records if each.levelno == logging.WARNING]
            assert [each.getMessage() for each in warned] == [note]
            [event] = [each for each in heard if isinstance(each, LeftLive | CutOff)]
            if (on, nth) == ("list", 3):  # doo has accepted the delete, and the old one is gone
                assert isinstance(event, CutOff)
                assert (event.webhook_id, event.message, event.team_id) == (old_id, note, "111")
                assert f"delete {old_id}" not in note
            else:
                assert isinstance(event, LeftLive)
                assert (event.old_id, event.new_id, event.message) == (old_id, new_id, note)
            sent = box.log.total
            await clock.sleep(60.0)
            assert box.log.total == sent

    simulate(main)


@both
def test_a_second_cancellation_ends_the_grace(name: str) -> None:
    """Whoever cancels twice waits no longer, and has the note all the same."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box, old_id):
            box.script(Fault("lost_before", on="delete", stage="no_answer", times=None))
            error, seconds = await cancelled_after(clock, SWAPS[name](doo, old_id), 1.0, 3.0)
            assert seconds == pytest.approx(2.0)
            assert old_id in notes(error)[0]
            assert len(asyncio.all_tasks()) == 1

    simulate(main)


def test_a_scope_does_not_take_a_second_cancellation_for_its_own() -> None:
    """Its task cancelled in the grace that a scope's end has begun, the cancellation goes on beyond the scope."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box, old_id):
            box.script(Fault("lost_before", on="delete", stage="no_answer", times=None))

            async def run() -> None:
                with anyio.move_on_after(1.0):
                    await doo.webhooks.update("111", old_id, name="new")
                pytest.fail("the task was cancelled")

            task = asyncio.create_task(run())
            await clock.sleep(3.0)
            task.cancel()
            await asyncio.wait({task})
            assert task.cancelled()

    simulate(main)


@both
def test_a_create_that_doo_refused_is_not_sent_in_the_grace(name: str) -> None:
    """What is cancelled while its create is on the wire, and turns out not to have happened, is not begun again."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box, old_id):
            box.script(Fault("too_many", on="create", headers={"Retry-After": "2"}))
            error, seconds = await cancelled_after(clock, SWAPS[name](doo, old_id), 1.5 * SECONDS)
            assert type(error) is asyncio.CancelledError
            assert notes(error) == []
            assert seconds < SECONDS
            await clock.sleep(30.0)
            assert kinds(box).count("create") == 1
            assert len(box.live("111")) == 3

    simulate(main)


@both
def test_a_deadline_keeps_time_to_finish(name: str) -> None:
    """A create that would leave in the last part of the deadline, which is kept for finishing, is not sent."""

    async def main(clock: SimulatedClock, deadline: float, interval: float) -> tuple[str, list[str]]:
        async with world(clock, limits=Limits(per_second=1 / interval, per_day=None)) as (doo, box, old_id):
            begun = clock.monotonic()
            with pytest.raises((DeadlineExceeded, OutcomeUnknown)) as caught:
                await SWAPS[name](doo, old_id, deadline=deadline)
            assert clock.monotonic() - begun <= deadline
            assert len(box.live("111")) == 3 + ("create" in kinds(box)) - ("delete" in kinds(box))
            return str(caught.value), kinds(box)[1:]

    # The list leaves after one interval, the create after two.
    words, sent = simulate(lambda clock: main(clock, 20.0, 6.0))
    assert "10 s of its 20 s are kept to finish it" in words
    assert sent == ["list"]
    words, sent = simulate(lambda clock: main(clock, 8.0, 2.1))
    assert "4 s of its 8 s are kept" in words
    assert sent == ["list"]
    words, sent = simulate(lambda clock: main(clock, 8.0, 1.9))
    assert "List the team" in words
    assert sent == ["list", "create", "list", "delete"]


@both
def test_a_deadline_in_the_middle_is_told_of(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Half done at its own deadline, it raises OutcomeUnknown, and a warning and an event say the same."""
    heard: list[Event] = []

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, on_event=heard.append) as (doo, box, old_id):
            box.script(Fault("lost_before", on="delete", stage="no_answer", times=None))
            with pytest.raises(OutcomeUnknown) as caught:
                await SWAPS[name](doo, old_id, deadline=5.0)
            assert (caught.value.old_id, caught.value.new_id) == (old_id, box.live("111")[-1]["id"])
            [event] = [each for each in heard if isinstance(each, LeftLive)]
            assert event.message == str(caught.value)
            assert str(caught.value) in caplog.messages

    simulate(main)


OTHERS: dict[str, tuple[Any, Callable[[Session, str], Awaitable[Any]], str]] = {
    "create": ("create", lambda doo, _: doo.webhooks.create("111", config("new")), "Ensure"),
    "delete": ("delete", lambda doo, old: doo.webhooks.delete(old), "Deleting again is safe"),
    "delete, confirmed": (
        "delete",
        lambda doo, old: doo.webhooks.delete(old, confirm_in="111"),
        "Deleting again is safe",
    ),
    "initialize": (
        "initialize",
        lambda doo, _: doo.webhooks.initialize("events", organization_id=70_001),
        "was not sent again",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_changes_on_the_wire(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """They stop at once; the note, a warning and an event say that the outcome is unknown, and the way out."""
    on, call, way_out = OTHERS[name]
    heard: list[Event] = []

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, on_event=heard.append) as (doo, box, old_id):
            box.script(Fault("lost_after", on=on, stage="no_answer", times=None))
            error, seconds = await cancelled_after(clock, call(doo, old_id), 1.0)
            assert seconds == pytest.approx(0.0)
            [note] = notes(error)
            assert way_out in note
            assert caplog.messages == [note]
            [event] = [each for each in heard if isinstance(each, CutOff)]
            assert event.message == note
            assert event.kind == on
            assert event.webhook_id == (old_id if on == "delete" else None)
            assert box.count(on) == 1

    simulate(main)


@pytest.mark.parametrize("name", OTHERS)
def test_other_changes_that_have_not_left(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """What waits for its turn, or was refused, and is cancelled then leaves nothing to be told of."""
    on, call, _ = OTHERS[name]

    async def main(clock: SimulatedClock, *, refused: bool) -> None:
        limits = UNLIMITED if refused else Limits(per_second=0.1, per_day=None)
        async with world(clock, limits=limits) as (doo, box, old_id):
            if refused:
                box.script(Fault("too_many", on=on, headers={"Retry-After": "30"}))
            error, seconds = await cancelled_after(clock, call(doo, old_id), 1.0)
            assert type(error) is asyncio.CancelledError
            assert seconds == pytest.approx(0.0)
            assert notes(error) == []
            assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []
            assert box.count(on) == refused

    simulate(lambda clock: main(clock, refused=True))
    simulate(lambda clock: main(clock, refused=False))


def test_a_delete_that_no_list_has_confirmed(caplog: pytest.LogCaptureFixture) -> None:
    """Cancelled between the delete and the list that confirms it, the note says that it is not confirmed."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box, old_id):
            box.script(Fault("lost_before", on="list", stage="no_answer"))
            error, seconds = await cancelled_after(clock, doo.webhooks.delete(old_id, confirm_in="111"), 1.0)
            assert seconds == pytest.approx(0.0)
            assert notes(error) == caplog.messages
            assert f"delete of webhook configuration {old_id} in team 111 is in doubt" in notes(error)[0]

    simulate(main)


def test_reads_stop_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """A cancelled list has nothing to finish, and nothing to tell."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box, _):
            box.script(Fault("lost_before", on="list", stage="no_answer", times=None))
            error, seconds = await cancelled_after(clock, doo.webhooks.list("111").collect(), 1.0)
            assert (notes(error), seconds, caplog.messages) == ([], pytest.approx(0.0), [])

    simulate(main)


def test_a_grace_that_cannot_be_right() -> None:
    """It is seconds, 0 or more; else nothing is sent."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box, old_id):
            sent = box.log.total
            for grace in (-1.0, float("nan"), "10", None, True):
                with pytest.raises(ConfigError, match="grace"):
                    await doo.webhooks.update("111", old_id, name="new", grace=grace)  # type: ignore[arg-type]
            assert box.log.total == sent

    simulate(main)


def test_the_end_of_a_program(caplog: pytest.LogCaptureFixture) -> None:
    """asyncio.run cancels every task when it ends, which leaves no grace, but the warning says what is left."""

    async def main() -> None:
        async with Sandbox(plan=None, webhooks_per_team=1) as box:
            doo = session(box)
            box.script(Fault("lost_before", on="delete", stage="no_answer", times=None))
            old_id = box.live("111")[0]["id"]
            going.append(asyncio.create_task(doo.webhooks.update("111", old_id, name="new")))
            while not box.count("delete"):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            ids.extend(item["id"] for item in box.live("111"))
            going.append(asyncio.create_task(closes(doo)))

    async def closes(doo: Session) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await doo.aclose()

    going: list[asyncio.Task[Any]] = []
    ids: list[str] = []
    asyncio.run(main())
    with pytest.raises(asyncio.CancelledError):
        going[0].result()
    [message] = [each for each in caplog.messages if "is in doubt" in each]
    assert len(ids) == 2
    assert all(each in message for each in ids)


def test_a_task_that_others_cancel(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever cancels every other task cancels the change too, whose caller hears of it."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box, old_id):

            async def others() -> None:
                await clock.sleep(3.5 * SECONDS)
                for task in asyncio.all_tasks():
                    if task.get_name() == "aiodoo update":
                        task.cancel()

            task = asyncio.create_task(others())
            with pytest.raises(asyncio.CancelledError) as caught:
                await doo.webhooks.update("111", old_id, name="new")
            await task
            assert notes(caught.value) == caplog.messages
            assert box.live("111")[-1]["id"] in caplog.messages[0]

    simulate(main)


async def test_a_call_that_nobody_waits_for_any_more(caplog: pytest.LogCaptureFixture) -> None:
    """A coroutine that is closed instead of being cancelled, as the garbage collector does, leaves no task, and a warning."""
    async with practice(webhooks_per_team=1) as (doo, box):
        box.script(Fault("lost_before", on="delete", stage="no_answer", times=None))
        call = doo.webhooks.update("111", box.live("111")[0]["id"], name="new")
        waits_for = call.send(None)  # type: ignore[attr-defined]
        assert waits_for is not None
        while not box.count("delete"):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        call.close()  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)
        gc.collect()
        assert [task for task in asyncio.all_tasks() if "aiodoo" in task.get_name()] == []
        [message] = [each for each in caplog.messages if "is in doubt" in each]
        assert all(item["id"] in message for item in box.live("111"))


@both
def test_a_session_that_is_closed_in_the_middle(name: str) -> None:
    """Whoever closes the session after a create has left is not told that nothing was sent."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box, old):
            change = asyncio.ensure_future(SWAPS[name](doo, old))
            box.when(lambda _: box.count("create") == 1, lambda: asyncio.ensure_future(doo.aclose()))
            with pytest.raises(OutcomeUnknown) as caught:
                await change
            assert "othing was sent" not in str(caught.value)
            assert "that request was not sent" in str(caught.value)

    simulate(main)
