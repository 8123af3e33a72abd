"""Somebody edits, replaces or deletes each webhook at every request of a run, and after every kill of one.

The team holds six webhooks, two of them twins, in one page or in several, in every order of the list. By default each
test takes an even sample; `AIODOO_WHOLE=1` takes everything.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import TypeVar

from dying_process import MortalWorker, folder, until_dead
from people_account import ENTROPY, NEW, OLD, content, edited
from people_judge import Judge
from people_process import carry_out
from people_rest import judge_rest
from people_seen import Process, Run
from people_world import Act, Life, World
from simulated import SimulatedClock, simulate

from aiodoo import AddWebhook, Limits
from aiodoo.operations import Create, Delete, Replace, Update
from aiodoo.quota import Memory
from aiodoo.sandbox import Box

T = TypeVar("T")

WHOLE = os.environ.get("AIODOO_WHOLE") == "1"
LIMITS = Limits(per_second=20, per_day=None)

SCENES = tuple(product([25, 2], ["newest_first", "oldest_first", "arbitrary"]))
"""Page sizes, and orders of the list."""

DEEDS = tuple(product(["edit", "replace", "delete"], range(8)))
"""What somebody does, and to which of those that are live then."""


def sample(cases: Iterable[T], every: int) -> Iterator[T]:
    """Give each of the cases, or one in so many."""
    for number, case in enumerate(cases):
        if WHOLE or number % every == every // 2:
            yield case


class Scene:
    """One team, a run for it, and somebody who does one thing at a moment of his own."""

    def __init__(self, clock: SimulatedClock, where: Path, page_size: int, order: str) -> None:
        box = Box(
            plan=None,
            latency=0.05,
            entropy=ENTROPY,
            organizations=1,
            page_size=page_size,
            order=order,  # type: ignore[arg-type]
            type_suffix=False,
        )
        names = ("hook 0", "hook 0", "hook 1", "hook 2", "hook 3", "hook 4")
        ids = [box.add_webhook("111", content(name)) for name in names]
        replaced = AddWebhook.from_dict(content("hook 1") | {"description": "replaced"})
        self.world = World(
            life=Life(seed=0, chance=random.Random(0), events=frozenset()),
            clock=clock,
            where=where,
            box=box,
            judge=Judge(box, per_second=LIMITS.per_second, lag=0.0),
            limits=LIMITS,
            scripts=[],
            memory=Memory(),
        )
        self.path = where / "journal"
        self.run = Run(
            [
                Update("111", ids[0], hosts={OLD: NEW}),
                Update("111", ids[1], hosts={OLD: NEW}),
                Replace("111", ids[2], replaced),
                Delete("111", ids[3]),
                Delete("111", ids[4]),
                Create("111", AddWebhook.from_dict(content("made"))),
            ]
        )
        self.world.judge.runs.append(self.run)

    def do(self, what: str, which: int) -> None:
        """Let somebody do something to one of those that are live."""
        box, judge, now = self.world.box, self.world.judge, self.world.clock.monotonic()
        items = box.live("111")
        item = items[which % len(items)]
        self.world.tell(f"somebody else: {what} {item['name']} {item['id']}")
        if what == "delete":
            box.foreign_delete(item["id"], now=now)
            return
        stored = judge.note(edited(item, 1))
        judge.catch_up()
        judge.replacing = what == "replace"
        act = box.foreign_replace if what == "replace" else box.foreign_edit
        act(item["id"], stored, now=now)
        judge.catch_up()
        judge.replacing = False

    def do_at(self, request: int, what: str, which: int) -> None:
        """Let it be done right before a request."""
        seen = 0

        def before_each() -> None:
            nonlocal seen
            seen += 1
            if seen == request:
                self.do(what, which)

        self.world.judge.before_each = before_each

    async def killed(self, worker: MortalWorker) -> None:
        """Run until a piece of writing at which the process is killed."""
        process = Process("the killed one", self.run)
        doo = self.world.session(process, worker)
        await until_dead(worker, doo, doo.bulk.run(self.run.operations, journal=self.path, grace=0.0))

    async def judged(self) -> None:
        """Begin or go on until it has ended, and judge what is there."""
        for _ in range(4):
            await carry_out(self.world, Act("run", self.run, self.path), "somebody")
            if self.run.ended:
                break
            await self.world.clock.sleep(3600)
        self.world.judge.before_each = None
        await judge_rest(self.world)
        life = self.world.life
        life.story += self.world.judge.log()
        story = "\n".join(
            f"{at:10.2f} s  {what}" for at, what in sorted(life.story, key=lambda told: told[0])
        )
        assert not life.faults, "\n".join([story, *life.faults])
        # What a lost create made and he has edited before anybody saw it cannot be known again.
        assert not life.excused.keys() - {"edited by somebody else since"}, story


async def at_request(
    clock: SimulatedClock, scene: tuple[int, str], request: int, what: str, which: int
) -> int:
    """Let somebody do something right before a request; return how many requests there were."""
    with folder() as where:
        seen = Scene(clock, where, *scene)
        seen.do_at(request, what, which)
        await seen.judged()
        return seen.world.box.log.total


async def after_kill(clock: SimulatedClock, scene: tuple[int, str], step: int, what: str, which: int) -> int:
    """Kill a run at a piece of writing, and let somebody do something before it is gone on with."""
    with folder() as where:
        seen = Scene(clock, where, *scene)
        worker = MortalWorker(step)
        await seen.killed(worker)
        await clock.sleep(1)
        seen.world.box.advance(clock.monotonic())
        if what:
            seen.do(what, which)
        await seen.judged()
        return worker.done


def test_what_somebody_does_at_each_request() -> None:
    """Nothing that he edits is lost, nothing is left without a copy, and what stays live twice is named.

    Among them is an edit that a page shows which is read for something else, before a delete.
    """
    for scene in SCENES:
        requests = simulate(lambda clock, scene=scene: at_request(clock, scene, 0, "edit", 0))
        for request, (what, which) in sample(product(range(1, requests + 2), DEEDS), 301):
            try:
                simulate(lambda clock, case=(scene, request, what, which): at_request(clock, *case))
            except AssertionError as error:
                raise AssertionError(
                    f"{what} of {which} before request {request} of {scene}: {error}"
                ) from error


def test_what_somebody_does_after_each_kill() -> None:
    """The same between the end of a process and the resume, whichever piece of writing was its last."""
    for scene in SCENES:
        steps = simulate(lambda clock, scene=scene: after_kill(clock, scene, 10_000, "", 0))
        for step, (what, which) in sample(product(range(1, steps + 1), DEEDS), 301):
            try:
                simulate(lambda clock, case=(scene, step, what, which): after_kill(clock, *case))
            except AssertionError as error:
                raise AssertionError(
                    f"{what} of {which} after a kill at {step} of {scene}: {error}"
                ) from error


def test_an_edit_that_a_page_shows_which_is_read_for_something_else() -> None:
    """A plain delete waits for a stable list when the page that was read for a batch of updates shows the edit."""
    simulate(lambda clock: at_request(clock, (2, "newest_first"), 10, "edit", 4))
