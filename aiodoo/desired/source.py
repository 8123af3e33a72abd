"""A YAML file as plain data, with the line and column of every value in it."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import attrs

from aiodoo.errors import ConfigError

LARGEST = 1024 * 1024
"""Bytes of a file that are read at most."""

_DEEPEST = 40
_MOST = 200_000
_SHOWN = 10
_TAG = "tag:yaml.org,2002:"

Place: TypeAlias = tuple[str | int, ...]
"""Where a value is: the keys and positions that lead to it from the top."""


@attrs.frozen(order=True)
class Fault:
    """One thing that is wrong in a file, with where it is and what to do about it."""

    line: int
    column: int
    says: str


@attrs.frozen
class Source:
    """What a file says, and where it says it.

    Attributes:
        name: the file, as it was asked for.
        folder: what relative paths in it start from.
        data: the file's content as dicts, lists, texts, numbers, booleans and None.
        marks: line and column of each value, and of each key under its place and a `None` after it.
    """

    name: str
    folder: Path
    data: Any = attrs.field(repr=False)
    marks: dict[tuple[str | int | None, ...], tuple[int, int]] = attrs.field(repr=False)

    def fault(self, place: Place, says: str, *, at_key: bool = False) -> Fault:
        """Return a fault at a place, or at the nearest one around it that is written down."""
        shown = spelled(place)
        line, column = self._mark((*place, None)) if at_key else self._mark(place)
        return Fault(line, column, f"{shown} {says}" if shown else says)

    def line(self, place: Place) -> int:
        """Return the line where something is."""
        return self._mark(place)[0]

    def error(self, faults: Iterable[Fault]) -> ConfigError:
        """Return the error that tells of all faults, in the order in which they stand in the file."""
        found = sorted(set(faults))
        told = [f"{self.name}:{fault.line}:{fault.column}: {fault.says}" for fault in found[:_SHOWN]]
        if len(found) > _SHOWN:
            told.append(f"{self.name}: and {len(found) - _SHOWN} more")
        return ConfigError("\n".join([*told, "Nothing was sent."]))

    def _mark(self, place: tuple[str | int | None, ...]) -> tuple[int, int]:
        while place:
            if place in self.marks:
                return self.marks[place]
            place = place[:-1]
        return self.marks.get((), (1, 1))


def spelled(place: Place) -> str:
    """Return a place the way people write it, such as `webhooks[0].hooks[1].endpoint`."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def read_source(path: Path) -> Source:
    """Read a file.

    Raises:
        ConfigError: it cannot be read, or is no YAML; names file, line and column.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror or type(error).__name__}); nothing was sent. "
            "Name the YAML file that declares the webhooks"
        ) from None
    if len(content) > LARGEST:
        raise ConfigError(
            f"{path} is larger than {LARGEST // 1024} KiB; nothing was sent. Split it into several files"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8; nothing was sent. Save it as UTF-8") from None
    return parse(text, name=str(path), folder=path.absolute().parent)


def parse(text: str, *, name: str, folder: Path) -> Source:
    """Read a file's text.

    Raises:
        ConfigError: it is no YAML, or uses parts of YAML that have no meaning here.
    """
    source = Source(name, folder, None, {})
    node = _compose(text, source)
    reading = _Reading(source)
    data = None if node is None else reading.value(node, ())
    if reading.faults:
        raise source.error(reading.faults)
    return attrs.evolve(source, data=data)


def _compose(text: str, source: Source) -> Any:
    """Return the file's nodes, aliases resolved."""
    try:
        from ruamel.yaml import YAML  # noqa: PLC0415  # only the extra brings it
        from ruamel.yaml.error import YAMLError  # noqa: PLC0415
    except ModuleNotFoundError:
        raise ConfigError(
            "reading YAML needs ruamel.yaml; nothing was sent. Run pip install 'aiodoo[cli]'"
        ) from None
    try:
        with warnings.catch_warnings(action="ignore"):
            return YAML(typ="safe", pure=True).compose(text)
    except (YAMLError, RecursionError, ValueError) as error:
        fault = _yaml_fault(error, text)
    raise source.error([fault])


