"""What a call costs, counted in calls of Python functions, which are the same however busy the machine is.

The bounds are a fifth above what is there, so that a new check fits and a lost shortcut does not; `benchmarks/overhead.py`
has the times.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import pytest

import aiodoo
from aiodoo.sandbox import Sandbox, graphql

PACKAGE = str(Path(aiodoo.__file__).parent)
REQUESTS = 10


class Calls:
    """Counts calls of functions outside of the sandbox while it is entered."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Self:
        sys.setprofile(self._see)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _see(self, frame: Any, event: str, _: object) -> None:
        name = frame.f_code.co_filename
        self.count += (
            event == "call" and name.startswith(PACKAGE) and not name.startswith(f"{PACKAGE}/sandbox")
        )


async def counted(ask: Callable[[], Awaitable[object]]) -> float:
    """Return how many functions of aiodoo one request calls, once everything is loaded."""
    await ask()
    with Calls() as calls:
        for _ in range(REQUESTS):
            await ask()
    return calls.count / REQUESTS


@pytest.mark.parametrize(
    ("case", "most"), [("pages", 145), ("collect", 153), ("hooks", 244), ("create", 208)]
)
async def test_a_call_calls_few_functions(case: str, most: int) -> None:
    """A page of 25, the list of one team, its hooks and a create each call few functions of aiodoo.

    With a second timeout, an admission that waits and checks of what was checked already, a page took 170 and a create 230.
    """
    async with Sandbox(organizations=1, webhooks_per_team=25, plan=None) as box, box.session() as doo:
        config = aiodoo.AddWebhook.from_dict(graphql())

        async def pages() -> object:
            return [page async for page in doo.webhooks.list("111").pages()]

        async def hooks() -> object:
            listed = await doo.webhooks.list("111").collect()
            return [(webhook.hooks, webhook.authentication) for webhook in listed]

        async def create() -> object:
            return await doo.webhooks.create("111", config)

        async def collect() -> object:
            return await doo.webhooks.list("111").collect()

        ways = {"pages": pages, "collect": collect, "hooks": hooks, "create": create}
        assert await counted(ways[case]) < most


def test_a_session_loads_few_modules() -> None:
    """A program that opens a session loads neither runs nor desired states before it uses them, and few modules in all."""
    loaded = subprocess.run(
        [sys.executable, "-c", "import aiodoo, sys; aiodoo.Session; print(*sys.modules)"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.split()
    ours = [name for name in loaded if name.partition(".")[0] == "aiodoo"]
    assert not {
        name for name in ours if name.startswith(("aiodoo.bulk", "aiodoo.desired", "aiodoo.operations"))
    }
    assert len(ours) < 115


def test_the_programs_help_loads_nothing_that_sends() -> None:
    """`aiodoo --help` loads neither aiohttp nor the models, and few modules in all."""
    program = (
        "import sys; from aiodoo.cli.app import run; code = run(['--help']); print(); print(*sys.modules)"
    )
    done = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True
    )
    loaded = done.stdout.splitlines()[-1].split()
    assert not {"aiohttp", "aiodoo.models", "aiodoo.client", "aiodoo.session"}.intersection(loaded)
    assert len([name for name in loaded if name.partition(".")[0] == "aiodoo"]) < 70
