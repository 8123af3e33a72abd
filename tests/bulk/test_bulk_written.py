"""Operations as a journal keeps them."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiodoo import AddWebhook, Authentication, ClientCredentials, ConfigError, Hook, Secret, SecretsNeeded
from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update
from aiodoo.operations.encoding import (
    UnknownSecret,
    decode_operation,
    digest,
    encode_operation,
    encode_with,
    placed,
    reveal_all,
    secrets_of,
)
from aiodoo.secret import ListedSecret

KEY = b"a key for fingerprints"
HOOKS = (Hook(type="event_created", endpoint="https://crm.example/doo", extra={"weight": 1}),)


def login(secret: Secret) -> Authentication:
    """Return a login with that secret."""
    return Authentication(
        endpoint="https://crm.example/token",
        credentials=ClientCredentials(client_secret=secret),
        extra={"a": [1]},
    )


def everything(secret: Secret) -> list[Operation]:
    """Return one of each operation, with the secret wherever one can be."""
    config = AddWebhook(
        name="crm", hooks=HOOKS, authentication=login(secret), event_id="7", extra={"colour": "blue"}
    )
    return [
        Create("111", config),
        Ensure("111", config.copy(description=None)),
        Replace("111", "12", config),
        Delete("111", "13"),
        Update(
            "111", "14", name="n", description=None, event_id="8", event_guide_id=None, client_secret=secret
        ),
        Update("111", "15", hosts={"a.example": "b.example"}, hooks=HOOKS, authentication=login(secret)),
        Update("111", "16", authentication=None),
        Update("111", "17", endpoints={"https://a.example/password": "https://b.example/token?secret=1"}),
    ]


@pytest.fixture(params=["env", "file"])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Secret:
    """A secret that comes from the environment or from a file."""
    value = secrets.token_hex(16)
    if request.param == "env":
        monkeypatch.setenv("CRM_SECRET", value)
        return Secret.from_env("CRM_SECRET")
    (tmp_path / "secret").write_text(value + "\n")
    return Secret.from_file(tmp_path / "secret")


def test_what_was_written_is_read_again(kept: Secret) -> None:
    """Every operation survives as it was, unknown fields and secrets with a source included."""
    operations = everything(kept)
    text = json.dumps([encode_operation(operation, KEY) for operation in operations])
    assert kept.reveal() not in text
    written = json.loads(text)
    assert [decode_operation(each) for each in written] == operations
    assert written == json.loads(text), "what was written stays as it is"


def test_the_listed_secret_is_kept_as_that() -> None:
    """What stands for the secret that doo lists is no bare value; it comes back as what it was."""
    operation = Update("111", "12", authentication=login(ListedSecret()))
    back = decode_operation(json.loads(json.dumps(encode_operation(operation, KEY))))
    assert isinstance(back, Update)
    made = back.changes["authentication"]
    assert made is not None
    assert isinstance(made.credentials.client_secret, ListedSecret)
    assert encode_operation(back, KEY) == encode_operation(operation, KEY)


def test_a_bare_secret_is_not_kept() -> None:
    """A bare value leaves a fingerprint; read again it stands for itself and refuses to be used."""
    bare = Secret(secrets.token_hex(16))
    for operation in everything(bare):
        written = json.loads(json.dumps(encode_operation(operation, KEY)))
        assert bare.reveal() not in json.dumps(written)
        again = decode_operation(written)
        assert type(again) is type(operation)
    again = decode_operation(encode_operation(everything(bare)[0], KEY))
    assert isinstance(again, Create)
    with pytest.raises(SecretsNeeded, match="Pass the same operations again"):
        again.config.to_dict(secrets="reveal")


def test_the_digest_tells_operations_apart() -> None:
    """Other operations, another order or another bare secret: another digest; the same again: the same."""
    one, two = Secret(secrets.token_hex(16)), Secret(secrets.token_hex(16))

    def of(operations: list[Operation]) -> str:
        return digest(operations, KEY)

    assert of(everything(one)) == of(everything(Secret(one.reveal())))
    assert (
        len({of(everything(one)), of(everything(two)), of(everything(one)[::-1]), of(everything(one)[1:])})
        == 4
    )


def test_a_secret_is_read_only_when_it_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is read again is whole without it; whoever needs it is told where it was to come from."""
    monkeypatch.setenv("CRM_SECRET", secrets.token_hex(16))
    (tmp_path / "secret").write_text(secrets.token_hex(16))
    for kept in (Secret.from_env("CRM_SECRET"), Secret.from_file(tmp_path / "secret")):
        written = [encode_operation(operation, KEY) for operation in everything(kept)]
        monkeypatch.delenv("CRM_SECRET", raising=False)
        (tmp_path / "secret").unlink(missing_ok=True) if "file" in (kept.source or {}) else None
        again = [decode_operation(operation) for operation in written]
        assert [encode_operation(operation, KEY) for operation in again] == written
        with pytest.raises(ConfigError, match="a secret was to come from it"):
            reveal_all(again[:1])
        with pytest.raises(ConfigError, match="a secret was to come from it"):
            reveal_all(again[5:])


