"""A team at an imaginary doo, for walking the steps through every fault; it keeps the truth and judges by it."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from aiodoo import AddWebhook, Facts, Hook, TransportError, UnstableListing, WebhookConfiguration
from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update
from aiodoo.operations.actions import Scan, SendCreate, SendDelete, Wait
from aiodoo.operations.sightings import Sighting
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


ORDERS: dict[str, Callable[[ImaginedTeam, str], object]] = {
    "first": lambda team, webhook_id: -team.born[webhook_id],
    "last": lambda team, webhook_id: team.born[webhook_id],
    "by name": lambda team, webhook_id: (team.live[webhook_id], team.born[webhook_id]),
    "by id": lambda team, webhook_id: hashlib.blake2b(webhook_id.encode()).digest(),
    "unstable": lambda team, webhook_id: hashlib.blake2b(f"{team.asked} {webhook_id}".encode()).digest(),
}
"""The orders that a list may have; "unstable" is another one at each request."""


@attrs.define
class ImaginedTeam:
    """The truth: what is live, and every delete that was asked for.

    Attributes:
        page_size: webhooks a page; None for lists of one page, or of two if they are to be stable, as before there were
            pages here.
        order: the order of the list, one of `ORDERS`.
        others: called before each request with the team and the number of requests so far.
        shown: when each webhook was last shown, and with which name.
        first_shown: with which name each was first shown.
        taken: what somebody else has deleted, with its name.
        missing: what of it a page read since then would have shown, by the order of the list.
    """

    live: dict[str, str]
    fault: Callable[[str, Sequence[str]], str | None]
    now: float = 0.0
    page_size: int | None = None
    order: str = "last"
    others: Callable[[ImaginedTeam, int], None] = lambda _team, _asked: None
    asked: int = 0
    born: dict[str, int] = attrs.field(factory=dict)
    shown: dict[str, tuple[float, str]] = attrs.field(factory=dict)
    first_shown: dict[str, str] = attrs.field(factory=dict)
    taken: dict[str, str] = attrs.field(factory=dict)
    missing: set[str] = attrs.field(factory=set)
    made: int = 0
    deleted: list[str] = attrs.field(factory=list)
    creates: Counter[str] = attrs.field(factory=Counter)
    past: list[tuple[float, dict[str, str]]] = attrs.field(factory=list)
    due: list[tuple[float, str]] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        for webhook_id in self.live:
            self.born.setdefault(webhook_id, len(self.born))

    def work(self, steps: TeamSteps) -> Iterator[None]:
        """Carry out every step, and stop after each for the judge."""
        while (action := steps.next(self.now)) is not None:
            if not isinstance(action, Wait):
                self.others(self, self.asked)
                self.asked += 1
            match action:
                case Scan() if self.page_size is not None:
                    self._scan_pages(steps, action, self.page_size)
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
        self.add(webhook_id, name)
        return webhook_id

    def add(self, webhook_id: str, name: str) -> None:
        """Make a webhook."""
        self.live[webhook_id] = name
        self.born[webhook_id] = len(self.born)

    def take(self, webhook_id: str) -> None:
        """Delete a webhook, as somebody else does."""
        self.taken[webhook_id] = self.live.pop(webhook_id)

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

    def _scan_pages(self, steps: TeamSteps, scan: Scan, size: int) -> None:
        fault = self.fault("scan", SCAN_FAULTS)
        if fault == "failed":
            steps.not_listed(TransportError("no answer"), self.now)
            return
        shown = self._as_it_was(LAG) if fault == "lags" else self.live
        pages = max(1, math.ceil(len(shown) / size))
        before: set[str] | None = None
        for _ in range(6 if scan.stable else 1):
            seen, read = dict[str, Sighting](), list[str]()
            for page in scan.pages or range(1, pages + 1):
                ids = self._page(shown, page, size)
                seen |= dict.fromkeys(ids, Sighting(page, self.now))
                read += ids
            clean = len(read) == len(seen)
            if not scan.stable or (clean and (pages == 1 or before == set(seen))):
                break
            before = set(seen) if clean else None
        else:
            steps.not_listed(UnstableListing("it changes"), self.now)
            return
        self._note_missing(shown, scan.pages or range(1, pages + 1), size)
        self.shown |= {webhook_id: (self.now, shown[webhook_id]) for webhook_id in seen}
        self.first_shown = {webhook_id: shown[webhook_id] for webhook_id in seen} | self.first_shown
        webhooks = [listed(shown[webhook_id], webhook_id) for webhook_id in seen]
        steps.listed(webhooks, pages=pages, page_size=size, began=self.now, now=self.now, seen=seen)

    def _page(self, shown: dict[str, str], page: int, size: int) -> list[str]:
        self.asked += self.order == "unstable"
        place = ORDERS[self.order]
        team = attrs.evolve(self, live=shown)
        return sorted(shown, key=lambda webhook_id: place(team, webhook_id))[(page - 1) * size : page * size]

    def _note_missing(self, shown: dict[str, str], pages: Sequence[int], size: int) -> None:
        """Note what is missing on these pages and has to stand there, whatever else is known to be gone."""
        if self.order not in {"first", "last"}:
            return
        gone = {each: name for each, name in self.taken.items() if each not in shown}
        for webhook_id, name in gone.items():
            alone = {**shown, webhook_id: name}
            places = [
                {number for number in pages if webhook_id in self._page(live, number, size)}
                for live in (alone, {**shown, **gone})
            ]
            if all(places):
                self.missing.add(webhook_id)

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


def steps_for(*operations: Operation, settle: float | None = SETTLE, **options: Any) -> TeamSteps:
    """Return the steps of one team's operations."""
    changes = tuple(
        TrackedOperation(number=number, operation=operation) for number, operation in enumerate(operations)
    )
    return TeamSteps(
        team_id="111", changes=changes, facts=Facts(list_echoes_scope=True), settle=settle, **options
    )


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
