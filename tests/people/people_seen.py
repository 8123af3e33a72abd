"""What a judge of lives takes down: runs and their processes, what lists have shown to these, and what is live."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import attrs
from people_account import edit_of

from aiodoo.operations import Ensure, Operation

if TYPE_CHECKING:
    from pathlib import Path

    from aiodoo import Report

Name = tuple[str, str]
"""A team and what a webhook in it is called."""


@attrs.define(eq=False)
class Run:
    """A run as its people know it: what it was asked for and where its journals are.

    Attributes:
        operations: what it was asked for.
        journals: where its journal is, and copies of it.
        reports: what people were told of it, newest last.
        first: the content in which each webhook was first shown to it.
        given_up: whether somebody has given it up.
        excused: why nothing names what it left half done.
    """

    operations: list[Operation]
    journals: list[Path] = attrs.Factory(list)
    reports: list[Report] = attrs.Factory(list)
    first: dict[str, str] = attrs.Factory(dict)
    given_up: bool = False
    excused: str = ""

    @property
    def ended(self) -> bool:
        """Whether its last report leaves nothing for a resume."""
        return bool(self.reports) and all(outcome.ended for outcome in self.reports[-1])

    def ensured(self) -> set[Name]:
        """Return what it is asked to make only where it is not there."""
        return {(each.team_id, each.config.name) for each in self.operations if isinstance(each, Ensure)}

    def begin_anew(self, touched: Collection[str]) -> None:
        """Forget what an earlier process was shown of other webhooks: it may have read their team in part only."""
        self.first = {each: digest for each, digest in self.first.items() if each in touched}

    def targets(self) -> dict[str, Operation]:
        """Return the operations that name a webhook, by its id."""
        return {each.webhook_id: each for each in self.operations if hasattr(each, "webhook_id")}


@attrs.frozen
class Look:
    """What a page of a team's list has shown of a webhook: of when it was, and when it arrived."""

    of: float
    arrived: float
    digest: str
    page: tuple[str, int]


@attrs.define(eq=False)
class Process:
    """One process that asks the box: whose it is, and what it has seen."""

    name: str
    run: Run
    looks: dict[str, list[Look]] = attrs.Factory(lambda: defaultdict(list))
    read: dict[tuple[str, int], list[tuple[float, float]]] = attrs.Factory(lambda: defaultdict(list))
    requests: int = 0

    def last_look(self, webhook_id: str, now: float) -> Look | None:
        """Return what it has seen of a webhook by now."""
        return next((look for look in reversed(self.looks[webhook_id]) if look.arrived <= now), None)

    def last_read(self, page: tuple[str, int], now: float) -> float | None:
        """Return of when a page was that it has last asked for by now."""
        return next((of for asked, of in reversed(self.read[page]) if asked <= now), None)


@attrs.define(eq=False)
class Living:
    """A webhook, as the log tells of it."""

    webhook_id: str
    team: str
    content: dict[str, Any]
    digest: str
    process: Process | None = None
    edited_at: float | None = None

    @property
    def name(self) -> Name:
        """What it is about."""
        return self.team, self.content["name"]

    @property
    def edit(self) -> str:
        """What somebody else's edit left in it."""
        return edit_of(self.content)
