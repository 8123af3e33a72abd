from __future__ import annotations

import json
import secrets
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiodoo import AddWebhook, Authentication, ClientCredentials, ConfigError, Hook, Origin, Secret
from aiodoo.checks import check_base_url, check_id
from aiodoo.credentials import check_key

HOOK = Hook(type="event_created", endpoint="https://crm.example/doo")
ORIGIN = Origin(body='{"operationName":null,"variables":{},"query":"{a}"}')
CREDENTIALS = ClientCredentials(client_secret=Secret(secrets.token_hex(8)))
LOGIN = Authentication(endpoint="https://crm.example/token", credentials=CREDENTIALS)


def config(**fields: Any) -> AddWebhook:
    """Return a configuration that passes, with these fields."""
    return AddWebhook(**{"name": "crm", "hooks": [HOOK], "authentication": LOGIN} | fields)


def hook(**fields: Any) -> AddWebhook:
    """Return a configuration that passes, its second hook with these fields."""
    return config(hooks=[HOOK, attrs.evolve(HOOK, **fields)])


def login(**fields: Any) -> AddWebhook:
    """Return a configuration that passes, its authentication with these fields."""
    return config(authentication=attrs.evolve(LOGIN, **fields))


def login_with(**fields: Any) -> AddWebhook:
    """Return a configuration that passes, its credentials with these fields."""
    return login(credentials=attrs.evolve(CREDENTIALS, **fields))


@pytest.mark.parametrize(
    "good",
    [
        config(),
        config(description=None, event_id="7", authentication=None, extra={"new": [1, None, {"a": 0.5}]}),
        hook(origin=ORIGIN),
        hook(origin=attrs.evolve(ORIGIN, body='{"variables":{"id":%EVENT_ID%,"a":"%ATTENDEE_ID%"}}')),
        hook(type="something_new", method="PUT", endpoint="http://10.0.0.1:8080/?a=b"),
        login(header_value_format="Token token=%ACCESS_TOKEN%", header_format="X-Token"),
    ],
)
def test_what_doo_could_take_passes(good: AddWebhook) -> None:
    """New types, methods, headers and fields are doo's to judge."""
    good.check()


@pytest.mark.parametrize(
    ("bad", "place"),
    [
        (config(name=""), "name is empty"),
        (config(name=" \n"), "name is empty"),
        (config(name=None), "name is empty"),
        (config(name="half of a pair \ud800"), "name is empty or not text"),
        (config(description=5), "description must be text"),
        (config(event_id=7.5), "event_id must be text"),
        (config(event_id=True), "event_id must be text"),
        (config(event_guide_id=[]), "event_guide_id must be text"),
        (config(hooks=[]), "hooks is empty"),
        (config(hooks=[{"type": "t"}]), "hooks[0] must be an aiodoo.Hook"),
        (hook(type=""), "hooks[1].type is empty"),
        (hook(method=""), "hooks[1].method is empty"),
        (hook(endpoint="crm.example/doo"), "hooks[1].endpoint must be a whole URL"),
        (hook(endpoint="ftp://crm.example"), "hooks[1].endpoint must be a whole URL"),
        (hook(endpoint=None), "hooks[1].endpoint must be a whole URL"),
        (hook(origin={"body": "{}"}), "hooks[1].origin must be an aiodoo.Origin"),
        (hook(origin=attrs.evolve(ORIGIN, body="query {a}")), "hooks[1].origin.body is not JSON"),
        (hook(origin=attrs.evolve(ORIGIN, body="[" * 100_000)), "hooks[1].origin.body is not JSON"),
        (hook(origin=attrs.evolve(ORIGIN, body="")), "hooks[1].origin.body is empty"),
        (hook(origin=attrs.evolve(ORIGIN, endpoint="gql")), "hooks[1].origin.endpoint must be a whole URL"),
        (config(authentication={"endpoint": "x"}), "authentication must be an aiodoo.Authentication"),
        (login(endpoint=""), "authentication.endpoint must be a whole URL"),
        (login(header_value_format="Bearer"), "authentication.header_value_format must hold %ACCESS_TOKEN%"),
        (login(header_format=""), "authentication.header_format is empty"),
        (login(grant_type=""), "authentication.grant_type is empty"),
        (login(credentials={}), "authentication.credentials must be"),
        (login_with(client_secret=""), "authentication.credentials.client_secret is empty"),
        (login_with(client_id=""), "authentication.credentials.client_id is empty"),
        (config(extra={"id": "12"}), "extra must not hold id"),
        (config(extra={"name": "x"}), "extra must not hold name"),
        (hook(extra={"origin": {}}), "hooks[1].extra must not hold origin"),
        (config(extra=[1]), "extra must be a mapping"),
        (hook(extra=5), "hooks[1].extra must be a mapping"),
        (login_with(extra=None), "authentication.credentials.extra must be a mapping"),
        (config(extra={"a": float("nan")}), "extra holds something that JSON cannot say"),
        (config(extra={"a": json.loads("[" * 64 + "]" * 64)}), "extra holds something that JSON cannot say"),
        (config(extra={"a": b"x"}), "extra holds something that JSON cannot say"),
        (config(extra={"a": "\udfff"}), "extra holds something that JSON cannot say"),
        (login_with(extra={"a": {1}}), "authentication.credentials.extra holds something"),
    ],
)
def test_what_doo_could_only_refuse_is_refused_here(bad: AddWebhook, place: str) -> None:
    """The error says where, what to do, and that nothing was sent."""
    with pytest.raises(ConfigError) as caught:
        bad.check()
    assert str(caught.value).startswith(place)
    assert str(caught.value).endswith("Nothing was sent.")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("12", "12"),
        (12, "12"),
        ("a" * 64, "a" * 64),
        ("0f5566bb-d35b-11e7-bde8-0206116776d2",) * 2,
        ("_-", "_-"),
    ],
)
def test_ids_become_text(value: str | int, text: str) -> None:
    """An id is 1 to 64 letters, digits, lines and dashes; a whole number will do."""
    assert check_id(value) == text


