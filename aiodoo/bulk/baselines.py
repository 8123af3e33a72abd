"""Lists that a caller has read before and that replace a run's first list of each team."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import attrs

from aiodoo.checks import check_id
from aiodoo.driver.driver import record_list
from aiodoo.errors import ConfigError
from aiodoo.models import WebhookConfiguration
from aiodoo.operations import Create, Ensure, Operation
from aiodoo.operations.actions import Scan
from aiodoo.operations.sightings import Sighting
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.quota.hold import Hold
from aiodoo.walk import Collected, ListReader, TeamRead

MAX_AGE = timedelta(minutes=10)
"""The age of a list up to which it is used."""

MAX_AGE_FOR_ENSURE = timedelta(minutes=1)
"""The same for a team with an `Ensure` or a create of a plan, which depend on what a list does not show."""

MARGIN = timedelta(seconds=1)
"""How much the clocks of two hosts that share a ledger may differ."""


@attrs.frozen(kw_only=True)
class TeamList:
    """A team's list that replaces a reading.

    Attributes:
        webhooks, pages, page_size: as the list was read.
        began: when it was read (monotonic seconds); minus infinity if another session has read it, so that it permits no
            delete.
        seen: where and when each webhook configuration was seen, by id.
    """

    webhooks: Sequence[WebhookConfiguration]
    pages: int
    page_size: int | None
    began: float
    seen: Mapping[str, Sighting]


def checked_baseline(baseline: object) -> dict[str, Collected]:
    """Return the `baseline=` of a caller by team id.

    Raises:
        ConfigError: it is neither the result of `collect()` nor a mapping of team ids to such results.
    """
    if isinstance(baseline, Collected):
        return dict.fromkeys(baseline.reads, baseline)
    if not isinstance(baseline, Mapping):
        raise ConfigError(
            "baseline is what doo.webhooks.list(teams, stable=True).collect() returned, or a mapping of team ids to that, "
            f"and not a {type(baseline).__name__}; nothing was sent"
        )
    found: dict[str, Collected] = {}
    for team_id, collected in baseline.items():
        if not isinstance(collected, Collected):
            raise ConfigError(
                f"the baseline of team {team_id} is a {type(collected).__name__}, and not what collect() returned, which "
                "knows when it was read; nothing was sent"
            )
        found[check_id(team_id, "team id")] = collected
    return found


def usable(
    baseline: Mapping[str, Collected],
    team_id: str,
    lists: ListReader,
    *,
    ensures: bool,
    worked_until: datetime | None = None,
    any_age: bool = False,
    begins_in: float = 0.0,
) -> TeamList | None:
    """Return a team's list if it can replace a reading, else None.

    It must be stable, of this account and recent, and neither this session nor another run may have changed the team
    since.

    Args:
        baseline: the caller's lists.
        team_id: the team.
        lists: reads the lists, if this one cannot be used.
        ensures: whether an operation creates something only if the list lacks it.
        worked_until: when another run last worked on the team (UTC), if it is known.
        any_age: whether it may be too old for a run.
        begins_in: seconds until the team is begun.
    """
    read = baseline[team_id].reads.get(team_id) if team_id in baseline else None
    if read is None or not read.stable:
        return None
    if (read.account, read.base_url) != (lists.owner.account, lists.owner.base_url):
        return None
    wall = lists.clock.now()
    if not (any_age or is_fresh(read, wall + timedelta(seconds=begins_in), ensures=ensures)):
        return None
    age = wall - read.read_at
    if worked_until is not None and read.read_at <= worked_until + MARGIN:
        return None
    now, changed_at = lists.clock.monotonic(), lists.changes.changed_at(team_id)
    if changed_at >= now - age.total_seconds() - 1.0:
        return None
    ours = read.reader == lists.name
    return TeamList(
        webhooks=read.webhooks,
        pages=read.pages,
        page_size=read.page_size,
        began=read.began if ours else -math.inf,
        seen={
            webhook_id: Sighting(page.number, page.asked if ours else -math.inf)
            for page in read.shown
            for webhook_id in page.webhook_ids
        },
    )


def is_fresh(read: TeamRead, now: datetime, *, ensures: bool) -> bool:
    """Return whether a list is recent enough at `now` (UTC)."""
    return timedelta(0) <= now - read.read_at <= (MAX_AGE_FOR_ENSURE if ensures else MAX_AGE)


def ensuring(operations: Iterable[Operation], *, planned: bool = False) -> bool:
    """Return whether an operation creates something only if the list lacks it; each `Create` does if `planned`."""
    kinds = (Ensure, Create) if planned else (Ensure,)
    return any(isinstance(operation, kinds) for operation in operations)


async def begin_with(
    baseline: Mapping[str, Collected],
    action: object,
    steps: TeamSteps,
    lists: ListReader,
    hold: Hold | None,
    *,
    planned: bool = False,
) -> float | None:
    """Answer a team's first scan with the caller's list and return its age in seconds; None if it cannot be used.

    Args:
        baseline: the caller's lists.
        action: the next action of the steps.
        steps: the team's steps.
        lists: reads the lists, if this one cannot be used.
        hold: the run's entry in the ledger, if there is one.
        planned: whether the operations are those of a plan.
    """
    if not (isinstance(action, Scan) and action.stable and not steps.looked):
        return None
    ensures = ensuring((change.operation for change in steps.changes), planned=planned)
    worked_until = None if hold is None else hold.worked_until.get(steps.team_id)
    found = usable(baseline, steps.team_id, lists, ensures=ensures, worked_until=worked_until)
    if found is None:
        return None
    now = lists.clock.monotonic()
    await record_list(
        steps,
        found.webhooks,
        pages=found.pages,
        page_size=found.page_size,
        began=found.began,
        now=now,
        seen=found.seen,
    )
    return now - found.began
