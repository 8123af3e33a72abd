"""Hook types at the terminal: what nobody knows is refused unless it is allowed, and another suffix is cut off."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_home import FAST, Home, new_home, profile

from aiodoo.sandbox import Sandbox, graphql, serve

FACTS = FAST.replace("true }", "true, type_suffix = '_v[0-9]+$' }")
HOOK = "event_craeted=https://crm.example/doo"
FILE = """\
aiodoo: 1
manage: {name_prefix: "x"}
teams: ["112"]
webhooks:
  - name: xy
    hooks: [{type: event_craeted, endpoint: "https://crm.example/doo"}]
"""


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """Serve a sandbox whose lists have a suffix of their own."""
    with serve(organizations=3, plan=None, type_suffix=lambda _, position: f"v{position}") as sandbox:
        yield sandbox


@pytest.fixture
def home(box: Sandbox) -> Iterator[Home]:
    """Have a home with one profile that knows the suffix."""
    with new_home() as home:
        home.write(profile("acme", box, FACTS))
        yield home


@pytest.mark.parametrize(
    "command",
    [
        ("webhooks", "create", "112", "--name", "x", "--hook", HOOK),
        ("webhooks", "create", "112", "--name", "x", "--hook", HOOK, "--dry-run"),
        ("plan", "FILE"),
        ("apply", "FILE", "--yes"),
    ],
)
def test_an_unknown_type_needs_to_be_allowed(
    home: Home, box: Sandbox, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """It is misspelled more often than new; the refusal names the option, and nothing is changed."""
    file = tmp_path / "wanted.yaml"
    file.write_text(FILE)
    arguments = [str(file) if word == "FILE" else word for word in command]
    before = box.live("112")
    told = home.run(*arguments)
    assert told.returncode == 2
    assert (f"{file}:6:20: no page of doo" in told.stderr) is ("FILE" in command)
    assert "'event_craeted' (did you mean event_created?). Nothing was sent" in told.stderr
    assert "--allow-unknown-type" in told.stderr
    assert box.live("112") == before
    allowed = home.run(*arguments, "--allow-unknown-type")
    assert allowed.returncode == 0
    assert "UnknownHookType" not in allowed.stderr


def test_an_update_cuts_off_the_suffix_of_the_profile(home: Home, box: Sandbox) -> None:
    """What is stored has the types that it had, one of the two is live afterwards, and an export is right as well."""
    webhook_id = box.add_webhook("111", graphql())
    told = home.run("webhooks", "update", webhook_id, "--team", "111", "--name", "new", "--yes")
    assert told.returncode == 0, told.stderr
    [item] = box.live("111")
    assert item["name"] == "new"
    assert [hook["type"] for hook in item["hooks"]] == ["event_created", "event_updated"]
    assert home.run("webhooks", "list", "--team", "111", "--type", "event_created", "-o", "jsonl").stdout
    exported = home.run("export", "--team", "111").stdout
    assert "type: event_created\n" in exported
    assert "_v0" not in exported
    moved = home.run("move-host", "crm.example", "crm2.example", "--team", "111", "--yes")
    assert moved.returncode == 0, moved.stderr
    assert [hook["type"] for hook in box.live("111")[0]["hooks"]] == ["event_created", "event_updated"]


def test_an_update_from_a_file_knows_the_suffix_of_the_profile(
    home: Home, box: Sandbox, tmp_path: Path
) -> None:
    """What `webhooks show` prints can be changed and handed in, with the types as they are listed."""
    webhook_id = box.add_webhook("113", graphql())
    shown = json.loads(home.run("webhooks", "show", webhook_id, "--team", "113", "-o", "json").stdout)
    assert [hook["type"] for hook in shown["hooks"]] == ["event_created_v0", "event_updated_v1"]
    file = tmp_path / "new.json"
    file.write_text(json.dumps({**shown, "name": "new"}))
    told = home.run("webhooks", "update", webhook_id, "--team", "113", "--file", str(file), "--yes")
    assert told.returncode == 0, told.stderr
    [item] = box.live("113")
    assert (item["name"], [hook["type"] for hook in item["hooks"]]) == (
        "new",
        ["event_created", "event_updated"],
    )


def test_the_doctor_looks_for_the_suffix_of_the_profile(home: Home, box: Sandbox) -> None:
    """It counts the types that have it."""
    if not box.live("113"):
        box.add_webhook("113", graphql())
    box_home = home.config.read_text().replace("[profiles.acme]", '[profiles.acme]\nteams = ["113"]')
    home.write(box_home)
    told = home.run("doctor", "-o", "jsonl")
    found = {row["subject"]: row["found"] for row in map(json.loads, told.stdout.splitlines())}
    assert found["hook types"] == "2 of 2 hooks with a query have the known suffix"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name: xy\nhooks:\n- type: event_craeted\n  endpoint: https://crm.example/doo\n", ":3:9: "),
        (
            '{"name": "xy",\n "hooks": [{"type": "event_craeted", "endpoint": "https://crm.example/doo"}]}',
            ":2:21: ",
        ),
    ],
)
def test_an_unknown_type_in_a_file_of_one_webhook(home: Home, tmp_path: Path, text: str, place: str) -> None:
    """The refusal has file, line and column; of standard input there is no file to name."""
    file = tmp_path / "one.yaml"
    file.write_text(text)
    for command in (("webhooks", "create", "112", "--file"), ("validate",)):
        told = home.run(*command, str(file))
        assert told.returncode == 2
        assert f"{file}{place}no page of doo" in told.stderr
    told = home.run("webhooks", "create", "112", "--file", "-", typed=text)
    assert (told.returncode, "no page of doo" in told.stderr, str(file) in told.stderr) == (2, True, False)


def test_an_unknown_type_in_a_variable(home: Home, tmp_path: Path) -> None:
    """The variable that holds the type is named by its place."""
    file = tmp_path / "wanted.yaml"
    file.write_text(
        "variables: {kind: event_craeted}\n" + FILE.replace("type: event_craeted", 'type: "${kind}"')
    )
    assert f"{file}:1:19: no page of doo" in home.run("validate", str(file)).stderr
