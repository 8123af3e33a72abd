"""`aiodoo.desired.read_webhook`: one webhook configuration that somebody wrote into a file."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from aiodoo import ConfigError
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
        ("hooks: []\n", "name is missing"),
        (None, "No such file"),
    ],
)
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
