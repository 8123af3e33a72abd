"""`aiodoo webhooks`: what each of its commands does to a box."""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_home import Home, new_home, profile
from cli_process import on_terminal, program, screen_lines

from aiodoo.sandbox import Sandbox, classic, serve

EDITOR = """import pathlib, sys
file = pathlib.Path(sys.argv[1])
text = file.read_text()
assert "client_secret: '***'" in text
file.write_text(text.replace("Webhook 2 of team 112", "edited"))
"""


CLUMSY = """import pathlib, re, sys
file = pathlib.Path(sys.argv[1])
text = file.read_text()
if "edited once" in text:
    text = text.replace("edited once", "edited twice").replace("endpoint: nowhere", "endpoint: https://edited.example", 1)
else:
    text = re.sub("^name: .*", "name: edited once", text)
    text = re.sub("endpoint: http.*", "endpoint: nowhere", text, count=1)
file.write_text(text)
"""


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """Serve a sandbox for all tests of this file."""
    with serve(
        organizations=3, webhooks_per_team=2, plan=None, echo_scope=True, webhook_ids="counter"
    ) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def home(box: Sandbox) -> Iterator[Home]:
    """Have a home with one profile."""
    with new_home() as home:
        home.write(profile("acme", box))
        yield home


def ids(box: Sandbox, team: str) -> list[str]:
    """Return the ids that are live."""
    return [str(item["id"]) for item in box.live(team)]


def test_list_and_filters(home: Home, box: Sandbox) -> None:
    """All webhooks of all teams, or those that are asked for; JSON shows everything but secrets."""
    table = home.run("webhooks", "list").stdout.splitlines()
    assert table[0].split() == ["TEAM", "ID", "NAME", "ENDPOINT", "TYPES"]
    assert len(table) == 7
    found = json.loads(
        home.run("webhooks", "list", "-o", "json", "--name", "*1 of*", "--type", "order_*").stdout
    )
    assert [item["team_id"] for item in found] == box.teams
    assert {item["authentication"]["credentials"]["client_secret"] for item in found} == {"***"}
    lines = home.run(
        "webhooks", "list", "-o", "jsonl", "--team", "112", "--team", "113", "--endpoint", "*/112/*"
    ).stdout.splitlines()
    assert {json.loads(line)["team_id"] for line in lines} == {"112"}
    nothing = home.run("webhooks", "list", "--name", "nobody")
    assert (nothing.returncode, nothing.stdout, nothing.stderr) == (
        0,
        "",
        "aiodoo: no such webhook configuration.\n",
    )


def test_a_team_that_fails(home: Home) -> None:
    """A team that cannot be read is told with 1, and the others are shown; nothing is said of what was not read."""
    told = home.run("webhooks", "list", "--team", "999", "--team", "111")
    assert (told.returncode, len(told.stdout.splitlines())) == (1, 3)
    assert told.stderr.startswith("aiodoo: error: team 999: ")
    alone = home.run("webhooks", "list", "--team", "999")
    assert (alone.returncode, len(alone.stderr.splitlines()), "no such" in alone.stderr) == (1, 1, False)


def test_show(home: Home, box: Sandbox) -> None:
    """One webhook with all it holds, found without its team too; without its secret."""
    *_, webhook_id = ids(box, "113")
    told = home.run("webhooks", "show", webhook_id)
    assert told.returncode == 0
    assert "event_created -> https://crm.example/113/2 (GraphQL)" in told.stdout
    nobody = home.run("webhooks", "show", "nobody", "--team", "113")
    assert (nobody.returncode, nobody.stderr) == (
        1,
        "aiodoo: error: team 113 has no webhook configuration nobody\n",
    )


def test_delete_without_the_quota_for_it() -> None:
    """It says why and when to resume, and exits with 3; it does not wait for the next day, and a list will confirm it."""
    with new_home() as home, serve(organizations=1, webhooks_per_team=2, plan=None) as box:
        home.write(profile("acme", box, "limits = { per_second = 100, per_day = 3 }\n"))
        asked = ids(box, "111")
        told = home.run("webhooks", "delete", asked[0], "--team", "111", "--yes")
        assert told.returncode == 3, told.stderr
        assert "of 3 requests that it may use a day 1 are left now, so it parks" in told.stderr
        assert "it is not finished; resume it, from 20" in told.stderr
        assert ids(box, "111") == asked[1:]
        (run,) = json.loads(home.run("runs", "list", "-o", "json").stdout)
        assert (run["state"], run["command"]) == ("parked", f"delete {asked[0]} --team 111")


