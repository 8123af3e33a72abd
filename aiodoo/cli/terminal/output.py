"""Writes records to standard output: as a table, JSON, JSON lines or YAML."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self

import attrs

from aiodoo.cli.records.printed import cell, picked
from aiodoo.cli.terminal.table import Column, Record, print_markdown_table, print_table

Form = Literal["table", "json", "jsonl", "yaml", "markdown"]


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
        record = _of_kind(kind or self.kind, record)
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


def _of_kind(kind: str, record: Record) -> dict[str, Any]:
    """Return a record that begins with its kind, even if doo lists something of that name."""
    return {"kind": kind, **record} | {"kind": kind}


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
    record = _of_kind(kind, record)
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


def counted(number: int, word: str) -> str:
    """Return a number of things as text, such as `1 request`."""
    return f"{number} {word}{'s' * (number != 1)}"


def duration(seconds: float) -> str:
    """Return a duration as text, such as `2.5 hours`."""
    for size, unit in ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
