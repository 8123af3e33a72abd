"""Deadlines of single changes, in simulated time: kept over all steps, and a doubt only where something was changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from simulated import SimulatedClock, simulate
from simulated_doo import BoxTransport
from unlimited_session import UNLIMITED, config, kinds

from aiodoo import DeadlineExceeded, DooError, Limits, OutcomeUnknown, Session
from aiodoo.events import Event, LeftLive
from aiodoo.sandbox import Box, Fault

Call = Callable[[Session, str], Awaitable[Any]]

CALLS: dict[str, Call] = {
    "update": lambda doo, webhook_id: doo.webhooks.update("111", webhook_id, name="new", deadline=20.0),
    "replace": lambda doo, webhook_id: doo.webhooks.replace("111", webhook_id, config(), deadline=20.0),
}
both = pytest.mark.parametrize("call", CALLS)


@asynccontextmanager
async def simulated(
    clock: SimulatedClock, *, limits: Limits = UNLIMITED, on_event: Any = None, **options: Any
) -> AsyncIterator[tuple[Session, Box]]:
    """A session in simulated time and the box that it asks."""
    box = Box(**({"plan": None, "organizations": 1, "webhooks_per_team": 3} | options))
    async with Session(
        api_key=box.api_key,
        client_id=box.client_id,
        client_secret=box.client_secret,
        limits=limits,
        clock=clock,
        on_event=on_event,
        transport=BoxTransport(box, clock),
    ) as doo:
        yield doo, box


async def ends(clock: SimulatedClock, call: Awaitable[Any]) -> tuple[DooError | None, float]:
    """How a call ended, and after how many seconds."""
    begun = clock.monotonic()
    try:
        await call
    except DooError as error:
        return error, clock.monotonic() - begun
    return None, clock.monotonic() - begun


def silent(on: Any, nth: int = 1, times: int | None = None) -> Fault:
    """Let an operation be answered by silence."""
    return Fault("lost_before", on=on, stage="no_answer", nth=nth, times=times)


async def list_everywhere(doo: Session) -> list[str]:
    """Walk every team that doo names, with a deadline for each answer."""
    return [webhook.id async for webhook in doo.webhooks.list_all(deadline=20.0)]


def test_the_deadline_of_a_walk_is_also_that_of_the_teams_it_asks_for() -> None:
    """list_all(deadline=) ends within it where doo does not say which teams there are."""

    async def story(clock: SimulatedClock) -> None:
        async with simulated(clock) as (doo, box):
            await doo.organizations.active_team()
            box.script(silent("organizations", times=None))
            error, seconds = await ends(clock, list_everywhere(doo))
        assert isinstance(error, DooError)
        assert 0 < seconds <= 21.0

    simulate(story)


STAGES = [
    (silent("list"), ["list"], DeadlineExceeded, False),
    (silent("create"), ["list", "create"], OutcomeUnknown, False),
    (silent("list", nth=2), ["list", "create", "list"], OutcomeUnknown, True),
    (silent("delete"), ["list", "create", "list", "delete"], OutcomeUnknown, True),
    (silent("list", nth=3), ["list", "create", "list", "delete", "list"], OutcomeUnknown, True),
]


@both
@pytest.mark.parametrize(("fault", "sent", "error", "created"), STAGES)
def test_in_the_middle_of_an_update(
    fault: Fault, sent: list[str], error: type[DooError], call: str, *, created: bool
) -> None:
    """Where nothing was changed it is DeadlineExceeded, elsewhere a doubt that names what was created; on time."""

    async def main(clock: SimulatedClock) -> None:
        async with simulated(clock) as (doo, box):
            old_id = box.live("111")[0]["id"]
            box.script(fault)
            failed, seconds = await ends(clock, CALLS[call](doo, old_id))
            assert type(failed) is error
            assert seconds == pytest.approx(20)
            assert kinds(box) == sent
            if isinstance(failed, OutcomeUnknown):
                assert (failed.operation, failed.old_id) == (call, old_id)
                assert (failed.new_id is not None) == created
                assert old_id in {item["id"] for item in box.live("111")} or "delete" in sent

    simulate(main)


@both
@pytest.mark.parametrize("used", range(5))
def test_between_two_requests(used: int, call: str) -> None:
    """If the time runs out while a step waits for its turn, that step was not sent."""

    async def main(clock: SimulatedClock) -> None:
        # One request in 6 s: the token at 0 s, then the steps at 6, 12, 18 and 24 s.
        limits = Limits(per_second=1 / 6, per_day=None)
        heard: list[Event] = []
        async with simulated(clock, limits=limits, on_event=heard.append) as (doo, box):
            for _ in range(used):
                await doo.organizations.active_team()
            begun, old_id = box.log.total, box.live("111")[0]["id"]
            failed, seconds = await ends(clock, CALLS[call](doo, old_id))
            sent = [each.kind for each in box.log.requests[begun:] if each.kind != "token"]
            assert seconds <= 20 + 1
            assert sent == ["list", "create", "list", "delete"][: len(sent)]
            if "create" in sent:
                assert isinstance(failed, OutcomeUnknown)
                assert "nothing was sent" not in str(failed)
                gone = "delete" in sent
                assert (f"delete {old_id}" in str(failed)) != gone
                assert [each.new_id for each in heard if isinstance(each, LeftLive)] == (
                    [] if gone else [failed.new_id]
                )
                assert isinstance(failed.cause, DeadlineExceeded)
                assert failed.new_id == box.live("111")[-1]["id"]
            else:
                assert type(failed) is DeadlineExceeded
            assert len(box.live("111")) == 3 + ("create" in sent) - ("delete" in sent)

    simulate(main)


@both
def test_all_pages_share_it(call: str) -> None:
    """A list of many slow pages does not get the deadline anew for every page."""

    async def main(clock: SimulatedClock) -> None:
        async with simulated(clock, webhooks_per_team=70, page_size=7, latency=3.0) as (doo, box):
            old_id = box.live("111")[0]["id"]
            await doo.organizations.active_team()
            failed, seconds = await ends(clock, CALLS[call](doo, old_id))
            assert type(failed) is DeadlineExceeded
            assert seconds == pytest.approx(20)
            assert box.count("list") == 7
            assert len(box.live("111")) == 70

    simulate(main)


def test_all_pages_of_a_confirmation_share_it() -> None:
    """The same for the list that confirms a delete: it was sent, so it is a doubt."""

    async def main(clock: SimulatedClock) -> None:
        async with simulated(clock, webhooks_per_team=70, page_size=7, latency=3.0) as (doo, box):
            webhook_id = box.live("111")[0]["id"]
            failed, seconds = await ends(
                clock, doo.webhooks.delete(webhook_id, confirm_in="111", deadline=20.0)
            )
            assert isinstance(failed, OutcomeUnknown)
            assert seconds == pytest.approx(20)
            assert failed.operation == "delete"
            assert kinds(box)[0] == "delete"

    simulate(main)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("create", OutcomeUnknown),
        ("delete", OutcomeUnknown),
        ("initialize", OutcomeUnknown),
        ("list", DeadlineExceeded),
        ("organizations", DeadlineExceeded),
    ],
)
def test_of_single_requests(name: str, error: type[DooError]) -> None:
    """Silence ends with the deadline of the call, or of the session: a doubt for changes, none for readings.

    What is not tried again ends with the 60 s of its one wire request.
    """
    calls: dict[str, Callable[..., Awaitable[Any]]] = {
        "create": lambda doo, **options: doo.webhooks.create("111", config(), **options),
        "delete": lambda doo, **options: doo.webhooks.delete("12", **options),
        "initialize": lambda doo, **options: doo.webhooks.initialize(
            "events", organization_id=70_001, **options
        ),
        "list": lambda doo, **options: doo.webhooks.list("111", **options).collect(),
        "organizations": lambda doo, **options: doo.organizations.active_team(**options),
    }

    async def main(clock: SimulatedClock) -> None:
        async with simulated(clock) as (doo, box):
            box.script(silent(name))
            failed, seconds = await ends(clock, calls[name](doo, deadline=7.0))
            assert type(failed) is error
            assert isinstance(failed, TimeoutError) == (error is DeadlineExceeded)
            assert seconds == pytest.approx(7)
            failed, seconds = await ends(clock, calls[name](doo))
            assert type(failed) is error
            assert seconds == pytest.approx(60 if name in {"create", "initialize"} else 120)

    simulate(main)


def test_none_is_no_end() -> None:
    """Without a deadline only the time for one wire request counts, and the tries."""

    async def main(clock: SimulatedClock) -> None:
        async with simulated(clock) as (doo, box):
            box.script(silent("list", times=2))
            old_id = box.live("111")[0]["id"]
            failed, seconds = await ends(clock, doo.webhooks.update("111", old_id, name="new", deadline=None))
            assert failed is None
            assert 120 <= seconds < 130
            box.script(silent("delete", times=None))
            failed, seconds = await ends(
                clock, doo.webhooks.update("111", box.live("111")[0]["id"], name="newer", deadline=None)
            )
            assert isinstance(failed, OutcomeUnknown)

    simulate(main)


def test_a_callers_timeout_is_the_callers() -> None:
    """asyncio.timeout around a call ends it as a cancellation does: no DooError, and nothing is told of a doubt."""

    async def main(clock: SimulatedClock) -> None:
        async with simulated(clock) as (doo, box):
            box.script(silent("create"))
            with pytest.raises(TimeoutError) as caught:
                async with asyncio.timeout(3):
                    await doo.webhooks.create("111", config())
            assert not isinstance(caught.value, DooError)
            assert clock.monotonic() == pytest.approx(3)

    simulate(main)
