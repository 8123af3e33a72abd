"""One integer is one life of an account: its webhooks, its people, and whatever these do next.

People start the same command in several terminals, with a journal or without; their processes are killed, cancelled or
parked; then they resume, begin again with another journal, give up, undo, or do nothing. Somebody else edits and deletes
meanwhile, doo cannot be reached for up to an hour, lists lag, journals are copied, moved, cut, flipped and locked. Judged
by the sandbox's own log. Replay one life with its story, or let many go by:

    python tests/people/people.py 4711
    python tests/people/people.py --lives 20000 --from 0 --jobs 2
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import multiprocessing
import os
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1] / room) for room in ("", "bulk", "quota")]

import attrs
from dying_process import folder
from people_acts import arrange_moments, person, weather
from people_counts import counted, summary
from people_rest import judge_rest, settle_down
from people_world import ID, Life, World
from simulated import SimulatedClock, simulate


async def live(clock: SimulatedClock, life: Life, where: Path) -> None:
    """Live one life, and judge it."""
    world = World.drawn(life, clock, where)
    chance = life.chance
    arrange_moments(world)
    script, begins, path = chance.choice(world.scripts), 0.0, None
    people: list[Coroutine[Any, Any, None]] = []
    for number in range(chance.choice([1, 2, 2, 3, 4])):
        if number == 0 or chance.random() < 0.4:
            script, begins = (
                chance.choice(world.scripts),
                chance.choice([0.0, 2.0, 60.0, 900.0]) * chance.random(),
            )
        if number == 0 or chance.random() < 0.8:
            path = None if chance.random() < 0.2 else world.new_path()
        begins += chance.choice([0.0, 0.01, 1.0]) * chance.random()
        people.append(person(world, script, "ABCD"[number], begins, path))
    around = asyncio.create_task(weather(world))
    await asyncio.gather(*people)
    life.calm, world.box.rates = True, None
    await around
    world.box.accept_connections()
    await settle_down(world)
    await judge_rest(world)
    life.story += world.judge.log()
    life.requests, life.raced = world.box.log.total, world.judge.raced
    life.operations = sum(len(run.operations) for run in world.judge.runs)
    for ledger in world.ledgers:
        if ledger._running is not None:
            ledger._running[1].close()


def one_life(seed: int) -> Life:
    """Live the life of a seed; what is wrong with it is in `faults`."""
    life = Life.drawn(seed)
    with folder() as where:
        try:
            simulate(lambda clock: live(clock, life, where), seed=seed)
        except Exception as error:  # noqa: BLE001  # whatever it is, the seed has failed
            where_ = traceback.extract_tb(error.__traceback__)[-1]
            life.faults.append(f"{type(error).__name__}: {error} ({where_.filename}:{where_.lineno})")
            life.story.append((math.inf, traceback.format_exc()))
    return life


# Many lives.


@attrs.define
class Tally:
    """What many lives came to; of each failed one only its first faults are kept."""

    lives: int = 0
    requests: int = 0
    operations: int = 0
    named: int = 0
    raced: int = 0
    fired: Counter[str] = attrs.Factory(Counter)
    acts: Counter[str] = attrs.Factory(Counter)
    excused: Counter[str] = attrs.Factory(Counter)
    counts: Counter[str] = attrs.Factory(Counter)
    failures: dict[int, list[str]] = attrs.Factory(dict)

    def add(self, life: Life) -> None:
        """Count one life."""
        self.lives += 1
        for name in ("requests", "operations", "named", "raced"):
            setattr(self, name, getattr(self, name) + getattr(life, name))
        for name in ("fired", "acts", "excused"):
            getattr(self, name).update(getattr(life, name))
        if life.faults:
            self.counts += counted(life.faults)
            self.failures[life.seed] = life.faults[:5]

    def merge(self, other: Tally) -> None:
        """Count another tally in."""
        for name in ("lives", "requests", "operations", "named", "raced"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("fired", "acts", "excused", "counts", "failures"):
            getattr(self, name).update(getattr(other, name))

    def kinds(self) -> Counter[str]:
        """Count the lives with a fault of each kind."""
        return Counter(kind for faults in self.failures.values() for kind in {*map(kind_of, faults)})

    @property
    def summary(self) -> str:
        """What counts, in one line."""
        return summary(self.lives, len(self.failures), self.counts)

    def __str__(self) -> str:
        def listed(counter: Counter[str]) -> str:
            return ", ".join(f"{name} {many}" for name, many in sorted(counter.items())) or "none"

        told = [
            (
                f"{self.lives} lives, {self.acts.total()} commands and errors, {self.operations} operations, "
                f"{self.requests} requests"
            ),
            f"commands and errors: {listed(self.acts)}",
            f"what befell them: {listed(self.fired)}",
            f"live twice and named: {self.named}; live twice and not to be named: {listed(self.excused)}",
            f"changed by others after the last look, and deleted: {self.raced}",
            f"failed: {len(self.failures)}",
        ]
        told += [f"  {many:5} x {kind}" for kind, many in self.kinds().most_common(20)]
        for seed, faults in sorted(self.failures.items())[:20]:
            told.append(f"  python tests/people/people.py {seed}   # {faults[0]}"[:200])
        told.append(self.summary)
        return "\n".join(told)


def kind_of(fault: str) -> str:
    """Return what a fault has in common with others."""
    if " after a look " in fault:
        return "a delete after an old look"
    what = re.sub(r"\[at .*\]$", "", ID.sub("ID", fault))
    return re.sub(r"\d+", "N", re.sub(r"'[^']*'", "'...'", re.sub(r" of [A-D] ", " ", what)))[:140]


def some_lives(seeds: Sequence[int]) -> Tally:
    """Live some lives one after the other."""
    tally = Tally()
    logging.disable(logging.CRITICAL)
    for seed in seeds:
        tally.add(one_life(seed))
    logging.disable(logging.NOTSET)
    return tally


def _shares(first: int, lives: int, size: int = 50) -> Iterator[range]:
    for begin in range(first, first + lives, size):
        yield range(begin, min(begin + size, first + lives))


def main() -> int:
    """Replay one life, or live many."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("seed", nargs="?", type=int, help="live this one life, tell its story and its log")
    parser.add_argument("--lives", type=int, default=1000)
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    if arguments.seed is not None:
        logging.disable(logging.CRITICAL)
        life = one_life(arguments.seed)
        for at, what in sorted(life.story, key=lambda told: told[0]):
            print(f"{at:12.2f} s  {what}")  # noqa: T201
        print("\n".join(["", *(life.faults or ["nothing is wrong with it"])]))  # noqa: T201
        return 1 if life.faults else 0
    tally, begun = Tally(), time.monotonic()
    with multiprocessing.get_context("spawn").Pool(arguments.jobs, maxtasksperchild=50) as pool:
        for part in pool.imap_unordered(some_lives, _shares(arguments.first, arguments.lives)):
            tally.merge(part)
            for seed, faults in part.failures.items():
                print(f"  {seed}: {faults[0]}", flush=True)  # noqa: T201
            print(f"{time.monotonic() - begun:.0f} s: {tally.summary}", flush=True)  # noqa: T201
    print(f"\n{tally}")  # noqa: T201
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
