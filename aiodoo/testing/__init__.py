"""Tests code that uses aiodoo: a pytest plugin, a sandbox with assertions, and a clock whose waits cost no time."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiodoo.testing.simulated_clock import SimulatedClock
    from aiodoo.testing.tested_sandbox import TestedSandbox

__all__ = ["SimulatedClock", "TestedSandbox"]

_HOMES = {"SimulatedClock": "simulated_clock", "TestedSandbox": "tested_sandbox"}


def __getattr__(name: str) -> Any:
    # pytest imports this package in every project, so it loads nothing before it is used.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
