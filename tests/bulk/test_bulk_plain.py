"""Operations, outcomes and reports as plain JSON: what another process reads is what was written."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from bulk_world import config, world
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from simulated import SimulatedClock, simulate
from test_bulk_written import EXTRAS, everything, hidden, kept, login  # noqa: F401  # kept is a fixture
from test_errors import every_error

from aiodoo import (
    AddWebhook,
    ClientCredentials,
    ConfigError,
    Expected,
    Forecast,
    Hook,
    Outcome,
    Progress,
    Report,
    Requests,
    Secret,
    SecretsNeeded,
    Status,
)
from aiodoo.bulk import SCHEMAS, Verification
from aiodoo.bulk.schemas import schema, written
from aiodoo.bulk.verification import Difference
from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update, from_dict
from aiodoo.operations.encoding import encode_operation, secrets_of
from aiodoo.operations.secret_encoding import SourcedSecret, UnknownSecret
from aiodoo.sandbox import Fault
from aiodoo.secret import ListedSecret
from aiodoo.walk import TeamError

VALID = {name: Draft202012Validator(schema(name)) for name in SCHEMAS}
WHEN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def sent(written: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return a document as another process gets it, after a look at its schema."""
    found: dict[str, Any] = json.loads(json.dumps(written, allow_nan=False))
    assert found == written, "only lists, objects with texts as keys, and leaves"
    VALID[kind].validate(found)
    return found


def sourced(value: str) -> Secret:
    """Return a secret whose source is written in its place."""
    return Secret(value, source={"env": "CRM_SECRET"})


# Operations


def test_operations_are_read_as_they_were(kept: Secret) -> None:  # noqa: F811  # the fixture
    """Every kind, unknown fields and secrets with a source included; the class itself reads it, and so does `from_dict`."""
    for operation in everything(kept):
        document = sent(operation.to_dict(), "operation")
        assert kept.reveal() not in json.dumps(document)
        again = from_dict(document)
        assert again == operation
        assert type(operation).from_dict(document) == operation
        more = {"more": 1, "webhook": 1, "config": [], "changes": None, "secrets": []} | document
        assert from_dict(more) == operation, "members that it does not know, though others have them"
        assert again.to_dict() == document, "what was read is written again"


def test_it_is_what_a_journal_keeps(kept: Secret) -> None:  # noqa: F811  # the fixture
    """There is one encoding; only the version stands beside it."""
    for operation in everything(kept):
        assert operation.to_dict() == {"format": 1, **encode_operation(operation, b"key")}


def test_a_bare_secret_is_refused() -> None:
    """Unless it is to be shown; the message says which it is, and shows nothing of it."""
    bare = secrets.token_hex(16)
    cases = {
        Create("111", everything(Secret(bare))[0].config): "create in team 111",  # type: ignore[union-attr]
        Update("111", "14", client_secret=Secret(bare)): "update of webhook 14 in team 111",
    }
    for operation, words in cases.items():
        [field] = secrets_of(operation)
        with pytest.raises(ConfigError) as caught:
            operation.to_dict()
        assert f"{words}: the secret {field} was given as a bare value" in str(caught.value)
        document = sent(operation.to_dict(secrets="reveal"), "operation")
        assert json.dumps(document).count(bare) == 1
        assert from_dict(document) == operation
    with pytest.raises(ConfigError, match="secrets must be"):
        Delete("111", "12").to_dict(secrets="show")  # type: ignore[arg-type]


def test_a_bare_secret_that_is_left_out_is_asked_for() -> None:
    """What is read then cannot be carried out, and says so."""
    operation = Update("111", "14", client_secret=secrets.token_hex(16))
    again = from_dict(sent(operation.to_dict(secrets="omit"), "operation"))
    [secret] = secrets_of(again).values()
    assert isinstance(secret, UnknownSecret)
    with pytest.raises(SecretsNeeded):
        secret.reveal()
    with pytest.raises(ConfigError, match="client_secret"):
        again.to_dict()
    assert again.to_dict(secrets="omit") == operation.to_dict(secrets="omit")


def test_a_secret_of_a_list_is_written_as_its_place() -> None:
    """The webhook and the field that have it, or that it is the one which doo lists already."""
    place = {"listed": {"team": "111", "webhook": "12", "field": "authentication.credentials.client_secret"}}
    secret = Secret(secrets.token_hex(16), source=place)
    for operation in (everything(secret)[0], Update("111", "12", authentication=login(ListedSecret()))):
        document = sent(operation.to_dict(), "operation")
        [found] = secrets_of(from_dict(document)).values()
        assert found.source in ({"listed": "same"}, place)
        assert found.is_available is False
        assert from_dict(document).to_dict() == document


