"""Runs all benchmarks one after the other, shows what they print, and sums up which goals are met.

python -m benchmarks
python -m benchmarks --quick
python -m benchmarks --output docs/benchmarks.txt

The exit status is 0 if every goal is met, else 1. A benchmark that fails, or does not end, misses a goal.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from overhead_machine import machine

FOLDER = Path(__file__).parent
FIRST = ("startup", "overhead", "beside_a_loop", "large_teams", "stalls", "growth")
"""What users feel comes first."""
QUICK = {
    "startup": "--rounds 3",
    "overhead": "--rounds 3 --requests 1000",
    "beside_a_loop": "--rounds 3 --operations 400",
    "growth": "--rounds 1 --smaller 8",
    "large_teams": "--webhooks 110 1000 --scattered 1000 --orders newest_first",
    "claims": "--rounds 1 --teams 5",
    "economy": "--seeds 1 --teams 20",
    "fleet": "--tenants 20 --keys 20 --times 3",
    "journal": "--rounds 1 --commits 50 --operations 5000",
    "ledger": "--rounds 1 --requests 50",
    "nginx": "--rates 20 --seconds 8 --programs 3",
    "quota": "--rates 20 --seeds 1 --alone",
    "receiver": "--rounds 2 --deliveries 1000",
    "scale": "--callers 1000 --webhooks 50000",
}
"""Sizes that take a minute or two each and give rough figures."""
WHOLE = {"quota": "--rates 1 20 --seeds 2"}
"""What is less than the whole of a benchmark by itself, so that all of them take no longer than about half an hour."""
LONGEST = 900.0
"""Seconds after which a benchmark is ended."""
ANSWER = re.compile(r": (yes|NO)\b")


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


def ran(script: Path, arguments: Sequence[str]) -> Iterator[str]:
    """Run a benchmark and yield what it prints, line by line, and a goal that is missed if it fails without one."""
    began = time.monotonic()
    with subprocess.Popen(  # noqa: S603  # our own scripts
        [sys.executable, str(script), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    ) as process:
        assert process.stdout is not None  # noqa: S101  # it is piped
        ending = threading.Timer(LONGEST, _end, [process])
        ending.start()
        missed = False
        try:
            for line in process.stdout:
                missed = missed or line.rstrip().endswith(": NO")
                yield line
            process.wait()
        finally:
            ending.cancel()
            _end(process)
    status, took = process.returncode, time.monotonic() - began
    if status < 0 or status > 1 or (status and not missed):
        yield f"{script.stem} measures all of it; it ended with status {status}: NO\n"
    yield f"(exit status {status}, {took:.0f} s)\n"


def _end(process: subprocess.Popen[str]) -> None:
    """End a benchmark with the processes that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def summary(lines: Sequence[str]) -> list[str]:
    """Return how many goals are met and missed, and which are missed or were not measured, under their benchmark."""
    met, missed, unknown, name = 0, [], [], ""
    for line in lines:
        if line.strip().startswith("== "):
            name = line.strip("= \n")
        elif line.startswith("not measured: "):
            unknown.append(f"  {name}: {line.strip()}\n")
        elif found := ANSWER.search(line):
            met += found[1] == "yes"
            missed += [f"  {name}: {line.strip()}\n"] if found[1] == "NO" else []
    return [f"\n{met} goals are met, {len(missed)} are missed{':' if missed else '.'}\n", *missed, *unknown]


def main() -> int:
    """Run all benchmarks, or those that are named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="benchmarks to run; all if none is named")
    parser.add_argument("--quick", action="store_true", help="smaller sizes; rough figures")
    parser.add_argument("--output", type=Path, help="a file for the same text")
    options = parser.parse_args()
    found = {path.stem: path for path in scripts()}
    if unknown := [name for name in options.names if name not in found]:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(found)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what it has started ends as well
    lines: list[str] = []

    def say(line: str) -> None:
        print(line, end="", flush=True)
        lines.append(line)

    say(
        f"python -m benchmarks {' '.join([*options.names, *(['--quick'] if options.quick else [])])}".rstrip()
    )
    say(f"\nPython {platform.python_version()}, {machine()} before the first\n")
    for name, script in found.items():
        if options.names and name not in options.names:
            continue
        say(f"\n== {name} ==\n")
        for line in ran(script, (QUICK if options.quick else WHOLE).get(name, "").split()):
            say(line)
    for line in (last := summary(lines)):
        say(line)
    if options.output is not None:
        options.output.write_text("".join(lines))
    return 1 if len(last) > 1 else 0


if __name__ == "__main__":
    sys.exit(main())
