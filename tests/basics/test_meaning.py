"""What each class of errors means for a try, a team and a run: the whole table, row by row."""

from __future__ import annotations

import inspect

import pytest

from aiodoo import errors
from aiodoo.error_meaning import TABLE, ForRun, ForTeam, ForTry, for_run, for_team, for_try, not_sent
from aiodoo.errors import DooError, TransportError
from aiodoo.protocol.outcome import RequestOutcome, outcome
from aiodoo.protocol.wire import Kind

REPEAT, END = ForTry
LATER, GIVEN_UP, NOTHING = ForTeam
GO_ON, WAIT, PARK, STOP = ForRun

ROWS: list[tuple[DooError, ForTry, ForTeam, ForRun]] = [
    (DooError(), END, GIVEN_UP, GO_ON),
    (errors.ConfigError(), END, NOTHING, STOP),
    (errors.NotCopyable(), END, NOTHING, STOP),
    (errors.UnsafePlan(), END, NOTHING, STOP),
    (errors.SecretsNeeded(), END, NOTHING, STOP),
    (errors.DeadlineExceeded(), END, NOTHING, WAIT),
    (errors.QueueFull(), END, NOTHING, WAIT),
    (errors.QuotaUnavailable(), END, NOTHING, WAIT),
    (errors.QuotaExhausted(), END, NOTHING, PARK),
    (TransportError("lost"), REPEAT, LATER, GO_ON),
    (TransportError("refused", sent=False), REPEAT, NOTHING, WAIT),
    (TransportError("unknown host", sent=False, unreachable=False), REPEAT, NOTHING, STOP),
    (TransportError("a certificate", sent=False, lasting=True), END, NOTHING, STOP),
    (errors.NotJson(), REPEAT, LATER, GO_ON),
    (errors.ProtocolError(), END, LATER, GO_ON),
    (errors.BodyTooLarge(), END, LATER, GO_ON),
    (errors.SchemaMismatch(), END, LATER, GO_ON),
    (errors.PaginationError(), END, LATER, GO_ON),
    (errors.UnexpectedRedirect(), END, LATER, GO_ON),
    (errors.UnstableListing(), END, LATER, GO_ON),
    (errors.ServerError(status=503), REPEAT, LATER, GO_ON),
    (errors.ApiError(status=409), END, GIVEN_UP, GO_ON),
    (errors.PermissionDenied(status=403), END, GIVEN_UP, GO_ON),
    (errors.NotFound(status=404), END, GIVEN_UP, GO_ON),
    (errors.InvalidRequest(status=400), END, GIVEN_UP, GO_ON),
    (errors.AuthenticationError(status=401), END, NOTHING, STOP),
    (errors.RateLimited(status=429), END, NOTHING, WAIT),
    (errors.OutcomeUnknown(), END, GIVEN_UP, GO_ON),
    (errors.PlanDrift(), END, GIVEN_UP, GO_ON),
    (errors.TeamClaimed(), END, NOTHING, STOP),
    (errors.BulkFailed("2 of 3", [DooError()]), END, GIVEN_UP, GO_ON),
    (errors.JournalError(), END, NOTHING, STOP),
    (errors.JournalLocked(), END, NOTHING, STOP),
    (errors.JournalMismatch(), END, NOTHING, STOP),
    (errors.JournalWriteFailed(), END, NOTHING, STOP),
]


def named(value: object) -> str:
    """Name a row in the test's report."""
    return (
        f"{type(value).__name__} {value}".strip()
        if isinstance(value, DooError)
        else getattr(value, "name", "")
    )


@pytest.mark.parametrize(("error", "a_try", "a_team", "a_run"), ROWS, ids=named)
def test_each_row(error: DooError, a_try: ForTry, a_team: ForTeam, a_run: ForRun) -> None:
    """Each class means what its row says."""
    assert (for_try(error), for_team(error), for_run(error)) == (a_try, a_team, a_run)


def test_every_class_has_its_row() -> None:
    """A class of errors that is new has to be decided on, in the table and here."""
    classes = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, DooError)}
    assert TABLE.keys() == classes
    assert {type(error) for error, *_ in ROWS} == classes


def test_a_class_of_somebody_else_means_what_its_base_means() -> None:
    """A ledger of a user's own may raise a subclass."""
    other = type("Other", (errors.QuotaExhausted,), {})()
    assert for_run(other) is PARK
    assert not_sent(other)


@pytest.mark.parametrize(("error", "a_run"), [(error, a_run) for error, *_, a_run in ROWS], ids=named)
def test_what_is_taken_back_has_changed_nothing(error: DooError, a_run: ForRun) -> None:
    """A run takes a create back only if the error proves that it was not applied: else it could be made twice."""
    if a_run is not GO_ON:
        assert outcome(Kind.CREATE, error) is RequestOutcome.NOT_APPLIED


def test_a_cancellation_proves_nothing() -> None:
    """What is no error of ours may have come after the request had left."""
    assert not not_sent(KeyboardInterrupt())
    assert not not_sent(TimeoutError())
