"""Reads plain data into the classes of the format strictly: nothing is converted, and every fault has its position."""

from __future__ import annotations

import collections.abc
import difflib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Literal, get_args, get_origin

import attrs
import cattrs
from cattrs.errors import (
    AttributeValidationNote,
    ClassValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn

from aiodoo.desired.file.document import Document, Selection, Word
from aiodoo.desired.file.source import Fault, Place, Source


class _Wrong(ValueError):
    """A value has the wrong type; the message says what is allowed and does not show the value."""


def read_document(source: Source) -> Document:
    """Return the document of a file.

    Raises:
        ConfigError: the file does not fit the format. The message has file, line, column and remedy.
    """
    if source.data is None:
        raise source.error([Fault(1, 1, "is empty; declare at least aiodoo: 1, manage, teams and webhooks")])
    try:
        return _converter().structure(source.data, Document)
    except Exception as error:  # noqa: BLE001  # cattrs raises what its hooks raise
        faults = list(_faults(error, (), source))
    raise source.error(faults)


def _faults(error: BaseException, place: Place, source: Source) -> Iterator[Fault]:
    """Yield the faults in an error of cattrs with their positions."""
    match error:
        case ClassValidationError() | IterableValidationError():
            for inner in error.exceptions:
                yield from _faults(inner, (*place, *_step(inner, error)), source)
        case ForbiddenExtraKeysError():
            for name in sorted(error.extra_fields):
                yield source.fault((*place, name), _unknown(name, error.cl), at_key=True)
        case KeyError():
            yield source.fault(place[:-1], f"has no {place[-1]}; add it")
        case _Wrong():
            yield source.fault(place, str(error))
        case _:
            yield source.fault(place, "cannot be read; see the format in the documentation")


def _step(error: Exception, inside: ClassValidationError | IterableValidationError) -> Place:
    """Return the key or index of a member of a group of errors."""
    wanted = AttributeValidationNote if isinstance(inside, ClassValidationError) else IterableValidationNote
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, wanted):
            return (note.name if isinstance(note, AttributeValidationNote) else note.index,)
    return ()


def _unknown(name: str, cls: type) -> str:
    known = [field.name for field in attrs.fields(cls)]
    close = difflib.get_close_matches(name, known, 1)
    meant = f"; did you mean {close[0]}?" if close else f"; known here are {', '.join(known)}"
    return f"is nothing that this format knows{meant}"


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "a mapping"
    names = {str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), "something else")


def _text(value: object, _type: object) -> str:
    if type(value) is not str:
        hint = "; put it in quotes" if isinstance(value, int | float) else ""
        raise _Wrong(f"must be a text, not {_kind(value)}{hint}")
    return value


def _word(value: object, _type: object) -> Word:
    return Word(str(value) if type(value) is int else _text(value, str))


def _flag(value: object, _type: object) -> bool:
    if type(value) is not bool:
        raise _Wrong(f"must be true or false, not {_kind(value)}")
    return value


def _version(value: object, _type: object) -> int:
    if type(value) is not int or value != 1:
        raise _Wrong("must be 1, the only version of this format so far")
    return value


def _selection(value: object, _type: object) -> Any:
    """Read `all`, a list of team ids, or a whole selection."""
    match value:
        case "all":
            return Selection(all=True)
        case list():
            return Selection(ids=_converter().structure(value, tuple[Word, ...]))
        case Mapping():
            return _object(Selection, _converter())(value, Selection)
    raise _Wrong("must be all, a list of team ids, or a selection")


def _object(cls: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    fill = make_dict_structure_fn(attrs.resolve_types(cls), converter, _cattrs_forbid_extra_keys=True)

    def structure(value: object, _type: object) -> Any:
        if not isinstance(value, Mapping):
            raise _Wrong(f"must be a mapping, not {_kind(value)}")
        return fill(dict(value), cls)

    return structure


def _list_of(cls: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    item: Any = get_args(cls)[0]

    def structure(value: object, _type: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _Wrong(f"must be a list, not {_kind(value)}; begin each item with a dash")
        return tuple(converter.structure(value, list[item]))

    return structure


def _mapping_of(cls: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    item: Any = get_args(cls)[1]

    def structure(value: object, _type: object) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise _Wrong(f"must be a mapping, not {_kind(value)}")
        return converter.structure(dict(value), dict[str, item])

    return structure


def _is_tuple(cls: Any) -> bool:
    return get_origin(cls) is tuple


def _is_mapping(cls: Any) -> bool:
    return get_origin(cls) is collections.abc.Mapping


def _is_literal(cls: Any) -> bool:
    return bool(get_origin(cls) == Literal)


@cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=True)
    converter.register_structure_hook_factory(attrs.has, _object)
    converter.register_structure_hook_factory(_is_tuple, _list_of)
    converter.register_structure_hook_factory(_is_mapping, _mapping_of)
    converter.register_structure_hook_func(_is_literal, _version)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(Word, _word)
    converter.register_structure_hook(bool, _flag)
    converter.register_structure_hook(Selection, _selection)
    return converter