def test_create_change_and_delete(home: Home, box: Sandbox) -> None:
    """A webhook is created, changed by options, and deleted; each prints the id that is there now."""
    secret = uuid.uuid4().hex
    hooks = ("--hook", "event_created=https://a.example/x?y=1", "--hook", "order_created=https://a.example/z")
    login = ("--token-url", "https://a.example/token", "--client-secret", "env:THEIRS")
    dry = home.run("webhooks", "create", "111", "--name", "mine", *hooks, "--dry-run")
    assert (dry.returncode, dry.stdout, len(ids(box, "111"))) == (0, "", 2)
    made = home.run(
        "webhooks", "create", "111", "--name", "mine", *hooks, *login, "-o", "json", THEIRS=secret
    )
    webhook_id = json.loads(made.stdout)["webhook_id"]
    (live,) = [item for item in box.live("111") if str(item["id"]) == webhook_id]
    assert (live["name"], live["description"], len(live["hooks"])) == ("mine", "mine", 2)
    assert live["authentication"]["credentials"] == {"client_id": "doo", "client_secret": secret}

    changed = home.run(
        "webhooks",
        "update",
        webhook_id,
        "--team",
        "111",
        "--host",
        "a.example=b.example",
        "--name",
        "yours",
        "--yes",
        "-o",
        "json",
    )
    assert "name: mine -> yours" in changed.stderr
    assert "acme: 1 replace in 1 team; 4 requests" in changed.stderr
    new_id = json.loads(changed.stdout)["webhook_id"]
    (live,) = [item for item in box.live("111") if str(item["id"]) == new_id]
    assert [hook["endpoint"] for hook in live["hooks"]] == ["https://b.example/x?y=1", "https://b.example/z"]
    assert webhook_id not in ids(box, "111")
    same = home.run("webhooks", "update", new_id, "--team", "111", "--name", "yours", "--yes")
    assert "there is nothing to change" in same.stderr

    # A list from within a second of another run's changes is read again, as hosts' clocks differ by as much.
    time.sleep(1.1)
    requests = box.count()
    gone = home.run("webhooks", "delete", new_id, "--team", "111", "--yes")
    assert (gone.returncode, gone.stdout) == (0, "")
    # It was listed before, and the token is kept.
    assert "acme: 1 delete in 1 team; 2 requests" in gone.stderr
    assert box.count() - requests == 1 + 2
    assert new_id not in ids(box, "111")
    assert home.run("webhooks", "delete", new_id, "--team", "111", "--yes").returncode == 1


def test_edit(home: Home, box: Sandbox) -> None:
    """In the editor a secret is not shown, and stays."""
    script = home.folder / "editor.py"
    script.write_text(EDITOR)
    *_, webhook_id = ids(box, "112")
    before = next(item for item in box.live("112") if str(item["id"]) == webhook_id)
    told = home.run(
        "webhooks",
        "update",
        webhook_id,
        "--team",
        "112",
        "--edit",
        "--yes",
        EDITOR=f"{sys.executable} {script}",
    )
    assert (told.returncode, "name: Webhook 2 of team 112 -> edited" in told.stderr) == (0, True)
    after = next(item for item in box.live("112") if item["name"] == "edited")
    assert {**after, "id": 0} == {**before, "id": 0, "name": "edited"}
    wrong = home.run(
        "webhooks",
        "update",
        str(after["id"]),
        "--team",
        "112",
        "--edit",
        EDITOR="sed -i 's/name: .*/name: [/'",
    )
    assert (wrong.returncode, "what was edited:" in wrong.stderr) == (1, True)
    failed = home.run("webhooks", "update", str(after["id"]), "--team", "112", "--edit", EDITOR="false")
    assert (failed.returncode, "nothing was changed" in failed.stderr) == (1, True)


