"""Lives with real processes on real HTTP: terminals that start the same thing, killed, stopped for a while and cut off.

Each terminal is a process of its own with a journal of its own, all share one ledger. They are ended with SIGKILL, held
with SIGSTOP, and the sandbox closes its port for a while. Judged by the sandbox's own log.

    python tests/people/processes.py 17
    python tests/people/processes.py --lives 200 --from 0
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1] / room) for room in ("", "bulk", "quota", "people")]

import attrs
import people_terminal
from people_account import ENTROPY, content
from people_counts import counted, summary
from people_judge import Judge
from people_seen import Name, Process, Run
from people_world import ID

from aiodoo.sandbox import Answer, Box, Plan, Request, Sandbox, serve

SERVER = multiprocessing.get_context("forkserver")
"""Processes are forked from one that has loaded what they need, so that they are as quick to begin as to be killed."""

SERVER.set_forkserver_preload(["people_terminal"])


def begin_server() -> None:
    """Start what processes are forked from; it finds modules where this process does."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


PATIENCE = 150.0
"""Seconds after which a command has to have ended."""

GAPS = (0.0, 0.1, 0.5)
"""Seconds that a person takes for the next command."""


class WatchedBox(Box):
    """A box that lets the judge see every request."""

    judge: Judge | None = None
    somebody: Process

    def handle(self, request: Request, now: float, *, round_trip: float | None = None) -> Answer:
        """Let the judge see it."""
        if self.judge is None or self.judge.inside:
            return super().handle(request, now, round_trip=round_trip)
        self.judge.inside = True
        try:
            return self.judge.let_in(self.somebody, request, now, round_trip)
        finally:
            self.judge.inside = False


@attrs.define(kw_only=True, eq=False)
class Life:
    """One life of an account, and what came of it."""

    seed: int
    chance: random.Random
    sandbox: Sandbox
    judge: Judge
    where: Path
    journals: list[Path] = attrs.Factory(list)
    fired: Counter[str] = attrs.Factory(Counter)
    story: list[str] = attrs.Factory(list)
    faults: list[str] = attrs.Factory(list)
    told: set[str] = attrs.Factory(set)
    begun: float = attrs.Factory(time.monotonic)

    def tell(self, what: str) -> None:
        """Take down what happens."""
        self.story.append(f"{time.monotonic() - self.begun:8.2f} s  {what}")

    def command(self, what: str, journal: str, *, fate: str = "", after: float = 0.0) -> dict[str, Any]:
        """Let a command run to its end, or to the end that is meant for it; return what the person is told."""
        who = threading.current_thread().name
        name = journal.rpartition("/")[2]
        self.tell(f"{who}: {what} {name} {fate} {after:.2f}")
        box = self.sandbox
        access = {
            "base_url": box.url,
            "api_key": box.api_key,
            "client_id": box.client_id,
            "client_secret": box.client_secret,
        }
        given = access, str(self.where / "quota.db"), box.teams, what, journal
        if threading.current_thread() is threading.main_thread():
            told = asyncio.run(people_terminal.one_command(*given))
        else:
            told = self._elsewhere(given, fate, after)
        self.told |= set(ID.findall(told.get("text", "")))
        if "escaped" in told or not told:
            self.faults.append(f"{what} {name}: {told.get('escaped', 'it does not end')}")
        counts = Counter(each["status"] for each in told.get("report", {}).get("outcomes", ()))
        self.tell(f"{who}: ... {dict(counts) or told}"[:300])
        self.fired[told.get("error", "")] += 1
        return told

    def _elsewhere(self, given: tuple[Any, ...], fate: str, after: float) -> dict[str, Any]:
        """Do it in a process of its own."""
        here, there = SERVER.Pipe(duplex=False)
        process = SERVER.Process(target=people_terminal.command, args=(there, *given))
        process.start()
        there.close()
        try:
            with here:
                if fate:
                    self._befall(process, fate, after)
                return self._hear(here, process)
        finally:
            process.kill()
            process.join()
            process.close()

    def _hear(self, here: Connection, process: ForkServerProcess) -> dict[str, Any]:
        if not here.poll(PATIENCE):
            return {}
        try:
            told: dict[str, Any] = here.recv()
        except EOFError:
            process.join(PATIENCE)
            return {"killed": True} if process.exitcode == -signal.SIGKILL else {"escaped": "it broke off"}
        return told

    def _befall(self, process: ForkServerProcess, fate: str, after: float) -> None:
        process.join(after)
        if process.exitcode is not None:
            return
        self.fired[fate] += 1
        if fate == "kill":
            process.kill()
        elif fate == "freeze":
            assert process.pid is not None
            # It may end at this very moment.
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGSTOP)
                time.sleep(self.chance.choice([0.2, 1.0]))
                os.kill(process.pid, signal.SIGCONT)
        elif fate == "outage":
            self.sandbox.refuse_connections(self.chance.uniform(0.1, 1.5))


def terminal(life: Life, chance: random.Random, begins: float, journal: str) -> None:
    """Be somebody at a terminal."""
    time.sleep(begins)
    what = "run"
    for _ in range(chance.randrange(2, 5)):
        fate = chance.choice(["kill", "kill", "freeze", "outage", ""])
        told = life.command(what, journal, fate=fate, after=chance.uniform(0, 1.2))
        if told.get("report", {}).get("ended"):
            return
        time.sleep(chance.choice(GAPS))
        theirs = told.get("journal")
        if theirs and chance.random() < 0.5:
            what, journal = chance.choice(["resume", "abandon"]), theirs
        elif what == "abandon" or chance.random() < 0.3:
            what, journal = "run", new_journal(life)
        else:
            what = "run" if journal == "-" else chance.choice(["resume", "run", "abandon"])


