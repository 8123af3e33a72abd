"""How deep lists and objects may be nested."""

from __future__ import annotations

from typing import Any, Final

MAX_DEPTH: Final = 64
"""Levels of lists and objects, far more than doo's answers have and far fewer than Python can bear."""


def is_deep(value: Any, text: bytes | None = None) -> bool:
    """Tell whether lists and objects are nested deeper than allowed; looks level by level, without recursion.

    Args:
        value: what JSON was parsed into.
        text: what it was parsed from; with few brackets in it there is no need to look.
    """
    if text is not None and text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return False
    level = [value] if isinstance(value, list | dict) else []
    for _ in range(MAX_DEPTH):
        level = [
            child for container in level for child in _children(container) if isinstance(child, list | dict)
        ]
        if not level:
            return False
    return True


def _children(container: Any) -> Any:
    return container.values() if isinstance(container, dict) else container