def _yaml_fault(error: Exception, text: str) -> Fault:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None)
    if mark is not None:
        return Fault(mark.line + 1, mark.column + 1, f"is not YAML: {problem}; correct it")
    position = getattr(error, "position", None)
    if isinstance(position, int):
        before = text[:position]
        line, column = before.count("\n") + 1, position - before.rfind("\n")
        return Fault(line, column, "holds a control character; remove it")
    return Fault(1, 1, "is nested too deeply, or is not YAML; simplify it")


@attrs.define
class _Reading:
    """Makes plain data of nodes, and takes down where everything is."""

    source: Source
    faults: list[Fault] = attrs.field(factory=list)
    _read: int = 0

    def value(self, node: Any, place: Place) -> Any:
        self.source.marks[place] = (node.start_mark.line + 1, node.start_mark.column + 1)
        self._read += 1
        if self._read > _MOST or len(place) > _DEEPEST:
            self._too_much(place)
            return None
        match str(node.tag).removeprefix(_TAG):
            case "map":
                return self._mapping(node, place)
            case "seq":
                return [self.value(item, (*place, number)) for number, item in enumerate(node.value)]
            case kind:
                return self._scalar(kind, node.value, place)

    def _scalar(self, kind: str, text: str, place: Place) -> Any:
        match kind:
            case "str" | "timestamp":
                return text
            case "bool":
                return text.lower() == "true"
            case "int" | "float":
                return self._number(kind, text, place)
            case "null":
                return None
        self._fault(place, f"has the tag {kind[:40]}, which means nothing here; remove it")
        return None

    def _number(self, kind: str, text: str, place: Place) -> int | float | None:
        number: int | float | None = None
        with contextlib.suppress(ValueError):
            number = int(text) if kind == "int" else float(text)
        if number is None or (kind == "int" and str(number) != text):
            self._fault(place, f"is a number whose spelling, {text[:40]}, would get lost; put it in quotes")
        return number

    def _mapping(self, node: Any, place: Place) -> dict[str, Any]:
        inherited: dict[str, Any] = {}
        for base in reversed(list(self._merged(node, place))):
            inherited |= self.value(base, place) or {}
        self.source.marks[place] = (node.start_mark.line + 1, node.start_mark.column + 1)
        own: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == _TAG + "merge":
                continue
            if str(key.tag) not in {_TAG + "str", _TAG + "int"}:
                self._fault(place, "has a key that is neither text nor a whole number; put it in quotes")
                continue
            name = str(key.value)
            if name in own:
                first = self.source.marks[*place, name, None][0]
                self.source.marks[*place, name] = (key.start_mark.line + 1, key.start_mark.column + 1)
                self._fault((*place, name), f"is there twice, first on line {first}; remove one")
                continue
            self.source.marks[*place, name, None] = (key.start_mark.line + 1, key.start_mark.column + 1)
            own[name] = self.value(value, (*place, name))
        return inherited | own

    def _merged(self, node: Any, place: Place) -> Iterator[Any]:
        """Yield the mappings that `<<` brings in, the strongest first."""
        for key, value in node.value:
            if key.tag == _TAG + "merge":
                for base in value.value if str(value.tag) == _TAG + "seq" else [value]:
                    if str(base.tag) == _TAG + "map":
                        yield base
                    else:
                        self._fault(place, "merges what is no mapping; << takes the alias of one")

    def _too_much(self, place: Place) -> None:
        if not any(" grows " in fault.says for fault in self.faults):
            self._fault(place[:3], "grows too large or too deep; use fewer aliases")

    def _fault(self, place: Place, says: str) -> None:
        self.faults.append(self.source.fault(place, says))
