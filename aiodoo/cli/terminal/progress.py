"""Shows the progress of runs on standard error: bars on a terminal, lines at intervals elsewhere."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import attrs

from aiodoo.cli.terminal.messages import Messages
from aiodoo.cli.terminal.output import duration
from aiodoo.cli.terminal.streams import is_dumb, safe

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from aiodoo import Progress

EVERY = 30.0
"""Seconds between two lines without a terminal."""


@attrs.define
class Screen:
    """Shows the progress of a command's runs, by name, while its context is open.

    Attributes:
        shown: whether bars may be shown; False for a command that prints while it runs.
    """

    talk: Messages
    shown: bool = True
    _bars: Bars | None = attrs.field(init=False, default=None)
    _tasks: dict[str, Any] = attrs.field(factory=dict)
    _counts: Counter[str] = attrs.field(factory=Counter)
    _printed_at: dict[str, float] = attrs.field(factory=dict)
    _stopping: set[str] = attrs.field(factory=set)

    def __enter__(self) -> Self:
        if self.shown and self.talk.form == "text" and sys.stderr.isatty() and not is_dumb():
            self._bars = _bars()
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bars is not None:
            with suppress(OSError):  # the terminal was closed
                self._bars.stop()

    @property
    def live(self) -> bool:
        """Whether bars are shown."""
        return self._bars is not None

    def show(self, name: str, done: int, total: int, text: str, *, share: float | None = None) -> None:
        """Update a bar, if bars are shown; `share` is its fraction, by default done / total."""
        if self._bars is None:
            return
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(safe(name), total=1.0, text="")
        completed = done / max(1, total) if share is None else share
        self._bars.update(self._tasks[name], completed=completed, text=f"{done}/{total}  {safe(text)}")

    def count(self, name: str, number: int = 1) -> None:
        """Add to the number of webhook configurations that were read, whose total is unknown."""
        if self._bars is None:
            return
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(f"reading {safe(name)}", total=None, text="")
        self._counts[name] += number
        self._bars.update(self._tasks[name], text=f"{self._counts[name]} webhook configurations")

    def follow(self, name: str, progress: Progress) -> None:
        """Show the progress of a run; for `bulk.run(progress=...)`."""
        if progress.stopping and name not in self._stopping:
            self._stopping.add(name)
            self.talk.say(f"{name}: {progress.stopping}. Once more stops it at once.", begin="\r", run=name)
        sent = progress.requests.total
        text = (
            f"{sent} of about {sent + progress.remaining} requests"
            if progress.remaining
            else f"{sent} requests"
        )
        if progress.waiting_for:
            text += f"; waits {progress.waiting_for}"
        elif progress.remaining and progress.eta is not None:
            text += f", {duration(progress.eta)} left"
        if self.live:
            # Operations end in batches; requests show progress more evenly.
            share = sent / (sent + progress.remaining) if progress.remaining else None
            self.show(name, progress.done, progress.total, text, share=share)
            return
        from aiodoo import Clock  # noqa: PLC0415

        now = Clock().monotonic()
        if now - self._printed_at.setdefault(name, now) >= EVERY:
            self._printed_at[name] = now
            line = f"{name}: {progress.done}/{progress.total} operations, {text}"
            self.talk.say(line, run=name, done=progress.done, total=progress.total, requests=sent)


def _bars() -> Bars:
    from rich.console import Console  # noqa: PLC0415  # only for a terminal
    from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415
    from rich.table import Column  # noqa: PLC0415

    return Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(max_width=20, no_wrap=True)),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[text]}", markup=False, table_column=Column(ratio=1)),
        console=Console(stderr=True, highlight=False),
        expand=True,
        transient=True,
        redirect_stdout=False,  # standard output may be a file or a pipe
    )
