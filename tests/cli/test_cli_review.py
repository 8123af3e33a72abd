"""What a person sees before something is changed: hostile names, files of secrets, new hosts, Markdown, `validate`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_home import Home

from aiodoo.sandbox import Sandbox, classic, serve

HOSTILE = "rtl\u202ecrm c1\x9bx esc\x1b[31m bell\x07 \u2066x\n  + Faked  doo.yaml:1 ```"
REVIEWED = """\
aiodoo: 1
manage: {name_prefix: "crm "}
teams: [111]
webhooks:
  - name: crm new
    hooks:
      - {type: event_created, endpoint: "https://evil.example/x"}
      - {type: order_created, endpoint: "https://crm.example/x"}
    authentication:
      endpoint: https://evil.example/token
      credentials: {client_secret: "${secret:file:SECRET}"}
"""


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """Serve a team with one webhook."""
    with serve(organizations=1, webhooks_per_team=0, plan=None, echo_scope=True) as sandbox:
        sandbox.add_webhook("111", classic("crm old") | {"description": HOSTILE})
        yield sandbox


def declared(home: Home, secret: str) -> str:
    """Write the file, with a secret in a file of this path."""
    file = home.folder / "state" / "doo.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(REVIEWED.replace("SECRET", secret))
    return str(file)


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "yaml", "markdown"])
def test_no_control_character_of_a_name_is_printed(home: Home, box: Sandbox, form: str) -> None:
    """Nothing that turns the direction of text, moves the cursor or rings, in any format."""
    box.add_webhook("111", classic(HOSTILE))
    for command in (("webhooks", "list"), ("export", "--format", "jsonl"), ("export",)):
        told = home.run(*command, "-o", form)
        assert told.returncode == 0
        text = told.stdout + told.stderr
        assert "rtl" in text
        assert not [each for each in text if not each.isprintable() and each != "\n"]
    if form.startswith("json"):
        assert HOSTILE in [
            record["name"]
            for line in home.run("webhooks", "list", "-o", "jsonl").stdout.splitlines()
            for record in [json.loads(line)]
        ]


def test_a_plan_shows_all_that_is_created(home: Home) -> None:
    """Each endpoint with its type, where the secret comes from, and hosts that no webhook has had."""
    Path(home.folder / "state").mkdir(exist_ok=True)
    (home.folder / "state" / "secret").write_text("s3cret-of-a-file")
    told = home.run("plan", declared(home, "secret"))
    assert told.returncode == 0, told.stderr
    lines = [line.strip() for line in told.stdout.splitlines()]
    assert "+ hooks[event_created].endpoint: https://evil.example/x" in lines
    assert "+ authentication.endpoint: https://evil.example/token" in lines
    secret = home.folder / "state" / "secret"
    assert f"+ authentication.credentials.client_secret: *** from file:{secret}" in lines
    assert "! evil.example: no webhook configuration of these teams has had this host." in lines
    assert "s3cret-of-a-file" not in told.stdout


def test_files_elsewhere_are_not_sent(home: Home) -> None:
    """A reference out of the folder, through a link too, is refused unless an option allows it."""
    (home.folder / "id_rsa").write_text("private")
    (home.folder / "state").mkdir(exist_ok=True)
    (home.folder / "state" / "link").symlink_to(home.folder / "id_rsa")
    for path in (str(home.folder / "id_rsa"), "../id_rsa", "link"):
        file = declared(home, path)
        told = home.run("plan", file)
        assert told.returncode == 1
        assert "outside of this file's folder" in told.stderr
        assert "--outside-files" in told.stderr
    assert home.run("plan", file, "--outside-files").returncode == 0


def test_a_plan_in_markdown(home: Home, box: Sandbox) -> None:
    """A diff in a fence that no name ends, and in which no name looks like a line of its own."""
    file = declared(home, "secret")
    (home.folder / "state" / "secret").write_text("s3cret")
    told = home.run("plan", file, "-o", "markdown")
    assert told.returncode == 0
    lines = told.stdout.splitlines()
    assert lines[0] == "### Plan: 1 to create, 0 to replace, 0 to delete"
    assert lines[2] == "```diff"
    assert lines[-1] == "```"
    assert any(line.startswith("+") and "crm new" in line for line in lines)
    box.add_webhook("111", classic(f"crm {HOSTILE}"))
    hostile = home.run("plan", file, "-o", "markdown").stdout.splitlines()
    assert hostile[2] == "````diff"
    assert not [line for line in hostile if "Faked" in line and not line.strip().startswith("|")]


def test_validate_asks_nobody(home: Home, box: Sandbox) -> None:
    """Faults are named with their lines; secrets are not read, and doo is not asked."""
    before = box.count()
    file = declared(home, "no-such-secret")
    assert home.run("validate", file).returncode == 0
    Path(file).write_text(REVIEWED.replace("    hooks:", "    hoks:"))
    told = home.run("validate", file)
    assert told.returncode == 1
    assert "did you mean hooks?" in told.stderr
    Path(file).write_text(REVIEWED.replace("event_created", "event_creatd"))
    assert home.run("validate", file).returncode == 2
    single = home.folder / "single.yaml"
    single.write_text("name: x\nhooks: [{type: event_created, endpoint: a}]\n")
    assert "hooks[0].endpoint must be a whole URL" in home.run("validate", str(single)).stderr
    assert box.count() == before


@pytest.mark.parametrize(
    ("command", "remedy"),
    [
        (("move-host", "https://crm.example/", "new.example"), "a host is a name with a port at most, such as"),
        (("move-host", "crm.example", "new.example/path"), "without https:// and path; nothing was sent."),
        (
            ("webhooks", "create", "111", "--name", "x", "--hook", "event_created=https://a.example/", "--token-url", "https://a.example/t"),
            "--token-url needs --client-secret: env:NAME, file:PATH or ask.",
        ),
    ],
)  # fmt: skip
def test_wrong_usage_is_answered_in_the_words_of_the_options(
    home: Home, box: Sandbox, command: tuple[str, ...], remedy: str
) -> None:
    """Not with field names of the wire or in Python; nothing is sent, and the exit code is 2."""
    before = box.count()
    told = home.run(*command, "--yes")
    assert (told.returncode, remedy in told.stderr, box.count()) == (2, True, before), told.stderr
    assert "{" not in told.stderr


def changes_in(home: Home, *command: str) -> list[dict[str, object]]:
    """Return what a dry run lists, and see that the table has it, too."""
    told = home.run(*command, "--dry-run", "-o", "jsonl")
    assert told.returncode == 0, told.stderr
    *records, forecast = [json.loads(line) for line in told.stdout.splitlines()]
    assert forecast["kind"] == "forecast"
    table = home.run(*command, "--dry-run").stdout
    for record in records:
        for field in record["fields"]:
            assert field["path"] in table
            assert str(field["new"] or field["old"])[:20] in table or field["path"] == "description"
    return records


def test_a_dry_run_lists_old_and_new_values(home: Home, box: Sandbox) -> None:
    """Of each webhook, for every command that changes many, and of secrets only where they come from."""
    [webhook] = box.live("111")
    secret = home.folder / "new-secret"
    secret.write_text("s3cret-of-a-file")
    moved = changes_in(home, "move-host", "crm.example", "new.example")
    assert [(record["webhook_id"], record["operation"]) for record in moved] == [(webhook["id"], "update")]
    fields = {field["path"]: field for record in moved for field in record["fields"]}  # type: ignore[attr-defined]
    assert all("crm.example" in field["old"] and "new.example" in field["new"] for field in fields.values())
    [rotated] = changes_in(home, "rotate-secret", f"file:{secret}")
    assert rotated["fields"] == [
        {"path": "authentication.credentials.client_secret", "old": "***", "new": f"*** from file:{secret}"}
    ]
    [updated] = changes_in(home, "webhooks", "update", str(webhook["id"]), "--team", "111", "--name", "crm x")
    assert {"path": "name", "old": "crm old", "new": "crm x"} in updated["fields"]  # type: ignore[operator]
    assert home.run("webhooks", "delete", str(webhook["id"]), "--team", "111", "--yes").returncode == 0
    [undone] = changes_in(
        home, "runs", "undo", "--secret", f"{webhook['id']}=file:{secret}", "--settle", "0.1"
    )
    assert (undone["operation"], undone["name"]) == ("create", "crm old")
    assert not box.live("111")