def test_a_source_is_read_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the JSON looks at no variable and no file; whoever carries it out does."""
    operation = Update("111", "12", client_secret=sourced("an older one"))
    monkeypatch.delenv("CRM_SECRET", raising=False)
    [secret] = secrets_of(from_dict(operation.to_dict())).values()
    assert isinstance(secret, SourcedSecret)
    with pytest.raises(ConfigError, match="CRM_SECRET is not set"):
        secret.reveal()
    monkeypatch.setenv("CRM_SECRET", value := secrets.token_hex(16))
    assert secret.reveal() == value


def test_a_run_without_its_secrets_is_refused_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One that is not on this machine, and one that was left out; nothing is sent, written or claimed."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=1) as (doo, box):
            [team] = box.teams
            [webhook] = box.live(team)
            update = Update(team, webhook["id"], client_secret=sourced("not on this machine"))
            monkeypatch.delenv("CRM_SECRET", raising=False)
            for journal in (None, tmp_path / "journal"):
                with pytest.raises(ConfigError, match="CRM_SECRET is not set"):
                    await doo.bulk.run([from_dict(update.to_dict())], journal=journal)
                bare = Update(team, webhook["id"], client_secret=Secret(secrets.token_hex(16)))
                with pytest.raises(SecretsNeeded, match="Nothing was sent") as caught:
                    await doo.bulk.run(
                        [Delete(team, webhook["id"]), from_dict(bare.to_dict(secrets="omit"))],
                        journal=journal,
                    )
                [missing] = caught.value.missing
                assert (missing.index, missing.webhook_id) == (1, webhook["id"])
                assert missing.field == "client_secret"
                whole = Replace(team, webhook["id"], everything(Secret(secrets.token_hex(16)))[0].config)
                with pytest.raises(ConfigError, match=r"operation 0, replace of webhook .* bare value"):
                    await doo.bulk.run([from_dict(whole.to_dict(secrets="omit"))], journal=journal)
            assert not (tmp_path / "journal").exists()
            assert not await doo.bulk.claims()
            assert len(box.log.requests) == 0
            monkeypatch.setenv("CRM_SECRET", secrets.token_hex(16))
            report = await doo.bulk.run([from_dict(update.to_dict())])
            assert report.counts()["applied"] == 1

    simulate(main)


def with_extras(extras: list[dict[str, Any]], secret: Secret) -> list[Operation]:
    """Return operations with unknown fields at every depth."""
    credentials = ClientCredentials(client_secret=secret, extra=extras[3])
    authentication = attrs.evolve(login(secret), credentials=credentials, extra=extras[2])
    hooks = [Hook(type="event_created", endpoint="https://crm.example/doo", extra=extras[1])]
    whole = AddWebhook(name="crm", hooks=hooks, authentication=authentication, extra=extras[0])
    return [
        Create("111", whole),
        Ensure("111", whole),
        Replace("111", "12", whole),
        Update("111", "13", hooks=hooks, authentication=authentication, client_secret=secret, name="n"),
    ]


@settings(max_examples=100, deadline=None)
@given(extras=st.lists(EXTRAS, min_size=4, max_size=4))
def test_whatever_an_operation_holds_is_read_again(extras: list[dict[str, Any]]) -> None:
    """Equal if its secrets are shown; and nothing of them is written if they are left out."""
    values = (secrets.token_hex(16) for _ in iter(int, 1))
    for operation in with_extras([hidden(each, values) for each in extras], Secret(next(values))):
        assert from_dict(sent(operation.to_dict(secrets="reveal"), "operation")) == operation
        document = sent(operation.to_dict(secrets="omit"), "operation")
        bare = [each.reveal() for each in secrets_of(operation).values() if each.is_available]
        text = json.dumps(document)
        assert not [each for each in bare if len(each) > 16 and "%" not in each and each in text]
        assert from_dict(document).to_dict(secrets="omit") == document


GOOD = {"format": 1, "is": "create", "team": "111", "config": config("crm").to_dict(), "secrets": []}
PLACE = {"env": "CRM_SECRET"}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"format": None}, "$.format"),
        ({"format": True}, "$.format"),
        ({"format": 2}, "$.format"),
        ({"is": "rename"}, "$.is"),
        ({"is": "delete"}, "$"),
        ({"team": 111}, "$.team"),
        ({"team": "not an id"}, "$"),
        ({"config": "crm"}, "$.config"),
        ({"config": {"name": "crm"}}, "$"),
        ({"config": {1: 2}}, "$.config"),
        ({"secrets": [PLACE]}, "$.secrets[0]"),
        ({"secrets": [[[], PLACE]]}, "$.secrets[0][0]"),
        ({"secrets": [[["hooks", -1, "extra"], PLACE]]}, "$.secrets[0][0][1]"),
        ({"secrets": [[["hooks", 7, "extra"], PLACE]]}, "$.secrets[0][0]"),
        ({"secrets": [[["hooks", "no"], PLACE]]}, "$.secrets[0][0]"),
        ({"secrets": [[["hooks", 0, "endpoint"], PLACE]]}, "$"),
        ({"secrets": [[["password"], {"env": 1}]]}, "$.secrets[0][1].env"),
        ({"secrets": [[["password"], {"value": "one", "number": True}]]}, "$.secrets[0][1].value"),
        ({"is": "update", "webhook": "12", "changes": {"colour": "red"}}, "$.changes"),
        ({"is": "update", "webhook": "12", "changes": {"hosts": {"a": 1}}}, "$.changes.hosts[...]"),
    ],
)
def test_what_is_no_operation_is_refused_with_its_place(change: dict[str, Any], path: str) -> None:
    """A path, and no value; a schema sees the same wherever the shape tells."""
    with pytest.raises(ConfigError, match=r"^an operation cannot be read: ") as caught:
        from_dict(GOOD | change)
    assert str(caught.value).split()[5] == path
    assert "CRM" not in str(caught.value)
    assert caught.value.__context__ is None


def test_another_operation_is_refused() -> None:
    """The class of one kind reads that kind only."""
    with pytest.raises(ConfigError, match=r"^the operation update cannot be read: \$\.is is create"):
        Update.from_dict(GOOD)
    for wrong in (None, [], "text"):
        with pytest.raises(ConfigError, match="must be an object"):
            Create.from_dict(wrong)  # type: ignore[arg-type]


# Outcomes and reports

TEXTS = st.none() | st.text(max_size=12)
OPERATIONS = st.sampled_from(everything(sourced("a secret of hypothesis")))
ERRORS = st.none() | st.sampled_from(every_error())
NUMBERS = st.integers(0, 10**9)
TIMES = st.none() | st.datetimes(timezones=st.just(UTC))
OUTCOMES = st.builds(
    Outcome,
    index=NUMBERS,
    operation=OPERATIONS,
    status=st.sampled_from(Status),
    webhook_id=TEXTS,
    reason=TEXTS,
    error=ERRORS,
    scope_unknown=st.booleans(),
    ended=st.booleans(),
    both_live=st.booleans(),
)
REQUESTS = st.builds(Requests, lists=NUMBERS, creates=NUMBERS, deletes=NUMBERS)
COUNTS = st.dictionaries(st.sampled_from([*Status]).map(str), NUMBERS)
SECONDS = st.floats(0, 1e9)
FORECASTS = st.none() | st.builds(
    Forecast,
    requests=REQUESTS,
    counts=COUNTS,
    seconds=SECONDS,
    days=SECONDS,
    outcomes=st.lists(
        st.builds(
            Expected,
            index=NUMBERS,
            operation=OPERATIONS,
            status=st.sampled_from(Status),
            reason=TEXTS,
            error=ERRORS,
            scope_unknown=st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
)
REPORTS = st.builds(
    Report,
    outcomes=st.lists(OUTCOMES, max_size=4).map(tuple),
    requests=REQUESTS,
    forecast=FORECASTS,
    resume_at=TIMES,
    recheck_at=TIMES,
    resumed=st.booleans(),
    stopped_because=TEXTS,
    replayed=st.booleans(),
    ended_at=TIMES,
    all_read=st.booleans(),
)
PROGRESS = st.builds(
    Progress,
    total=NUMBERS,
    done=NUMBERS,
    counts=COUNTS,
    requests=REQUESTS,
    forecast=FORECASTS,
    teams=NUMBERS,
    teams_done=NUMBERS,
    unconfirmed=NUMBERS,
    waiting_for=TEXTS,
    left=st.none() | NUMBERS,
    remaining=NUMBERS,
    rate=SECONDS,
    eta=st.none() | SECONDS,
    stopping=TEXTS,
)
VERIFICATIONS = st.builds(
    Verification,
    differences=st.lists(
        st.builds(
            Difference,
            outcome=OUTCOMES,
            what=st.sampled_from(["missing", "changed", "still_there", "both_live", "extra", "not_done"]),
            webhook_ids=st.lists(st.text(max_size=4), max_size=2).map(tuple),
            ours=st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
    unread=st.lists(
        st.builds(TeamError, team_id=st.text(), error=st.sampled_from(every_error())), max_size=2
    ).map(tuple),
    secret_unknown=st.lists(OUTCOMES, max_size=1).map(tuple),
)


def comparable(value: Any) -> Any:
    """Return a record with its errors, which are equal to themselves only, as what they know."""
    if isinstance(value, BaseException):
        members = value.exceptions if isinstance(value, BaseExceptionGroup) else ()
        return [type(value), str(value), comparable(vars(value)), comparable(members)]
    if attrs.has(type(value)) and not isinstance(value, Operation):
        return [
            type(value),
            {field.name: comparable(getattr(value, field.name)) for field in attrs.fields(type(value))},
        ]
    if isinstance(value, Mapping):
        return {name: comparable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [type(value), *map(comparable, value)]
    return value


@pytest.fixture
def at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the secret of the records where it comes from."""
    monkeypatch.setenv("CRM_SECRET", "a secret of hypothesis")


