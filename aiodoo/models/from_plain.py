"""Reads plain data into attrs classes strictly: nothing is converted, and every fault has its path."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

import attrs
import cattrs
from cattrs.errors import AttributeValidationNote, ForbiddenExtraKeysError, IterableValidationNote
from cattrs.gen import make_dict_structure_fn

from aiodoo.checks import number_text, plain_text
from aiodoo.models.secret_fields import Path, field_of
from aiodoo.models.texts import INTERNAL_FIELDS
from aiodoo.secret import Secret

T = TypeVar("T")


@attrs.frozen(repr=False)
class Misread:
    """A part of plain data that does not fit; no text shows a value.

    Attributes:
        path: the path of the part.
        reason: what is wrong.
        remedy: what to write instead, in words for whoever writes the file; empty if the reason says it.
        at_key: whether the key is wrong, and not its value.
    """

    path: Path
    reason: str
    remedy: str = ""
    at_key: bool = False


class Unreadable(Exception):
    """Plain data does not fit a class."""

    def __init__(self, faults: list[Misread]) -> None:
        super().__init__("; ".join(f"{_shown(each.path)} {each.reason}" for each in faults[:5]))
        self.faults = faults


def _shown(path: Path) -> str:
    return f"${field_of(('', *path))}" if path else "$"


class Misfit(ValueError):
    """A value does not fit; raised by hooks with a reason and a remedy that do not show it."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.remedy = remedy


def read(data: object, cls: type[T], converter: cattrs.Converter | None = None) -> T:
    """Read plain data into an attrs class.

    Unknown fields go into its `extra`; if it has none, they are faults.

    Args:
        data: the result of a JSON, YAML or TOML parser.
        cls: the class to read.
        converter: one of `new_converter` with further hooks; without any if not given.

    Raises:
        Unreadable: the data does not fit the class.
    """
    try:
        return (converter or _converter()).structure(data, cls)
    except Exception as error:  # noqa: BLE001  # cattrs raises what its hooks raise
        faults = list(_faults(error, ()))
    raise Unreadable(faults)


def numbers_as_text(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return a copy in which ints at these keys are converted to text, as ids may be either."""
    changed = dict(data)
    for name in names:
        if type(changed.get(name)) is int:
            changed[name] = number_text(changed[name]) or changed[name]
    return changed


def unknown_field(path: Path, known: Iterable[str]) -> Misread:
    """Return the fault of an unknown field; the remedy is the known one that is most like it."""
    from difflib import get_close_matches  # noqa: PLC0415  # only for an error

    known = list(known)
    close = get_close_matches(str(path[-1]), known, 1)
    remedy = f"did you mean {close[0]}?" if close else f"known here are {', '.join(known)}"
    return Misread(path, "is nothing that this format knows", remedy, at_key=True)


def fields_of(cls: type) -> list[str]:
    """Return the names of the fields of a class that plain data may have."""
    return [field.name for field in attrs.fields(cls) if field.name not in INTERNAL_FIELDS]


def _faults(error: BaseException, path: Path) -> Iterator[Misread]:
    """Yield the faults in an error of cattrs with their paths."""
    match error:
        case ExceptionGroup():
            for inner in error.exceptions:
                yield from _faults(inner, (*path, *_step(inner)))
        case ForbiddenExtraKeysError():
            for name in sorted(error.extra_fields):
                yield unknown_field((*path, name), fields_of(error.cl))
        case KeyError():
            yield Misread(path, "is missing", "add it")
        case Misfit():
            yield Misread(path, str(error), error.remedy)
        case _:
            yield Misread(path, "cannot be read", "see the format in the documentation")


def _step(error: Exception) -> Path:
    """Return the key or index of a member of a group of errors."""
    for note in getattr(error, "__notes__", ()):
        match note:
            case AttributeValidationNote():
                return (note.name,)
            case IterableValidationNote():
                return (note.index,)
    return ()


def kind_of(value: object) -> str:
    """Return the type of a value in words."""
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "a mapping"
    names = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), f"a {type(value).__name__}")


def read_text(value: object, _type: object = str) -> str:
    """Return a text; raise Misfit if it is none."""
    if not isinstance(value, str):
        remedy = "put it in quotes" if isinstance(value, int | float) else ""
        raise Misfit(f"must be text, not {kind_of(value)}", remedy)
    return plain_text(value)


def _flag(value: object, _type: object) -> bool:
    if type(value) is not bool:
        raise Misfit(f"must be true or false, not {kind_of(value)}")
    return value


def _secret(value: object, _type: object) -> Secret:
    return value if isinstance(value, Secret) else Secret(read_text(value))


def _tuple_of(cls: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    item: Any = get_args(cls)[0]

    def structure(value: object, _type: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise Misfit(f"must be a list, not {kind_of(value)}", "begin each item with a dash")
        return tuple(converter.structure(value, list[item]))

    return structure


def _mapping_of(cls: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    item: Any = get_args(cls)[1]

    def structure(value: object, _type: object) -> dict[str, Any]:
        return converter.structure(_mapping(value), dict[str, item])

    return structure


def object_of(cls: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    """Return a function that reads an attrs class."""
    names = frozenset(fields_of(attrs.resolve_types(cls)))
    keeps_unknown = "extra" in attrs.fields_dict(cls)
    fill = make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=not keeps_unknown)

    def structure(value: object, _type: object) -> Any:
        given = _mapping(value)
        if not keeps_unknown:
            return fill(given, cls)
        known = {name: item for name, item in given.items() if name in names}
        unknown = {name: item for name, item in given.items() if name not in names}
        return fill({**known, "extra": copy.deepcopy(unknown)}, cls)

    return structure


def _mapping(value: object) -> dict[str, Any]:
    """Return a mapping as a dict with plain texts as keys; raise Misfit if it is none."""
    if not isinstance(value, Mapping):
        raise Misfit(f"must be a mapping, not {kind_of(value)}")
    if not all(isinstance(name, str) for name in value):
        raise Misfit("has a key that is not text")
    return {plain_text(name): item for name, item in value.items()}


def of_origin(origin: Any) -> Callable[[Any], bool]:
    """Return a function that tells whether a type is a generic type such as `tuple`."""
    return lambda cls: get_origin(cls) is origin


def new_converter() -> cattrs.Converter:
    """Return a converter to which hooks for further types can be added."""
    converter = cattrs.Converter(detailed_validation=True)
    converter.register_structure_hook(str, read_text)
    converter.register_structure_hook(bool, _flag)
    converter.register_structure_hook(Secret, _secret)
    converter.register_structure_hook_factory(of_origin(tuple), _tuple_of)
    converter.register_structure_hook_factory(of_origin(Mapping), _mapping_of)
    converter.register_structure_hook_factory(attrs.has, object_of)
    return converter


_converter = cache(new_converter)
