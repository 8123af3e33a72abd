"""The limit for the nesting of lists and objects."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any, Final

MAX_DEPTH: Final = 64
"""Levels of lists and objects: more than doo's answers have, and far below Python's recursion limit."""

_LEAVES = frozenset({str, int, float, bool, NoneType})
_KNOWN = (list, dict, tuple)


def is_deep(value: Any, text: bytes | None = None) -> bool:
    """Tell whether lists and objects are nested deeper than `MAX_DEPTH`, or contain themselves; without recursion.

    Args:
        value: parsed JSON, or plain data of a caller, with tuples and mappings of any class.
        text: the JSON text; if it has few brackets, `value` is not searched.
    """
    if text is not None and text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return False
    level = {id(value): value} if _is_container(value) else {}
    for _ in range(MAX_DEPTH):
        # An object that occurs twice in a level is searched once; else a list that contains itself twice has no end.
        level = {
            id(child): child
            for container in level.values()
            for child in _children(container)
            if type(child) not in _LEAVES and _is_container(child)
        }
        if not level:
            return False
    return True


def _is_container(value: Any) -> bool:
    return isinstance(value, _KNOWN) or isinstance(value, Mapping)  # noqa: SIM101  # asked in this order, it is fast


def _children(container: Any) -> Any:
    return container.values() if type(container) is dict or isinstance(container, Mapping) else container
