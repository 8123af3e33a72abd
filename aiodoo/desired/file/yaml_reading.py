"""Reads a YAML file as plain data with the line and column of every value."""

from __future__ import annotations

import contextlib
import math
import pathlib
import re
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import attrs

from aiodoo.desired.file import block_style, json_text
from aiodoo.desired.file.block_style import Block
from aiodoo.errors import ConfigError
from aiodoo.models.from_plain import Misread
from aiodoo.models.secret_fields import Path, field_of

LARGEST = 4 << 20
"""Bytes; the limit for a file with all features of YAML, whose parser reads 100 KiB a second."""

LARGEST_BLOCK = 256 << 20
"""Bytes; the limit for a file in block style, such as an export."""

_DEEPEST = 40
_MOST = 200_000
_SHOWN = 10
_TAG = "tag:yaml.org,2002:"
_NULL = {"", "~", "null", "Null", "NULL"}
_QUOTED = re.compile(r"(alias|anchor|handle) '.*", re.DOTALL)
"""The parts of YAML's messages that quote the file, which may be an unquoted secret."""

_FIELD = re.compile(r"([a-z_]+(?:\[\d+\])?(?:\.[a-z_]+(?:\[\d+\])?)*) (.*)", re.DOTALL)
_STEP = re.compile(r"[a-z_]+|\d+")

Place: TypeAlias = Path
"""The path of a value in the file: keys, and indexes of lists."""


@attrs.frozen(order=True)
class Fault:
    """A fault in a file, with its position and a remedy."""

    line: int
    column: int
    message: str


@attrs.frozen
class Source:
    """The content of a file, with the positions of its values.

    Attributes:
        name: the file as the caller named it.
        folder: the folder that relative paths start from.
        data: the content as dicts, lists, texts, numbers, booleans and None.
        marks: line and column of each value by its path, and of each key by its path followed by `None`.
        late: what finds them instead when they are asked for, in a file that was read without the YAML parser.
    """

    name: str
    folder: pathlib.Path
    data: Any = attrs.field(repr=False)
    marks: dict[tuple[str | int | None, ...], tuple[int, int]] = attrs.field(repr=False)
    late: Block | _LateMarks | None = attrs.field(default=None, repr=False)

    def fault(self, place: Place, message: str, *, at_key: bool = False) -> Fault:
        """Return a fault at a path; if the file does not have it, at the position of the nearest container."""
        shown = field_of(place)
        line, column = self._mark((*place, None)) if at_key else self._mark(place)
        return Fault(line, column, f"{shown} {message}" if shown else message)

    def misread(self, found: Misread) -> Fault:
        """Return the fault of data that does not fit."""
        remedy = f"; {found.remedy}" if found.remedy else ""
        return self.fault(found.path, found.reason + remedy, at_key=found.at_key)

    def refused(self, error: ConfigError, place: Place = ()) -> Fault:
        """Return the fault of a check such as `hooks[0].endpoint must be ...`, at the field that it names.

        Args:
            error: what the check raised.
            place: the path of what was checked.
        """
        text = str(error).removesuffix("nothing was sent.").removesuffix("Nothing was sent.").rstrip("; .")
        match = _FIELD.fullmatch(text)
        if match is None:
            return self.fault(place, text)
        steps = [int(step) if step.isdigit() else step for step in _STEP.findall(match[1])]
        message = match[2].replace(
            "Hook.graphql() writes it for you", "give query instead, which writes it for you"
        )
        return self.fault((*place, *steps), message if ";" in message else f"{message}; correct it")

    def place_of_type(self, name: str) -> str | None:
        """Return the file and the position of a hook's type, which a variable may hold; None if it is not in the file."""
        found = sorted(_places_of(name, self.data, ()), key=lambda place: "type" not in place)
        return "{}:{}:{}".format(self.name, *self._mark(found[0])) if found else None

    def line(self, place: Place) -> int:
        """Return the line of a path."""
        return self._mark(place)[0]

    def has(self, place: Place) -> bool:
        """Return whether the file has a value at a path."""
        data = self.data
        for step in place:
            match data:
                case dict() if step in data:
                    data = data[step]
                case list() if isinstance(step, int) and step < len(data):
                    data = data[step]
                case _:
                    return False
        return True

    def error(self, faults: Iterable[Fault]) -> ConfigError:
        """Return an error with the first faults in the order of the file, and the number of others."""
        found = sorted(set(faults))
        lines = [f"{self.name}:{fault.line}:{fault.column}: {fault.message}" for fault in found[:_SHOWN]]
        if len(found) > _SHOWN:
            lines.append(f"{self.name}: and {len(found) - _SHOWN} more")
        return ConfigError("\n".join([*lines, "Nothing was sent."]))

    def _mark(self, place: tuple[str | int | None, ...]) -> tuple[int, int]:
        while place:
            if (found := self._mark_at(place)) is not None:
                return found
            place = place[:-1]
        return self._mark_at(()) or (1, 1)

    def _mark_at(self, place: tuple[str | int | None, ...]) -> tuple[int, int] | None:
        return self.marks.get(place) if self.late is None else self.late.mark(place)


