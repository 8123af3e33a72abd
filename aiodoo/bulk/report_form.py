"""The forms of outcomes, progress, reports and verifications as plain JSON."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from aiodoo.errors import DooError
from aiodoo.operations.forecast_form import ForecastForm, RequestsForm
from aiodoo.operations.operation_form import PlainOperation
from aiodoo.operations.tracked import Status
from aiodoo.plain.document import Form, Time

What: TypeAlias = Literal["missing", "changed", "still_there", "both_live", "extra", "not_done"]
"""What a difference is; see `Difference.what`."""


class OutcomeForm(Form):
    """How one operation ended."""

    index: int
    operation: PlainOperation
    status: Status
    webhook_id: str | None = None
    reason: str | None = None
    error: DooError | None = None
    scope_unknown: bool = False
    ended: bool = True
    both_live: bool = False


class ProgressForm(Form):
    """How far a run has come."""

    total: int
    done: int
    counts: dict[str, int]
    requests: RequestsForm
    forecast: ForecastForm | None
    teams: int
    teams_done: int
    unconfirmed: int
    waiting_for: str | None
    left: int | None
    remaining: int
    rate: float
    eta: float | None
    stopping: str | None = None


class ReportForm(Form):
    """The outcomes of a run, in the order of its operations."""

    outcomes: list[OutcomeForm]
    requests: RequestsForm
    forecast: ForecastForm | None
    resume_at: Time | None = None
    recheck_at: Time | None = None
    resumed: bool = False
    stopped_because: str | None = None
    replayed: bool = False
    ended_at: Time | None = None
    all_read: bool = True


class DifferenceForm(Form):
    """One way in which a team is not as a run wanted it."""

    outcome: OutcomeForm
    what: What
    webhook_ids: list[str]
    ours: bool = False


class TeamErrorForm(Form):
    """A team that could not be read."""

    team_id: str
    error: DooError
    number: int | None = None


class VerificationForm(Form):
    """The differences between what a run wanted and what is there."""

    differences: list[DifferenceForm] = msgspec.field(default_factory=list)
    unread: list[TeamErrorForm] = msgspec.field(default_factory=list)
    secret_unknown: list[OutcomeForm] = msgspec.field(default_factory=list)
