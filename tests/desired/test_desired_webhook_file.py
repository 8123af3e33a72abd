"""`aiodoo.desired.read_webhook`: one webhook configuration that somebody wrote into a file."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from aiodoo import ConfigError, Hook
from aiodoo.desired import diff, read_webhook
from aiodoo.sandbox import Sandbox

WRITTEN = """\
name: from a file
hooks:
- type: event_created
  endpoint: https://crm.example/doo
authentication:
  endpoint: https://crm.example/token
  credentials: {{client_secret: {secret}}}
"""

HOOK = "name: x\nhooks:\n- type: event_created\n  endpoint: https://a.example\n"


async def test_what_is_read_can_be_created_and_is_what_doo_lists_then(tmp_path: Path) -> None:
    """YAML or the same as JSON; the description is the name, and a secret is one."""
    secret = secrets.token_hex()
    file, json = tmp_path / "webhook.yaml", tmp_path / "webhook.json"
    file.write_text(WRITTEN.format(secret=secret))
    json.write_text(
        '{"name": "from a file", "hooks": [{"type": "event_created", "endpoint": "https://crm.example/doo"}]}'
    )
    async with Sandbox(organizations=1, plan=None) as sandbox, sandbox.session() as doo:
        wanted = read_webhook(file)
        file.unlink()  # it holds a secret
        assert (wanted.description, secret in repr(wanted)) == ("from a file", False)
        await doo.webhooks.create("111", wanted)
        [listed] = await doo.webhooks.list("111").collect()
        assert diff(listed, wanted) == ()
        plain = read_webhook(str(json))
        assert (plain.hooks, plain.authentication) == (wanted.hooks, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: x\nhooks: [\n", ":3:1: is not YAML"),
        ("name: x\nhooks:\n- endpoint: 3\n", ":3:3: hooks[0].type is missing"),
        ("name: x\nhooks:\n- type: x\n  endpoint: nowhere\n", ":4:13: hooks[0].endpoint must be a whole URL"),
        ("- name: x\n", ":1: must hold one webhook configuration"),
        ("hooks: []\n", ":1:1: name is missing; add it"),
        ("nam: x\nhooks: []\n", ":1:1: nam is nothing that this format knows; did you mean name?"),
        (HOOK + "eventid: 4711\n", ":5:1: eventid is nothing that this format knows; did you mean event_id?"),
        (HOOK + "id: 5\neventid: 4711\n", ":6:1: eventid is nothing that this format knows; did you mean event_id?"),
        (HOOK + "  origin: {body: '{}', bod: 1}\n", ":5:24: hooks[0].origin.bod is nothing that this format knows"),
        (HOOK + "  query: '{a}'\n  origin: {body: '{}'}\n", ":5:3: hooks[0].query is nothing that this format knows"),
        (HOOK + "  query: ''\n", ":5:10: hooks[0].query is empty"),
        (HOOK + "  variables: {a: 1}\n  query: 5\n", ":6:10: hooks[0].query must be text"),
        ("name: 5\nhooks: []\n", ":1:7: name must be text, not a number; put it in quotes"),
        (WRITTEN.format(secret="'${secret:env:AIODOO_TEST_UNSET}'"), ":7:32: authentication.credentials.client_secret cannot be resolved"),
        (WRITTEN.format(secret="'${env:X}'"), ":7:32: authentication.credentials.client_secret is no reference to a secret"),
        (WRITTEN.format(secret="'${secret:listed}'"), ":7:32: authentication.credentials.client_secret is to be the listed one, but"),
        (WRITTEN.format(secret="'***'"), ":7:32: authentication.credentials.client_secret is a mask such as ***"),
        (WRITTEN.format(secret="abc, password: abc"), ":7:37: authentication.credentials.password is nothing that"),
        (None, "No such file"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_file_line_and_column(
    tmp_path: Path, text: str | None, says: str
) -> None:
    """Nothing has been sent then."""
    file = tmp_path / "webhook.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_webhook(file)
    assert str(file) in str(caught.value)
    assert says in str(caught.value)
    assert "abc" not in str(caught.value)


def test_what_show_prints_is_read_without_what_only_doo_sets(tmp_path: Path) -> None:
    """Ids and links are left out, types lose their suffix, and fields that aiodoo does not know stay."""
    file = tmp_path / "webhook.yaml"
    listed = (
        HOOK.replace("event_created", "event_created_" + "0" * 32)
        + "  origin: {body: '{}'}\n  headers: {a: b}\n"
    )
    file.write_text(listed + "id: 5\nteam_id: '111'\n_links: {}\ndescription:\ncolour: red\n")
    config = read_webhook(file)
    assert config.hooks[0].type == "event_created"
    assert (config.description, dict(config.extra)) == (None, {"colour": "red"})
    assert set(config.hooks[0].extra) == {"headers"}


def test_unknown_fields_are_written_as_in_a_file_of_desired_state(tmp_path: Path) -> None:
    """`unknown` holds them, at any depth; it has to be a mapping."""
    file = tmp_path / "webhook.yaml"
    file.write_text(HOOK + "  unknown: {headers: {a: b}}\nunknown: {colour: red}\n")
    config = read_webhook(file)
    assert dict(config.extra) == {"colour": "red"}
    assert set(config.hooks[0].extra) == {"headers"}
    file.write_text(HOOK + "unknown: red\n")
    with pytest.raises(ConfigError, match=":5:10: unknown must be a mapping"):
        read_webhook(file)


def test_a_secret_is_taken_from_where_a_reference_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a variable, or from a file beside the one that is read; a journal will hold where it came from."""
    monkeypatch.setenv("AIODOO_TEST_SECRET", "of the variable")
    (tmp_path / "secret").write_text("of the file\n")
    file = tmp_path / "webhook.yaml"
    for reference, value in (("env:AIODOO_TEST_SECRET", "of the variable"), ("file:secret", "of the file")):
        file.write_text(WRITTEN.format(secret="'${secret:" + reference + "}'"))
        login = read_webhook(file).authentication
        assert login is not None
        secret = login.credentials.client_secret
        assert (secret.reveal(), secret.source is None) == (value, False)


def test_a_query_is_written_as_in_a_file_of_desired_state(tmp_path: Path) -> None:
    """It becomes the origin that `Hook.graphql` makes of it."""
    file = tmp_path / "webhook.yaml"
    file.write_text(HOOK + "  query: '{a}'\n  variables: {a: 1}\n")
    made = Hook.graphql("event_created", endpoint="https://a.example", query="{a}", variables={"a": 1})
    assert read_webhook(file).hooks == (made,)
