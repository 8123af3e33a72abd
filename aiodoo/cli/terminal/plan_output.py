"""Prints a plan: creates (+), replacements (~) and deletes (-), field by field, and their cost."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from itertools import takewhile
from typing import IO, TYPE_CHECKING

from aiodoo.cli.terminal.streams import console_of, safe

if TYPE_CHECKING:
    from rich.console import Console

    from aiodoo.desired import FieldChange, Plan, PlannedTeam

_SIGNS = {"create": ("+", "green"), "replace": ("~", "yellow"), "delete": ("-", "red")}
_LONG = 160
_AROUND = 24
"""Characters of the common parts of long texts that are shown on either side of a difference."""


def print_plan(plan: Plan, file: IO[str], *, cost: str) -> None:
    """Print a plan, in colour and wrapped on a terminal, and what it costs in words."""
    console = console_of(file)
    for team in plan.teams:
        if team.changes or team.undeclared or team.unseen:
            _print_team(console, plan, team)
    for host in plan.new_hosts:
        print(safe(f"! {host}: no webhook configuration of these teams has had this host."), file=file)
    for line in _summary(plan, cost):
        print(line, file=file)


def print_markdown(plan: Plan, file: IO[str], *, cost: str) -> None:
    """Print a plan in Markdown, as a diff, such as for a comment on a pull request."""
    text = io.StringIO()
    print_plan(plan, text, cost=cost)
    # A name cannot end the block: the fence is longer than any run of backticks in it.
    fence = "`" * (max(map(len, re.findall("`+", text.getvalue())), default=2) + 1)
    fence = fence if len(fence) > 2 else "```"
    print(f"### Plan: {plan}\n\n{fence}diff", file=file)
    for line in text.getvalue().splitlines():
        bare = line.lstrip()
        sign = {"+": "+", "-": "-", "~": "!", "!": "!"}.get(bare[:1]) if bare[1:2] == " " else None
        print(f"{sign or ' '}{line if sign is None else line.replace(bare[0], ' ', 1)}", file=file)
    print(fence, file=file)


def _print_team(console: Console, plan: Plan, team: PlannedTeam) -> None:
    from rich.padding import Padding  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    def put(indent: int, *parts: tuple[str, str]) -> None:
        # What follows a line break in a text must not look like a line of the plan.
        broken = "\n" + " " * (indent + 2) + "| "
        shown = [(safe(part).replace("\n", broken), style) for part, style in parts]
        text = Text.assemble(*shown, overflow="fold")
        if console.is_terminal:
            console.print(Padding(text, (0, 0, 0, indent)))
        else:
            print(" " * indent + text.plain, file=console.file)

    organization = "" if team.organization is None else f" ({team.organization})"
    put(0, (f"team {team.id}{organization}", "bold"))
    for change in team.changes:
        sign, style = _SIGNS[change.kind]
        named = "" if change.webhook_id is None else f"  id {change.webhook_id}"
        where = "" if change.line is None else f"  {os.path.basename(plan.file)}:{change.line}"  # noqa: PTH119
        put(2, (f"{sign} {change.name}", style), (named + where, "dim"))
        for field in change.fields:
            for parts in _field(field, console.width - 6):
                put(6, *parts)
        if change.may_widen:
            put(
                6,
                (
                    "! may widen: it is limited to no event, and doo's list may not show that the old one was",
                    "magenta",
                ),
            )
        if change.why is not None:
            put(6, (change.why, "dim"))
    undeclared = "kept, as it may be what a faulty entry replaces" if plan.prune else "--prune deletes it"
    for left in team.undeclared:
        put(
            2,
            (f"? {left.name}", "blue"),
            (f"  id {left.webhook_id}  not declared; {undeclared}", "dim"),
        )
    for unseen in team.unseen:
        put(
            2,
            (f"? {unseen.name}", "blue"),
            (f"  id {unseen.webhook_id}  doo does not show what limits it", "dim"),
        )


def _field(field: FieldChange, width: int) -> Iterator[tuple[tuple[str, str], ...]]:
    old, new = _difference(field.old, field.new)
    if old is None or new is None:
        sign, style, value = ("+", "green", new) if old is None else ("-", "red", old)
        yield (f"{sign} {field.path}: ", style), (value or "", style)
    elif len(field.path) + len(old) + len(new) + 6 <= width and "\n" not in old + new:
        yield (f"{field.path}: ", ""), (old, "red"), (" -> ", "dim"), (new, "green")
    else:
        yield ((f"{field.path}:", ""),)
        yield ("  - ", "red"), (old, "red")
        yield ("  + ", "green"), (new, "green")


def _difference(old: str | None, new: str | None) -> tuple[str | None, str | None]:
    """Return two texts without the common parts of long ones."""
    if old is None or new is None:
        return _cut(old), _cut(new)
    if max(len(old), len(new)) <= _LONG:
        return old, new
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    first, last = max(0, start - _AROUND), max(0, end - _AROUND)
    begins, ends = "..." if first else "", "..." if last else ""
    return tuple(_cut(f"{begins}{text[first : len(text) - last]}{ends}") for text in (old, new))  # type: ignore[return-value]  # two of them


def _common(first: str, second: str) -> int:
    """Return the length of the common prefix of two texts."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= 2 * _LONG else f"{text[: 2 * _LONG]}..."


def _summary(plan: Plan, cost: str) -> Iterator[str]:
    counts = plan.counts()
    if not plan:
        begin = "Not everything could be planned" if plan.problems else "Nothing to do"
        yield f"{begin}: {counts['unchanged']} unchanged in {_teams(len(plan.teams))}."
        return
    changed = sum(bool(team.changes) for team in plan.teams)
    yield (
        f"{counts['create']} to create, {counts['replace']} to replace, {counts['delete']} to delete in "
        f"{_teams(changed)}; {counts['unchanged']} unchanged."
    )
    yield f"Cost: {cost}."


def _teams(number: int) -> str:
    return "one team" if number == 1 else f"{number} teams"
