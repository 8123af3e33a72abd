from __future__ import annotations

import json
import pickle
import secrets
from base64 import b64encode
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from models.doo_lists import answer, first_example

from aiodoo import (
    AddWebhook,
    ApiError,
    Authentication,
    AuthenticationError,
    ClientCredentials,
    Facts,
    Hook,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    SchemaMismatch,
    Secret,
    ServerError,
    UnexpectedRedirect,
)
from aiodoo.protocol import requests
from aiodoo.protocol.answers import refuse
from aiodoo.protocol.sanitizing import LONGEST
from aiodoo.protocol.wire import Kind, Request

TOKEN = requests.token("doo", Secret(secrets.token_hex(8)))
LIST = requests.list_webhooks("111", 2)
CREATE = requests.create(
    "111", AddWebhook(name="crm", hooks=[Hook(type="t", endpoint="https://crm.example")])
)
DELETE = requests.delete("12", Facts(), team_id="111")
INITIALIZE = requests.initialize("events", organization_id=7, facts=Facts())
EVERY = [TOKEN, requests.organizations(), LIST, CREATE, DELETE, INITIALIZE]


def envelope(status: Any, developer: Any = "for developers", user: Any = "for people") -> dict[str, Any]:
    """Return doo's own error object."""
    return {"response_status": status, "developer_message": developer, "user_message": user}


def refused(
    body: Any, status: int, request: Request = LIST, hide: list[Secret] | None = None, **headers: str
) -> Any:
    """Return the error that an answer is."""
    with pytest.raises(ApiError) as caught:
        refuse(answer(body, status=status, **headers), request, hide=hide or [])
    return caught.value


@pytest.mark.parametrize("request_", EVERY, ids=lambda request: request.kind)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequest),
        (401, AuthenticationError),
        (402, ApiError),
        (403, PermissionDenied),
        (404, NotFound),
        (405, ApiError),
        (409, ApiError),
        (413, ApiError),
        (418, ApiError),
        (422, InvalidRequest),
        (429, RateLimited),
        (451, ApiError),
        (500, ServerError),
        (503, ServerError),
        (504, ServerError),
        (599, ServerError),
        (600, ApiError),
        (999, ApiError),
    ],
)
def test_every_status_has_its_class(request_: Request, status: int, kind: type[ApiError]) -> None:
    """The class is decided by the status, with doo's envelope, the gateway's object, HTML or nothing behind it."""
    for body in (envelope(status), {"message": "x"}, b"<html>", b"", b"null", b'"text"', b"[1]", b"[" * 999):
        error = refused(body, status, request_)
        assert type(error) is kind
        assert error.status == status


@pytest.mark.parametrize("status", [100, 101, 103, 199])
def test_an_answer_that_ends_nothing_is_refused(status: int) -> None:
    """An interim status, such as a switch of protocols, is no answer; nothing follows from it."""
    with pytest.raises(ProtocolError) as caught:
        refuse(answer(envelope(status), status=status), LIST)
    assert caught.value.status == status


def test_doos_words_are_kept() -> None:
    """Both messages and the request's name for support are on the error; people's words come first."""
    error = refused(envelope(400, "developers", "people"), 400, x_amzn_RequestId="r-1")
    assert (error.developer_message, error.user_message, error.request_id) == ("developers", "people", "r-1")
    assert str(error) == (
        "doo refused the request for the webhook configurations of team 111 (page 2) (HTTP 400): people; developers. Nothing was changed"
    )


def test_the_gateways_words_are_kept() -> None:
    """The gateway before doo has one message, which is for developers."""
    error = refused({"message": "Endpoint request timed out"}, 504, CREATE)
    assert (error.developer_message, error.user_message) == ("Endpoint request timed out", None)


@pytest.mark.parametrize("words", [None, 5, ["x"], "", "  "])
def test_words_that_are_none_are_left_out(words: Any) -> None:
    """A message of another type does not turn into text."""
    error = refused(envelope(400, words, words), 400)
    assert (error.developer_message, error.user_message) == (None, None)
    assert "no reason was given" in str(error)