@settings(max_examples=120, deadline=None)
@given(
    record=OUTCOMES
    | REPORTS
    | PROGRESS
    | VERIFICATIONS
    | FORECASTS.filter(lambda forecast: forecast is not None)
)
@pytest.mark.usefixtures("at_hand")
def test_whatever_a_record_says_is_read_again(record: Any) -> None:
    """Outcomes, reports, progress, verifications and forecasts: every member, errors and operations too."""
    document = sent(record.to_dict(), type(record).__name__.lower())
    assert "a secret of hypothesis" not in json.dumps(document)
    again = type(record).from_dict(document)
    assert comparable(again) == comparable(record)
    assert again.to_dict() == document
    assert comparable(type(record).from_dict(document | {"more": 1})) == comparable(record)


def test_a_bare_secret_is_left_out_of_a_report() -> None:
    """A report is a record, so it is written whatever its operations held; unless it is to be refused, or shown."""
    bare = secrets.token_hex(16)
    outcome = Outcome(operation=Update("111", "14", client_secret=Secret(bare)), status=Status.APPLIED)
    report = Report(outcomes=(outcome,), requests=Requests(), forecast=None)
    for record, kind in ((outcome, "outcome"), (report, "report")):
        document = sent(record.to_dict(), kind)
        assert bare not in json.dumps(document)
        assert type(record).from_dict(document).to_dict() == document
        with pytest.raises(ConfigError, match="client_secret was given as a bare value"):
            record.to_dict(secrets="refuse")
        assert type(record).from_dict(sent(record.to_dict(secrets="reveal"), kind)) == record


