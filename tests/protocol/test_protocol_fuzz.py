from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from models.doo_lists import FUZZ_EXAMPLES, SECRET, answer, first_example, json_values, second_example

from aiodoo import (
    AddWebhook,
    ApiError,
    ConfigError,
    DooError,
    Facts,
    Hook,
    ProtocolError,
    SchemaMismatch,
    Secret,
)
from aiodoo.checks import ID
from aiodoo.protocol import answers, requests
from aiodoo.protocol.outcome import RequestOutcome, outcome
from aiodoo.protocol.wire import Answer, Request

CREATE = requests.create("111", AddWebhook(name="n", hooks=[Hook(type="t", endpoint="https://crm.example")]))
READERS: list[tuple[Request, Callable[[Answer], object]]] = [
    (requests.token("doo", SECRET), answers.read_token),
    (requests.organizations(), answers.read_organizations),
    (requests.list_webhooks("111"), lambda given: answers.read_page(given, "111", 1)),
    (CREATE, answers.read_created),
    (requests.delete("12", Facts()), answers.read_deleted),
    (requests.initialize("events", organization_id=7, facts=Facts()), answers.read_initialized),
]
SAMPLES: list[Any] = [
    first_example(),
    second_example(),
    {
        "response_status": 200,
        "developer_message": "Success",
        "user_message": "Success",
        "data": {"access_token": "t"},
    },
    {"response_status": 200, "data": "0f5566bb-d35b-11e7-bde8-0206116776d2", "_links": {}},
    {"response_status": "400", "developer_message": SECRET, "user_message": SECRET},
    {"message": f"Forbidden {SECRET}"},
    {"items_processed": 123},
    {
        "active_team": {"id": 111, "organization_id": 7},
        "organizations": [{"id": 7, "name": "Acme", "teams": [{"id": 1}]}],
    },
]
PIECES = [b"", b"null", b"[", b"{", b"}", b"]", b'"', b"\\", b"\\ud800", b"1e400", b"NaN", b"-0", b"9" * 30, b"\xff", b"\x00", b"\xef\xbb\xbf", b",", b":", b'"id":', b"[[[[[[[[", b"true"]  # fmt: skip
fuzz = settings(max_examples=FUZZ_EXAMPLES, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Draw a sample's bytes with some of them cut out, doubled or replaced."""
    body = json.dumps(draw(st.sampled_from(SAMPLES))).encode()
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.integers(0, 20)))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=3) | st.just(body[start:end] * 2))
        body = body[:start] + piece + body[end:]
    return body


@st.composite
def restructured(draw: st.DrawFn) -> Any:
    """Draw a sample with any values in some of its places, or with places gone."""
    sample = json.loads(json.dumps(draw(st.sampled_from(SAMPLES))))
    for _ in range(draw(st.integers(1, 4))):
        place = sample
        while isinstance(place, dict | list) and place:
            key = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
            inner = place[key]
            if isinstance(inner, dict | list) and inner and draw(st.integers(0, 3)):
                place = inner
                continue
            if draw(st.booleans()):
                place[key] = draw(json_values)
            else:
                del place[key]
            break
    return sample


def judge(given: Answer, request: Request, read: Callable[[Answer], object]) -> None:
    """Let an answer be refused or read: a model that holds what it promises, or one of our errors without secrets."""
    error = check_error(given, request, read)
    if error is None:
        return
    assert SECRET not in f"{error} {vars(error)} {error.__context__!r} {error.__cause__!r}"
    assert type(pickle.loads(pickle.dumps(error))) is type(error)  # noqa: S301  # our own bytes
    assert outcome(request.kind, error) in set(RequestOutcome)


def check_error(given: Answer, request: Request, read: Callable[[Answer], object]) -> DooError | None:
    """Return the error that an answer ends in, or check what was read."""
    try:
        answers.refuse(given, request, hide=[Secret(SECRET)])
        value = read(given)
    except (ProtocolError, ApiError) as error:
        return error
    check(value)
    return None


def check(value: object) -> None:
    """Use a model in every way that a caller can."""
    match value:
        case None | int():
            return
        case Secret():
            assert value.reveal().isascii()
            assert value.reveal().isprintable()
        case str():
            assert ID.fullmatch(value)
        case answers.OrganizationsPage():
            assert all(ID.fullmatch(each) for org in value.organizations for each in (org.id, *org.team_ids))
        case _:
            check_page(value)


def check_page(page: Any) -> None:
    """Use every webhook of a page."""
    assert all(isinstance(fault, SchemaMismatch) for fault in page.faults)
    for webhook in page.items:
        assert ID.fullmatch(webhook.id)
        assert SECRET not in repr(webhook)
        hash(webhook)
        try:
            webhook.to_dict(secrets="omit")
            config = webhook.copy(client_secret=SECRET) if webhook.authentication else webhook.copy()
            config.check()
        except (ConfigError, SchemaMismatch):
            continue
        assert AddWebhook.from_dict(config.to_dict(secrets="reveal")) == config
        assert json.loads(requests.create("111", config).body)["name"] == webhook.name


@fuzz
@given(mutated(), st.sampled_from(READERS), st.sampled_from([200, 200, 201, 204, 400, 401, 403, 429, 500]))
def test_fuzz_mutated_bytes(
    body: bytes, reader: tuple[Request, Callable[[Answer], object]], status: int
) -> None:
    """Answers with damaged bytes end in a valid model or in one of our errors, never in anything else."""
    judge(answer(body, status=status), *reader)


@fuzz
@given(restructured(), st.sampled_from(READERS), st.sampled_from([200, 200, 201, 400, 403, 503]))
def test_fuzz_other_structures(
    body: Any, reader: tuple[Request, Callable[[Answer], object]], status: int
) -> None:
    """Answers of another structure end in a valid model or in one of our errors, never in anything else."""
    judge(answer(body, status=status), *reader)


@fuzz
@given(restructured() | json_values)
def test_fuzz_what_people_write(data: Any) -> None:
    """Whatever is in a file, reading a configuration from it gives one, or a ConfigError."""
    if isinstance(data, dict) and isinstance(data.get("_embedded"), dict):
        webhooks = data["_embedded"].get("webhooks")
        data = webhooks[0] if isinstance(webhooks, list) and webhooks else data
        if isinstance(data, dict):
            data = {name: value for name, value in data.items() if name not in {"id", "_links"}}
    try:
        config = AddWebhook.from_dict(data)
        config.check()
    except ConfigError as error:
        told = str(error)
    else:
        assert AddWebhook.from_dict(config.to_dict(secrets="reveal")) == config
        told = repr(config)
    assert SECRET not in told
