"""The demo's output: an introduction and progress on standard error, the final table on standard output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import attrs
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aiodoo import Clock, Progress
from aiodoo.cli.commands.demo.waiting import Waiting
from aiodoo.cli.terminal.exit_codes import FAILED
from aiodoo.events import Stats

NAMES = ("list", "create", "move", "delete", "verify")


@attrs.define
class Step:
    """The progress and the cost of one step.

    Attributes:
        result: its result, once it has ended.
        waits_for: what it is waiting for, if anything.
    """

    name: str
    unit: str = ""
    total: int = 0
    done: int = 0
    requests: int = 0
    forecast: int | None = None
    result: str = ""
    waits_for: str | None = None
    _expected: int | None = None
    _clock: Clock = attrs.field(factory=Clock)
    _began: float | None = None
    _ended: float | None = None

    def follow(self, progress: Progress) -> None:
        """Record the progress of a run; for `bulk.run(progress=...)`."""
        self.done = progress.done
        self.requests = progress.requests.total
        self.waits_for = progress.waiting_for
        if progress.forecast is not None and (forecast := sum(progress.forecast.counts.values())):
            self._expected = progress.forecast.requests.total * progress.total // forecast

    def begin(self, total: int, unit: str) -> None:
        """Record the start, with the total and its unit."""
        self.total, self.unit, self._began = total, unit, self._clock.monotonic()

    def end(self) -> None:
        """Record the end."""
        self._ended = self._clock.monotonic()

    @property
    def share(self) -> float:
        """The progress from 0 to 1: by requests if there is a forecast, else by parts."""
        if self._expected is None or self.done == self.total:
            return self.done / max(1, self.total)
        return min(1.0, self.requests / self._expected)

    @property
    def begun(self) -> bool:
        """Whether it has begun."""
        return self._began is not None

    @property
    def seconds(self) -> float:
        """The seconds that it has taken so far."""
        if self._began is None:
            return 0.0
        return (self._clock.monotonic() if self._ended is None else self._ended) - self._began


class Screen:
    """Shows the progress of all steps, live on a terminal and line by line elsewhere."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._steps = [Step(name) for name in NAMES]
        self._current: Step | None = None
        self._console = Console(stderr=True, highlight=False)
        self._live = Live(console=self._console, get_renderable=self._render, refresh_per_second=8)

    def introduce(self, url: str, *, organizations: int, webhooks: int, per_second: float) -> None:
        """Print an introduction."""
        self._console.print(
            f"The sandbox listens on {url} until the demo ends.\n"
            f"Organizations: {organizations}, each with one team of {webhooks} webhook configurations.\n"
            f"The API key's plan: {per_second:g} requests a second (sliding log), no limit a day.\n"
            f"One aiodoo.Session keeps to it: Limits(per_second={per_second:g}, per_day=None).",
            soft_wrap=True,
        )

    def __enter__(self) -> Self:
        if self._console.is_interactive:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.transient = error is None  # the final table contains it
        self._live.stop()

    @contextmanager
    def step(self, name: str, *, total: int, unit: str) -> Iterator[Step]:
        """Show one step while the context is open."""
        step = self._steps[NAMES.index(name)]
        step.begin(total, unit)
        self._current = step
        try:
            yield step
        finally:
            step.end()
            self._current = self._waiting.now = None
            if not self._console.is_interactive:
                self._console.print(self._line(step), soft_wrap=True)

    def sum_up(self, stats: Stats, problems: Sequence[str]) -> int:
        """Print the final table and the verdict; return the exit code."""
        console = Console(highlight=False)
        console.print(self._table(stats))
        console.print(
            f"Calls waited for their turn in the quota during {self._waiting.seconds:.1f} "
            f"of {self._seconds:.1f} seconds. 429s: {stats.rate_limited}."
        )
        if problems:
            console.print(Text(f"NOT as expected: {'; '.join(problems)}.", style="bold red"))
            return FAILED
        verdict = "Verified: the list, the sandbox's state and its log are as expected."
        console.print(Text(verdict, style="green"))
        return 0

    def _line(self, step: Step) -> str:
        return (
            f"{NAMES.index(step.name) + 1} {step.name:<7}{step.done}/{step.total} {step.unit}, "
            f"{step.requests} requests, {step.seconds:.1f} s"
        )

    def _render(self) -> RenderableType:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True)
        for width in (16, 13, 6):
            grid.add_column(no_wrap=True, justify="right", min_width=width)
        for number, step in enumerate(self._steps, 1):
            grid.add_row(*self._row(number, step))
        return Group("", grid, Text(self._status(), style="dim", no_wrap=True, overflow="ellipsis"))

    def _row(self, number: int, step: Step) -> tuple[RenderableType, ...]:
        if not step.begun:
            return (Text(f"{number} {step.name}", style="dim"),)
        return (
            Text(f"{number} {step.name}", style="bold" if step is self._current else ""),
            ProgressBar(
                total=1, completed=step.share, width=24, complete_style="cyan", finished_style="green"
            ),
            f"{step.done}/{step.total} {step.unit}",
            f"{step.requests} requests",
            f"{step.seconds:.1f} s",
        )

    def _status(self) -> str:
        if self._current is None:
            return ""
        waits_for = self._current.waits_for or self._waiting.now
        return "" if waits_for is None else f"waiting for {waits_for}"

    def _table(self, stats: Stats) -> Table:
        table = Table("step", "result", box=box.SIMPLE_HEAD)
        for name in ("requests", "forecast", "seconds"):
            table.add_column(name, justify="right")
        for step in self._steps:
            table.add_row(step.name, step.result, *self._costs(step))
        table.add_section()
        changes = [step for step in self._steps if step.forecast is not None]
        walks = [step for step in self._steps if step.forecast is None]
        table.add_row("changes", "", *self._costs(*changes))
        table.add_row("walks", "", *self._costs(*walks))
        table.add_row("token", "", str(stats.token_requests))
        table.add_row("in all", "", str(stats.requests.total()), "", f"{self._seconds:.1f}", style="bold")
        return table

    @property
    def _seconds(self) -> float:
        return sum(step.seconds for step in self._steps)

    def _costs(self, *steps: Step) -> tuple[str, str, str]:
        """Return the sums of requests, forecasts and seconds of some steps."""
        forecasts = [step.forecast for step in steps if step.forecast is not None]
        return (
            str(sum(step.requests for step in steps)),
            str(sum(forecasts)) if forecasts else "",
            f"{sum(step.seconds for step in steps):.1f}",
        )
