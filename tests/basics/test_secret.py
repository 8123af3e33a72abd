"""A value that never prints."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import secrets
import traceback
from collections.abc import Callable
from pathlib import Path

import attrs
import msgspec
import pytest

from aiodoo import ConfigError, Secret


@pytest.fixture
def text() -> str:
    """A secret made up at random."""
    return secrets.token_hex(16)


def test_it_shows_itself_only_when_asked(text: str, caplog: pytest.LogCaptureFixture) -> None:
    """repr, str, format, %-formatting, logs and containers show stars."""
    secret = Secret(text)
    logging.getLogger("somebody").warning("%s %r", secret, secret)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>10}",
        f"{secret!r}",
        f"{[secret]}",
        caplog.text,
    ]
    assert all(text not in each for each in shown)
    assert all("***" in each for each in shown)
    assert secret.reveal() == text


def test_it_does_not_leave_by_a_serializer(text: str) -> None:
    """Pickle, JSON and msgspec refuse it without showing it."""
    for leave in (pickle.dumps, json.dumps, msgspec.json.encode):
        with pytest.raises(TypeError) as refused:
            leave(Secret(text))
        assert text not in "".join(traceback.format_exception(refused.value))


def test_it_has_no_attributes_to_look_into(text: str) -> None:
    """`vars` finds nothing, and an attrs class that holds one prints stars."""

    @attrs.define
    class Holder:
        secret: Secret

    with pytest.raises(TypeError):
        vars(Secret(text))
    assert text not in repr(Holder(Secret(text)))
    assert text not in repr(attrs.asdict(Holder(Secret(text))))


def test_equal_texts_are_equal_secrets(text: str) -> None:
    """It compares and hashes by what it holds, copies as itself, and may be made of another."""
    secret = Secret(text)
    assert secret == Secret(Secret(text))
    assert secret != Secret(text + "x")
    assert secret != text
    assert len({secret, Secret(text)}) == 1
    assert copy.copy(secret) is copy.deepcopy(secret) is secret
    assert secret
    assert not Secret("")
    assert Secret("pässwörd\ud800") == Secret("pässwörd\ud800")


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_file_is_read_without_the_line_break_at_its_end(
    end: str, tmp_path: Path, secret: Callable[[], str]
) -> None:
    """What a careless `echo` leaves behind is no part of it."""
    value = secret()
    (tmp_path / "secret").write_bytes((value + end).encode())
    assert Secret.from_file(tmp_path / "secret").reveal() == value


@pytest.mark.parametrize("content", ["", "\n", "missing", "{}\xff", "\xff\xfe{}"], ids=repr)
def test_a_file_that_holds_no_text_is_refused(
    content: str, tmp_path: Path, secret: Callable[[], str]
) -> None:
    """An error names the file; neither it nor what it comes from holds anything of the file's content."""
    value = secret()
    if content != "missing":
        (tmp_path / "secret").write_bytes(content.format(value).encode("latin-1"))
    with pytest.raises(ConfigError, match="secret was to come from it") as caught:
        Secret.from_file(tmp_path / "secret")
    assert str(tmp_path) in str(caught.value)
    assert caught.value.__context__ is None
    (tmp_path / "secret").unlink(missing_ok=True)
