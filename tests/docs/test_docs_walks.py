"""The requests that the page on the architecture follows pass through the files that it names."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType

import pytest

import aiodoo
from aiodoo.sandbox import Fault, Sandbox

PACKAGE = Path(aiodoo.__file__).parent
TEXT = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()
Work = Callable[[Sandbox, aiodoo.Session, Path], Awaitable[None]]


async def list_request(_box: Sandbox, doo: aiodoo.Session, _folder: Path) -> None:
    """List a team, and look at the hooks."""
    async for webhook in doo.webhooks.list("111"):
        assert webhook.hooks


async def operation(box: Sandbox, doo: aiodoo.Session, folder: Path) -> None:
    """Update one webhook in a run with a journal."""
    [webhook, *_] = box.live("111")
    change = aiodoo.Update("111", webhook["id"], name="new")
    report = await doo.bulk.run([change], journal=folder / "move.journal")
    assert report.complete


async def refusal(box: Sandbox, doo: aiodoo.Session, _folder: Path) -> None:
    """Create a webhook after a 429."""
    box.script(Fault("too_many", on="create", headers={"Retry-After": "0"}))
    hooks = [aiodoo.Hook(type="event_created", endpoint="https://crm.example/doo")]
    await doo.webhooks.create("111", aiodoo.AddWebhook(name="crm", hooks=hooks))
    assert box.count("create") == 2


async def passed(work: Work, folder: Path) -> set[str]:
    """Return the modules in which a function was called meanwhile, in any thread."""
    files: set[str] = set()

    def note(frame: FrameType, _event: str, _argument: object) -> None:
        files.add(frame.f_code.co_filename)

    async with Sandbox(organizations=1, webhooks_per_team=3, plan=None) as box, box.session() as doo:
        sys.setprofile(note)
        threading.setprofile(note)
        try:
            await work(box, doo, folder)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    inside = [Path(file) for file in files if file.startswith(str(PACKAGE))]
    return {f"aiodoo/{path.relative_to(PACKAGE).as_posix()}" for path in inside}


@pytest.mark.parametrize(
    ("title", "work", "elsewhere"),
    [
        # The walk names the file of either ledger, and this session has the one in memory.
        ("The life of a list request", list_request, {"aiodoo/quota/sqlite.py"}),
        # Read by whoever resumes a killed run.
        ("The life of an operation in a journaled run", operation, {"aiodoo/bulk/journal/past.py"}),
        # For a ledger that is shared, and for a run whose day is spent.
        (
            "The life of a 429",
            refusal,
            {"aiodoo/bulk/runner.py", "aiodoo/bulk/day_budget.py"},
        ),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_a_request_passes_through_the_files_that_its_walk_names(
    title: str, work: Work, elsewhere: set[str], tmp_path: Path
) -> None:
    """Each file of a walk has its part in it; what only other circumstances need is named here."""
    walk = TEXT.partition(f"## {title}\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(aiodoo/[\w/]+\.py)`", walk))
    assert len(named) > 6
    assert named - asyncio.run(passed(work, tmp_path)) == elsewhere
