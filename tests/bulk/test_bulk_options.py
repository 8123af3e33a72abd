"""What a run is asked with: each slip is refused before anything is sent, and nothing is taken for something else."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from bulk_world import UNLIMITED, config, world
from simulated import SimulatedClock, simulate

from aiodoo import ConfigError, Progress, Session
from aiodoo.operations import Create, Operation
from aiodoo.sandbox import Sandbox


async def shown(progress: Progress) -> None:
    """Show it, in an async program."""


class Shower:
    """Shows it, in an async program."""

    async def __call__(self, progress: Progress) -> None:
        """Show it."""


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"settle": math.nan}, "settle must be a number of seconds"),
        ({"settle": math.inf}, "settle must be a number of seconds"),
        ({"settle": "130"}, "settle must be a number of seconds"),
        ({"settle": None}, "settle must be a number of seconds"),
        ({"settle": -1}, "settle must be a number of seconds"),
        ({"grace": True}, "grace must be a number of seconds"),
        ({"grace": math.nan}, "grace must be a number of seconds"),
        ({"on_exhausted": "prak"}, 'on_exhausted must be "park" or "wait"'),
        ({"progress": shown}, "progress is called without await"),
        ({"progress": Shower()}, "progress is called without await"),
        ({"progress": 5}, "progress must be a function"),
        ({"keep_secrets": bytes}, "journal= is needed"),
        ({"journal": 5}, "a journal is a path"),
        ({"setle": 5}, "a run has no option setle; the options are settle, "),
        ({"park": True}, "a run has no option park"),
    ],
)
def test_an_option_that_cannot_be_right_is_refused(options: dict[str, Any], match: str) -> None:
    """By run and by stream, by its name, and with nothing sent."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            with pytest.raises(ConfigError, match=match):
                await doo.bulk.run([Create("111", config("a"))], **options)
            with pytest.raises(ConfigError, match=match):
                async with doo.bulk.stream([Create("111", config("a"))], **options):
                    pass
            assert box.log.total == 0

    simulate(main)


async def some() -> AsyncIterator[Operation]:
    """Find out operations, one by one."""
    yield Create("111", config("a"))


async def found_out() -> AsyncIterator[Operation]:
    """Find out where they come from."""
    return some()


async def listed() -> list[Operation]:
    """Find them out all at once."""
    return [Create("111", config("a"))]


@pytest.mark.parametrize(
    "operations", [listed, found_out, some(), (one for one in [Create("111", config("a"))])]
)
def test_operations_come_in_every_form(operations: Any) -> None:
    """An iterable, an async iterable, or an async function that returns one of them."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, _):
            assert (await doo.bulk.run(operations)).counts()["applied"] == 1

    simulate(main)


@pytest.mark.parametrize(
    ("operations", "match"),
    [
        (Create("111", config("a")), "such as a list, and not a Create"),
        (None, "there are no operations"),
        (5, "such as a list, and not a int"),
        (lambda: [Create("111", config("a"))], "only if that is async"),
    ],
)
def test_what_are_no_operations_is_refused(tmp_path: Path, operations: Any, match: str) -> None:
    """With a journal too, which is not gone on with for want of operations; nothing is sent."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            path = tmp_path / "journal"
            for journal in (None, path):
                with pytest.raises(ConfigError, match=match):
                    await doo.bulk.run(operations, journal=journal)
            await doo.bulk.run([Create("111", config("b"))], journal=path)
            sent = box.log.total
            if operations is None:
                with pytest.raises(ConfigError, match="goes on without them"):
                    await doo.bulk.run(operations, journal=path)
            assert box.log.total == sent

    simulate(main)


def test_a_stream_is_entered_once(tmp_path: Path) -> None:
    """Whoever forgets `async with`, or enters it again, is told so, and does not wait for ever."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            stream = doo.bulk.stream([Create("111", config("a"))], journal=tmp_path / "journal")
            with pytest.raises(ConfigError, match="async with"):
                await anext(stream)
            assert box.log.total == 0
            async with stream as run:
                assert len([outcome async for outcome in run]) == 1
            with pytest.raises(ConfigError, match="entered once"):
                async with stream:
                    pass

    simulate(main)


CALLS: list[Callable[[Session, Path], Any]] = [
    lambda doo, path: doo.bulk.run([Create("111", config("a"))]),
    lambda doo, path: doo.bulk.run([Create("111", config("a"))], journal=path),
    lambda doo, path: doo.bulk.resume(path),
    lambda doo, path: doo.bulk.report(path),
    lambda doo, path: doo.bulk.verify(path),
    lambda doo, path: doo.bulk.undo(path),
]


@pytest.mark.parametrize("call", CALLS)
async def test_a_closed_session_says_so(tmp_path: Path, call: Callable[[Session, Path], Any]) -> None:
    """Whatever is asked of bulk after the Session was closed, its thread included, is refused in the same words."""
    async with Sandbox(organizations=1, plan=None) as box:
        doo = Session(
            base_url=box.url, api_key=box.api_key, client_id=box.client_id, client_secret=box.client_secret,
            limits=UNLIMITED,
        )  # fmt: skip
        await doo.close()
        with pytest.raises(ConfigError, match="this Session is closed and nothing was sent"):
            await call(doo, tmp_path / "journal")