def test_the_place_of_what_does_not_fit_is_that_in_the_report() -> None:
    """Of an operation in an outcome of a report, too."""
    outcome = Outcome(operation=Delete("111", "14"), status=Status.APPLIED)
    report = Report(outcomes=(outcome, outcome), requests=Requests(), forecast=None)
    for names, path in {
        ("operation", "team"): "$.outcomes[1].operation.team",
        ("operation", "is"): "$.outcomes[1].operation.is",
        ("status",): "$.outcomes[1].status",
        ("error",): "$.outcomes[1].error",
    }.items():
        document = report.to_dict()
        part = document["outcomes"][1]
        for name in names[:-1]:
            part = part[name]
        part[names[-1]] = "no such word" if names[-1] in {"is", "status"} else 7
        with pytest.raises(ConfigError, match=r"^a report cannot be read: ") as caught:
            Report.from_dict(document)
        assert str(caught.value).split()[5] == path
        assert "no such word" not in str(caught.value)
        assert not VALID["report"].is_valid(document)


def test_the_report_of_a_real_run_crosses_processes(tmp_path: Path) -> None:
    """Faults, a change in doubt and a failed one: what another process reads says the same, also of the journal's."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=2, webhooks_per_team=2) as (doo, box):
            box.script(Fault("lost_after", on="create"), Fault("error_not_acted", on="create"))
            first, second = box.teams
            operations: list[Operation] = [
                Create(first, config("one")),
                Create(second, config("two")),
                Update(first, "no-such-id", name="moved"),
            ]
            seen: list[Progress] = []
            report = await doo.bulk.run(operations, journal=tmp_path / "journal", progress=seen.append)
            kept = await doo.bulk.report(tmp_path / "journal")
            found = await doo.bulk.verify(tmp_path / "journal")
        assert len(report.counts()) > 1
        for record in (report, kept, found, *seen[-1:]):
            kind = type(record).__name__.lower()
            again = type(record).from_dict(sent(record.to_dict(), kind))
            assert comparable(again) == comparable(record)
            assert str(again) == str(record)

    simulate(main)


# Several reports as one


def part(*words: str, **more: Any) -> Report:
    """Return a report with an outcome for each status."""
    outcomes = tuple(
        Outcome(operation=Delete(str(number + 1), "7"), status=Status(word), index=number)
        for number, word in enumerate(words)
    )
    return Report(**{"outcomes": outcomes, "requests": Requests(lists=1), "forecast": None} | more)


def test_reports_are_merged() -> None:
    """Requests and forecasts add up; the earliest time to resume and the latest to look again count."""
    forecast = Forecast(requests=Requests(lists=2), counts={"applied": 1}, seconds=2.0, days=0.5)
    one = part("applied", "failed", forecast=forecast, resume_at=WHEN, recheck_at=WHEN, stopped_because="why")
    late = WHEN + timedelta(hours=1)
    two = part("unchanged", forecast=forecast, resume_at=late, recheck_at=late, resumed=True, ended_at=WHEN)
    whole = Report.merged([one, two])
    assert [outcome.status.value for outcome in whole] == ["applied", "failed", "unchanged"]
    assert [outcome.index for outcome in whole] == [0, 1, 2]
    assert whole.requests == Requests(lists=2)
    assert whole.forecast == Forecast(
        requests=Requests(lists=4), counts={"applied": 2}, seconds=4.0, days=1.0
    )
    assert (whole.resume_at, whole.recheck_at, whole.ended_at) == (WHEN, late, None)
    assert (whole.resumed, whole.replayed, whole.stopped_because) == (True, False, "why")
    assert Report.merged([two, part("applied", ended_at=late)]).ended_at == late
    assert Report.merged([two, part("applied")]).forecast is None
    assert Report.merged([]) == part(requests=Requests())


def test_the_parts_of_one_input_are_put_into_its_order() -> None:
    """Each outcome comes to the place that its operation has in the whole; places that cannot be right are refused."""
    one, two = part("applied", "failed"), part("unchanged")
    whole = Report.merged([one, two], places=[[0, 2], [1]])
    assert [outcome.status.value for outcome in whole] == ["applied", "unchanged", "failed"]
    assert [outcome.index for outcome in whole] == [0, 1, 2]
    for wrong in ([[0, 2], [2]], [[0], [1, 2]], [[0, 1]], [[0, 1], [3]]):
        with pytest.raises(ConfigError, match="places must give each of the 3 outcomes"):
            Report.merged([one, two], places=wrong)


# The schemas


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_shipped_schemas_are_up_to_date(name: str) -> None:
    """Write them anew with `python -m aiodoo.bulk.schemas` when a form has changed."""
    Draft202012Validator.check_schema(schema(name))
    assert SCHEMAS[name].read_bytes() == written(name)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_knows_every_member(name: str) -> None:
    """It has whatever a record writes, so that a field that is new is not forgotten; and no reference leads nowhere."""
    found = schema(name)["$defs"]
    for kind in (Outcome, Report, Progress, Forecast, Expected, Requests, Verification, Difference):
        if kind.__name__ in found:
            fields = {each.name for each in attrs.fields(kind) if each.metadata.get("plain", True)}
            assert set(found[kind.__name__]["properties"]) == fields
    text = json.dumps(schema(name))
    assert {f'"#/$defs/{each}"' for each in found} == set(re.findall(r'"#/\$defs/\w+"', text))


@pytest.mark.parametrize(
    "change", [{"format": 2}, {"is": "rename"}, {"team": 1}, {"config": {}}, {"secrets": [1]}]
)
def test_a_schema_refuses_what_is_refused(change: dict[str, Any]) -> None:
    """Whoever writes the JSON in another language sees what is wrong before it is sent."""
    assert VALID["operation"].is_valid(GOOD)
    assert not VALID["operation"].is_valid(GOOD | change)
