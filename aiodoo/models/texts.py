"""Converts texts to plain str, whatever subclass of str they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias, TypeVar

from aiodoo.checks import number_text, plain_text
from aiodoo.models.nesting import is_deep

T = TypeVar("T")

INTERNAL_FIELDS: Final = frozenset({"extra", "_listed"})
"""The fields of a model that are not fields of doo's object."""

Listed: TypeAlias = tuple[str | re.Pattern[str] | None, ...]
"""The texts of a model as a list has shown them; they are exempt from the checks of `models.rules`.

A listed hook also has the pattern of the suffix of listed types, unless that is the default of `Facts`.
"""


class MadeFromList:
    """Base of models that are made from a list without `extra` and `_listed`, which are added when first asked for.

    Most are never asked for, and making them takes longer than all else.
    """

    __slots__ = ()

    _TEXTS: ClassVar[tuple[str, ...]] = ()
    """The fields whose texts a list shows."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name == "extra":
                made: Any = {}
            elif name == "_listed":
                made = tuple([getattr(self, text) for text in self._TEXTS])
            else:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            object.__setattr__(self, name, made)
            return made


def listed_texts(model: Any) -> Listed:
    """Return the texts of a model that come from a list; empty if it was not copied from one."""
    texts: Listed = getattr(model, "_listed", ())
    return texts


def text(value: str) -> str:
    """Return a text as a plain str; other types are returned unchanged, for the checks to refuse."""
    return value if type(value) is str else plain_text(value)


def some_text(value: str | None) -> str | None:
    """Return an optional text as a plain str, or None."""
    return value if type(value) is str or value is None else plain_text(value)


def id_text(value: str | int | None) -> str | None:
    """Return an id, which may be an int, as a plain str."""
    if isinstance(value, int) and not isinstance(value, bool):
        return number_text(value) or value  # type: ignore[return-value]  # for the checks to refuse
    return some_text(value)  # type: ignore[arg-type]  # the checks refuse other types


def plain_data(data: T) -> T:
    """Return plain data with plain str as texts and keys; the same object if nothing changes."""
    return data if is_deep(data) else _plain(data)


def _plain(data: Any) -> Any:
    if isinstance(data, str):
        return plain_text(data)
    if isinstance(data, Mapping):
        made = {plain_text(name): _plain(item) for name, item in data.items()}
        same = all(type(name) is str for name in data if isinstance(name, str)) and all(
            made[name] is item for name, item in data.items()
        )
        return data if same else made
    if isinstance(data, list | tuple):
        items = [_plain(item) for item in data]
        return data if all(new is old for new, old in zip(items, data, strict=True)) else items
    return data
