"""One integer is one life of a run: its teams, its operations and everything that befalls it, judged by the sandbox's log.

Each life draws some of 24 kinds of fault and lets its processes die, be cancelled, lose their disk, and go on from the
journal until the run is complete. Replay one, or let many go by on all processors:

    python tests/bulk/random_runs.py 4711
    python tests/bulk/random_runs.py --lives 100000
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import logging
import multiprocessing
import os
import random
import secrets
import sys
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1])]

import attrs
from bulk_world import UNLIMITED, config, content
from disks import failing_disk, full_disk
from drawn_faults import DrawnFaults
from dying_process import MortalWorker, folder
from judging_sandbox import Rest, WatchedBox, Witness
from simulated import SimulatedClock, simulate
from simulated_doo import BoxTransport

from aiodoo import Facts, Limits, Report, Session, Status
from aiodoo.client.transport import Exchange
from aiodoo.errors import (
    AuthenticationError,
    DooError,
    JournalError,
    JournalLocked,
    JournalMismatch,
    TeamClaimed,
    TransportError,
    UnstableListing,
)
from aiodoo.offload import InlineWorker
from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update
from aiodoo.protocol.wire import Answer, Request
from aiodoo.quota import Memory
from aiodoo.sandbox import Fault, Plan
from aiodoo.session import REST

ELSEWHERE = "https://elsewhere.example/v1"
"""What another host takes doo for: its runs and ours share the quota, and do not see each other's claims."""

CLAIMS_TRIED = 2_000
"""Hours that a run is begun anew while another one claims its teams."""

R = TypeVar("R")

ENTROPY = secrets.token_bytes(32)
"""What all secrets of all lives are made from: whoever looks for them has to learn only a few."""

BREAKS = ("before_answer", "in_headers", "in_body")

MAKE: Mapping[str, Callable[[random.Random], Fault]] = {
    "lost_before": lambda chance: Fault("lost_before"),
    "lost_after": lambda chance: Fault("lost_after", stage=chance.choice(BREAKS)),
    "late": lambda chance: Fault("late", after=chance.uniform(1, 120)),
    "late_tail": lambda chance: Fault("late", after=chance.uniform(1, 3600), status=chance.choice([None, 504])),
    "error_acted": lambda chance: Fault("error_acted"),
    "error_not_acted": lambda chance: Fault("error_not_acted"),
    "gateway": lambda chance: Fault(
        chance.choice(["error_acted", "error_not_acted"]), status=chance.choice([502, 503, 504])
    ),
    "too_many": lambda chance: Fault(
        "too_many", headers=chance.choice([{}, {"Retry-After": str(chance.randrange(1, 60))}])
    ),
    "unauthorized": lambda chance: Fault("unauthorized"),
    "reset": lambda chance: Fault("reset", stage=chance.choice(BREAKS), acted=chance.random() < 0.7),
    "truncated": lambda chance: Fault("truncated", content_length=chance.choice(["full", "matching"])),
    "stale": lambda chance: Fault("stale", seconds=chance.uniform(1, 30)),
    "delete_ignored": lambda chance: Fault("delete_ignored"),
    "slow": lambda chance: Fault("slow", seconds=chance.uniform(1, 50)),
    "envelope_lie": lambda chance: Fault(
        "envelope_lie", response_status=chance.choice([400, 500, "no"]), acted=chance.random() < 0.5
    ),
}  # fmt: skip
"""What may befall one request at doo."""

KINDS = (*MAKE, "drift", "kill", "cancel", "disk", "clock", "second_run", "dns", "outage", "restart")
"""All kinds; those after what befalls a request befall doo, the way there, or the process."""

JUMPS = [-10 * 365 * 86_400, -86_400, -3600, -1, 1, 3600, 86_400, 10 * 365 * 86_400]
CALM = 10
"""Processes after which nothing goes wrong any more."""


@attrs.frozen(kw_only=True)
class Weather(DrawnFaults):
    """Draws what befalls a request; during an outage, all of them."""

    outage: tuple[float, float]

    def draw(self, operation: Any, now: float, chance: random.Random) -> Fault | None:
        """Draw a fault, or none."""
        if self.outage[0] <= now < self.outage[1]:
            self.fired["outage"] += 1
            return Fault("error_not_acted", status=503)
        return super().draw(operation, now, chance)


