"""How long `aiodoo --help` takes, beside a bare cyclopts program with as many commands and options, in one run.

python benchmarks/help.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys

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


def cpu_seconds(command: list[str]) -> float:
    """Run a command and return the CPU time that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # our own
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    from aiodoo.cli.app import COMMANDS  # noqa: PLC0415

    commands = {
        "bare cyclopts": [sys.executable, "-c", BARE % len(COMMANDS)],
        "aiodoo --help": [sys.executable, "-c", OURS],
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            taken[name].append(cpu_seconds(command))
    medians = {name: statistics.median(seconds) for name, seconds in taken.items()}
    for name, seconds in medians.items():
        print(f"{name:<16} {seconds * 1000:6.0f} ms CPU")
    print(
        f"ratio            {medians['aiodoo --help'] / medians['bare cyclopts']:6.2f}   (to be at most 1.25)"
    )


if __name__ == "__main__":
    main()
