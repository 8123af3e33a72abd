"""The account that people share, what one life of it draws, and what may befall it."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from drawn_faults import DrawnFaults
from people_account import ENTROPY, Data, Script, draw_scripts, edited, fill
from people_judge import Door, Judge
from people_seen import Process, Run
from simulated import SimulatedClock
from simulated_doo import BoxTransport

from aiodoo import Facts, Limits, Session
from aiodoo.offload import InlineWorker
from aiodoo.quota import Memory, SQLite
from aiodoo.sandbox import Box, Fault, Plan

DAY = 86_400.0
LONGEST = 30 * DAY
"""Seconds of simulated time in which every call has to end."""

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-1[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")

BREAKS = ("before_answer", "in_headers", "in_body")

FAULTS: dict[str, Callable[[random.Random], Fault]] = {
    "lost_before": lambda chance: Fault("lost_before", stage=chance.choice(BREAKS)),
    "lost_after": lambda chance: Fault("lost_after", stage=chance.choice(BREAKS)),
    "late": lambda chance: Fault("late", after=chance.uniform(1, 100)),
    "error_acted": lambda _: Fault("error_acted"),
    "gateway": lambda chance: Fault("error_not_acted", status=chance.choice([500, 502, 503, 504])),
    "too_many": lambda _: Fault("too_many"),
    "long_pause": lambda chance: Fault("too_many", headers={"Retry-After": str(chance.randrange(60, 7200))}),
    "delete_ignored": lambda _: Fault("delete_ignored"),
    "slow": lambda chance: Fault("slow", seconds=chance.uniform(1, 40)),
}
"""What befalls single requests."""

EVENTS = ("edit", "delete", "replace", "outage", "lag", "kill", "cancel", "stop", "file", "moment")
"""What else happens."""


@attrs.define(kw_only=True, eq=False)
class Life:
    """What is drawn for one life, and what came of it.

    Attributes:
        story: what happened, in the order in which it did.
        faults: what was not as it has to be.
        told: ids that people were told of in errors.
        excused: what is live beyond what is wanted and nothing names, by why nothing can.
    """

    seed: int
    chance: random.Random
    events: frozenset[str]
    fired: Counter[str] = attrs.Factory(Counter)
    acts: Counter[str] = attrs.Factory(Counter)
    story: list[tuple[float, str]] = attrs.Factory(list)
    faults: list[str] = attrs.Factory(list)
    told: set[str] = attrs.Factory(set)
    excused: Counter[str] = attrs.Factory(Counter)
    named: int = 0
    raced: int = 0
    requests: int = 0
    operations: int = 0
    calm: bool = False

    @classmethod
    def drawn(cls, seed: int) -> Life:
        """Draw what may happen."""
        chance = random.Random(f"people {seed}")
        return cls(
            seed=seed, chance=chance, events=frozenset(chance.sample(EVENTS, chance.choice([1, 2, 3, 5])))
        )

    def happens(self, event: str, likely: float) -> bool:
        """Draw whether something happens now."""
        if self.calm or event not in self.events or self.chance.random() > likely:
            return False
        self.fired[event] += 1
        return True


@attrs.frozen
class Act:
    """What a person does next.

    Attributes:
        what: "run", "resume", "abandon", "undo", "verify", "report" or "click".
        run: of which run.
        path: of which journal; None for none.
        wait: seconds until then.
    """

    what: str
    run: Run | None = None
    path: Path | None = None
    wait: float = 0.0


@attrs.define(kw_only=True, eq=False)
class World:
    """An account, and all that touches it."""

    life: Life
    clock: SimulatedClock
    where: Path
    box: Box
    judge: Judge
    limits: Limits
    scripts: list[Script]
    memory: Memory | None
    by_path: dict[Path, Run] = attrs.Factory(dict)
    busy: Counter[Path] = attrs.Factory(Counter)
    ledgers: list[SQLite] = attrs.Factory(list)
    processes: int = 0
    edits: int = 0

    @classmethod
    def drawn(cls, life: Life, clock: SimulatedClock, where: Path) -> World:
        """Draw an account."""
        chance = life.chance
        limits = chance.choice([Limits(per_second=20, per_day=None), Limits(per_second=5, per_day=150)])
        plan = Plan(
            per_second=limits.per_second,
            per_day=limits.per_day,
            counting="sliding_log",
            per_day_counting="sliding",
        )
        kinds = chance.sample(sorted(FAULTS), chance.choice([0, 0, 1, 2, 4]))
        rates = DrawnFaults(
            make=FAULTS, chances={kind: 10 ** chance.uniform(-2, -1) for kind in kinds}, fired=life.fired
        )
        lag = chance.uniform(0.5, 25) if life.happens("lag", 1.0) else 0.0
        box = Box(
            plan=plan,
            latency=0.05,
            seed=life.seed,
            entropy=ENTROPY,
            organizations=chance.choice([1, 1, 2, 3]),
            page_size=chance.choice([2, 5, 25, 25]),
            order=chance.choice(["newest_first", "oldest_first", "arbitrary"]),
            type_suffix=False,
            replica_lag=lag,
            rates=rates,
        )
        fill(box, chance, lambda: secret_of(chance))
        scripts = draw_scripts(box, chance, lambda: secret_of(chance))
        return cls(
            life=life,
            clock=clock,
            where=where,
            box=box,
            judge=Judge(box, per_second=limits.per_second, lag=lag),
            limits=limits,
            scripts=scripts,
            memory=Memory() if chance.random() < 0.6 else None,
        )

    def tell(self, what: str) -> None:
        """Take down what happens."""
        self.life.story.append((self.clock.monotonic(), what))

    def session(self, process: Process, worker: Any) -> Session:
        """Open what a process has to ask doo."""
        box = self.box
        quota: Any = self.memory
        if quota is None:
            quota = SQLite(self.where / "quota.db", worker=InlineWorker)
            self.ledgers.append(quota)
        return Session(
            api_key=box.api_key,
            client_id=box.client_id,
            client_secret=box.client_secret,
            limits=self.limits,
            quota=quota,
            facts=Facts(list_echoes_scope=True),
            clock=self.clock,
            transport=BoxTransport(Door(self.judge, process), self.clock),  # type: ignore[arg-type]
            worker=worker,
        )

    def shown(self) -> dict[str, list[Data]]:
        """Return what every team holds, for a script that makes its operations of it."""
        return {team: self.box.live(team) for team in self.box.teams}

    def begin(self, script: Script, shown: dict[str, list[Data]] | None = None) -> Run:
        """Let somebody make the operations of a script."""
        run = Run(script.operations(shown or self.shown()))
        self.judge.runs.append(run)
        return run

    def new_path(self) -> Path:
        """Return where a new journal goes."""
        return self.where / f"journal {len(self.by_path)}.{self.life.chance.randrange(10**6)}"

    # Somebody else.

    def edit_something(self) -> None:
        """Let somebody else edit, replace or delete something."""
        chance, box = self.life.chance, self.box
        team = chance.choice(box.teams)
        items = box.live(team)
        what = chance.choice(sorted(self.life.events & {"edit", "delete", "replace"}) or ["edit"])
        if not items:
            return
        item = chance.choice(items)
        self.edits += 1
        stored = self.judge.note(edited(item, self.edits))
        now = self.clock.monotonic()
        self.life.fired[what] += 1
        self.tell(f"somebody else: {what} {item['name']} {item['id']} in {team}")
        if what == "edit":
            box.foreign_edit(item["id"], stored, now=now)
        elif what == "replace":
            self.judge.catch_up()
            self.judge.replacing = True
            box.foreign_replace(item["id"], stored, now=now)
            self.judge.catch_up()
            self.judge.replacing = False
        else:
            box.foreign_delete(item["id"], now=now)


def secret_of(chance: random.Random) -> str:
    """Make a secret of a life."""
    return random.Random(ENTROPY + str(chance.random()).encode()).randbytes(12).hex()
