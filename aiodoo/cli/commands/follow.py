"""`aiodoo runs show --follow`: watch a run of another process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiodoo.cli.context import Context
from aiodoo.cli.kept_runs import record_of, summary_of
from aiodoo.cli.run_folders import RunFolder
from aiodoo.cli.terminal.progress import Screen

if TYPE_CHECKING:
    from aiodoo.bulk.journal import RunSummary

EVERY = 1.0
"""Seconds between two reads of the journal."""


async def follow_until_finished(
    settings: Context, run: RunFolder, seen: RunSummary | None
) -> RunSummary | None:
    """Show the progress of a run until it is finished or abandoned; return its state."""
    import asyncio  # noqa: PLC0415  # --help does without

    printed = state = ""
    with Screen(settings.talk) as screen:
        while True:
            record = record_of(run, seen)
            text = f"{record['done']}/{record['operations']} done, {record['requests']} requests"
            if record["state"] != state:
                state = record["state"]
                _say_if_idle(settings, run, state)
            if screen.live:
                requests = f"{record['requests']} requests"
                screen.show(run.id, record["done"], record["operations"], requests, share=_share(seen))
            elif text != printed:
                settings.talk.say(
                    f"{run.id}: {text}", **{key: record[key] for key in ("done", "operations", "requests")}
                )
                printed = text
            if seen is not None and (seen.finished or seen.abandoned):
                return seen
            await asyncio.sleep(EVERY)
            seen = summary_of(run)


def _say_if_idle(settings: Context, run: RunFolder, state: str) -> None:
    if state in {"interrupted", "parked"}:
        settings.talk.say(
            f"no process works on it; resume it with: aiodoo runs resume {run.id}",
            level="warning",
            run=run.id,
        )
    elif state == "not begun":
        settings.talk.say("it has not begun yet; Ctrl-C ends the wait.", run=run.id)


def _share(seen: RunSummary | None) -> float:
    """Return the progress of a run from 0 to 1, by stages, as operations end in batches."""
    if seen is None or not seen.lines:
        return 0.0
    stages = list(type(seen.lines[0].stage))
    steps = [1.0 if line.ended else stages.index(line.stage) / len(stages) for line in seen.lines]
    return sum(steps) / len(steps)
