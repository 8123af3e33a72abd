"""Writes records to standard output: as a table, JSON, JSON lines or YAML."""

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
from typing import IO, TYPE_CHECKING, Any, Literal, Self

import attrs

from aiodoo.cli.records.printed import cell, picked

if TYPE_CHECKING:
    from rich.console import Console

Form = Literal["table", "json", "jsonl", "yaml", "markdown"]
Record = Mapping[str, Any]

WIDE = 10_000
"""Width of tables that are not written to a terminal, so that nothing is cut off."""

NARROWEST = 20
"""Width that terminals of fewer columns are taken for, such as serial consoles of unknown width; they wrap lines."""

NARROW = 110
"""Width of a terminal below which tables have fewer columns and taller rows."""

_COMMAND = re.compile(r"`[^`]+`|(?<=: )aiodoo [a-z][^;]*")


def prepare_streams() -> None:
    """Replace closed standard streams, let output escape characters that its encoding lacks, and check its width."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123  # as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    widths = [columns_of(stream) for stream in (sys.stdout, sys.stderr) if stream.isatty()]
    if "COLUMNS" in os.environ or NARROWEST in widths:
        # rich fails, or does not end, if there is almost no width.
        os.environ["COLUMNS"] = str(min(widths, default=columns_of(sys.stdout)))
    if os.environ.get("FORCE_COLOR") == "0" or os.environ.get("NO_COLOR"):
        os.environ.pop("FORCE_COLOR", None)  # rich takes any value for yes
    if os.environ.get("FORCE_COLOR") and is_dumb():
        del os.environ["TERM"]  # for which rich would write no colours all the same
    if os.environ.get("LINES", "").strip("0123456789") or not os.environ.get("LINES", "1").strip("0"):
        del os.environ["LINES"]


def columns_of(stream: IO[str]) -> int:
    """Return the width of the terminal of a stream; `COLUMNS` takes precedence, and 80 is the default."""
    columns = _given_columns()
    if not columns:
        with suppress(OSError, ValueError):
            columns = os.get_terminal_size(stream.fileno()).columns
    return min(max(columns or 80, NARROWEST), WIDE)


def _given_columns() -> int:
    """Return the number in `COLUMNS`; 0 if it is none."""
    given = os.environ.get("COLUMNS", "")
    return int(given[:9]) if given.isascii() and given.isdecimal() else 0


def is_coloured(stream: IO[str]) -> bool:
    """Return whether colours may be written to a stream: to a terminal, or with FORCE_COLOR; never with NO_COLOR."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in {"", "0"}:
        return True
    return stream.isatty() and not is_dumb()


def is_dumb() -> bool:
    """Return whether the terminal can neither show colours nor move its cursor."""
    return os.environ.get("TERM", "").lower() in {"dumb", "unknown"}


def console_of(stream: IO[str]) -> Console:
    """Return a rich console for a stream, which wraps at the width of a terminal, and nowhere else."""
    from rich.console import Console  # noqa: PLC0415  # not for all forms

    return Console(file=stream, highlight=False, width=None if stream.isatty() else WIDE)


def is_narrow() -> bool:
    """Return whether standard output is a terminal that is too narrow for wide tables."""
    return sys.stdout.isatty() and columns_of(sys.stdout) < NARROW


