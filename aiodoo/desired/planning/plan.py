"""Plans as data without secrets: the changes that make doo's lists equal to a file, and their cost."""

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
    """A webhook configuration to be created, replaced or deleted.

    Attributes:
        kind: the kind of change.
        team_id: the team.
        name: the name of the webhook configuration.
        webhook_id: the listed webhook configuration that is replaced or deleted; None for a create.
        line: the line of its declaration in the file; None for a delete.
        why: why this listed one was chosen, if that is not obvious.
        fields: the fields that a replacement changes; those of what is created.
        may_widen: whether the replacement may have a wider scope than the listed one, as it is limited to less, or as
            doo's list may not show the scope.
        operation: the operation of the run, with a reference in the place of each secret.
        as_listed: whether it is declared as one that breaks the rules for new ones.
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
    as_listed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, for JSON, all but the operation."""
        return {
            "kind": self.kind,
            "team_id": self.team_id,
            "name": self.name,
            "webhook_id": self.webhook_id,
            "line": self.line,
            "why": self.why,
            "may_widen": self.may_widen,
            "fields": [{"path": field.path, "old": field.old, "new": field.new} for field in self.fields],
        }


@attrs.frozen
class Named:
    """The id and name of a listed webhook configuration."""

    webhook_id: str
    name: str


@attrs.frozen(kw_only=True)
class PlannedTeam:
    """The plan for one team.

    Attributes:
        id: the team id.
        organization: the name of its organization; None if doo does not name it.
        changes: the changes in the order of execution.
        unchanged: the number of webhook configurations that equal their declarations.
        undeclared: managed webhook configurations that the file does not declare and that are kept, without `prune`.
        unseen: those counted as unchanged although doo's list does not show their scope.
        listing: a digest of the team's list.
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
    """A team or a declaration that the plan omits.

    Attributes:
        team_id: the team.
        says: the reason and a remedy.
        line: the line of a declaration that cannot be made; None if the whole team is omitted.
    """

    team_id: str
    says: str
    line: int | None = None


@attrs.frozen(kw_only=True)
class Plan:
    """The changes that make doo's lists equal to a file of desired state.

    Iterating yields the changes of all teams; `len()` is their number. A plan without changes is false.

    Attributes:
        file: the file of desired state.
        made_at: when the plan was made (UTC).
        account: the account of the API key, as a keyed hash.
        prune: whether managed webhook configurations that are not declared are deleted.
        teams: all teams of the file that could be read, with and without changes.
        problems: the teams and declarations that the plan omits.
        secrets: the fingerprints of its secrets by their sources.
        cost: what applying it costs.
        cost_now: what applying it with `baseline` costs right after it was made; None in a plan that was read.
        digest: a keyed hash of the plan, which detects edits of a plan file.
        new_hosts: hosts of what is sent that no webhook configuration of these teams has had.
        baseline: the lists of its teams if the plan was made in this process, for `desired.apply(plan,
            baseline=plan.baseline)`. A plan file does not contain them.
    """

    file: str
    made_at: datetime
    account: str
    prune: bool
    teams: tuple[PlannedTeam, ...] = attrs.field(repr=False)
    problems: tuple[Problem, ...] = ()
    secrets: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    cost: Forecast
    cost_now: Forecast | None = attrs.field(default=None, eq=False, repr=False)
    digest: str = ""
    new_hosts: tuple[str, ...] = ()
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
    def price(self) -> Forecast:
        """`cost`, by its name in earlier versions."""
        return self.cost

    @property
    def unmade(self) -> tuple[Problem, ...]:
        """The declarations that cannot be made; `desired.apply` refuses a plan with any."""
        return tuple(problem for problem in self.problems if problem.line is not None)

    @property
    def may_widen(self) -> tuple[PlannedChange, ...]:
        """The replacements that may have a wider scope than what they replace."""
        return tuple(change for change in self if change.may_widen)

    def counts(self) -> dict[str, int]:
        """Return the numbers of creates, replacements, deletes, unchanged and undeclared webhook configurations."""
        return {
            "create": len(self.of_kind("create")),
            "replace": len(self.of_kind("replace")),
            "delete": len(self.of_kind("delete")),
            "unchanged": sum(team.unchanged for team in self.teams),
            "undeclared": sum(len(team.undeclared) for team in self.teams),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values to show, for JSON; `desired.write` writes what can be applied."""
        cost = {
            "requests": self.cost.requests.total,
            "seconds": self.cost.seconds,
            "days": self.cost.days,
        }
        return {
            "file": self.file,
            "changes": [change.to_dict() for change in self],
            "counts": self.counts(),
            "cost": cost,
            # Its name in earlier versions.
            "price": cost,
            "problems": [{"team_id": problem.team_id, "says": problem.says} for problem in self.problems],
            "new_hosts": list(self.new_hosts),
            "digest": self.digest,
        }

    def __str__(self) -> str:
        counts = self.counts()
        return ", ".join(f"{number} to {kind}" for kind, number in list(counts.items())[:3])
