"""Warnings for what may be right and is probably not, given at the line of the caller."""

from __future__ import annotations

import sys
import warnings
from typing import Any, Self

import attrs

_INSIDE = frozenset({"aiodoo", "anyio", "asyncio", "contextlib"})
"""Packages whose lines are not the caller's."""


class DooWarning(UserWarning):
    """Anything that aiodoo warns of."""


class UnknownHookType(DooWarning):
    """A hook has a type that no page of doo names: it is new, or misspelled."""


class UnverifiedConnection(DooWarning):
    """A session does not check that it talks to doo: anybody between may read every secret."""


@attrs.frozen(eq=False)
class Line:
    """A line of a program that calls aiodoo."""

    _filename: str
    _number: int
    _module: str
    _registry: dict[Any, Any] = attrs.field(repr=False)

    @classmethod
    def of_caller(cls) -> Self:
        """Return the line that has called aiodoo."""
        frame = sys._getframe(1)  # noqa: SLF001  # the documented way to find one's caller
        while _is_inside(frame.f_globals.get("__name__")) and frame.f_back is not None:
            frame = frame.f_back
        names = frame.f_globals
        registry = names.setdefault("__warningregistry__", {})
        return cls(frame.f_code.co_filename, frame.f_lineno, names.get("__name__") or "", registry)

    def warn(self, message: str, category: type[DooWarning]) -> None:
        """Warn of something at this line; the same is said once there unless Python's filters say otherwise."""
        warnings.warn_explicit(
            message, category, self._filename, self._number, self._module or None, self._registry
        )


def _is_inside(name: object) -> bool:
    # What attrs generates has no name.
    return not isinstance(name, str) or name.partition(".")[0] in _INSIDE