def fitted(text: str, stream: IO[str]) -> str:
    """Return a text wrapped to the width of its terminal; commands in it are not broken, so that they can be copied."""
    width = columns_of(stream)
    if not stream.isatty() or len(text) < width:
        return text
    kept = _COMMAND.sub(lambda found: found[0].replace(" ", "\0"), text)
    lines = textwrap.wrap(kept, width - 1, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace("\0", " ")


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


@attrs.define
class Sheet:
    """Collects records and prints them when its context exits; JSON lines are printed immediately.

    Attributes:
        form: the form of the output.
        kind: the kind of the records that a table shows.
        columns: the columns of a table.
        fields: the fields of these records to print; empty for all. With any, records of other kinds are left out.
    """

    form: Form
    kind: str
    columns: Sequence[Column]
    fields: Sequence[str] = ()
    _records: list[Record] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        if self.fields:
            self.columns = [_column_of(field) for field in self.fields]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Part of a table is useful after an error; part of a JSON document would look complete.
        if error is None or self.form == "table":
            self._print()

    def add(self, record: Record, cells: Record | None = None, *, kind: str = "") -> None:
        """Add a record.

        Args:
            record: the record, without its kind.
            cells: further values for the columns of a table.
            kind: its kind, if it is another than that of the sheet; a table, or --fields, leaves it out then.
        """
        if kind not in {"", self.kind} and (self.is_table or self.fields):
            return
        record = {"kind": kind or self.kind, **record}
        if self.is_table:
            self._records.append(record if self.fields else {**record, **(cells or {})})
            return
        shown = picked(record, self.fields) if self.fields else record
        if self.form == "jsonl":
            print(as_json(shown, indent=None), flush=True)
        else:
            self._records.append(shown)

    @property
    def is_table(self) -> bool:
        """Whether the output is a table for people."""
        return self.form in {"table", "markdown"}

    @property
    def shows_nothing(self) -> bool:
        """Whether the output is a table without rows."""
        return self.form == "table" and not self._records

    def _print(self) -> None:
        match self.form:
            case "table" if self._records:
                print_table(self.columns, self._records)
            case "markdown" if self._records:
                print_markdown_table(self.columns, self._records)
            case "json":
                print(as_json(self._records))
            case "yaml":
                print_yaml(self._records)
        sys.stdout.flush()


def _column_of(field: str) -> Column:
    path = field.split(".")
    return Column(field.upper().replace("_", " "), lambda record: cell(record, path))


def show_one(
    form: Form,
    kind: str,
    record: Record,
    *,
    fields: Sequence[str] = (),
    cells: Mapping[str, object] | None = None,
) -> None:
    """Print one record; a table has two columns.

    Args:
        form: the form of the output.
        kind: the kind of the record.
        record: the record, without its kind.
        fields: the fields to print; empty for all.
        cells: what a table shows in place of the record.
    """
    shown = cells or record
    record = {"kind": kind, **record}
    if fields:
        record = picked(record, fields)
        shown = {field: cell(record, field.split(".")) for field in fields}
    match form:
        case "table":
            columns = [Column("name", whole=True), Column("value")]
            print_table(columns, _lines(shown), header=False)
        case "markdown":
            print_markdown_table([Column("name"), Column("value")], _lines(shown))
        case "json" | "jsonl":
            print(as_json(record, indent=2 if form == "json" else None))
        case "yaml":
            print_yaml(record)
    sys.stdout.flush()


def _lines(record: Record) -> list[Record]:
    """Return a line for each value that is there; one for each field of a record inside, and one for a list."""
    lines: list[Record] = []
    for name, value in record.items():
        if isinstance(value, Mapping):
            lines += _lines({f"{name} {inner}": each for inner, each in value.items()})
        elif isinstance(value, list | tuple):
            lines += _lines({name: ", ".join(map(str, value))})
        elif value is not None and value != "":
            shown = ("no", "yes")[value] if isinstance(value, bool) else value
            lines.append({"name": name.replace("_", " "), "value": shown})
    return lines


def print_table(columns: Sequence[Column], records: Iterable[Record], *, header: bool = True) -> None:
    """Print a table, wrapped to the width of a terminal, or unwrapped elsewhere."""
    from rich.table import Table  # noqa: PLC0415  # not for other forms
    from rich.text import Text  # noqa: PLC0415

    console = console_of(sys.stdout)
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


def print_markdown_table(columns: Sequence[Column], records: Iterable[Record]) -> None:
    """Print a table in Markdown."""
    rows = [[column.title.capitalize() for column in columns], ["---"] * len(columns)]
    rows += [[_markdown_cell(column.text(record)) for column in columns] for record in records]
    for row in rows:
        print(f"| {' | '.join(row)} |")


def _markdown_cell(text: str) -> str:
    """Return a text that Markdown shows as it is."""
    return re.sub(r"([\\\\`*_\[\]<>|#@~&!])", r"\\\1", text).replace("\n", "<br>")


def as_json(value: object, *, indent: int | None = 2) -> str:
    """Return a value as JSON; values without a JSON form are converted with `str`."""
    import json  # noqa: PLC0415  # not for tables

    text = json.dumps(value, indent=indent, ensure_ascii=not _is_unicode(), default=str)
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1]
        for character in text
    )


def _is_unicode() -> bool:
    """Return whether standard output can encode all characters."""
    return codecs.lookup(sys.stdout.encoding or "ascii").name.startswith("utf-")


def print_yaml(value: object) -> None:
    """Print a value as YAML; in quotes with escapes if standard output cannot encode all characters."""
    from aiodoo.desired.file import block_style  # noqa: PLC0415  # not for other forms

    is_unicode = _is_unicode()
    for line in block_style.written(_plain(value, str if is_unicode else block_style.Quoted)):
        print(line if is_unicode else block_style.escaped(line, ascii_only=True))
    sys.stdout.flush()


def _plain(value: object, text: Callable[[str], str]) -> object:
    if isinstance(value, Mapping):
        return {str(name): _plain(item, text) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, text) for item in value]
    if isinstance(value, str):
        return value if value.isascii() else text(value)
    return value if isinstance(value, int | float | bool | None) else str(value)


_HARMLESS = frozenset(
    "\n"
    "\xad\u200c\u200d\u2060"  # soft hyphen and joiners, of which emoji, Persian and Hindi words are made
    "\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"  # spaces
)
"""Characters that are not printable for Python, and do nothing to a terminal."""


def safe(text: str) -> str:
    """Return a text with characters escaped that could affect the terminal, or the order of what it shows."""
    return "".join(
        character if character.isprintable() or character in _HARMLESS else repr(character)[1:-1]
        for character in text
    )


def duration(seconds: float) -> str:
    """Return a duration as text, such as `2.5 hours`."""
    for size, unit in ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