def test_edit_once_more(home: Home, box: Sandbox) -> None:
    """On a terminal, what was edited and cannot be right may be edited once more, and is not lost."""
    script = home.folder / "editor.py"
    script.write_text(CLUMSY)
    *_, webhook_id = ids(box, "111")
    code, shown = on_terminal(
        program("webhooks", "update", webhook_id, "--team", "111", "--edit", "--yes"),
        answer=b"y\n",
        EDITOR=f"{sys.executable} {script}",
        **home.environ,
    )
    words = " ".join(" ".join(screen_lines(shown)).split())
    assert code == 0
    assert "hooks[0].endpoint must be a whole URL" in words
    assert "Edit it once more? [y/N] y" in words
    (live,) = [item for item in box.live("111") if item["name"] == "edited twice"]
    assert live["hooks"][0]["endpoint"] == "https://edited.example"


def test_create_from_a_file(home: Home, box: Sandbox) -> None:
    """YAML comes from a file or standard input; a fault in it names its line, and nothing is sent."""
    text = "name: from yaml\nhooks:\n- type: event_created\n  endpoint: https://c.example\n"
    told = home.run("webhooks", "create", "113", "--file", "-", "--description", "given", typed=text)
    assert told.returncode == 0
    assert any((item["name"], item["description"]) == ("from yaml", "given") for item in box.live("113"))
    creates = box.count("create")
    for wrong, says in (
        ("name: x\nhooks: [\n", ":3:1: is not YAML"),
        ("name: x\nhooks:\n- endpoint: 3\n", ":3:3: hooks[0].type is missing"),
        ("name: x\nhooks:\n- type: x\n  endpoint: nowhere\n", ":4:13: hooks[0].endpoint must be a whole URL"),
        ("name: x\nname: y\n", ":2:1: name is there twice, first on line 1; remove one"),
        ("- name: x\n", ":1: must hold one webhook configuration"),
        ("nam: x\n", ":1:1: nam is nothing that this format knows; did you mean name?"),
    ):
        ended = home.run("webhooks", "create", "113", "--file", "-", typed=wrong)
        assert (ended.returncode, ended.stdout, box.count("create")) == (1, "", creates)
        assert f"standard input{says}" in ended.stderr


def test_what_show_prints_can_be_created(home: Home, box: Sandbox) -> None:
    """The ids are left out and the GraphQL types lose their suffix; the copy is equal to what it was made of."""
    item = classic("to be copied")
    del item["authentication"]
    webhook_id = box.add_webhook("112", item)
    shown = home.run("webhooks", "show", webhook_id, "--team", "112", "-o", "json").stdout
    told = home.run("webhooks", "create", "113", "--file", "-", typed=shown)
    assert told.returncode == 0, told.stderr
    [made] = [each for each in box.live("113") if each["name"] == "to be copied"]
    assert {name: made[name] for name in item} == item


def test_no_secret_of_any_kind_is_shown(home: Home, box: Sandbox, tmp_path: Path) -> None:
    """What is shown of passwords and fixed headers is `***`; in an update that keeps them, and a create refuses it."""
    item = classic("rich", client_secret=uuid.uuid4().hex)
    item["hooks"] = item["hooks"][:1]
    item["hooks"][0]["headers"] = {"X-Api-Key": uuid.uuid4().hex, "X-Token": "%ACCESS_TOKEN%"}
    item["authentication"]["credentials"]["password"] = uuid.uuid4().hex
    webhook_id = box.add_webhook("111", item)
    secrets = [
        item["authentication"]["credentials"]["client_secret"],
        item["authentication"]["credentials"]["password"],
        item["hooks"][0]["headers"]["X-Api-Key"],
    ]
    shown = [
        home.run(*command.split())
        for command in (
            "webhooks list --team 111 -o json",
            f"webhooks show {webhook_id} --team 111 -o json",
            f"webhooks show {webhook_id} --team 111",
            "export --team 111 --format jsonl",
            "export --team 111",
        )
    ]
    for told in shown:
        assert told.returncode == 0
        assert not [secret for secret in secrets if secret in told.stdout + told.stderr]
    whole = home.run("export", "--team", "111", "--format", "jsonl", "--with-secrets").stdout
    assert all(secret in whole for secret in secrets)
    record = json.loads(shown[1].stdout)
    content = record
    file = tmp_path / "webhook.json"
    token = uuid.uuid4().hex
    content["authentication"]["endpoint"] = f"https://crm.example/doo?token={token}"
    file.write_text(json.dumps(content | {"description": "new"}))
    refused = home.run("webhooks", "create", "112", "--file", str(file))
    assert refused.returncode != 0
    assert "is a mask such as ***" in refused.stderr
    told = home.run("webhooks", "update", webhook_id, "--team", "111", "--file", str(file), "--yes")
    assert (told.returncode, "another one" in told.stderr) == (0, False), told.stderr
    assert "-> https://crm.example/doo?..." in told.stderr
    assert token not in told.stderr
    after = next(each for each in box.live("111") if each["name"] == "rich")
    item["authentication"]["endpoint"] = content["authentication"]["endpoint"]
    assert {name: after[name] for name in item} == item | {"description": "new"}


