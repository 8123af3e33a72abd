"""Operations as a journal keeps them."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import pytest

from aiodoo import AddWebhook, Authentication, ClientCredentials, ConfigError, Hook, Secret, SecretsNeeded
from aiodoo.bulk.written import UnknownSecret, digest, read, reveal_all, secrets_of, write
from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update
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
    text = json.dumps([write(operation, KEY) for operation in operations])
    assert kept.reveal() not in text
    written = json.loads(text)
    assert [read(each) for each in written] == operations
    assert written == json.loads(text), "what was written stays as it is"


def test_the_listed_secret_is_kept_as_that() -> None:
    """What stands for the secret that doo lists is no bare value; it comes back as what it was."""
    operation = Update("111", "12", authentication=login(ListedSecret()))
    back = read(json.loads(json.dumps(write(operation, KEY))))
    assert isinstance(back, Update)
    made = back.changes["authentication"]
    assert made is not None
    assert isinstance(made.credentials.client_secret, ListedSecret)
    assert write(back, KEY) == write(operation, KEY)


def test_a_bare_secret_is_not_kept() -> None:
    """A bare value leaves a fingerprint; read again it stands for itself and refuses to be used."""
    bare = Secret(secrets.token_hex(16))
    for operation in everything(bare):
        written = json.loads(json.dumps(write(operation, KEY)))
        assert bare.reveal() not in json.dumps(written)
        again = read(written)
        assert type(again) is type(operation)
    again = read(write(everything(bare)[0], KEY))
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
        written = [write(operation, KEY) for operation in everything(kept)]
        monkeypatch.delenv("CRM_SECRET", raising=False)
        (tmp_path / "secret").unlink(missing_ok=True) if "file" in (kept.source or {}) else None
        again = [read(operation) for operation in written]
        assert [write(operation, KEY) for operation in again] == written
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
        again = read(json.loads(json.dumps(write(operation, KEY))))
        for field, secret in secrets_of(again).items():
            assert isinstance(secret, UnknownSecret)
            assert secret.source is None
            secret.give(values[field])
        assert again == operation
