"""What it costs to start: `import aiodoo` beside what it stands on, and the help beside a bare cyclopts program.

Each run is a process of its own; the contenders take turns, and ratios are taken round by round.

    python benchmarks/startup.py --rounds 15
"""

from __future__ import annotations

import argparse
import asyncio
import compileall
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import attrs
import profiles
from figures import answer, goal, header, told
from served import sandbox_elsewhere

import aiodoo

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

LISTING = OURS.replace('["aiodoo", "--help"]', '["aiodoo", "webhooks", "list", "--team", "111"]')

COMMAND = "aiodoo webhooks list --team 111"
LIST = 300.0
"""Milliseconds of processor time that the list of one team may take, all of the program."""

CORE = "import aiohttp, attrs, cattrs, anyio, backoff"


@attrs.frozen
class Pair:
    """Two programs; the second is to take no longer than `reach` times the first."""

    beside: str
    beside_code: str
    ours: str
    ours_code: str
    reach: float


def cpu_seconds(code: str, environ: dict[str, str] | None = None) -> float:
    """Run a piece of Python in a process of its own and return the CPU time that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, env=environ)  # noqa: S603  # our own
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compare(pair: Pair, rounds: int) -> bool:
    """Run both in turn and print what each took, and their ratio; return whether that is what it should be."""
    theirs, ours = [], []
    for _ in range(rounds):
        theirs.append(cpu_seconds(pair.beside_code) * 1000)
        ours.append(cpu_seconds(pair.ours_code) * 1000)
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    met = statistics.median(ratios) <= pair.reach
    print(f"{pair.beside:46} {told(theirs, '.0f')} ms")
    print(f"{pair.ours:46} {told(ours, '.0f')} ms")
    print(f"{'ratio':46} {told(ratios, '.2f')}; at most {pair.reach}: {answer(met)}\n", flush=True)
    return met


async def list_one_team(rounds: int) -> bool:
    """Print what `aiodoo webhooks list` of one team takes, and what it imports if that is too much; return whether it is not."""
    async with sandbox_elsewhere(organizations=1, webhooks_per_team=10) as (url, api_key, client_id, secret):
        with tempfile.TemporaryDirectory() as folder:
            environ = {**os.environ, "HOME": folder, "XDG_STATE_HOME": folder, "XDG_CONFIG_HOME": folder}
            environ |= {"DOO_BASE_URL": url, "DOO_API_KEY": api_key}
            environ |= {"DOO_CLIENT_ID": client_id, "DOO_CLIENT_SECRET": secret}
            taken = [cpu_seconds(LISTING, environ) * 1000 for _ in range(rounds)]
            met = statistics.median(taken) <= LIST
            goal(f"{COMMAND:46} {told(taken, '.0f')} ms; at most {LIST:.0f} ms", met=met)
            if not met:
                profiles.show_imports(COMMAND, profiles.imports(CORE), profiles.imports(LISTING, environ))
    return met


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    from aiodoo.cli.app import GROUPS  # noqa: PLC0415

    # As pip does for every package that it installs, whatever PYTHONDONTWRITEBYTECODE says.
    compileall.compile_dir(Path(aiodoo.__file__).parent, quiet=1)
    header("aiohttp", "cyclopts")
    print(f"CPU time of the whole process, median (min-max) of {rounds}\n")
    pairs = (
        Pair(CORE, CORE, "import aiodoo", "import aiodoo", 1.15),
        Pair(CORE, CORE, "import aiodoo; aiodoo.Session", "import aiodoo; aiodoo.Session", 1.3),
        Pair("bare cyclopts --help", BARE % sum(map(len, GROUPS.values())), "aiodoo --help", OURS, 1.25),
    )
    missed = [pair for pair in pairs if not compare(pair, rounds)]
    listed = asyncio.run(list_one_team(rounds))
    for pair in missed:
        both = [profiles.imports(code) for code in (pair.beside_code, pair.ours_code)]
        profiles.show_imports(pair.ours, *both)
    return 1 if missed or not listed else 0


if __name__ == "__main__":
    sys.exit(main())
