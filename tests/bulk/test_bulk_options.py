"""What a run is asked with: each slip is refused before anything is sent, and nothing is taken for something else."""

from __future__ import annotations

import inspect
import math
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Unpack, get_type_hints

import attrs
import pytest
from bulk_world import UNLIMITED, config, world
from simulated import SimulatedClock, simulate

from aiodoo import ConfigError, Progress, Session
from aiodoo.bulk import Bulk, RunOptions
from aiodoo.bulk.options import NoOptions, RunSettings
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
        ({"on_outcome": 5}, "on_outcome must be a function|a run has no option on_outcome"),
        ({"keep_secrets": bytes}, "journal= is needed"),
        ({"journal": 5}, "a journal is a path"),
        ({"setle": 5}, "a run has no option setle; the options are settle, "),
        ({"park": True}, "a run has no option park"),
        ({"command": 5}, "command must be text"),
        ({"command": b"move"}, "command must be text"),
        ({"command": "\ud800"}, "command must be text"),
        ({"marker": "no"}, "marker must be True or False"),
        ({"canary": 1}, "canary must be True or False"),
        ({"moved": "no"}, "moved must be True or False"),
        ({"secrets": 5}, "secrets must be a mapping"),
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


def read() -> Iterator[Operation]:
    """Read them from a file, one by one."""
    yield Create("111", config("a"))


@pytest.mark.parametrize(
    "operations",
    [listed, found_out, some, some(), read, read(), lambda: iter([Create("111", config("a"))])],
)
def test_operations_come_in_every_form(operations: Any) -> None:
    """An iterable, an async iterable, or a function that returns one or is a generator, async or not."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, _):
            assert (await doo.bulk.run(operations)).counts()["applied"] == 1

    simulate(main)


async def calling() -> AsyncIterator[Operation]:
    """Find out that there is nothing to do."""
    for operation in ():
        yield operation


@pytest.mark.parametrize(
    "operations", [[], (), {}, calling, calling(), (each for each in ()), lambda: iter(())]
)
def test_nothing_to_do_is_fine(operations: Any) -> None:
    """An empty container, a function that finds nothing, and a new generator that yields nothing."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            report = await doo.bulk.run(operations)
            assert report.complete
            assert len(report) == box.log.total == 0

    simulate(main)


ITERATORS: list[Callable[[], Any]] = [
    some,
    read,
    lambda: iter([Create("111", config("a"))]),
    lambda: map(partial(Create, "111"), [config("a")]),
]


@pytest.mark.parametrize("make", ITERATORS)
@pytest.mark.parametrize("journal", [False, True])
def test_a_used_up_iterator_is_refused(tmp_path: Path, make: Callable[[], Any], *, journal: bool) -> None:
    """Forecast, then run: instead of a run that does nothing and says that it is complete."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            operations = make()
            assert (await doo.bulk.forecast(operations)).requests.creates == 1
            seen = box.log.total
            path = tmp_path / "journal" if journal else None
            with pytest.raises(
                ConfigError, match=r"exhausted.*; nothing was sent\. Pass a list, or a function"
            ):
                await doo.bulk.run(operations, journal=path)
            with pytest.raises(ConfigError, match="exhausted"):
                await doo.bulk.forecast(operations)
            assert box.log.total == seen
            assert (await doo.bulk.run(make(), journal=path)).counts()["applied"] == 1

    simulate(main)


def test_a_function_is_not_called_by_a_run_that_goes_on(tmp_path: Path) -> None:
    """The journal has the operations; an async generator function is as good as any."""
    calls = 0

    async def find_out() -> AsyncIterator[Operation]:
        nonlocal calls
        calls += 1
        yield Create("111", config("a"))

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            for _ in range(2):
                report = await doo.bulk.run(find_out, journal=tmp_path / "journal")
                assert report.counts()["applied"] == 1
            assert box.log.total == 3, "a token, a list and a create"

    simulate(main)
    assert calls == 1


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Create("111", config("a")), "such as a list, and not a Create"),
        (lambda: None, "there are no operations"),
        (lambda: 5, "such as a list, and not a int"),
        (
            lambda: lambda: 5,
            "not a int; or a function that returns one, which is called only for a new run",
        ),
        (lambda: listed(), "pass the async function itself, without calling it"),  # noqa: PLW0108  # a new one each time
    ],
)
def test_what_are_no_operations_is_refused(tmp_path: Path, make: Callable[[], Any], match: str) -> None:
    """With a journal too, which is not gone on with for want of operations; nothing is sent."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            path = tmp_path / "journal"
            for journal in (None, path):
                with pytest.raises(ConfigError, match=match):
                    await doo.bulk.run(make(), journal=journal)
            await doo.bulk.run([Create("111", config("b"))], journal=path)
            sent = box.log.total
            if "no operations" in match:
                with pytest.raises(ConfigError, match="To resume a run without them"):
                    await doo.bulk.run(make(), journal=path)
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
        await doo.aclose()
        with pytest.raises(ConfigError, match="this Session is closed and nothing was sent"):
            await call(doo, tmp_path / "journal")


@pytest.mark.parametrize("method", [Bulk.run, Bulk.stream])
def test_completion_and_help_show_every_option(method: Any) -> None:
    """Each option is an argument by its name, with its default, and the text of `run` tells what it is."""
    parameters = inspect.signature(method).parameters
    types, typed = get_type_hints(RunOptions), get_type_hints(method)
    defaults = {field.name: field.default for field in attrs.fields(RunSettings)}
    for name in RunOptions.__annotations__:
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert typed[name] == types[name]
        default = defaults.get(name)
        assert parameters[name].default == (None if isinstance(default, attrs.Factory) else default)  # type: ignore[arg-type]
        assert f"{name}:" in str(Bulk.run.__doc__)
    assert set(parameters) - set(RunOptions.__annotations__) - {"on_outcome"} == {
        "self",
        "operations",
        "journal",
        "progress",
        "allow_net_deletes",
        "other",
    }
    assert typed["other"] == Unpack[NoOptions]


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        (lambda doo, _: doo.bulk.resume(None), "a journal is a path"),
        (lambda doo, path: doo.bulk.resume(path, moved="no"), "moved must be True or False"),
        (lambda doo, path: doo.bulk.resume(path, secrets=5), "secrets must be a mapping"),
        (lambda doo, path: doo.bulk.undo(path, secrets=5), "secrets must be a mapping"),
        (lambda doo, path: doo.bulk.undo(path, decrypt=5), "decrypt must be a function"),
    ],
)
def test_what_cannot_be_right_of_a_journals_run_is_refused(
    asked: Callable[[Session, Path], Any], match: str, tmp_path: Path
) -> None:
    """Before the journal is opened."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            with pytest.raises(ConfigError, match=match):
                await asked(doo, tmp_path / "journal")
            assert box.log.total == 0

    simulate(main)
    assert list(tmp_path.iterdir()) == []


def test_options_in_a_typed_dict_need_no_ignore() -> None:
    """Type checkers, which read this test, let them pass; mypy and basedpyright refuse a name that is none."""

    async def main(clock: SimulatedClock) -> None:
        options: RunOptions = {"settle": 1.0, "canary": True}
        async with world(clock) as (doo, _):
            assert (await doo.bulk.run([Create("111", config("a"))], **options)).complete
            with pytest.raises(ConfigError, match="no option setle"):
                await doo.bulk.run([Create("111", config("a"))], setle=1.0)  # type: ignore[call-arg]

    simulate(main)