@attrs.define(kw_only=True, eq=False)
class Life:
    """What is drawn for one life, and what came of it."""

    seed: int
    chance: random.Random
    more: int
    new: str | None
    max_pairs: int
    kinds: Mapping[str, float]
    fired: Counter[str] = attrs.Factory(Counter)
    calm: bool = False
    processes: int = 0
    requests: int = 0
    statuses: Counter[str] = attrs.Factory(Counter)
    rest: Rest | None = None
    trace: str = ""

    @classmethod
    def drawn(cls, seed: int) -> Life:
        """Draw which kinds of fault there are, and how often."""
        chance = random.Random(f"life {seed}")
        some = chance.sample(KINDS, chance.choice([1, 2, 3, 4, 6, 9]))
        large = random.Random(f"pages {seed}")
        return cls(
            seed=seed, chance=chance, more=large.choice([0, 0, 0, 8, 16]),
            new=large.choice([None, None, "first", "last", "anywhere"]), max_pairs=large.choice([1, 3, 25]), kinds={kind: 10 ** chance.uniform(-2, -0.8) for kind in some},
        )  # fmt: skip

    def happens(self, kind: str, *, often: float = 1.0) -> bool:
        """Draw whether something of a kind happens now."""
        if self.calm or kind not in self.kinds or self.chance.random() > self.kinds[kind] * often:
            return False
        self.fired[kind] += 1
        return True


class Way(BoxTransport):
    """The way to doo, where names are not always found."""

    def __init__(self, life: Life, box: WatchedBox, clock: SimulatedClock) -> None:
        super().__init__(box, clock)
        self.life = life

    async def send(self, request: Request, headers: Mapping[str, str], trip: Exchange) -> Answer:
        """Carry one request, or find no way."""
        if self.life.happens("dns"):
            raise TransportError("the name server does not answer", sent=False, unreachable=True)
        return await super().send(request, headers, trip)


class FailingDisk(InlineWorker):
    """Works inline until the disk is full, or fails, in the middle of a piece."""

    __slots__ = ("full", "left", "path")

    def __init__(self, chance: random.Random, path: Path) -> None:
        self.path = path
        self.full = chance.random() < 0.5
        self.left = chance.randrange(1, 30)

    def do(self, work: Callable[[], Any]) -> asyncio.Future[Any]:
        """Do it, on a disk that is about to fail."""
        return super().do(lambda: spoiled(work, self))


def spoiled(work: Callable[[], Any], disk: FailingDisk) -> Any:
    """Do a piece of work on a disk that lets go of so many more, and then of none."""
    disk.left -= 1
    if disk.left > 0:
        return work()
    with full_disk(disk.path) if disk.full else failing_disk():
        return work()