def test_a_bad_api_key_is_told_from_a_missing_permission() -> None:
    """The gateway's 403 "Forbidden" is about the key; every other 403 is not."""
    error = refused({"message": "Forbidden"}, 403)
    assert type(error) is AuthenticationError
    assert "Check the API key" in str(error)
    for body in (
        {"message": "Missing Authentication Token"},
        envelope(403, "Forbidden", "Forbidden"),
        b"Forbidden",
    ):
        assert type(refused(body, 403)) is PermissionDenied


@pytest.mark.parametrize("request_", EVERY)
def test_a_path_that_the_gateway_does_not_know_is_about_the_base_url(request_: Request) -> None:
    """The gateway knows no path below a wrong base URL; the error names what to check, not the account's rights."""
    error = refused({"message": "Missing Authentication Token"}, 403, request_)
    assert "check the base URL" in str(error)
    assert "may not do this" not in str(error)


@pytest.mark.parametrize("request_", [TOKEN, requests.organizations()])
def test_a_path_without_ids_that_is_not_there_is_about_the_base_url(request_: Request) -> None:
    """A 404 to a request that names no id is not about ids."""
    error = refused(b"<html>", 404, request_)
    assert type(error) is NotFound
    assert "check the base URL" in str(error)
    assert "Check the ids" in str(refused(b"<html>", 404, LIST))


def test_bad_credentials_are_named() -> None:
    """A 401 to the request for a token is about the client id and secret, to any other about the token."""
    assert "client secret" in str(refused(envelope(401), 401, TOKEN))
    assert "token was refused" in str(refused(envelope(401), 401, LIST))


@pytest.mark.parametrize(
    ("body", "spent"),
    [
        ({"message": "Limit Exceeded"}, True),
        ({"message": "limit exceeded."}, True),
        (envelope(429, "Limit Exceeded"), True),
        ({"message": "Too Many Requests"}, False),
        ({"message": "Your limit exceeded the maximum"}, False),
        (b"", False),
    ],
)
def test_a_spent_day_is_told_from_a_fast_second(body: Any, spent: bool) -> None:  # noqa: FBT001
    """Both are 429; only the words tell which it is."""
    error = refused(body, 429)
    assert error.day_spent is spent
    assert error.retry_after is None


@pytest.mark.parametrize("status", [429, 503, 400])
def test_a_wait_is_carried_by_the_error(status: int) -> None:
    """Retry-After is read whatever the status; an unreadable one is the floor."""
    assert refused(b"", status, Retry_After="7").retry_after == 7.0
    assert refused(b"", status, Retry_After="soon").retry_after == 60.0
    again = pickle.loads(pickle.dumps(refused(b"", status, Retry_After="7")))  # noqa: S301  # our own bytes
    assert again.retry_after == again.again().retry_after == 7.0


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 399])
@pytest.mark.parametrize("request_", EVERY, ids=lambda request: request.kind)
def test_a_redirect_is_an_error(status: int, request_: Request) -> None:
    """It is not followed, and its target is not shown."""
    target = secrets.token_hex(8)
    with pytest.raises(UnexpectedRedirect) as caught:
        refuse(answer(b"", status=status, Location=f"//{target}.example"), request_)
    assert caught.value.status == status
    assert target not in str(caught.value)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
@pytest.mark.parametrize("request_", EVERY, ids=lambda request: request.kind)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        envelope(200),
        envelope("200"),
        envelope(None),
        envelope("4xx"),
        {"a": 1},
        first_example(),
    ],
)
def test_a_2xx_passes_unless_its_envelope_says_no(request_: Request, status: int, body: Any) -> None:
    """Whether the body can be read is the reader's affair."""
    refuse(answer(body, status=status), request_)


@pytest.mark.parametrize("said", [400, "400", 404, 401, 500, "503", 429])
@pytest.mark.parametrize(
    "request_", [TOKEN, requests.organizations(), LIST], ids=lambda request: request.kind
)
def test_an_envelope_may_say_no_to_a_question(request_: Request, said: Any) -> None:
    """HTTP 200 around an error is that error, if nothing could have been changed."""
    error = refused(envelope(said), 200, request_)
    assert type(error) is type(refused(envelope(int(said)), int(said), request_))
    assert error.status == int(said)


