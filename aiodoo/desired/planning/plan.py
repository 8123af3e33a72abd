"""A plan: what has to be done so that doo has what a file declares, and what that costs. Data without secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

import attrs

from aiodoo.desired.planning.diff import FieldChange
from aiodoo.models import WebhookConfiguration
from aiodoo.operations.forecast import Forecast


@attrs.frozen(kw_only=True)
class PlannedChange:
    """One webhook configuration that is to be created, replaced or deleted.

    Attributes:
        kind: which of them.
        team_id: in which team.
        name: of the webhook configuration.
        webhook_id: the listed one that is replaced or deleted.
        line: where the file declares it; None for what it does not declare.
        why: why this one and not another, where that is not plain.
        fields: what a replacement changes, field by field.
        may_widen: whether the replacement may have a wider scope than the listed one: it is limited to no event and to
            no guide, or to less, and doo's list may not show what the listed one is bound to.
        operation: what a run carries out, with where each secret comes from in its place.
    """

    kind: Literal["create", "replace", "delete"]
    team_id: str
    name: str
    webhook_id: str | None = None
    line: int | None = None
    why: str | None = None
    fields: tuple[FieldChange, ...] = ()
    may_widen: bool = False
    operation: Mapping[str, Any] = attrs.field(repr=False)


@attrs.frozen
class Named:
    """A listed webhook configuration."""

    webhook_id: str
    name: str


@attrs.frozen(kw_only=True)
class PlannedTeam:
    """What is planned for one team.

    Attributes:
        id: the team's.
        organization: the name of its organization, if doo shows it.
        changes: in the order in which they are carried out.
        unchanged: how many webhook configurations are as declared.
        undeclared: those that belong to the file and that it does not declare; they stay, as deleting was not asked for.
        unseen: those taken as unchanged although doo's list does not show whether they are bound as declared.
        listing: a digest of the team's list as it was.
    """

    id: str
    organization: str | None = None
    changes: tuple[PlannedChange, ...] = ()
    unchanged: int = 0
    undeclared: tuple[Named, ...] = ()
    unseen: tuple[Named, ...] = ()
    listing: str = attrs.field(repr=False)


@attrs.frozen
class Problem:
    """Something that the plan leaves out, because it could not be done or could not be found out.

    Attributes:
        team_id: in which team.
        says: what it is, and what helps.
        line: where the file declares what cannot be made; None if it is the whole team that is left out.
    """

    team_id: str
    says: str
    line: int | None = None


@attrs.frozen(kw_only=True)
class Plan:
    """What has to be done so that doo has what a file declares.

    Attributes:
        file: the file that it was made from.
        made_at: when (UTC).
        account: whose it is, as a keyed hash.
        prune: whether what the file owns and does not declare is deleted.
        teams: all of the file's teams that could be read, also those where nothing is to be done.
        problems: what the plan leaves out.
        secrets: where its secrets come from, each with a keyed fingerprint of what it was.
        price: what applying it costs.
        digest: identifies this plan; keyed, so that an edited plan file is noticed.
        baseline: its teams' lists, of a plan that was made in this process: hand it to `desired.apply(plan,
            baseline=plan.baseline)`, and no team is listed twice. It is in no file.
    """

    file: str
    made_at: datetime
    account: str
    prune: bool
    teams: tuple[PlannedTeam, ...] = attrs.field(repr=False)
    problems: tuple[Problem, ...] = ()
    secrets: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    price: Forecast
    digest: str = ""
    baseline: Mapping[str, list[WebhookConfiguration]] = attrs.field(factory=dict, eq=False, repr=False)

    def __iter__(self) -> Iterator[PlannedChange]:
        return (change for team in self.teams for change in team.changes)

    def __len__(self) -> int:
        return sum(len(team.changes) for team in self.teams)

    def __bool__(self) -> bool:
        return any(team.changes for team in self.teams)

    def of_kind(self, kind: Literal["create", "replace", "delete"]) -> tuple[PlannedChange, ...]:
        """Return the changes of one kind, team by team."""
        return tuple(change for change in self if change.kind == kind)

    @property
    def unmade(self) -> tuple[Problem, ...]:
        """What the file declares and nothing can make as it stands there; as long as there is any, the plan is not applied."""
        return tuple(problem for problem in self.problems if problem.line is not None)

    @property
    def may_widen(self) -> tuple[PlannedChange, ...]:
        """The replacements that may have a wider scope than what they replace."""
        return tuple(change for change in self if change.may_widen)

    def counts(self) -> dict[str, int]:
        """Count what is to be created, replaced and deleted, what is unchanged, and what stays undeclared."""
        return {
            "create": len(self.of_kind("create")),
            "replace": len(self.of_kind("replace")),
            "delete": len(self.of_kind("delete")),
            "unchanged": sum(team.unchanged for team in self.teams),
            "undeclared": sum(len(team.undeclared) for team in self.teams),
        }

    def __str__(self) -> str:
        counts = self.counts()
        return ", ".join(f"{number} to {kind}" for kind, number in list(counts.items())[:3])
