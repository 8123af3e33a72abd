"""Tables at a terminal, where ids and numbers are never broken, and in Markdown."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs

from aiodoo.cli.terminal.streams import columns_of, console_of, is_coloured, safe

Record = Mapping[str, Any]

_GAP = 2
"""Spaces between columns."""

_ID = re.compile(r"\d")

_LEAST = 8
"""Width that a column has at least, if its longest word has as many characters."""


@attrs.frozen
class Column:
    """One column of a table.

    Attributes:
        title: its heading.
        cell: returns its value for a record; by default the record's value of that name.
        whole: whether its texts are never wrapped, so that they can be copied.
    """

    title: str
    cell: Callable[[Record], object] | None = None
    whole: bool = False

    @property
    def key(self) -> str:
        """The name of its value in a record."""
        return self.title.lower().replace(" ", "_")

    def text(self, record: Record) -> str:
        """Return the text of one cell, with control characters escaped."""
        value = self.cell(record) if self.cell is not None else record.get(self.key)
        return safe("" if value is None else str(value))


def print_table(columns: Sequence[Column], records: Iterable[Record], *, header: bool = True) -> None:
    """Print a table, wrapped to the width of a terminal, or unwrapped elsewhere.

    On a terminal that is too narrow for what must not be broken, each record is a block of lines `name: value`.
    """
    from rich.table import Table  # noqa: PLC0415  # not for other forms
    from rich.text import Text  # noqa: PLC0415

    rows = [[column.text(record) for column in columns] for record in records]
    titles = [column.title if header else "" for column in columns]
    needed = [
        max(_needed(text, column, header=header) for text in (title, *(row[place] for row in rows)))
        for place, (column, title) in enumerate(zip(columns, titles, strict=True))
    ]
    if sys.stdout.isatty() and sum(needed) + _GAP * (len(columns) - 1) > columns_of(sys.stdout):
        _print_blocks(columns, rows, named=not header)
        return
    console = console_of(sys.stdout)
    table = Table(box=None, pad_edge=False, show_header=header, header_style="bold", padding=(0, _GAP, 0, 0))
    for column, width in zip(columns, needed, strict=True):
        table.add_column(column.title, no_wrap=column.whole, overflow="fold", min_width=width)
    for row in rows:
        table.add_row(*map(Text, row))
    if sys.stdout.isatty():
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _needed(text: str, column: Column, *, header: bool) -> int:
    """Return the width that a text needs: that of its longest id or number, and little for words and URLs.

    In a table without a header, which shows one record, URLs and paths are not broken either.
    """
    if column.whole:
        return max(map(len, text.split("\n")))
    words = text.split()
    whole = [len(word) for word in words if not header or (_ID.search(word) and "/" not in word)]
    return max([*whole, min(_LEAST, max(map(len, words), default=0))])


def _print_blocks(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, named: bool) -> None:
    """Print each row as lines `name: value`; `named` rows have their name in the first column."""
    width = columns_of(sys.stdout)
    begin, end = ("\x1b[1m", "\x1b[0m") if is_coloured(sys.stdout) else ("", "")
    for number, row in enumerate(rows):
        if number and not named:
            print()
        titles = [row[0]] if named else [column.title.lower() for column in columns]
        for title, text in zip(titles, row[1:] if named else row, strict=True):
            if text:
                name = f"{title}: " if title else ""
                # What is wider than the terminal is wrapped by it, and stays whole when it is copied.
                indent = "  " if max(map(len, text.split())) <= width - 2 else ""
                lines = [
                    line
                    for paragraph in f"{name}{text}".split("\n")
                    for line in textwrap.wrap(
                        paragraph,
                        width,
                        subsequent_indent=indent,
                        break_long_words=False,
                        break_on_hyphens=False,
                    )
                ]
                whole = "\n".join(lines)
                print(f"{begin}{name.rstrip()}{end}{whole[len(name.rstrip()) :]}")


def print_markdown_table(columns: Sequence[Column], records: Iterable[Record]) -> None:
    """Print a table in Markdown."""
    rows = [[column.title.capitalize() for column in columns], ["---"] * len(columns)]
    rows += [[_markdown_cell(column.text(record)) for column in columns] for record in records]
    for row in rows:
        print(f"| {' | '.join(row)} |")


def _markdown_cell(text: str) -> str:
    """Return a text that Markdown shows as it is."""
    return re.sub(r"([\\\\`*_\[\]<>|#@~&!])", r"\\\1", text).replace("\n", "<br>")
