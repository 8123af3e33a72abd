"""What it costs to start: `import aiodoo` beside what it stands on, and the help beside a bare cyclopts program.

Each run is a process of its own; the contenders take turns, and ratios are taken round by round.

    python benchmarks/startup.py --rounds 15
"""

from __future__ import annotations

import argparse
import platform
import resource
import statistics
import subprocess
import sys
from importlib.metadata import version

import attrs

BARE = """
import sys
from typing import Annotated, Literal
from cyclopts import App, Parameter

app = App(name="bare", help="Bare.")

def add(number):
    def command(name: str, *, count: int = 0, form: Literal["table", "json"] = "table", yes: bool = False):
        '''Do something.

        Parameters
        ----------
        name
            What to do it with.
        count
            How often.
        '''
    app.command(command, name=f"command-{number}")

for number in range(%d):
    add(number)
app(["--help"])
"""

OURS = """
import sys
sys.argv = ["aiodoo", "--help"]
from aiodoo.cli import main
sys.exit(main())
"""

CORE = "import aiohttp, attrs, cattrs, anyio, backoff"


@attrs.frozen
class Pair:
    """Two programs; the second is to take no longer than `reach` times the first, if there is such an aim."""

    beside: str
    beside_code: str
    ours: str
    ours_code: str
    reach: float | None = None


def cpu_seconds(code: str) -> float:
    """Run a piece of Python in a process of its own and return the CPU time that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # our own
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def spread(values: list[float], digits: int) -> str:
    """Write a median with its minimum and maximum."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def compare(pair: Pair, rounds: int) -> None:
    """Run both in turn and print what each took, and their ratio."""
    theirs, ours = [], []
    for _ in range(rounds):
        theirs.append(cpu_seconds(pair.beside_code) * 1000)
        ours.append(cpu_seconds(pair.ours_code) * 1000)
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    aim = ""
    if pair.reach is not None:
        aim = f"; at most {pair.reach}: {'yes' if statistics.median(ratios) <= pair.reach else 'NO'}"
    print(f"{pair.beside:46} {spread(theirs, 0)} ms")
    print(f"{pair.ours:46} {spread(ours, 0)} ms")
    print(f"{'ratio':46} {spread(ratios, 2)}{aim}\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    from aiodoo.cli.app import GROUPS  # noqa: PLC0415

    print(f"python benchmarks/startup.py --rounds {rounds}")
    versions = ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "cyclopts", "aiodoo"))
    print(f"Python {platform.python_version()}, {versions}")
    print(f"CPU time of the whole process, median (min-max) of {rounds}\n")
    for pair in (
        Pair(CORE, CORE, "import aiodoo", "import aiodoo", 1.15),
        Pair(CORE, CORE, "import aiodoo; aiodoo.Session", "import aiodoo; aiodoo.Session", 1.3),
        Pair("bare cyclopts --help", BARE % sum(map(len, GROUPS.values())), "aiodoo --help", OURS, 1.25),
    ):
        compare(pair, rounds)


if __name__ == "__main__":
    main()
