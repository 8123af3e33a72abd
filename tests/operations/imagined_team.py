"""A team at an imaginary doo, for walking the steps through every fault; it keeps the truth and judges by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import attrs

from aiodoo import AddWebhook, Facts, Hook, TransportError, WebhookConfiguration
from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update
from aiodoo.operations.actions import Scan, SendCreate, SendDelete, Wait
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.operations.tracked import Status, TrackedOperation

SETTLE = 130.0
LATE = 100.0
"""Seconds after which a late create lands: within what is waited for."""

LAG = 30.0
"""Seconds by which a list may lag behind."""

CREATE_FAULTS = ("refused", "lost_before", "lost_after", "late", "wrong_id")
DELETE_FAULTS = ("refused", "ignored", "lost_before", "lost_after")
SCAN_FAULTS = ("failed", "lags")


def config(name: str) -> AddWebhook:
    """Return what is wanted, told apart by its name."""
    hooks = [Hook(type="event_created", endpoint="https://crm.example/doo")]
    return AddWebhook(name=name, description="", hooks=hooks)


def listed(name: str, webhook_id: str) -> WebhookConfiguration:
    """Return the same as a list shows it."""
    wanted = config(name)
    return WebhookConfiguration(team_id="111", id=webhook_id, name=name, description="", hooks=wanted.hooks)


@attrs.define
class ImaginedTeam:
    """The truth: what is live, and every delete that was asked for."""

    live: dict[str, str]
    fault: Callable[[str, Sequence[str]], str | None]
    now: float = 0.0
    made: int = 0
    deleted: list[str] = attrs.field(factory=list)
    creates: Counter[str] = attrs.field(factory=Counter)
    past: list[tuple[float, dict[str, str]]] = attrs.field(factory=list)
    due: list[tuple[float, str]] = attrs.field(factory=list)

    def work(self, steps: TeamSteps) -> Iterator[None]:
        """Carry out every step, and stop after each for the judge."""
        while (action := steps.next(self.now)) is not None:
            match action:
                case Scan(stable=stable):
                    self._scan(steps, stable=stable)
                case SendCreate(change=change, config=wanted):
                    self._create(steps, change, wanted.name)
                case SendDelete(change=change, webhook_id=webhook_id):
                    self._delete(steps, change, webhook_id)
                case Wait(until=until):
                    assert until > self.now
                    self._advance(until)
                case _:
                    raise AssertionError(action)
            self.past.append((self.now, dict(self.live)))
            self._advance(self.now + 1.0)
            yield
        assert steps.done

    def _make(self, name: str) -> str:
        self.made += 1
        webhook_id = f"new-{self.made}"
        self.live[webhook_id] = name
        return webhook_id

    def _advance(self, now: float) -> None:
        for due, name in sorted(late for late in self.due if late[0] <= now):
            self.due.remove((due, name))
            self._make(name)
            self.past.append((due, dict(self.live)))
        self.now = now

    def _scan(self, steps: TeamSteps, *, stable: bool) -> None:
        fault = self.fault("scan", SCAN_FAULTS)
        if fault == "failed":
            steps.not_listed(TransportError("no answer"), self.now)
            return
        shown = self._as_it_was(LAG) if fault == "lags" else self.live
        webhooks = [listed(name, webhook_id) for webhook_id, name in shown.items()]
        steps.listed(webhooks, pages=1 + stable, began=self.now, now=self.now)

    def _as_it_was(self, seconds: float) -> dict[str, str]:
        past = [live for when, live in self.past if when <= self.now - seconds]
        return past[-1] if past else (self.past[0][1] if self.past else self.live)

    def _create(self, steps: TeamSteps, change: TrackedOperation, name: str) -> None:
        self.creates[name] += 1
        match self.fault("create", CREATE_FAULTS):
            case "refused":
                steps.refused(change, TransportError("not sent", sent=False), self.now)
            case "lost_before":
                steps.in_doubt(change, TransportError("no answer"), self.now)
            case "lost_after":
                self._make(name)
                steps.in_doubt(change, TransportError("no answer"), self.now)
            case "late":
                self.due.append((self.now + LATE, name))
                steps.in_doubt(change, TransportError("no answer"), self.now)
            case "wrong_id":
                self._make(name)
                steps.applied(change, next(iter(self.live)), self.now)
            case _:
                steps.applied(change, self._make(name), self.now)

    def _delete(self, steps: TeamSteps, change: TrackedOperation, webhook_id: str) -> None:
        self.deleted.append(webhook_id)
        fault = self.fault("delete", DELETE_FAULTS)
        if fault not in {"refused", "ignored", "lost_before"}:
            self.live.pop(webhook_id, None)
        if fault == "refused":
            steps.refused(change, TransportError("not sent", sent=False), self.now)
        elif fault in {"lost_before", "lost_after"}:
            steps.in_doubt(change, TransportError("no answer"), self.now)
        else:
            steps.applied(change, None, self.now)


@attrs.define
class Script:
    """Which fault happens where: faults by the number of the request they hit; every request not named goes well."""

    faults: dict[int, int]
    asked: int = 0
    choices: list[Sequence[str]] = attrs.field(factory=list)

    def __call__(self, _kind: str, choices: Sequence[str]) -> str | None:
        """Return what befalls the next request."""
        number, self.asked = self.asked, self.asked + 1
        self.choices.append(choices)
        chosen = self.faults.get(number)
        return None if chosen is None else choices[chosen]


def steps_for(*operations: Operation, settle: float | None = SETTLE) -> TeamSteps:
    """Return the steps of one team's operations."""
    changes = tuple(
        TrackedOperation(number=number, operation=operation) for number, operation in enumerate(operations)
    )
    return TeamSteps(team_id="111", changes=changes, facts=Facts(list_echoes_scope=True), settle=settle)


def wanted_at_rest(live: dict[str, str], operations: Sequence[Operation]) -> Counter[str]:
    """Return what should be live when everything was applied, worked out by hand."""
    names = dict(live)
    more: list[str] = []
    for operation in operations:
        match operation:
            case Create(config=wanted) | Ensure(config=wanted):
                more.append(wanted.name)
            case Update(webhook_id=webhook_id, changes=changes):
                names[webhook_id] = changes["name"]
            case Replace(webhook_id=webhook_id, config=wanted):
                names[webhook_id] = wanted.name
            case Delete(webhook_id=webhook_id):
                names.pop(webhook_id, None)
    return Counter([*names.values(), *more])


def doubtful(steps: TeamSteps) -> bool:
    """Return whether any operation is not known to be as wanted."""
    return any(change.status not in {Status.APPLIED, Status.UNCHANGED} for change in steps.changes)
