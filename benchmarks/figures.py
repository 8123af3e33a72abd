"""How benchmarks print what they found: the command and the versions first, medians with their spread, yes or NO at each goal."""

from __future__ import annotations

import platform
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from overhead_machine import machine, versions


def header(*packages: str) -> None:
    """Print the command as it was given, the versions of packages that are installed, and the machine."""
    print(f"python benchmarks/{Path(sys.argv[0]).name} {' '.join(sys.argv[1:])}".rstrip())
    print(f"Python {platform.python_version()}, {versions(('aiodoo', *packages))}; {machine()}\n", flush=True)


def told(values: Sequence[float], form: str) -> str:
    """Write a median with its minimum and maximum."""
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def goal(what: str, *, met: bool) -> bool:
    """Print a goal with yes or NO; return whether it is met."""
    print(f"{what}: {answer(met)}", flush=True)
    return met


def answer(met: bool) -> str:  # noqa: FBT001  # it is what is answered
    """Return what `python -m benchmarks` counts."""
    return "yes" if met else "NO"


def left_out(what: str, needs: str) -> None:
    """Say that something is not measured, as a tool is missing; it does not count as met."""
    print(f"not measured: {what}, as {needs} is not installed", flush=True)