@attrs.define(kw_only=True, eq=False)
class World:
    """A box, and what all processes of one life share."""

    life: Life
    clock: SimulatedClock
    box: WatchedBox
    limits: Limits
    quota: Memory

    @classmethod
    def drawn(cls, life: Life, clock: SimulatedClock) -> World:
        """Draw doo: one to three teams of a few webhooks, twins among them."""
        chance = life.chance
        limits = chance.choice(
            [UNLIMITED, Limits(per_second=20, per_day=None), Limits(per_second=5, per_day=100)]
        )
        plan = None
        if limits is not UNLIMITED:
            plan = Plan(
                per_second=limits.per_second, per_day=limits.per_day, counting="sliding_log", per_day_counting="sliding"
            )  # fmt: skip
        start = chance.uniform(0, 3)
        box = WatchedBox(
            plan=plan, latency=0.05, seed=life.seed, entropy=ENTROPY, organizations=chance.randrange(1, 4),
            webhooks_per_team=lambda place: (life.seed + place) % 3, page_size=chance.choice([2, 3, 25]),
            order=chance.choice(["newest_first", "oldest_first", "arbitrary"]),
            webhook_ids=chance.choice(["uuid", "counter"]),
            rates=Weather(make=MAKE,
                chances={kind: rate for kind, rate in life.kinds.items() if kind in MAKE}, fired=life.fired,
                outage=(start, start + chance.uniform(60, 6 * 3600)) if "outage" in life.kinds else (0.0, 0.0),
            ),
        )  # fmt: skip
        for team in box.teams:
            for _ in range(chance.randrange(1, 4) + life.more):
                box.add_webhook(team, content(config(f"twin {chance.randrange(2)}")))
        return cls(life=life, clock=clock, box=box, limits=limits, quota=Memory())

    def session(self, worker: Any = None, base_url: str = REST) -> Session:
        """Open what a process has to ask doo; what has another base URL does not know of our claims."""
        return Session(
            api_key=self.box.api_key, client_id=self.box.client_id, client_secret=self.box.client_secret,
            limits=self.limits, quota=self.quota, base_url=base_url, clock=self.clock,
            facts=Facts(list_echoes_scope=True, new_webhooks=self.life.new),  # type: ignore[arg-type]
            transport=Way(self.life, self.box, self.clock), worker=worker or InlineWorker(),
        )  # fmt: skip

    async def sleep_until(self, then: datetime) -> None:
        """Sleep until the wall clock, which may have been set meanwhile, shows a time; a day at most."""
        seconds = (then - self.clock.now()).total_seconds()
        await self.clock.sleep(min(max(seconds, 1.0), 86_400.0))

    def before_each(self) -> None:
        """Let what befalls doo, and the machine's clock, happen before a request arrives."""
        life, box = self.life, self.box
        if life.happens("drift"):
            self._drift()
        if life.happens("clock"):
            self.clock.ahead = timedelta(seconds=life.chance.choice(JUMPS))
        if life.happens("restart", often=0.3):
            box.revoke_tokens()

    def _drift(self) -> None:
        """Let somebody else create, delete or edit something."""
        chance, box = self.life.chance, self.box
        team = chance.choice(box.teams)
        live = box.live(team)
        what = chance.choice(["create", "create", "delete", "edit"]) if live else "create"
        stored = content(config(f"theirs {chance.randrange(10**6)}"))
        if what == "create":
            box.foreign_create(team, stored)
        elif what == "delete":
            box.foreign_delete(chance.choice(live)["id"])
        else:
            box.foreign_edit(chance.choice(live)["id"], stored)


def draw_operations(box: WatchedBox, chance: random.Random) -> list[Operation]:
    """Draw operations of every kind over all teams, some of which name one webhook one after the other."""
    operations: list[Operation] = []
    for team in box.teams:
        for item in box.live(team):
            what = chance.randrange(7)
            if what in {0, 1, 6}:
                operations.append(Update(team, item["id"], description="moved"))
            if what == 2:
                operations.append(Replace(team, item["id"], config(f"twin {chance.randrange(2)} anew")))
            if what == 3 or (what == 6 and chance.random() < 0.3):
                operations.append(Delete(team, item["id"]))
            elif what == 6:
                operations.append(Update(team, item["id"], name="renamed"))
        for _ in range(chance.randrange(3)):
            make = chance.choice([Create, Create, Ensure])
            operations.append(make(team, config(f"new {chance.randrange(2)}")))
    return operations or [Create(box.teams[0], config("new 0"))]


def others_operations(
    operations: Sequence[Operation], box: WatchedBox, chance: random.Random
) -> list[Operation]:
    """Draw what another host does to the same teams at the same time, to other webhooks."""
    named = {getattr(operation, "webhook_id", None) for operation in operations}
    others: list[Operation] = []
    for team in box.teams:
        free = [item for item in box.live(team) if item["id"] not in named]
        others += [Update(team, item["id"], description="moved by others") for item in free[:1]]
        others += [Create(team, config("new, by others"))] * chance.randrange(2)
    return others


