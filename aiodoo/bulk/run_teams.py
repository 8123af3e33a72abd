"""Groups the operations of a new or resumed run by team, and makes the steps of each team."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from aiodoo.bulk.context import RunContext
from aiodoo.bulk.journal import JournaledRun
from aiodoo.bulk.options import RunSettings
from aiodoo.models import WebhookConfiguration
from aiodoo.models.run_marker import marker
from aiodoo.operations import Create, Operation
from aiodoo.operations.compare import content_fingerprint, fingerprint
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.operations.tracked import TrackedOperation

PORTION = 500
"""Operations that are prepared before other tasks run."""


async def changes_of(
    operations: Sequence[Operation], *, past: JournaledRun | None, name: str | None, now: float
) -> Sequence[TrackedOperation]:
    """Return the state of each operation when the run starts or is resumed.

    Args:
        operations: the operations, in input order.
        past: the content of the journal, if the run is resumed.
        name: the first part of the markers of a new run; None for no markers.
        now: monotonic seconds.
    """
    changes = list[TrackedOperation]() if past is None else past.changes
    for number in range(len(operations if past is None else changes)):
        if past is None:
            operation, mark = operations[number], marker(name, number)
            # A run checks what it is given, at first.
            changes.append(TrackedOperation(number=number, operation=operation, marker=mark, is_checked=True))
        else:
            changes[number].resume(now)
        if number % PORTION == 0:
            await asyncio.sleep(0)
    return changes


def by_team(changes: Iterable[TrackedOperation]) -> Mapping[str, list[TrackedOperation]]:
    """Return the operations of each team, in the order in which the input names the teams."""
    teams: dict[str, list[TrackedOperation]] = defaultdict(list)
    for change in changes:
        teams[change.operation.team_id].append(change)
    return teams


async def steps_of(
    changes: Iterable[TrackedOperation],
    context: RunContext,
    settings: RunSettings,
    *,
    past: JournaledRun | None,
    listings: Mapping[str, str],
    journaled: bool,
) -> list[TeamSteps]:
    """Return the steps of each team, in the order in which the input names the teams.

    Args:
        changes: the operations.
        context: what it needs of its session.
        settings: its options.
        past: the content of the journal, if the run is resumed.
        listings: the fingerprints that teams' lists must have when a new run reads them.
        journaled: whether the run has a journal, which stores fingerprints of the webhooks that it names.
    """

    def print_of(webhook: WebhookConfiguration) -> str:
        return content_fingerprint(webhook, context.owner.key, context.facts)

    teams, made = list[TeamSteps](), 0
    for team_id, of_team in by_team(changes).items():
        steps = TeamSteps(
            team_id=team_id,
            changes=tuple(of_team),
            facts=context.facts,
            settle=settings.settle,
            look_first=past is not None or not settings.foreground or not _only_creates(of_team),
            known=past.baselines.get(team_id) if past is not None else None,
            kept=past.lists.get(team_id) if past is not None else None,
            max_pairs=settings.max_pairs,
            is_as_planned=_as_planned(team_id, listings.get(team_id), context),
            rate=context.limits.interval,
            print_of=print_of if journaled else None,
            current_from=partial(context.changes.current_from, team_id, settle=settings.settle),
        )
        teams.append(steps)
        if (made := made + len(of_team)) >= PORTION:
            made = 0
            await asyncio.sleep(0)
    return teams


def _only_creates(changes: Iterable[TrackedOperation]) -> bool:
    return all(isinstance(change.operation, Create) for change in changes)


def _as_planned(
    team_id: str, listing: str | None, context: RunContext
) -> Callable[[Iterable[WebhookConfiguration]], bool] | None:
    """Return a function that checks the fingerprint of a team's list; None if there is no fingerprint to compare."""
    if listing is None:
        return None
    key, facts = context.owner.key, context.facts
    return lambda webhooks: fingerprint(team_id, webhooks, key, facts) == listing
