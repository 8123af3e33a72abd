"""`aiodoo plan` and `aiodoo apply`: what they show, what they do, and how they end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_home import Home, new_home, profile
from cli_process import on_terminal, program

from aiodoo.sandbox import Sandbox, serve

DECLARED = """\
aiodoo: 1
manage: {name_prefix: "Webhook "}
teams: all
variables: {host: crm.example}
webhooks:
  - name: Webhook 1 of team ${team.id}
    description: Webhook for testing all the hook types
    hooks:
      - {type: event_created, endpoint: "https://${host}/${team.id}/1"}
    authentication:
      endpoint: https://crm.example/${team.id}/1
      credentials: {client_secret: "${secret:listed}"}
  - name: Webhook for events
    teams: [111]
    hooks:
      - {type: event_created, endpoint: "https://${host}/events"}
"""


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """Serve doo in a box."""
    with serve(
        organizations=3, webhooks_per_team=2, plan=None, echo_scope=True, webhook_ids="counter"
    ) as sandbox:
        yield sandbox


@pytest.fixture
def home(box: Sandbox) -> Iterator[Home]:
    """Have a home with one profile, and a file of desired state."""
    with new_home() as home:
        home.write(profile("acme", box))
        (home.folder / "doo.yaml").write_text(DECLARED)
        yield home


def test_plan_shows_what_has_to_be_done_and_exits_with_4(home: Home) -> None:
    """Creates, replacements field by field, what is not declared, the price; and nothing is changed."""
    file = str(home.folder / "doo.yaml")
    told = home.run("plan", file)
    assert told.returncode == 4
    assert told.stderr == ""
    lines = told.stdout.splitlines()
    assert lines[:6] == [
        "team 111 (Organization 1)",
        "  + Webhook for events  doo.yaml:13",
        "  ~ Webhook 1 of team 111  id 1  doo.yaml:6",
        "      - hooks[event_removed]: https://crm.example/111/1",
        "      - hooks[event_updated]: https://crm.example/111/1",
        "      - hooks[order_created]: https://crm.example/111/1",
    ]
    assert "  ? Webhook 2 of team 112  id 4  not declared; --prune deletes it" in lines
    assert lines[-2:] == [
        "1 to create, 3 to replace, 0 to delete in 3 teams; 0 unchanged.",
        "Price: 19 requests, about 0 s, 0.0% of what runs may use of a day.",
    ]
    pruned = home.run("plan", file, "--prune", "--var", "host=b.example")
    assert "  - Webhook 2 of team 113  id 6" in pruned.stdout
    assert "https://crm.example/113/1 -> https://b.example/113/1" in pruned.stdout


def test_plan_for_programs(home: Home) -> None:
    """JSON with everything, JSON lines with a change each, YAML; no secret in any of them."""
    file = str(home.folder / "doo.yaml")
    whole = json.loads(home.run("plan", file, "-o", "json").stdout)
    assert whole["counts"] == {"create": 1, "replace": 3, "delete": 0, "unchanged": 0, "undeclared": 3}
    assert whole["price"]["requests"] == 19
    lines = home.run("plan", file, "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == whole["changes"]
    assert home.run("plan", file, "-o", "yaml").stdout.startswith("file: ")


def test_plan_of_nothing_exits_with_0(home: Home) -> None:
    """Nothing to do is said in one line."""
    text = DECLARED[: DECLARED.index("webhooks:")] + "webhooks: []\n"
    (home.folder / "doo.yaml").write_text(text.replace("Webhook ", "nobody's "))
    told = home.run("plan", str(home.folder / "doo.yaml"))
    assert (told.returncode, told.stdout) == (0, "Nothing to do: 0 unchanged in 3 teams.\n")


def test_a_broken_file_is_told_line_by_line(home: Home) -> None:
    """Each fault on a line of its own, with file, line, column and remedy; nothing on standard output."""
    file = home.folder / "doo.yaml"
    file.write_text(DECLARED.replace("type: event", "tpe: event").replace("aiodoo: 1", "aiodoo: 7"))
    told = home.run("plan", str(file))
    assert (told.returncode, told.stdout) == (1, "")
    lines = told.stderr.splitlines()
    assert lines[0] == f"aiodoo: {file}:1:9: aiodoo must be 1, the only version of this format so far"
    assert lines[2].endswith("webhooks[0].hooks[0].tpe is nothing that this format knows; did you mean type?")
    assert len(lines) == 6
    missing = home.run("plan", str(home.folder / "no.yaml"))
    assert missing.returncode == 1
    assert "no.yaml cannot be read (No such file or directory)" in missing.stderr


def test_wrong_usage_of_plan(home: Home) -> None:
    """A variable without a value is 2."""
    told = home.run("plan", str(home.folder / "doo.yaml"), "--var", "host")
    assert (told.returncode, told.stderr) == (2, "aiodoo: --var takes NAME=VALUE, each name once.\n")


def test_what_a_plan_leaves_out_is_told(home: Home) -> None:
    """A team that cannot be read is an error on standard error; alone it is 1."""
    file = home.folder / "doo.yaml"
    file.write_text(DECLARED.replace("teams: all", "teams: [999]").replace("    teams: [111]\n", ""))
    told = home.run("plan", str(file))
    assert told.returncode == 1
    assert told.stderr.startswith("aiodoo: team 999: its list could not be read")


def test_plan_on_a_terminal_is_coloured_and_fits(home: Home) -> None:
    """80 columns, in colour; long values stand below one another."""
    file = home.folder / "doo.yaml"
    file.write_text(DECLARED.replace("/${team.id}/1", "/${team.id}/a/rather/long/path/to/the/endpoint"))
    code, shown = on_terminal(program("plan", str(file)), **home.environ)
    assert code == 4
    assert b"\x1b[32m+ Webhook for events" in shown
    plain = _without_colours(shown)
    assert max(len(line) for line in plain.splitlines()) <= 80
    assert "        + https://crm.example/111/a/rather/long/path/to/the/endpoint" in plain


def test_plan_in_a_sandbox(home: Home) -> None:
    """Nobody needs an account to try it."""
    told = home.run("plan", str(home.folder / "doo.yaml"), "--sandbox")
    assert (told.returncode, told.stdout.splitlines()[0]) == (4, "team 111 (Organization 1)")


def test_a_plan_is_written_for_apply(home: Home) -> None:
    """Its file is private, and the way to go on is told."""
    out = home.folder / "plan.json"
    told = home.run("plan", str(home.folder / "doo.yaml"), "--out", str(out))
    assert told.stderr == f"aiodoo: carry it out with: aiodoo apply {out}\n"
    assert out.stat().st_mode & 0o777 == 0o600
    assert Path(json.loads(out.read_text())["file"]).name == "doo.yaml"


def _without_colours(shown: bytes) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode()).replace("\r", "")
