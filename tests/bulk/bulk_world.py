"""A session and a sandbox in simulated time, and a judge that knows only the sandbox's own log."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from simulated import SimulatedClock
from simulated_doo import BoxTransport

from aiodoo import AddWebhook, Facts, Hook, Limits, Report, Session
from aiodoo.bulk.journal import JournaledRun, OperationEnd
from aiodoo.offload import InlineWorker
from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update
from aiodoo.operations.tracked import TrackedOperation
from aiodoo.sandbox import Box, Sandbox

ECHOING = Facts(list_echoes_scope=True)
UNLIMITED = Limits(per_second=None, per_day=None)


def session(clock: SimulatedClock, box: Box, *, limits: Limits = UNLIMITED, **options: Any) -> Session:
    """Return a session whose network is the box."""
    return Session(
        api_key=box.api_key,
        client_id=box.client_id,
        client_secret=box.client_secret,
        limits=limits,
        clock=clock,
        **(
            {
                "facts": ECHOING,
                "transport": BoxTransport(box, clock),
                "worker": InlineWorker(),
            }
            | options
        ),
    )


@asynccontextmanager
async def world(
    clock: SimulatedClock,
    *,
    limits: Limits = UNLIMITED,
    on_event: Any = None,
    facts: Facts = ECHOING,
    **settings: Any,
) -> AsyncIterator[tuple[Session, Box]]:
    """Open a session on a box of its own; without a plan unless one is given."""
    box = Box(**({"plan": None, "latency": 0.05} | settings))
    async with session(clock, box, limits=limits, on_event=on_event, facts=facts) as doo:
        yield doo, box


def config(name: str) -> AddWebhook:
    """Return something to create."""
    hooks = [Hook(type="event_created", endpoint="https://new.example/doo")]
    return AddWebhook(name=name, description="made by a run", hooks=hooks)


def finished_run(changes: list[TrackedOperation]) -> JournaledRun:
    """Return what the journal of a finished run of these operations in team 111 holds."""
    return JournaledRun(
        run_id="0" * 16,
        digest="",
        name=None,
        changes=changes,
        listings={},
        baselines={"111": set()},
        lists={},
        forecasts={},
        sent={},
        deleted={},
        sealed={},
        written_at=None,
        doubted_at=None,
        end=OperationEnd(),
        finished=True,
    )


def work(box: Box | Sandbox) -> list[Operation]:
    """Return updates, a delete and a create in each team."""
    operations: list[Operation] = []
    for team in box.teams:
        first, *others = box.live(team)
        operations += [Update(team, item["id"], description="moved") for item in others]
        operations += [Delete(team, first["id"]), Create(team, config("new"))]
    return operations


def content(wanted: AddWebhook) -> dict[str, Any]:
    """Return what doo stores for it."""
    return wanted.to_dict(secrets="reveal")


def formula(webhooks: int, operations: Sequence[Operation], *, page_size: int) -> int:
    """Work out the requests of one team by hand; `webhooks` is how many it had."""
    creates = sum(isinstance(operation, Create | Ensure) for operation in operations)
    updates = sum(isinstance(operation, Update | Replace) for operation in operations)
    deletes = sum(isinstance(operation, Delete) for operation in operations)

    def pages(live: int) -> int:
        return max(1, math.ceil(live / page_size))

    def stable(live: int) -> int:
        return pages(live) * (1 if pages(live) == 1 else 2)

    total = stable(webhooks) + creates
    if updates or deletes:
        live = webhooks + creates
        total += sum(pages(live + min(10, updates - batch)) for batch in range(0, updates, 10))
        total += deletes + 2 * updates + stable(live - deletes)
    return total


class Judge:
    """Takes down what every team holds before a run, and judges the log after it."""

    def __init__(self, box: Box, operations: Sequence[Operation]) -> None:
        self.box = box
        self.operations = operations
        self.before = {team: {item["id"]: _without_id(item) for item in box.live(team)} for team in box.teams}
        self.seen = len(box.log.changes)

    def wanted(self, operation: Operation) -> dict[str, Any] | None:
        """Return the content that an operation wants, made by hand from what was stored; None for nothing."""
        match operation:
            case Create(config=wanted) | Ensure(config=wanted) | Replace(config=wanted):
                return content(wanted)
            case Update(team_id=team, webhook_id=webhook_id, changes=changes):
                return self.before[team][webhook_id] | {name: changes[name] for name in changes}
            case _:
                return None

    def nothing_lost(self) -> None:
        """At every instant each webhook that is to stay is live, as it was or as it is wanted."""
        deleted = {operation.webhook_id for operation in self.operations if isinstance(operation, Delete)}
        swaps = [operation for operation in self.operations if isinstance(operation, Update | Replace)]
        wanted = {swap.webhook_id: self.box.digest(self.wanted(swap) or {}) for swap in swaps}
        old = {webhook_id for webhooks in self.before.values() for webhook_id in webhooks}
        live, fresh = set(old), Counter[str]()
        gone = Counter[str]()
        for change in self.box.log.changes[self.seen :]:
            if change.what == "created":
                live.add(change.webhook_id)
                fresh[change.digest] += 1
            else:
                assert change.webhook_id in old, (
                    f"{change.webhook_id} was deleted though no operation names it"
                )
                live.discard(change.webhook_id)
                assert change.webhook_id in deleted or change.webhook_id in wanted
                gone[wanted.get(change.webhook_id, "deleted")] += 1
                assert not gone - fresh - Counter(deleted=len(deleted)), (
                    f"at {change.time} something was missing"
                )

    def as_wanted(self) -> None:
        """At rest every team holds exactly what was wanted, twins counted."""
        live, wanted = self.at_rest()
        assert live == wanted

    def at_rest(self) -> tuple[Counter[str], Counter[str]]:
        """Return the digests of what is live, and of what should be."""
        live = Counter(
            f"{team} {self.box.digest(_without_id(item))}"
            for team in self.box.teams
            for item in self.box.live(team)
        )
        named = {
            operation.webhook_id
            for operation in self.operations
            if isinstance(operation, Update | Replace | Delete)
        }
        wanted = Counter(
            f"{team} {self.box.digest(stored)}"
            for team, webhooks in self.before.items()
            for webhook_id, stored in webhooks.items()
            if webhook_id not in named
        )
        for operation in self.operations:
            if (stored := self.wanted(operation)) is not None:
                wanted[f"{operation.team_id} {self.box.digest(stored)}"] += 1
        return live, wanted

    def report_agrees(self, report: Report) -> None:
        """The statuses add up, and every new id that the report gives is live with the wanted content."""
        assert sum(report.counts().values()) == len(self.operations)
        assert [outcome.operation for outcome in report] == list(self.operations)
        live = {item["id"]: _without_id(item) for team in self.box.teams for item in self.box.live(team)}
        for outcome in report:
            wanted = self.wanted(outcome.operation)
            if outcome.status == "applied" and wanted is not None:
                assert live[outcome.webhook_id or ""] == wanted

    def requests(self) -> int:
        """Return the wire requests that arrived, token requests apart."""
        return sum(request.kind != "token" for request in self.box.log.requests)

    def expected_requests(self) -> int:
        """Return what the formula says of all teams that have operations."""
        teams: dict[str, list[Operation]] = defaultdict(list)
        for operation in self.operations:
            teams[operation.team_id].append(operation)
        page_size = self.box.settings.page_size
        return sum(
            formula(len(self.before[team]), of_team, page_size=page_size) for team, of_team in teams.items()
        )


def _without_id(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "id"}