@pytest.mark.parametrize("said", [400, "404", 401, 500, 429])
@pytest.mark.parametrize("request_", [CREATE, INITIALIZE], ids=lambda request: request.kind)
def test_a_contradiction_proves_nothing_about_a_change(request_: Request, said: Any) -> None:
    """HTTP says yes and the envelope no: the change is in doubt, so it is no refusal."""
    with pytest.raises(SchemaMismatch, match="for people") as caught:
        refuse(answer(envelope(said)), request_)
    assert (caught.value.path, caught.value.status) == ("$.response_status", 200)


def test_a_deletes_envelope_is_not_looked_at() -> None:
    """Doo answers a delete in the same way whatever happened; only a list proves anything."""
    refuse(answer(envelope(500)), DELETE)


@pytest.mark.parametrize(
    ("http", "said", "status"),
    [
        (400, 200, 400),
        (500, 400, 500),
        (400, 500, 500),
        (401, 403, 401),
        (429, 500, 429),
        (404, "503", 503),
        (500, True, 500),
    ],
)
def test_the_worse_status_counts(http: int, said: Any, status: int) -> None:
    """A refusal around a server error may have been acted on; an envelope never makes an error milder."""
    assert refused(envelope(said), http).status == status


ECHOES = [
    "{}",
    "Bearer {}",
    "x-api-key: {}\r\nnext",
    '{{"token":"{}"}}',
    "x" * 190 + "{}",
    "{0}" * 50,
    "https://crm.example/?k={}",
]


@pytest.mark.parametrize("echo", ECHOES)
def test_an_echoed_secret_is_not_repeated(echo: str) -> None:
    """Secrets are hidden by their value, wherever in the message and before it is cut."""
    secret = secrets.token_urlsafe(16)
    error = refused(envelope(400, echo.format(secret), echo.format(secret)), 400, hide=[Secret(secret)])
    assert secret[:12] not in f"{error!r} {error} {vars(error)}"