async def live(clock: SimulatedClock, life: Life, where: Path) -> None:
    """Live one life, and judge it."""
    world = World.drawn(life, clock)
    box, chance = world.box, life.chance
    operations = draw_operations(box, chance)
    others = others_operations(operations, box, chance) if "second_run" in life.kinds else []
    journals = {where / "journal": 0, where / "others": len(operations)}
    witness = Witness(box, [*operations, *others], journals)
    box.before_each = world.before_each
    other = asyncio.create_task(run_elsewhere(world, others, where / "others"))
    report = await run_through(world, operations, where / "journal")
    if others and not has_ended(report):
        async with world.session() as doo:
            await doo.bulk.abandon(journal=where / "journal")
    life.calm, box.rates = True, None
    theirs = await other
    world.clock.ahead = timedelta()
    await second_resume_changes_nothing(world, where / "journal", report)
    await clock.sleep(3700)
    box.advance(clock.monotonic())
    life.rest = witness.at_rest([*report, *theirs])
    life.requests = box.log.total
    life.statuses.update(report.counts())
    life.trace = trace(box)
    assert sum(report.counts().values()) == len(operations)
    refused = sum(request.status == 429 and request.fault is None for request in box.log.requests)
    assert not refused, f"{refused} requests were refused for coming too early"
    assert not life.rest.lost, f"{life.rest.lost} were lost"
    assert not life.rest.doubled, f"doubled: {life.rest.doubled}"
    # What somebody else has deleted or edited tells nothing of what was wanted.
    if (life.rest.late or life.rest.misread) and not (others or life.fired["drift"]):
        await clock.sleep(86_400)
        async with world.session() as doo:
            seen = await doo.bulk.verify(where / "journal")
        told = {each.webhook_id for each in seen.extra} | {
            getattr(outcome.operation, "webhook_id", None) for outcome in seen.still_there
        }
        # Of two that are equal, either may be the one too many.
        content = {
            change.webhook_id: (change.team, change.digest)
            for change in box.log.changes
            if change.what == "created"
        }
        left = (*life.rest.late, *life.rest.misread)
        for webhook in left:
            # One that was there from the beginning was created by nobody.
            content.setdefault(webhook.webhook_id, (webhook.webhook_id, webhook.digest))
        beside = Counter(content[webhook.webhook_id] for webhook in left)
        missed = beside - Counter(content[webhook_id] for webhook_id in told if webhook_id in content)
        assert not missed, f"verify does not tell of {missed}"


async def run_through(world: World, operations: list[Operation], path: Path) -> Report:
    """Let one process after the other go on with a run until it is complete."""
    life, shrunk, report = world.life, 0, None
    for number in range(CALM + 16):
        life.processes += 1
        if number == CALM:
            life.calm, world.box.rates = True, None
        try:
            report = await unclaimed(world, lambda: one_process(world, operations, path))
        except (AuthenticationError, JournalError, TransportError):
            assert not life.calm
            continue
        if report is None:
            continue
        if has_ended(report):
            return report
        if stopped_by_others(report):
            shrunk += 1
            if shrunk == 3:
                return report
        goes_on = report.resume_at is not None or shrunk
        assert not life.calm or goes_on, f"one resume should finish: {report.counts()}"
        if report.resume_at is not None:
            await world.sleep_until(report.resume_at)
    if report is not None and life.fired["drift"] + life.fired["second_run"]:
        return report
    raise AssertionError(f"it does not come to an end: {report and report.counts()}")


def has_ended(report: Report) -> bool:
    """Tell whether going on would send nothing; what somebody else has made of both that are live is not for a run to end."""
    return all(outcome.ended for outcome in report)


def waits_for_others(report: Report) -> bool:
    """Tell whether all that is left is in teams that another run has begun."""
    left = [
        outcome for outcome in report.outcomes if outcome.status in {Status.NOT_STARTED, Status.UNFINISHED}
    ]
    return bool(left) and all(isinstance(outcome.error, TeamClaimed) for outcome in left)


def stopped_by_others(report: Report) -> bool:
    """Tell whether what is open stays so, because somebody else took much away from its team."""
    return any(isinstance(outcome.error, UnstableListing) and not outcome.ended for outcome in report)