def test_names_do_nothing_to_the_terminal(home: Home, box: Sandbox) -> None:
    """What somebody called a webhook is shown, and never taken for a command by the terminal."""
    hostile = "red \x1b[31m and \x07 \u202e back"
    webhook_id = box.add_webhook(
        "111", {"name": hostile, "hooks": [{"type": "x", "endpoint": "https://a.example/\x1b"}]}
    )
    for told in (
        home.run("webhooks", "list", "--team", "111"),
        home.run("webhooks", "show", webhook_id, "--team", "111"),
    ):
        assert "\\x1b[31m" in told.stdout
        assert not {"\x1b", "\x07", "\u202e"} & set(told.stdout + told.stderr)
    (found,) = json.loads(
        home.run("webhooks", "list", "--team", "111", "--name", "red*", "-o", "json").stdout
    )
    assert found["name"] == hostile
    box.foreign_delete(webhook_id)


def test_initialize(home: Home, box: Sandbox) -> None:
    """Doo is asked to send what exists already, once it is agreed to."""
    asked = ("webhooks", "initialize", "events", "--organization", "70001", "--after", "2026-01-01")
    assert home.run(*asked, "--dry-run").returncode == 0
    assert box.count("initialize") == 0
    told = home.run(*asked, "--yes", "-o", "json")
    assert (told.returncode, box.count("initialize")) == (0, 1)
    assert "items_processed" in json.loads(told.stdout)
    never = home.run(*asked, "--before", "2025-01-01", "--yes")
    assert (never.returncode, "as that is earlier" in never.stderr, box.count("initialize")) == (2, True, 1)
    wrong = home.run("webhooks", "initialize", "orders", "--yes")
    assert (wrong.returncode, "use --event ID" in wrong.stderr, box.count("initialize")) == (2, True, 1)


def test_a_file_that_cannot_be_read_costs_no_request(home: Home, box: Sandbox) -> None:
    """It is read before doo's list is."""
    before = len(box.log.requests)
    told = home.run("webhooks", "update", "12", "--team", "111", "--file", "/dev/null", "--yes")
    assert told.returncode == 1
    assert "must hold one webhook configuration" in told.stderr
    assert len(box.log.requests) == before


def test_what_doo_cannot_do_is_answered_with_what_to_do_instead() -> None:
    """The commands that it names keep a webhook in a file, delete it, and create it again."""
    with serve(organizations=1, webhooks_per_team=1, plan=None, echo_scope=True) as box, new_home() as home:
        home.write(profile("acme", box))
        for word in ("disable", "enable", "pause"):
            told = home.run("webhooks", word, "4711")
            assert (told.returncode, told.stdout) == (2, "")
            assert "doo cannot disable a webhook configuration" in told.stderr
        [before] = box.live("111")
        kept = home.folder / "kept.yaml"
        kept.write_text(home.run("webhooks", "show", before["id"], "--team", "111", "-o", "yaml").stdout)
        assert home.run("webhooks", "delete", before["id"], "--team", "111", "--yes").returncode == 0
        assert not box.live("111")
        create = ("webhooks", "create", "111", "--file", str(kept), "--client-secret", "env:SECRET")
        told = home.run(*create, SECRET=uuid.uuid4().hex)
        assert told.returncode == 0, told.stderr
        [again] = box.live("111")
        assert (again["name"], again["hooks"]) == (before["name"], before["hooks"])
