"""The form of a forecast as plain JSON."""

from __future__ import annotations

import msgspec

from aiodoo.errors import DooError
from aiodoo.operations.operation_form import PlainOperation
from aiodoo.operations.tracked import Status
from aiodoo.plain.document import Form


class RequestsForm(Form):
    """Wire requests by kind."""

    lists: int = 0
    creates: int = 0
    deletes: int = 0


class ExpectedForm(Form):
    """How one operation is expected to end."""

    index: int
    operation: PlainOperation
    status: Status
    reason: str | None = None
    error: DooError | None = None
    scope_unknown: bool = False


class ForecastForm(Form):
    """What a run would do and cost without faults; without the lists that it was made from."""

    requests: RequestsForm
    counts: dict[str, int]
    seconds: float = 0.0
    days: float = 0.0
    outcomes: list[ExpectedForm] = msgspec.field(default_factory=list)
