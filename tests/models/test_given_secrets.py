"""A new secret that a person gives is one, or is refused: it is never dropped in silence."""

from __future__ import annotations

import secrets
import uuid
from pathlib import Path
from typing import Any

import pytest

from aiodoo import AddWebhook, Authentication, ClientCredentials, ConfigError, Hook, Replace, Secret, Update
from aiodoo.models import check_replacement

LOGIN = Authentication(
    endpoint="https://crm.example/token", credentials=ClientCredentials(client_secret=secrets.token_hex())
)
CONFIG = AddWebhook(
    name="crm", hooks=[Hook(type="event_created", endpoint="https://crm.example/")], authentication=LOGIN
)


@pytest.mark.parametrize("given", ["", " ", "\n", "\u00a0", "a\ud800", Secret("\t "), 5, b"bytes", None])
def test_what_is_no_secret_changes_nothing_in_silence(given: Any) -> None:
    """Neither as an update, which names the webhook, nor in a copy."""
    with pytest.raises(ConfigError, match="update of webhook 12 in team 111: client_secret must be a text"):
        Update("111", "12", client_secret=given)
    with pytest.raises(ConfigError, match="client_secret must be a text"):
        CONFIG.copy(client_secret=given)


@pytest.mark.parametrize("given", ["Tr0ub...dor&3", "uvw***xyz", "****1234", Secret("abcd\u2026")])
def test_a_secret_that_looks_shown_in_part_is_asked_about(given: Any) -> None:
    """It may be a new one or what a list shows, so it is not taken for either, and not shown."""
    with pytest.raises(ConfigError, match="looks like a secret that is shown in part") as caught:
        Update("111", "12", client_secret=given)
    assert Secret(given).reveal() not in str(caught.value)


@pytest.mark.parametrize("given", ["***", "xxxxxx", "[hidden]", "redacted"])
def test_a_mask_keeps_the_listed_one(given: str) -> None:
    """As before: there is no change of the secret in it."""
    assert "client_secret" not in Update("111", "12", client_secret=given, name="a").changes


def test_a_blank_does_not_stand_for_the_listed_one() -> None:
    """In a replacement it is refused, as in what is new."""
    login = Authentication(endpoint=LOGIN.endpoint, credentials=ClientCredentials(client_secret="  "))
    replace = Replace("111", "12", AddWebhook(name="crm", hooks=CONFIG.hooks, authentication=login))
    with pytest.raises(ConfigError, match="client_secret is empty"):
        check_replacement(replace.config)


@pytest.mark.parametrize("given", [5, b"bytes", None, ["a"]])
def test_a_secret_is_text(given: Any) -> None:
    """Anything else is refused where it is made, and not shown."""
    with pytest.raises(ConfigError, match="a secret is text"):
        Secret(given)
    with pytest.raises(ConfigError, match="a secret is text"):
        ClientCredentials(client_secret=given)


@pytest.mark.parametrize("given", [5, None, "A=B", "a\ud800", "a\0b", ""])
def test_where_it_comes_from_can_be_wrong(given: Any) -> None:
    """That is an error of aiodoo's own, whatever was passed."""
    with pytest.raises(ConfigError):
        Secret.from_env(given)
    with pytest.raises(ConfigError):
        Secret.from_file(given)


def test_a_byte_order_mark_is_no_part_of_it(tmp_path: Path) -> None:
    """Some editors write one before the text."""
    text = uuid.uuid4().hex
    (tmp_path / "secret").write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n")
    assert Secret.from_file(tmp_path / "secret").reveal() == text


def test_a_secret_and_no_authentication_do_not_fit() -> None:
    """There is nothing that it could go into, and nobody has to read a list to know it."""
    with pytest.raises(
        ConfigError, match="update of webhook 12 in team 111: client_secret is given, and auth"
    ):
        Update("111", "12", client_secret="s3cret", authentication=None)


def test_a_file_without_end_is_not_read_to_its_end() -> None:
    """It would take all memory."""
    with pytest.raises(ConfigError, match="/dev/zero cannot be read"):
        Secret.from_file("/dev/zero")