async def one_process(world: World, operations: list[Operation], path: Path) -> Report | None:
    """Start a process and let it live, or meet its end; return its report if it comes to give one."""
    life, chance = world.life, world.life.chance
    fate = next((kind for kind in ("kill", "cancel", "disk") if life.happens(kind, often=8)), None)
    worker: Any = InlineWorker()
    if fate == "kill":
        worker = MortalWorker(
            chance.randrange(1, 40) if chance.random() < 0.5 else None, after_it=chance.random() < 0.5
        )
    elif fate == "disk":
        worker = FailingDisk(chance, path)
    doo = world.session(worker)
    run = asyncio.create_task(
        go_on(
            doo,
            operations,
            path,
            anew="second_run" in life.kinds or chance.random() < 0.5,
            max_pairs=life.max_pairs,
        )
    )
    if "second_run" in life.kinds and fate != "kill":
        await world.clock.sleep(chance.uniform(0.0, 1.0))
        await run_once_more(world, operations, path, run)
    if fate in {"kill", "cancel"}:
        died = asyncio.create_task(worker.died.wait()) if fate == "kill" else None
        await asyncio.wait({run, *filter(None, [died])}, timeout=chance.choice([0.3, 3, 200]) * chance.random(),
                           return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
        if died is not None:
            died.cancel()
    if fate == "kill" and not run.done():
        worker.die()
        # A dead process waits for nobody: both cancels, so that not even its grace is left.
        run.cancel()
        await asyncio.sleep(0)
        run.cancel()
    elif fate == "cancel":
        run.cancel()
    await asyncio.wait({run})
    if fate == "kill":
        worker.kill(torn=chance.choice([None, chance.randrange(26, 5000)]))
    await doo.aclose()
    return (
        None if run.cancelled() or (run.exception() is not None and worker_is_dead(worker)) else run.result()
    )


def worker_is_dead(worker: Any) -> bool:
    """Tell whether whatever a process raised was raised by a dead one."""
    return isinstance(worker, MortalWorker) and worker.dead


async def go_on(
    doo: Session, operations: list[Operation], path: Path, *, anew: bool, max_pairs: int = 25
) -> Report:
    """Go on with a journal, with the operations at hand or without."""
    if not anew:
        try:
            return await doo.bulk.resume(path, max_pairs=max_pairs)
        except JournalMismatch:
            pass
    return await doo.bulk.run(operations, journal=path, max_pairs=max_pairs)


async def run_once_more(
    world: World, operations: list[Operation], path: Path, run: asyncio.Task[Report]
) -> None:
    """See that a second run on the journal of one that goes on is locked out."""
    if run.done():
        return
    world.life.fired["second_run"] += 1
    async with world.session() as doo:
        try:
            await doo.bulk.run(operations, journal=path)
        except JournalLocked:
            return
    # The first may have let go of it at this very moment.
    await asyncio.wait({run}, timeout=0.001)
    assert run.done(), "two runs had one journal"


async def run_elsewhere(world: World, operations: list[Operation], path: Path) -> Sequence[Any]:
    """Let another host carry out its own operations in the same teams.

    Where a day is short both share their claims, as they share the ledger: two that did not would use up every day on
    each other's lists.
    """
    if not operations:
        return ()
    base_url = ELSEWHERE if world.limits.per_day is None else REST
    for _ in range(40):
        async with world.session(base_url=base_url) as doo:
            try:
                report = await unclaimed(world, lambda doo=doo: doo.bulk.run(operations, journal=path))
            except DooError:
                await world.clock.sleep(60)
                continue
            if has_ended(report):
                return report.outcomes
            if stopped_by_others(report):
                return await given_up(doo, path)
            if report.resume_at is not None:
                await world.sleep_until(report.resume_at)
    # Where others add to a team faster than a day's requests can read it, nobody comes to an end: a person gives up.
    world.life.fired["given_up"] += 1
    async with world.session(base_url=base_url) as doo:
        return await given_up(doo, path)


async def given_up(doo: Session, path: Path) -> Sequence[Any]:
    """Give a run up that does not end, and return what it has come to."""
    await doo.bulk.abandon(journal=path)
    return (await doo.bulk.report(path)).outcomes


async def unclaimed(world: World, run: Callable[[], Awaitable[R]]) -> R:
    """Begin a run as often as its teams are claimed by another one."""
    for _ in range(CLAIMS_TRIED):
        try:
            result = await run()
            if not (isinstance(result, Report) and waits_for_others(result)):
                return result
        except TeamClaimed:
            pass
        await world.clock.sleep(3600)
    raise AssertionError("the other run never lets go of its teams")


async def second_resume_changes_nothing(world: World, path: Path, report: Report) -> None:
    """A finished run is told again, and nothing is sent."""
    if not has_ended(report):
        return
    sent = world.box.log.total
    async with world.session() as doo:
        again = await doo.bulk.resume(path)
    assert world.box.log.total == sent
    told = [[(outcome.status.value, outcome.reason) for outcome in each] for each in (again, report)]
    assert told[0] == told[1], told


def trace(box: WatchedBox) -> str:
    """Return a digest of everything that arrived and what was made of it."""
    told = [
        (round(request.time, 6), request.kind, request.path, request.status, request.fault, request.acted)
        for request in box.log.requests
    ]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def one_life(seed: int) -> Life:
    """Live the life of a seed; raises what is wrong with it."""
    life = Life.drawn(seed)
    with folder() as where:
        simulate(lambda clock: live(clock, life, where), seed=seed)
    return life


# Many lives.


@attrs.define
class Tally:
    """What many lives came to."""

    lives: int = 0
    processes: int = 0
    requests: int = 0
    late: int = 0
    misread: int = 0
    fired: Counter[str] = attrs.Factory(Counter)
    statuses: Counter[str] = attrs.Factory(Counter)
    failures: list[tuple[int, str]] = attrs.Factory(list)

    def add(self, life: Life) -> None:
        """Count one life."""
        self.lives += 1
        self.processes += life.processes
        self.requests += life.requests
        if life.rest is not None:
            self.late += len(life.rest.late)
            self.misread += len(life.rest.misread)
        self.fired.update(life.fired)
        self.statuses.update(life.statuses)

    def merge(self, other: Tally) -> None:
        """Count another tally in."""
        for name in ("lives", "processes", "requests", "late", "misread"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.fired.update(other.fired)
        self.statuses.update(other.statuses)
        self.failures += other.failures

    def __str__(self) -> str:
        fired = ", ".join(f"{kind} {count}" for kind, count in sorted(self.fired.items()))
        statuses = ", ".join(f"{status} {count}" for status, count in sorted(self.statuses.items()) if count)
        told = [
            f"{self.lives} lives, {self.processes} processes, {self.requests} requests, {self.fired.total()} faults",
            f"faults: {fired}",
            f"operations: {statuses}",
            f"failed: {len(self.failures)}",
            f"late creates beyond the sweep: {self.late}; misread from pages of several ages: {self.misread}",
        ]
        told += [f"  python tests/bulk/random_runs.py {seed}   # {why}" for seed, why in self.failures[:20]]
        return "\n".join(told)


def some_lives(seeds: Sequence[int]) -> Tally:
    """Live some lives one after the other."""
    tally = Tally()
    logging.disable(logging.CRITICAL)
    for seed in seeds:
        try:
            tally.add(one_life(seed))
        except Exception as error:  # noqa: BLE001  # whatever it is, the seed has failed
            tally.lives += 1
            tally.failures.append((seed, f"{type(error).__name__}: {error}".splitlines()[0][:150]))
    logging.disable(logging.NOTSET)
    return tally


def collect_seldom() -> None:
    """Collect garbage seldom: a life makes few cycles, and looking for them took a fifth of the time."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 1_000)


def _shares(first: int, lives: int, size: int = 100) -> Iterator[range]:
    for begin in range(first, first + lives, size):
        yield range(begin, min(begin + size, first + lives))


def main() -> int:
    """Replay one life, or live many."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("seed", nargs="?", type=int, help="live this one life and show what is wrong with it")
    parser.add_argument("--lives", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    if arguments.seed is not None:
        life = Life.drawn(arguments.seed)
        print("kinds:", dict(life.kinds))  # noqa: T201
        try:
            life = one_life(arguments.seed)
        except Exception:  # noqa: BLE001  # it is shown
            traceback.print_exc()
            return 1
        print(life.fired, life.statuses, life.rest, life.trace)  # noqa: T201
        return 0
    tally, begun = Tally(), time.monotonic()
    with multiprocessing.get_context("spawn").Pool(
        arguments.processes, initializer=collect_seldom, maxtasksperchild=50
    ) as pool:
        for done, part in enumerate(
            pool.imap_unordered(some_lives, _shares(arguments.first, arguments.lives)), 1
        ):
            tally.merge(part)
            if done % 10 == 0 or tally.lives == arguments.lives:
                print(f"\n{time.monotonic() - begun:.0f} s: {tally}", flush=True)  # noqa: T201
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
