"""Data on standard output: a table for people, JSON, JSON lines or YAML for programs."""

from __future__ import annotations

import codecs
import io
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import IO, Any, Literal, Self

import attrs

Form = Literal["table", "json", "jsonl", "yaml"]
Record = Mapping[str, Any]

WIDE = 10_000
"""Columns of a table that nobody reads on a terminal: nothing is cut off."""


NARROW = 110
"""Columns of a terminal below which a table has to be taller."""

_COMMAND = re.compile(r"`[^`]+`|(?<=: )aiodoo [a-z].*")


def let_everything_be_written() -> None:
    """Have streams to write to, even closed ones, that spell out what their encoding has no characters for."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123  # as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def columns_of(stream: IO[str]) -> int:
    """Return how many columns the terminal of a stream has."""
    given = os.environ.get("COLUMNS", "")
    with suppress(OSError, ValueError):
        return (
            int(given)
            if given.isdecimal() and int(given)
            else os.get_terminal_size(stream.fileno()).columns or 80
        )
    return 80


def is_narrow() -> bool:
    """Whether a table goes to a terminal without room for wide ones."""
    return sys.stdout.isatty() and columns_of(sys.stdout) < NARROW


def fitted(words: str, stream: IO[str]) -> str:
    """Return a line broken between words where its stream is a terminal; a command in it stays whole, to be copied."""
    width = columns_of(stream)
    if not stream.isatty() or len(words) < width:
        return words
    kept = _COMMAND.sub(lambda found: found[0].replace(" ", "\0"), words)
    lines = textwrap.wrap(kept, width - 1, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace("\0", " ")


@attrs.frozen
class Column:
    """One column of a table.

    Attributes:
        title: above it.
        cell: makes its text of a record; the record's value of that name if not given.
        whole: never break its texts, so that they can be copied.
    """

    title: str
    cell: Callable[[Record], object] | None = None
    whole: bool = False

    @property
    def key(self) -> str:
        """What a record calls it."""
        return self.title.lower().replace(" ", "_")

    def text(self, record: Record) -> str:
        """Return the text of one cell; what a terminal might take for a command is spelled out."""
        value = self.cell(record) if self.cell is not None else record.get(self.key)
        return safe("" if value is None else str(value))


@attrs.define
class Sheet:
    """Records as they come; a context manager, at whose end all that is there is printed.

    JSON lines are printed at once.
    """

    form: Form
    columns: Sequence[Column]
    _records: list[Record] = attrs.field(factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # What was found before somebody stopped it is worth having, but half a JSON document is not JSON.
        if error is None or self.form == "table":
            self._print()

    def add(self, record: Record, cells: Record | None = None) -> None:
        """Add a record, and what a table shows beside it."""
        if self.form == "jsonl":
            print(as_json(record, indent=None), flush=True)
        else:
            self._records.append({**record, **(cells or {})} if self.form == "table" else record)

    @property
    def shows_nothing(self) -> bool:
        """Whether a person who looks at a table has nothing to look at."""
        return self.form == "table" and not self._records

    def _print(self) -> None:
        match self.form:
            case "table" if self._records:
                print_table(self.columns, self._records)
            case "json":
                print(as_json(self._records))
            case "yaml":
                print_yaml(self._records)
        sys.stdout.flush()


def show_one(form: Form, record: Record, *, cells: Mapping[str, object] | None = None) -> None:
    """Print one record; as a table of two columns, `cells` in the record's place if given."""
    match form:
        case "table":
            shown = {name: value for name, value in (cells or record).items() if value not in {None, ""}}
            columns = [Column("name", whole=True), Column("value")]
            lines = [{"name": name.replace("_", " "), "value": value} for name, value in shown.items()]
            print_table(columns, lines, header=False)
        case "json" | "jsonl":
            print(as_json(record, indent=2 if form == "json" else None))
        case "yaml":
            print_yaml(record)
    sys.stdout.flush()


def print_table(columns: Sequence[Column], records: Iterable[Record], *, header: bool = True) -> None:
    """Print a table that fits the terminal, or, elsewhere, one that cuts nothing off."""
    from rich.console import Console  # noqa: PLC0415  # not for other forms
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    table = Table(box=None, pad_edge=False, show_header=header, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column.title, no_wrap=column.whole, overflow="fold")
    for record in records:
        table.add_row(*(Text(column.text(record)) for column in columns))
    if sys.stdout.isatty():
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def as_json(value: object, *, indent: int | None = 2) -> str:
    """Return JSON; instants as ISO 8601."""
    import json  # noqa: PLC0415  # not for tables

    return json.dumps(value, indent=indent, ensure_ascii=not _takes_everything(), default=str)


def _takes_everything() -> bool:
    """Whether standard output can hold any character."""
    return codecs.lookup(sys.stdout.encoding or "ascii").name.startswith("utf-")


def print_yaml(value: object) -> None:
    """Print YAML."""
    from ruamel.yaml import YAML  # noqa: PLC0415  # not for other forms

    writer = YAML()
    writer.default_flow_style = False
    writer.width = 1000
    writer.allow_unicode = _takes_everything()
    writer.dump(_plain(value), sys.stdout)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def safe(text: str) -> str:
    """Return a text that shows what it holds and does nothing to the terminal."""
    return "".join(
        character if character.isprintable() or character == "\n" else repr(character)[1:-1]
        for character in text
    )


def duration(seconds: float) -> str:
    """Return a time in words."""
    for size, unit in ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
