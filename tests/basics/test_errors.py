"""The exception tree: what escapes aiodoo, and how it travels."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from datetime import UTC, datetime

import pytest

from aiodoo import errors

WHEN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def every_error() -> list[errors.DooError]:
    """Return one of each class, with every attribute set to something of its own."""
    cause = errors.TransportError("no answer", sent=True)
    made: dict[type, errors.DooError] = {
        errors.RateLimited: errors.RateLimited(
            "slow down", status=429, request_id="r1", retry_after=7.0, day_spent=True
        ),
        errors.TransportError: errors.TransportError("refused", sent=False, unreachable=True, lasting=True),
        errors.SchemaMismatch: errors.SchemaMismatch("odd", path="$.data", status=200, request_id="r2"),
        errors.QuotaExhausted: errors.QuotaExhausted("spent", resume_at=WHEN),
        errors.BulkFailed: errors.BulkFailed("2 of 3", [errors.NotFound("gone", status=404), cause]),
        errors.OutcomeUnknown: errors.OutcomeUnknown(
            "perhaps", operation="create", sent_at=WHEN, cause=cause, team_id="111", old_id="12", new_id="13"
        ),
    }
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, errors.ApiError) and kind not in made:
            made[kind] = kind(
                "no",
                status=400,
                developer_message="d",
                user_message="u",
                request_id="r3",
                retry_after=5.0,
            )
        elif issubclass(kind, errors.DooError) and kind not in made:
            made[kind] = kind("words")
    return list(made.values())


def facts(error: BaseException) -> dict:
    """Return what an error knows, with errors inside it made comparable."""
    known = {
        name: facts(value) if isinstance(value, BaseException) else value
        for name, value in vars(error).items()
    }
    return {"class": type(error), "text": str(error)} | known


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_each_pickles_and_copies(error: errors.DooError) -> None:
    """An error is the same in another process, after a copy, and for the next caller that hears of it."""
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), error.again()):  # noqa: S301  # our own
        assert other is not error
        assert facts(other) == facts(error)
        assert other.__traceback__ is None


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_each_keeps_its_notes_to_itself(error: errors.DooError) -> None:
    """What one caller notes on its error is not told to the next, nor the other way round."""
    error.add_note("of the first")
    other = error.again()
    other.add_note("of the second")
    assert error.__notes__ == ["of the first"]
    assert other.__notes__ == ["of the first", "of the second"]


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_each_attribute_is_an_argument(error: errors.DooError) -> None:
    """What a class documents under "Attributes" it takes by that name; none of it is set from outside."""
    documented = {
        name
        for kind in type(error).__mro__
        if kind.__module__ == errors.__name__
        for name in re.findall(r"^ {4}(\w+): ", inspect.cleandoc(kind.__doc__ or ""), re.MULTILINE)
    }
    assert documented <= set(vars(error)) <= set(inspect.signature(type(error)).parameters)


def test_the_drawn_tree_is_the_tree() -> None:
    """The docstring names every class, below the one that it comes from."""
    drawn: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        stripped = line.lstrip(" │├└─")
        if not stripped or not stripped[0].isupper() or not line.startswith("    "):
            continue
        name, depth = stripped.split()[0], len(line) - len(stripped)
        while above and above[-1][0] >= depth:
            above.pop()
        drawn[name] = above[-1][1] if above else "Exception"
        above.append((depth, name))
    real = {
        name: kind.__bases__[0].__name__
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.DooError)
    }
    assert drawn == real


def test_a_deadline_is_a_timeout_and_wrong_input_a_value_error() -> None:
    """Code that knows nothing of aiodoo catches these two by the standard library's names."""
    assert issubclass(errors.DeadlineExceeded, TimeoutError)
    assert issubclass(errors.ConfigError, ValueError)


def test_a_failed_run_is_a_group_that_can_be_split() -> None:
    """`except*` and `split` give groups of the same kind."""
    group = errors.BulkFailed("2 of 3", [errors.NotFound("gone"), errors.ServerError("broken")])
    found, rest = group.split(errors.NotFound)
    assert isinstance(found, errors.BulkFailed)
    assert isinstance(rest, errors.BulkFailed)
    assert [str(member) for member in rest.exceptions] == ["broken"]
    with pytest.raises(errors.DooError) as caught:
        raise group
    assert caught.value is group