@pytest.mark.parametrize("place", [{"env": "CRM_OTHER"}, {"file": "/dev/null"}, {"fingerprint": "0"}])
def test_a_field_that_looks_like_a_secret_is_none(
    monkeypatch: pytest.MonkeyPatch, place: dict[str, str]
) -> None:
    """Somebody who can write a webhook cannot have a variable or a file of ours read by naming a field so."""
    monkeypatch.setenv("CRM_OTHER", secrets.token_hex(16))
    extra = {"client_secret": {"$secret": place}, "deeper": [{"$secret": place}]}
    hooks = [Hook(type="event_created", endpoint="https://crm.example/doo", extra=extra)]
    config = AddWebhook(
        name="crm", hooks=hooks, extra={"custom": {"$secret": place}, "client_secret": {"$secret": place}}
    )
    for operation in (Create("111", config), Update("111", "12", hooks=hooks)):
        values = {field: secret.reveal() for field, secret in secrets_of(operation).items()}
        again = decode_operation(json.loads(json.dumps(encode_operation(operation, KEY))))
        for field, secret in secrets_of(again).items():
            assert isinstance(secret, UnknownSecret)
            assert secret.source is None
            secret.give(values[field])
        assert again == operation


NAMES = (
    "client_secret",
    "password",
    "X-Auth-Token",
    "headers",
    "credentials",
    "name",
    "weight",
    "$secret",
    "env",
)
TEXTS = st.one_of(st.sampled_from(["***", "", "CRM_SECRET", "Bearer %ACCESS_TOKEN%"]), st.text(max_size=8))
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-(10**6), 10**6), TEXTS)
PLAIN = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
    ),
    max_leaves=12,
)
EXTRAS = st.dictionaries(
    st.sampled_from(["custom", "headers", "vendor_token", "$secret", "more"]), PLAIN, max_size=3
)


@settings(max_examples=150, deadline=None)
@given(top=EXTRAS, of_hook=EXTRAS, of_login=EXTRAS, of_credentials=EXTRAS)
def test_secrets_at_any_place_are_written_apart(
    top: dict[str, Any], of_hook: dict[str, Any], of_login: dict[str, Any], of_credentials: dict[str, Any]
) -> None:
    """Whatever a webhook holds, what is written holds none of its secrets, and with them given it is as it was."""
    values = (secrets.token_hex(16) for _ in iter(int, 1))
    filled = [hidden(each, values) for each in (top, of_hook, of_login, of_credentials)]
    credentials = ClientCredentials(client_secret=next(values), extra=filled[3])
    authentication = Authentication(
        endpoint="https://crm.example/token", credentials=credentials, extra=filled[2]
    )
    hooks = [Hook(type="event_created", endpoint="https://crm.example/doo", extra=filled[1])]
    config = AddWebhook(name="crm", hooks=hooks, authentication=authentication, extra=filled[0])
    for operation in (
        Create("111", config),
        Replace("111", "12", config),
        Update("111", "13", hooks=hooks, authentication=authentication),
    ):
        held = secrets_of(operation)
        text = json.dumps(encode_operation(operation, KEY))
        known = [each.reveal() for each in held.values() if each.is_available]
        assert not [each for each in known if len(each) > 16 and "%" not in each and each in text]
        again = decode_operation(json.loads(text))
        for field, secret in secrets_of(again).items():
            if isinstance(secret, UnknownSecret):
                secret.give(held[field].reveal())
        assert again == operation
        assert digest([again], KEY) == digest([operation], KEY)
        assert encode_operation(again, KEY) == json.loads(text)


def hidden(plain: Any, values: Iterator[str]) -> Any:
    """Return plain data in which each text that is not empty is one that no other place has."""
    if isinstance(plain, dict):
        return {name: hidden(item, values) for name, item in plain.items()}
    if isinstance(plain, list):
        return [hidden(item, values) for item in plain]
    return f"{next(values)} {plain}" if isinstance(plain, str) and plain and "%" not in plain else plain


def test_older_journals_are_read() -> None:
    """What an older version wrote, which had secrets in their places, is read as it was, and its digest is known again."""
    value = secrets.token_hex(16)
    operations = everything(Secret(value))
    old = [encode_with(operation, lambda secret: placed(secret, KEY)) for operation in operations]
    again = [decode_operation(json.loads(json.dumps(operation))) for operation in old]
    for operation in again:
        for secret in secrets_of(operation).values():
            assert isinstance(secret, UnknownSecret)
            secret.give(value)
    assert again == operations
    encoded = msgspec.json.encode(old, order="deterministic")
    assert digest(again, KEY) == hmac.new(KEY, encoded, hashlib.sha256).hexdigest()
