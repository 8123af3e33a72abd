"""Errors as plain data: what another process reads is the error that was."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_errors import every_error, facts

from aiodoo import errors
from aiodoo.bulk.journal.refusals import DamagedJournal
from aiodoo.errors import DooError, Missing
from aiodoo.plain.document import Misfit, read_document
from aiodoo.plain.error_form import plain_error, read_error
from aiodoo.secret import Secret

WHEN = datetime(2026, 3, 2, 9, 0, 0, 250, tzinfo=UTC)


def again(error: DooError) -> DooError:
    """Return what another process reads."""
    return read_error(json.loads(json.dumps(plain_error(error), allow_nan=False)))


def known(error: BaseException) -> dict[str, Any]:
    """Return what an error knows, the members of a group too."""
    members = [known(each) for each in error.exceptions] if isinstance(error, BaseExceptionGroup) else []
    return facts(error) | {"members": members}


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_each_is_read_as_it_was(error: DooError) -> None:
    """The class, the message and every public attribute are the same in another process."""
    assert known(again(error)) == known(error)


TEXTS = st.text(max_size=20)
SOME_TEXT = st.none() | TEXTS
TIMES = st.none() | st.datetimes(timezones=st.just(UTC))
CAUSES = st.builds(errors.TransportError, TEXTS, sent=st.booleans(), lasting=st.booleans()) | st.builds(
    errors.RateLimited, TEXTS, status=st.just(429), retry_after=st.none() | st.floats(0, 1e9)
)


@given(
    error=st.builds(
        errors.OutcomeUnknown,
        TEXTS,
        operation=TEXTS,
        sent_at=TIMES,
        cause=st.none() | CAUSES,
        team_id=SOME_TEXT,
        old_id=SOME_TEXT,
        new_id=SOME_TEXT,
    )
    | st.builds(errors.TeamClaimed, TEXTS, since=TIMES, run=TEXTS, journal=SOME_TEXT, alive=st.booleans())
    | st.builds(
        errors.ApiError, TEXTS, status=st.none() | st.integers(100, 599), data=SOME_TEXT, request_id=SOME_TEXT
    )
    | st.builds(errors.BulkFailed, TEXTS, st.lists(CAUSES, min_size=1, max_size=3))
    | st.builds(
        errors.SecretsNeeded,
        TEXTS,
        missing=st.lists(
            st.builds(Missing, index=st.integers(0, 9), team_id=TEXTS, webhook_id=SOME_TEXT, field=TEXTS)
        ),
    )
)
def test_whatever_an_error_says_is_read_again(error: DooError) -> None:
    """Any texts, times, numbers, causes and members."""
    assert known(again(error)) == known(error)


def test_a_time_is_written_in_utc() -> None:
    """Whatever zone it was in; one without a zone is refused."""
    late = WHEN.astimezone(timezone(timedelta(hours=2)))
    written = plain_error(errors.QuotaExhausted("spent", resume_at=late))
    assert written["resume_at"] == "2026-03-02T09:00:00.000250Z"
    with pytest.raises(Misfit, match=r"resume_at"):
        read_error(written | {"resume_at": "2026-03-02T09:00:00"})


def test_a_class_of_its_own_is_written_as_the_public_one() -> None:
    """What a caller cannot name is the nearest class that it can."""
    error = DamagedJournal("a.journal", "it is empty")
    assert isinstance(error, errors.JournalError)
    assert type(again(error)) is errors.JournalError
    assert str(again(error)) == str(error)


def test_what_a_later_version_writes_is_read() -> None:
    """A class that is not known is a DooError with its message, and a member that is not known is ignored."""
    later = read_error({"is": "SomethingNew", "message": "odd", "more": 1})
    assert type(later) is DooError
    assert str(later) == "odd"
    assert type(read_error({"is": "NotFound", "message": "gone", "more": [1]})) is errors.NotFound
    assert type(read_error({"is": "Any", "message": "no class of ours"})) is DooError


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"message": "no class"}, "$"),
        ({"is": "NotFound", "message": 1}, "$.message"),
        ({"is": "NotFound", "message": "m", "status": "404"}, "$.status"),
        ({"is": "OutcomeUnknown", "message": "m", "cause": {"is": "NotFound"}}, "$.cause"),
        ({"is": "OutcomeUnknown", "message": "m", "sent_at": "yesterday"}, "$.sent_at"),
        ({"is": "BulkFailed", "message": "m", "errors": []}, "$.errors"),
        (
            {"is": "BulkFailed", "message": "m", "errors": [{"is": "NotFound", "message": "m", "data": 1}]},
            "$.errors[0].data",
        ),
        ("text", "$"),
    ],
)
def test_what_is_none_is_refused_with_its_place(data: object, path: str) -> None:
    """The path is that of the whole document, and no value is shown."""
    with pytest.raises(errors.ConfigError, match=r"^an error cannot be read: ") as caught:
        read_document(
            {"format": 1, "error": data}, "an error", lambda document: read_error(document["error"])
        )
    assert str(caught.value).split()[5] == path
    assert "404" not in str(caught.value)
    assert caught.value.__context__ is None


def test_no_end_of_causes_is_followed() -> None:
    """An error that is its own cause is refused, as is one that is nested without end."""
    data: dict[str, Any] = {"is": "OutcomeUnknown", "message": "m"}
    data["cause"] = data
    with pytest.raises(errors.ConfigError, match="nested too deeply"):
        read_document({"format": 1}, "an error", lambda _: read_error(data))


def test_no_secret_is_written(secret: Any) -> None:
    """A Secret that went into a message is written as what it shows."""
    value = Secret(secret())
    assert value.reveal() not in json.dumps(plain_error(DooError(f"refused {value}")))
