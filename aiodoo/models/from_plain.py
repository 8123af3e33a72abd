"""Reads plain data into the attrs classes strictly: nothing is converted, and every fault has its path."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn

from aiodoo.checks import number_text, plain_text
from aiodoo.models.texts import INTERNAL_FIELDS
from aiodoo.secret import Secret

T = TypeVar("T")


class Unreadable(Exception):
    """Plain data does not fit a class; `faults` holds a path and a reason for each fault, never a value."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path} {reason}" for path, reason in faults[:5]))
        self.faults = faults


class _Wrong(ValueError):
    """A value has the wrong type; the message does not show it."""


def read(data: object, cls: type[T]) -> T:
    """Read plain data into an attrs class; unknown fields go into its `extra`.

    Args:
        data: the result of a JSON, YAML or TOML parser.
        cls: the class to read.

    Raises:
        Unreadable: the data does not fit the class.
    """
    try:
        return _converter().structure(data, cls)
    except Exception as error:  # noqa: BLE001  # cattrs raises what its hooks raise
        faults = [_split(line) for line in cattrs.transform_error(error, format_exception=_reason)]
    raise Unreadable(faults)


def numbers_as_text(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return a copy in which ints at these keys are converted to text, as ids may be either."""
    changed = dict(data)
    for name in names:
        if type(changed.get(name)) is int:
            changed[name] = number_text(changed[name]) or changed[name]
    return changed


def _split(line: str) -> tuple[str, str]:
    reason, _, path = line.rpartition(" @ ")
    return path, reason


def _reason(error: BaseException, _type: type | None) -> str:
    if isinstance(error, KeyError):
        return "is missing"
    return str(error) if isinstance(error, _Wrong) else "cannot be read"


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "an object"
    names = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), f"a {type(value).__name__}")


def _text(value: object, _type: object) -> str:
    if not isinstance(value, str):
        raise _Wrong(f"must be text, not {_kind(value)}")
    return plain_text(value)


def _secret(value: object, _type: object) -> Secret:
    return value if isinstance(value, Secret) else Secret(_text(value, str))


def _is_tuple(cls: Any) -> bool:
    return get_origin(cls) is tuple


def _tuple_of(cls: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    item: Any = get_args(cls)[0]

    def structure(value: object, _type: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise _Wrong(f"must be a list, not {_kind(value)}")
        return tuple(converter.structure(value, list[item]))

    return structure


def _object(cls: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    fill = make_dict_structure_fn(cls, converter)
    names = {field.name for field in attrs.fields(attrs.resolve_types(cls))} - INTERNAL_FIELDS

    def structure(value: object, _type: object) -> Any:
        if not isinstance(value, Mapping):
            raise _Wrong(f"must be an object, not {_kind(value)}")
        if not all(isinstance(name, str) for name in value):
            raise _Wrong("has a key that is not text")
        known = {plain_text(name): item for name, item in value.items() if name in names}
        unknown = {plain_text(name): item for name, item in value.items() if name not in names}
        return fill({**known, "extra": copy.deepcopy(unknown)}, cls)

    return structure


@cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=True)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(Secret, _secret)
    converter.register_structure_hook_factory(_is_tuple, _tuple_of)
    converter.register_structure_hook_factory(attrs.has, _object)
    return converter