def new_journal(life: Life) -> str:
    """Return where a new journal goes."""
    path = life.where / f"journal {len(life.journals)}"
    life.journals.append(path)
    return str(path)


def live(life: Life) -> None:
    """Live one life, and judge it."""
    chance = life.chance
    journals = [new_journal(life) for _ in range(chance.choice([2, 2, 3]))]
    with ThreadPoolExecutor(3, thread_name_prefix="terminal") as terminals:
        for number, journal in enumerate(journals):
            begins = number * chance.choice([0.0, 0.0, 0.3])
            given = journals[0] if chance.random() < 0.15 else journal
            own = random.Random(f"{life.seed} {number}")
            terminals.submit(terminal, life, own, begins, given).add_done_callback(
                lambda ended: life.faults.append(str(ended.exception())) if ended.exception() else None
            )
    life.sandbox.accept_connections()
    for path in life.journals:
        if path.exists():
            for _ in range(4):
                told = life.command("resume", str(path))
                if told.get("report", {}).get("ended", True):
                    break
            else:
                life.faults.append(f"{path.name} does not come to an end")
    judge_rest(life)


def judge_rest(life: Life) -> None:
    """Hold what is live against what is wanted and what is reported."""
    judge = life.judge
    judge.catch_up()
    life.faults += judge.faults
    made, reported = what_is_reported(life)
    live = Counter(webhook.name for webhook in judge.live.values())
    for name in live | judge.wanted:
        surplus = live[name] - judge.wanted[name] - made[name]
        if surplus < 0:
            life.faults.append(f"lost: {-surplus} of {name}")
        elif surplus > len(reported[name]):
            life.faults.append(f"doubled: {surplus} of {name}, {len(reported[name])} reported")
        elif surplus:
            life.fired["live twice and named"] += surplus


def what_is_reported(life: Life) -> tuple[Counter[Name], dict[Name, set[Any]]]:
    """Return what reports say to have made, and what they tell of that did not end well."""
    judge = life.judge
    made, reported = Counter[Name](), defaultdict[Name, set[Any]](set)
    for path in life.journals:
        report = life.command("report", str(path)).get("report", {}) if path.exists() else {}
        for number, outcome in enumerate(report.get("outcomes", ())):
            name = judge.names.get(outcome["target"]) or (outcome["team"], outcome["name"])
            if outcome["status"] in {"unfinished", "unknown", "failed"}:
                reported[name].add((path, number))
            elif outcome["status"] == "skipped":
                reported[name] |= set(ID.findall(outcome["why"])) & judge.live.keys()
            elif outcome["what"] == "Create" and outcome["status"] != "not_started":
                made[name] += 1
    for id_ in life.told & judge.live.keys():
        reported[judge.names[id_]].add(id_)
    return made, reported


def one_life(seed: int) -> Life:
    """Live the life of a seed; what is wrong with it is in `faults`."""
    begin_server()
    chance = random.Random(f"processes {seed}")
    plan = Plan(per_second=people_terminal.PER_SECOND, per_day=None, counting="sliding_log")
    box = WatchedBox(
        plan=plan,
        seed=seed,
        entropy=ENTROPY,
        latency=0.01,
        organizations=chance.choice([1, 2]),
        order=chance.choice(["newest_first", "oldest_first", "arbitrary"]),
        type_suffix=False,
    )
    for team in box.teams:
        for number in range(chance.randrange(2, 9)):
            box.add_webhook(team, content(f"hook {number}"))
    with tempfile.TemporaryDirectory(prefix="aiodoo-people-") as folder, serve(box) as sandbox:
        judge = Judge(box, per_second=people_terminal.PER_SECOND, lag=0.0)
        anybody = Run([])
        box.somebody, box.judge = Process("somebody", anybody), judge
        judge.anything = True
        life = Life(seed=seed, chance=chance, sandbox=sandbox, judge=judge, where=Path(folder))
        live(life)
        if life.faults:
            life.story += [f"{at:8.2f} s  {what}" for at, what in sorted(judge.log())]
    return life


def main() -> int:
    """Replay one life, or live many."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("seed", nargs="?", type=int, help="live this one life and tell its story")
    parser.add_argument("--lives", type=int, default=20)
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        life = one_life(arguments.seed)
        print("\n".join([*life.story, "", *(life.faults or ["nothing is wrong with it"])]))  # noqa: T201
        return 1 if life.faults else 0
    fired, counts, failed, begun = Counter[str](), Counter[str](), 0, time.monotonic()
    for done, seed in enumerate(range(arguments.first, arguments.first + arguments.lives), 1):
        faults, story = [], []
        try:
            life = one_life(seed)
            fired.update(life.fired)
            faults, story = life.faults, life.story
        except Exception as error:  # noqa: BLE001  # whatever it is, the seed has failed, and others follow
            faults, story = [f"{type(error).__name__}: {error}"], [traceback.format_exc()]
        failed += bool(faults)
        counts += counted(faults)
        if faults:
            told = [f"python tests/people/processes.py {seed}   # {faults[0]}", *story, *faults]
            print("\n".join(told), flush=True)  # noqa: T201
        if done % 10 == 0 or done == arguments.lives:
            print(f"{time.monotonic() - begun:.0f} s: {summary(done, failed, counts)}", flush=True)  # noqa: T201
    print(f"\nwhat befell them: {dict(fired)}\n{summary(arguments.lives, failed, counts)}")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