@pytest.mark.parametrize(
    "value",
    [
        "",
        "..",
        "5/../../oauth",
        "%2e%2e",
        "a/b",
        "5#f",
        "5?a",
        "a b",
        "12\n",
        "12\r\nX: y",
        "\u0663",
        "a" * 65,
        "é",
        None,
        True,
        1.0,
        -1.5,
        [],
        b"12",
    ],
)
def test_ids_that_could_leave_their_place_are_refused(value: Any) -> None:
    """Nothing but an id becomes part of a path, and a refused one is not shown."""
    with pytest.raises(ConfigError, match="team id") as caught:
        check_id(value, "team id")
    assert value in (None, "") or str(value) not in str(caught.value).replace("1 to 64", "")


@given(st.text())
def test_a_checked_id_changes_no_path(text: str) -> None:
    """Whatever passes is plain ASCII without a meaning in URLs."""
    try:
        checked = check_id(text)
    except ConfigError:
        return
    assert checked == text
    assert checked.isascii()
    assert not set(checked) & set("/?#%.:@\\ \t\r\n")


def test_keys_become_secrets() -> None:
    """An API key that can go into a header passes, text or Secret."""
    key = secrets.token_urlsafe(20)
    assert check_key(key, "API key") == Secret(key)
    assert check_key(Secret(key), "API key").reveal() == key


@pytest.mark.parametrize("around", ["{}\n", " {}", "{}\t", "{}\x00", "a\r\n{}", "{}é", "\ufeff{}", "{}\x7f"])
def test_keys_that_no_header_can_carry_are_refused(around: str) -> None:
    """A trailing newline is the usual cause; the error names the key's kind and never its value."""
    key = secrets.token_hex(8)
    with pytest.raises(ConfigError, match="API key") as caught:
        check_key(around.format(key), "API key")
    assert key not in str(caught.value)


@pytest.mark.parametrize("nothing", ["", None, 5, Secret("")])
def test_a_key_must_be_there(nothing: Any) -> None:
    """An empty environment variable is not a key."""
    with pytest.raises(ConfigError, match="client id is empty"):
        check_key(nothing, "client id")


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://rest.doo.net/v1", "https://rest.doo.net/v1"),
        ("https://rest.doo.net/v1/", "https://rest.doo.net/v1"),
        ("https://integration.doo.net/staging//", "https://integration.doo.net/staging"),
        ("https://rest.doo.net", "https://rest.doo.net"),
        ("https://10.1.2.3:8443/v1", "https://10.1.2.3:8443/v1"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("http://127.8.8.8", "http://127.8.8.8"),
        ("http://[::1]:1/v1", "http://[::1]:1/v1"),
        ("http://localhost:1", "http://localhost:1"),
    ],
)
def test_base_urls_are_normalised(url: str, base: str) -> None:
    """A base URL is https, or http to this machine, and ends without a slash."""
    assert check_base_url(url) == base


@pytest.mark.parametrize(
    "url",
    [
        "http://rest.doo.net/v1",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://2130706433/",
        "http://[2001:db8::1]/",
        "https://me:word@rest.doo.net/v1",
        "https://rest.doo.net@evil.example/v1",
        "https://rest.doo.net/v1?x=1",
        "https://rest.doo.net/v1?",
        "https://rest.doo.net/v1#",
        "https://rest.doo.net/v1/../v2",
        "https://rest.doo.net/./v1",
        "https://rest.doo.net\\@evil.example/",
        "https://rest.doo.net:99999/",
        "https://rest.doo.net:/",
        "https://rést.doo.net/",
        "https://rest.doo.net/ v1",
        "https://rest.doo.net/v1\n",
        "//rest.doo.net/v1",
        "rest.doo.net/v1",
        "ftp://rest.doo.net/v1",
        "https:///v1",
        "",
        None,
    ],
)
def test_base_urls_that_could_lead_elsewhere_are_refused(url: Any) -> None:
    """No user-info, query, fragment or way up, and no secret over plain http."""
    with pytest.raises(ConfigError, match="base URL") as caught:
        check_base_url(url)
    assert "word" not in str(caught.value)


@pytest.mark.parametrize("hooks", [None, 5, HOOK])
def test_hooks_that_are_no_list(hooks: Any) -> None:
    """One hook, or something else that cannot be gone through, is refused where the configuration is made."""
    with pytest.raises(ConfigError, match="hooks must be a list"):
        config(hooks=hooks)
    with pytest.raises(ConfigError, match="hooks must be a list"):
        config().copy(hooks=hooks)
