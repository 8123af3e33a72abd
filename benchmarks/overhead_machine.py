"""What of this machine `overhead.py` uses and says: processors, clocks and counters."""

from __future__ import annotations

import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, Self

import attrs


def pin(role: Literal["client", "server"]) -> None:
    """Keep the client on one processor and the server on another one, if the system lets us and there are two."""
    if not hasattr(os, "sched_setaffinity"):
        return
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) > 1:
        os.sched_setaffinity(0, {processors[0] if role == "client" else processors[-1]})


@attrs.frozen
class Cost:
    """What one request took of the client's process.

    Attributes:
        cpu: processor time, in microseconds.
        faults: page faults.
        calls: calls of Python functions; None if they were not counted.
    """

    cpu: float
    faults: float
    calls: float | None = None


class Meter:
    """Measures this process from its making on."""

    def __init__(self) -> None:
        self._faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        self._cpu = time.process_time()

    def cost(self, requests: int) -> Cost:
        """Return what each of so many requests took."""
        cpu = time.process_time() - self._cpu
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - self._faults
        return Cost(cpu / requests * 1e6, faults / requests)


class Calls:
    """Counts calls of Python functions while it is entered; an exact figure, whatever else the machine does."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Self:
        sys.setprofile(self._see)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _see(self, _frame: object, event: str, _argument: object) -> None:
        self.count += event == "call"


def instructions(command: Sequence[str]) -> int | None:
    """Return how many instructions a program carries out, the kernel's apart, as valgrind counts them; None without it.

    The figure is the same whatever else the machine does. Processors that count for themselves are quicker asked by
    `perf stat`, but in most virtual machines they do not.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        return None
    counted = [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null", *command]
    done = subprocess.run(  # noqa: S603  # ourselves
        counted, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0"}
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    return int(found[1]) if found else None


def versions(names: tuple[str, ...]) -> str:
    """Return the versions of packages that are installed."""
    found = []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def machine() -> str:
    """Describe the machine."""
    model = platform.processor() or platform.machine()
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{platform.system()} {platform.release()}, {os.cpu_count()} x {model}{load}"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