SPELLINGS = {
    "plain": str,
    "path": quote,
    "query": quote_plus,
    "all": lambda secret: "".join(f"%{byte:02X}" for byte in secret.encode()),
    "lower": lambda secret: quote(secret, safe="").lower(),
    "base64": lambda secret: b64encode(secret.encode()).decode(),
    "basic": lambda secret: f"Basic {b64encode(secret.encode()).decode()}",
    "json": json.dumps,
    "escaped": lambda secret: "".join(f"\\u{ord(char):04x}" for char in secret),
    "upper": str.upper,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_echo_in_another_spelling_is_not_repeated(spelling: str) -> None:
    """URL-encoded, base64 and escaped echoes are hidden, too."""
    secret = f'{secrets.token_hex(8)}/+ "&{secrets.token_hex(8)}'
    spelled = SPELLINGS[spelling](secret)
    error = refused(envelope(400, f"bad {spelled}."), 400, hide=[Secret("bad secret"), Secret(secret)])
    assert spelled[:16] not in str(vars(error))
    assert spelled[-16:] not in str(vars(error))


def test_a_secret_within_a_secret_is_hidden_whole() -> None:
    """Where one secret begins as another, nothing of the longer one is left."""
    short = secrets.token_hex(8)
    longer = short + secrets.token_hex(8)
    error = refused(envelope(400, f"{longer} {short}"), 400, hide=[Secret(short), Secret(longer)])
    assert error.developer_message == "*** ***"


def test_the_secrets_of_the_request_itself_are_known() -> None:
    """A create's client secret, and a token request's, are hidden without being named."""
    secret, password = secrets.token_hex(8), secrets.token_hex(8)
    login = Authentication(
        endpoint="https://crm.example",
        credentials=ClientCredentials(client_secret=Secret(secret), extra={"password": password}),
    )
    create = requests.create(
        "1", AddWebhook(name="n", hooks=[Hook(type="t", endpoint="https://a")], authentication=login)
    )
    for request in (create, requests.token("doo", Secret(secret))):
        error = refused(envelope(400, f"bad {secret}"), 400, request)
        assert secret not in f"{error} {vars(error)}"
    assert password not in str(vars(refused(envelope(400, f"bad {password}"), 400, create)))


def test_urls_in_messages_lose_what_may_be_secret() -> None:
    """Doo may repeat an endpoint that holds credentials."""
    error = refused(envelope(400, "cannot call https://me:word@crm.example/doo?token=word now"), 400)
    assert error.developer_message == "cannot call https://crm.example/doo?... now"


@pytest.mark.parametrize("nasty", ["\x1b[31mred", "a\r\nX-Injected: 1", "\u202egnp.exe", "\x00", "a\u2028b"])
def test_control_characters_are_escaped(nasty: str) -> None:
    """A message cannot write to a terminal or forge a line of a log."""
    error = refused(envelope(400, nasty), 400)
    assert error.developer_message is not None
    assert error.developer_message.isprintable()


@given(st.text(max_size=600), st.sampled_from(["a", "aaaa", "ü"]))
def test_any_message_ends_up_short_and_printable(text: str, secret: str) -> None:
    """Whatever a server says, little of it is shown."""
    error = refused(envelope(400, text), 400, hide=[Secret(secret)])
    assert error.developer_message is None or len(error.developer_message) <= LONGEST
    assert error.developer_message is None or error.developer_message.isprintable()


@pytest.mark.parametrize("filler", ["a", "a:", "https://", "\\", "\x1b"])
def test_a_message_of_megabytes_costs_little(filler: str) -> None:
    """Cleaning is linear, so that a large error body does not stop the event loop."""
    error = refused(
        envelope(400, filler * (500_000 // len(filler))), 400, hide=[Secret(secrets.token_hex(8))]
    )
    assert error.developer_message is not None
    assert len(error.developer_message) <= LONGEST


def test_kinds_that_change_something_are_known() -> None:
    """The rule for contradictions covers every kind that changes something but the delete."""
    # What `request()` sends has a path of the caller's.
    assert {request.kind for request in EVERY} == set(Kind) - {Kind.READ, Kind.WRITE}
    assert (Kind.READ.is_write, Kind.WRITE.is_write) == (False, True)
    assert {request.kind for request in EVERY if request.kind.is_write} == {
        Kind.CREATE,
        Kind.DELETE,
        Kind.INITIALIZE,
    }


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ("hooks[0].endpoint: is no URL", "hooks[0].endpoint: is no URL"),
        (["hooks[0].endpoint"], '["hooks[0].endpoint"]'),
        ({"name": ["is too long"]}, '{"name":["is too long"]}'),
        (None, None),
        ("", None),
        ({}, None),
    ],
)
def test_all_that_doo_says_of_a_refusal_is_kept_and_shown(data: Any, shown: str | None) -> None:
    """The words for people, those for developers, and what stands in `data`."""
    error = refused(envelope(400) | {"data": data}, 400, CREATE)
    assert (error.user_message, error.developer_message, error.data) == (
        "for people",
        "for developers",
        shown,
    )
    told = "for people; for developers" if shown is None else f"for people; for developers; {shown}"
    assert str(error).endswith(f"(HTTP 400): {told}. Nothing was changed")
    assert pickle.loads(pickle.dumps(error)).data == shown  # noqa: S301  # our own


def test_what_a_refusal_says_once_is_shown_once() -> None:
    """The examples of doo say the same to everybody."""
    assert str(refused(envelope(400, "Wrong", "Wrong"), 400)).count("Wrong") == 1


def test_no_secret_shows_in_what_a_refusal_says_of_single_fields() -> None:
    """Neither one that was sent, nor one that stands where a credential does; URLs are cut, and it is not long."""
    secret, other = secrets.token_hex(8), secrets.token_hex(8)
    login = Authentication(
        endpoint="https://crm.example", credentials=ClientCredentials(client_secret=Secret(secret))
    )
    config = AddWebhook(
        name="crm", hooks=[Hook(type="t", endpoint="https://crm.example")], authentication=login
    )
    data = {
        "credentials": {"client_secret": other},
        "said": f"{secret} at https://a:{other}@b.example/?{other}",
    }
    for each in (data, json.dumps([f"\n{secret}"]), "x" * 5000):
        error = refused(envelope(400) | {"data": each}, 400, requests.create("111", config))
        assert secret not in f"{error} {error.data}"
        assert other not in f"{error} {error.data}"
        assert error.data.isprintable()
        assert len(error.data) <= 1000


def test_what_no_answer_said_has_no_status() -> None:
    """A NotFound that a list has led to is no 404."""
    assert NotFound("it is not there").status is None
    assert RateLimited().status is None
