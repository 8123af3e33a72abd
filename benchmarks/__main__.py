"""Runs all benchmarks one after the other, shows what they print, and sums up which goals are met.

python -m benchmarks
python -m benchmarks --output docs/benchmarks.txt
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parent
FIRST = ("startup", "overhead", "beside_a_loop", "stalls", "growth")
"""Those that say yes or no to a goal come first."""


def scripts() -> list[Path]:
    """Return all benchmarks."""
    paths = {path.stem: path for path in sorted(FOLDER.glob("[a-z]*.py"))}
    # The others are parts of these.
    found = {
        name: path
        for name, path in paths.items()
        if '__name__ == "__main__"' in path.read_text() and name.rpartition("_")[0] not in paths
    }
    return [*(found.pop(name) for name in FIRST if name in found), *found.values()]


def ran(script: Path, *, quick: bool) -> Iterator[str]:
    """Run a benchmark, `quick` with one round or seed, and yield what it prints, line by line."""
    text = script.read_text()
    once = [word for name in ("--rounds", "--seeds") if quick and f'"{name}"' in text for word in (name, "1")]
    began = time.monotonic()
    with subprocess.Popen(  # noqa: S603  # our own scripts
        [sys.executable, str(script), *once], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101  # it is piped
        yield from process.stdout
    yield f"(exit code {process.returncode}, {time.monotonic() - began:.0f} s)\n"


def main() -> None:
    """Run all benchmarks, or those that are named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="benchmarks to run; all if none is named")
    parser.add_argument("--quick", action="store_true", help="one round, or one seed, of each")
    parser.add_argument("--output", type=Path, help="a file for the same text")
    options = parser.parse_args()
    lines: list[str] = []

    def say(line: str) -> None:
        print(line, end="", flush=True)
        lines.append(line)

    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    say(
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, load {load} before the first\n"
    )
    for script in scripts():
        if options.names and script.stem not in options.names:
            continue
        say(f"\n== {script.stem} ==\n")
        for line in ran(script, quick=options.quick):
            say(line)
    met = [line for line in lines if line.rstrip().endswith(": yes")]
    missed = [line for line in lines if line.rstrip().endswith(": NO")]
    say(f"\n{len(met)} goals are met, {len(missed)} are missed{':' if missed else '.'}\n")
    for line in missed:
        say(line)
    if options.output is not None:
        options.output.write_text("".join(lines))


if __name__ == "__main__":
    main()
