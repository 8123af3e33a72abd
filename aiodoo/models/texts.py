"""Texts as they are kept: plain str, whatever subclass of it was handed in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias, TypeVar

from aiodoo.checks import number_text, plain_text
from aiodoo.models.nesting import is_deep

T = TypeVar("T")

OURS: Final = frozenset({"extra", "_listed"})
"""The fields of a model that are none of doo's."""

Listed: TypeAlias = tuple[str | re.Pattern[str] | None, ...]
"""The texts of a model as a list has shown them: those are doo's own, and pass the checks of what people write.

A hook of a list also has what that list appends to its type.
"""


def text(value: str) -> str:
    """Return a text as a plain str; what is none is for the checks to refuse."""
    return value if type(value) is str else plain_text(value)


def some_text(value: str | None) -> str | None:
    """Return the same of a text that may be missing."""
    return value if type(value) is str or value is None else plain_text(value)


def id_text(value: str | int | None) -> str | None:
    """Return an id as a plain str; a whole number will do."""
    if isinstance(value, int) and not isinstance(value, bool):
        return number_text(value) or value  # type: ignore[return-value]  # for the checks to refuse
    return some_text(value)  # type: ignore[arg-type]  # what is no text is for the checks to refuse


def plain_data(data: T) -> T:
    """Return plain data with every text in it, keys too, as a plain str; the very same if they are so already."""
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
