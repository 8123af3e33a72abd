"""Writes and reads block-style YAML: the part of YAML that exports use, and that is read a hundred times as fast.

Texts that YAML readers disagree about are written in double quotes with escapes: line breaks other than line feeds,
control characters, and what looks like a number, a date or a boolean. The reader returns nothing for a text with any
other feature of YAML; a full parser reads that.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from aiodoo.named_secrets import unquoted

Mark = tuple[int, int]
"""Line and column, from 1."""

_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:e[-+][0-9]+)?|e[-+][0-9]+)")
_BARE_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_KEY = re.compile(r'([A-Za-z_][A-Za-z0-9_.-]*|"(?:[^"\\]|\\.)*"):(?: (.*)|$)')
_FOREIGN = re.compile("[\t\r\x85\u2028\u2029\ufeff]")
_CONSTANTS: dict[str, Any] = {"null": None, "true": True, "false": False, "[]": [], "{}": {}}
_DEEPEST = 100
_MOST_DIGITS = 300
_SHALLOW = 2
"""Length of the paths whose marks are kept; those of deeper values are found again when they are asked for."""


class Quoted(str):
    """A text that is written in double quotes on one line, whatever it holds."""

    __slots__ = ()


def written(value: object) -> Iterator[str]:
    """Yield plain data as lines of YAML, without line breaks."""
    if isinstance(value, Mapping) and value:
        yield from _mapping_lines(value, "")
    elif isinstance(value, list | tuple) and value:
        yield from _list_lines(value, "")
    else:
        yield _scalar_text(value)


def _mapping_lines(value: Mapping[Any, Any], indent: str) -> Iterator[str]:
    for name, item in value.items():
        key = f"{indent}{_key_text(str(name))}:"
        if isinstance(item, Mapping) and item:
            yield key
            yield from _mapping_lines(item, f"{indent}  ")
        elif isinstance(item, list | tuple) and item:
            yield key
            yield from _list_lines(item, indent)
        elif isinstance(item, str) and _is_literal(item) and not isinstance(item, Quoted):
            yield f"{key} |" if item.endswith("\n") else f"{key} |-"
            for line in item.removesuffix("\n").split("\n"):
                yield f"{indent}  {line}" if line else ""
        else:
            yield f"{key} {_scalar_text(item)}"


def _list_lines(value: list[Any] | tuple[Any, ...], indent: str) -> Iterator[str]:
    for item in value:
        if isinstance(item, Mapping) and item:
            lines = _mapping_lines(item, f"{indent}  ")
            yield f"{indent}- {next(lines)[len(indent) + 2 :]}"
            yield from lines
        elif isinstance(item, list | tuple) and item:
            lines = _list_lines(item, f"{indent}  ")
            yield f"{indent}- {next(lines)[len(indent) + 2 :]}"
            yield from lines
        else:
            yield f"{indent}- {_scalar_text(item)}"


def _key_text(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) and name.lower() not in _WORDS else _quoted(name)


def _scalar_text(value: object) -> str:
    match value:
        case Mapping():
            return "{}"
        case list() | tuple():
            return "[]"
        case None | bool() | int() | float():
            return json.dumps(value)
    text = str(value)
    return text if _is_plain(text) and not isinstance(value, Quoted) else _quoted(text)


def _quoted(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return quoted if quoted.isprintable() else escaped(quoted)


def escaped(quoted: str, *, ascii_only: bool = False) -> str:
    """Return what is in double quotes with escapes for control characters, or for all but ASCII."""
    return "".join(
        character
        if character.isascii() or (character.isprintable() and not ascii_only)
        else f"\\u{ord(character):04x}"
        if ord(character) < 1 << 16
        else f"\\U{ord(character):08x}"
        for character in quoted.replace("\x7f", "\\u007f")
    )


def _is_plain(text: str) -> bool:
    """Tell whether a text means itself without quotes, by any version of YAML."""
    return (
        text.isprintable()
        and (text[:1].isalpha() or text[:1] == "/")
        and text[-1] not in ": "
        and ": " not in text
        and " #" not in text
        and text.lower() not in _WORDS
    )


def _is_literal(text: str) -> bool:
    """Tell whether a text of several lines can be written as they are."""
    lines = text.removesuffix("\n").split("\n")
    return (
        len(lines) > 1
        and bool(lines[0])
        and bool(lines[-1])
        and lines[0][0] != " "
        and all(line.isprintable() and line[-1:] != " " for line in lines)
    )


class _Foreign(Exception):
    """The text is not in block style."""


def read(text: str) -> Block | None:
    """Return the content of a text in block style; None if it has another feature of YAML, or a fault."""
    text = text.replace("\r\n", "\n")
    if _FOREIGN.search(text):
        return None
    block = Block(text.split("\n"))
    try:
        block.data = block.top()
    except (_Foreign, RecursionError):
        return None
    return block


@attrs.define(eq=False)
class Block:
    """The content of a text in block style, with the positions of its values.

    Attributes:
        data: the content.
    """

    _lines: list[str] = attrs.field(repr=False)
    data: Any = attrs.field(default=None, repr=False)
    _marks: dict[tuple[str | int | None, ...], Mark] = attrs.field(factory=dict, repr=False)
    _deep_marks: dict[tuple[str | int | None, ...], Mark] = attrs.field(factory=dict, repr=False)
    _depth: int = attrs.field(default=_SHALLOW, alias="depth")
    _at: int = attrs.field(default=0, alias="at")

    def top(self) -> Any:
        """Return the content of the whole text."""
        self._skip()
        if self._at >= len(self._lines) or not _KEY.match(self._lines[self._at]):
            raise _Foreign
        data = self._block(0, ())
        if self._at < len(self._lines):
            raise _Foreign
        return data

    def mark(self, place: tuple[str | int | None, ...]) -> Mark | None:
        """Return the position of a value, or of a key by its path followed by None; None if there is none."""
        if len(place) <= _SHALLOW or place in self._marks:
            return self._marks.get(place)
        around = place[:_SHALLOW]
        if around not in self._deep_marks:
            self._deep_marks = self._read_again(around)
        return self._deep_marks.get(place)

    def _read_again(self, place: tuple[Any, ...]) -> dict[tuple[str | int | None, ...], Mark]:
        """Return the marks of all values in one value."""
        if place not in self._marks or None in place:
            return {}
        line, column = self._marks[place]
        rest = self._lines[line - 1][column - 1 :]
        again = Block(self._lines, depth=_DEEPEST, at=line - 1)
        if _KEY.match(rest) or rest.startswith("- "):
            again._inner_block(rest, column - 1, place)  # its own class
        return {place: (line, column)} | again._marks

    def _note(self, place: tuple[str | int | None, ...], line: int, column: int) -> None:
        if len(place) - (place[-1:] == (None,)) <= self._depth:
            self._marks[place] = line + 1, column + 1

    def _skip(self) -> None:
        """Continue with the next line that is neither empty nor a comment."""
        lines = self._lines
        while self._at < len(lines) and (not (bare := lines[self._at].lstrip(" ")) or bare[0] == "#"):
            self._at += 1

    def _block(self, indent: int, place: tuple[str | int, ...]) -> Any:
        if len(place) > _DEEPEST:
            raise _Foreign
        self._note(place, self._at, indent)
        if self._lines[self._at].startswith("- ", indent):
            return self._list(indent, place)
        return self._mapping(indent, place)

    def _inner_block(self, rest: str, indent: int, place: tuple[str | int, ...]) -> Any:
        """Return a block that begins in the middle of a line, which meanwhile looks like the block's other lines."""
        start, line = self._at, self._lines[self._at]
        self._lines[start] = " " * indent + rest
        try:
            return self._block(indent, place)
        finally:
            self._lines[start] = line

    def _list(self, indent: int, place: tuple[str | int, ...]) -> list[Any]:
        found: list[Any] = []
        lines, pad = self._lines, " " * indent
        while self._at < len(lines) and lines[self._at].startswith(f"{pad}- "):
            rest, here = lines[self._at][indent + 2 :], (*place, len(found))
            if _KEY.match(rest) or rest.startswith("- "):
                found.append(self._inner_block(rest, indent + 2, here))
            else:
                self._note(here, self._at, indent + 2)
                found.append(self._scalar(rest))
                self._at += 1
                self._skip()
        self._check_dedent(indent)
        return found

    def _mapping(self, indent: int, place: tuple[str | int, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        lines, pad = self._lines, " " * indent
        while self._at < len(lines) and lines[self._at].startswith(pad):
            match = _KEY.match(lines[self._at], indent)
            if match is None:
                break
            key = self._unquoted(match[1]) if match[1][0] == '"' else match[1]
            if key in found or match[1].lower() in _WORDS:
                raise _Foreign
            here = (*place, key)
            self._note((*here, None), self._at, indent)
            self._note(here, self._at, match.start(2) if match[2] else indent)
            found[key] = self._value(match[2] or "", indent, here)
        self._check_dedent(indent)
        return found

    def _value(self, text: str, indent: int, place: tuple[str | int, ...]) -> Any:
        self._at += 1
        if text in {"|", "|-"}:
            return self._literal(indent, keep_end=text == "|")
        self._skip()
        if text:
            return self._scalar(text)
        if self._at < len(self._lines):
            line = self._lines[self._at]
            below = len(line) - len(line.lstrip(" "))
            if below > indent or (below == indent and line.startswith("- ", indent)):
                return self._block(below, place)
        return None

    def _literal(self, indent: int, *, keep_end: bool) -> str:
        lines, found = self._lines, list[str]()
        first = lines[self._at] if self._at < len(lines) else ""
        below = len(first) - len(first.lstrip(" "))
        if below <= indent or not first.strip(" "):
            raise _Foreign
        pad = " " * below
        while self._at < len(lines) and (lines[self._at].startswith(pad) or not lines[self._at].strip(" ")):
            found.append(lines[self._at][below:])
            self._at += 1
        text = "\n".join(found).rstrip("\n")
        self._skip()
        return f"{text}\n" if keep_end else text

    def _check_dedent(self, indent: int) -> None:
        """Refuse a line that is neither a part of the block above it nor of one around that."""
        if self._at < len(self._lines):
            line = self._lines[self._at]
            below = len(line) - len(line.lstrip(" "))
            if below > indent or (
                below == indent and not line.startswith("- ", indent) and not _KEY.match(line, indent)
            ):
                raise _Foreign

    def _scalar(self, text: str) -> Any:
        if text[:1] == '"':
            return self._unquoted(text)
        if text in _CONSTANTS:
            found = _CONSTANTS[text]
            return type(found)() if isinstance(found, list | dict) else found
        if _is_plain(text):
            return text
        if _INTEGER.fullmatch(text) and len(text) < _MOST_DIGITS:
            return int(text)
        if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
            return number
        raise _Foreign

    @staticmethod
    def _unquoted(text: str) -> str:
        if _SURROGATE.search(text):
            raise _Foreign
        try:
            return unquoted(text)
        except ValueError:
            raise _Foreign from None