def _places_of(text: str, data: Any, place: Place) -> Iterator[Place]:
    """Yield the paths of a text."""
    match data:
        case str() if data == text:
            yield place
        case dict():
            for key, part in data.items():
                yield from _places_of(text, part, (*place, key))
        case list():
            for number, part in enumerate(data):
                yield from _places_of(text, part, (*place, number))


@attrs.define
class _LateMarks:
    """The positions in a JSON file, which the YAML parser finds when the first is asked for."""

    _text: str = attrs.field(repr=False)
    _marks: dict[tuple[str | int | None, ...], tuple[int, int]] | None = attrs.field(default=None, repr=False)

    def mark(self, place: tuple[str | int | None, ...]) -> tuple[int, int] | None:
        """Return line and column of a value, or of a key; None if it is not known, as in a very large file."""
        if self._marks is None:
            self._marks = {}
            if len(self._text) <= LARGEST:
                source = Source("", pathlib.Path(), None, self._marks)
                with contextlib.suppress(ConfigError):
                    _Reading(source).value(_compose(self._text, source), ())
        return self._marks.get(place)


def read_source(path: pathlib.Path) -> Source:
    """Return the content of a file.

    Raises:
        ConfigError: the file cannot be read, or is not YAML. The message has file, line and column.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BLOCK + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ConfigError(
            f"{path} cannot be read ({reason}); nothing was sent. Name the YAML file that declares the webhooks"
        ) from None
    if len(content) > LARGEST_BLOCK:
        raise ConfigError(
            f"{path} is larger than {LARGEST_BLOCK >> 20} MiB; nothing was sent. Split it into several files"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8; nothing was sent. Save it as UTF-8") from None
    return parse(text, name=str(path), folder=path.absolute().parent)


def parse(text: str, *, name: str, folder: pathlib.Path) -> Source:
    """Return the content of a text.

    Raises:
        ConfigError: the text is not YAML, or uses features of YAML that are not supported.
    """
    if (block := block_style.read(text)) is not None:
        return Source(name, folder, block.data, {}, block)
    if (found := json_text.read(text)) is not None:
        return Source(name, folder, found, {}, _LateMarks(text))
    if len(text) > LARGEST:
        raise ConfigError(
            f"{name} is larger than {LARGEST >> 20} MiB and not in the form of an export; nothing was sent. Write it as "
            "`aiodoo export` does, or split it into several files"
        )
    source = Source(name, folder, None, {})
    node = _compose(text, source)
    reading = _Reading(source)
    data = None if node is None else reading.value(node, ())
    if reading.faults:
        raise source.error(reading.faults)
    return attrs.evolve(source, data=data)


def _compose(text: str, source: Source) -> Any:
    """Return the root node with resolved aliases."""
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
        problem = _QUOTED.sub(r"\1", str(problem))
        return Fault(mark.line + 1, mark.column + 1, f"is not YAML: {problem}; correct it")
    position = getattr(error, "position", None)
    if isinstance(position, int):
        before = text[:position]
        line, column = before.count("\n") + 1, position - before.rfind("\n")
        return Fault(line, column, "holds a control character; remove it")
    return Fault(1, 1, "is nested too deeply, or is not YAML; simplify it")


def _fault_at(node: Any, place: Place, message: str) -> Fault:
    """Return a fault at the position of a node, such as a key."""
    shown = field_of(place)
    return Fault(
        node.start_mark.line + 1, node.start_mark.column + 1, f"{shown} {message}" if shown else message
    )


@attrs.define
class _Reading:
    """Converts nodes to plain data and records positions; faults show no values, as any may be a secret."""

    source: Source
    faults: list[Fault] = attrs.field(factory=list)
    _read: int = 0
    _too_much: bool = False
    _around: list[int] = attrs.field(factory=list)
    """The ids of the nodes in progress, from the root inwards, including merged ones."""

    def value(self, node: Any, place: Place) -> Any:
        self.source.marks[place] = (node.start_mark.line + 1, node.start_mark.column + 1)
        self._read += 1
        if self._is_too_much(node, place):
            return None
        self._around.append(id(node))
        try:
            return self._of_kind(node, place)
        finally:
            self._around.pop()

    def _of_kind(self, node: Any, place: Place) -> Any:
        match str(node.tag).removeprefix(_TAG), node.id:
            case "map", "mapping":
                return self._mapping(node, place)
            case "seq", "sequence":
                return [self.value(item, (*place, number)) for number, item in enumerate(node.value)]
            case kind, "scalar":
                return self._scalar(kind, node.value, place)
        self._fault(place, "has a tag that does not fit what it stands before; remove it")
        return None

    def _scalar(self, kind: str, text: str, place: Place) -> Any:
        match kind:
            case "str" | "timestamp":
                return text
            case "bool" if text.lower() in {"true", "false"}:
                return text.lower() == "true"
            case "bool":
                self._fault(place, "must be true or false, or a text in quotes")
                return None
            case "int" | "float":
                return self._number(kind, text, place)
            case "null" if text in _NULL:
                return None
        self._fault(place, "has a tag that means nothing here; remove it")
        return None

    def _number(self, kind: str, text: str, place: Place) -> int | float | None:
        number: int | float | None = None
        with contextlib.suppress(ValueError):
            number = int(text) if kind == "int" else float(text)
        if number is None or not math.isfinite(number) or (kind == "int" and str(number) != text):
            self._fault(place, "is a number whose spelling would get lost; put it in quotes")
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
                message = "has a key that is neither text nor a whole number; put it in quotes"
                self.faults.append(_fault_at(key, place, message))
                continue
            name = str(key.value)
            if name in own:
                first = self.source.marks[*place, name, None][0]
                self.source.marks[*place, name] = (key.start_mark.line + 1, key.start_mark.column + 1)
                self._fault((*place, name), f"is there twice, first on line {first}; remove one")
                continue
            self.source.marks[*place, name, None] = (key.start_mark.line + 1, key.start_mark.column + 1)
            own[name] = self.value(value, (*place, name))
            if value.start_mark.index == value.end_mark.index:
                # An empty value has the position of the next token in YAML; the key's is closer.
                self.source.marks[*place, name] = self.source.marks[*place, name, None]
        return inherited | own

    def _merged(self, node: Any, place: Place) -> Iterator[Any]:
        """Yield the mappings merged by `<<`, in order of precedence."""
        for key, value in node.value:
            if key.tag == _TAG + "merge":
                for base in value.value if str(value.tag) == _TAG + "seq" else [value]:
                    if str(base.tag) == _TAG + "map":
                        yield base
                    else:
                        message = "merges what is no mapping; << takes the alias of one"
                        self.faults.append(_fault_at(key, place, message))

    def _is_too_much(self, node: Any, place: Place) -> bool:
        """Return whether to skip a node, as aliases can make the content endless."""
        endless = id(node) in self._around
        if endless or self._read > _MOST or len(self._around) > _DEEPEST:
            if not self._too_much:
                message = "is an alias of what it is in" if endless else "grows too large or too deep"
                self._fault(place[:3], f"{message}; use fewer aliases")
            self._too_much = True
            return True
        return False

    def _fault(self, place: Place, message: str) -> None:
        self.faults.append(self.source.fault(place, message))
